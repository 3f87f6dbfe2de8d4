//! The format's version, and the way from an older one. Before anything is changed, a copy is laid beside the database.

use super::StoreError;
use super::engine::{Change, Engine, Redb};
use super::table::{Plan, Records, key};
use crate::disk::Beside;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Format {
    format: u32,
}

/// One step: puts into the plan what turns format N into N + 1. It sees the records as they are before.
pub type Step = fn(&Records, &mut Plan) -> Result<(), StoreError>;

/// `STEPS[n]` leads from format n + 1 to n + 2; this program writes format `STEPS.len() + 1`.
pub const STEPS: &[Step] = &[];

fn format_key() -> Vec<u8> {
    key("format", &[])
}

pub fn read(records: &Records) -> Result<Option<u32>, StoreError> {
    Ok(records.get::<Format>(&format_key())?.map(|found| found.format))
}

/// A new database gets today's format, an old one is brought to it step by step, a newer one is refused untouched.
pub fn bring_up_to_date(records: &Records, dir: &Path, steps: &[Step]) -> Result<(), StoreError> {
    let ours = steps.len() as u32 + 1;
    // Every database has this record: where it does not check, none of the others would.
    let found = read(records).map_err(|error| match error {
        StoreError::Damaged(_) => StoreError::AnotherKey,
        error => error,
    })?;
    match found {
        None => begin(records, ours),
        Some(format) if format == ours => Ok(()),
        Some(format) if format > ours => Err(StoreError::Newer(format)),
        Some(format) => {
            back_up(records, dir, format)?;
            (format..ours).try_for_each(|from| take(records, from, steps))
        }
    }
}

fn begin(records: &Records, format: u32) -> Result<(), StoreError> {
    if !records.engine.range(b"")?.is_empty() {
        return Err(StoreError::Damaged("it holds records but no format".into()));
    }
    let mut plan = Plan::default();
    records.put(&mut plan, format_key(), &Format { format })?;
    records.commit(&plan).map(drop)
}

/// The step and the new version number are one transaction: a power cut leaves either format, never a mixture.
fn take(records: &Records, from: u32, steps: &[Step]) -> Result<(), StoreError> {
    let mut plan = Plan::default();
    let step = steps.get(from as usize - 1).ok_or(StoreError::Newer(from))?;
    step(records, &mut plan)?;
    records.put(&mut plan, format_key(), &Format { format: from + 1 })?;
    records.commit(&plan)?;
    log::info!("the database was brought from format {from} to {}", from + 1);
    Ok(())
}

/// `footbridge.redb.format-N`: a database of its own. Complete or not there: it gets its name last.
fn back_up(records: &Records, dir: &Path, format: u32) -> Result<(), StoreError> {
    let path = dir.join(format!("{}.format-{format}", super::FILE));
    let beside = Beside::of(&path);
    let pairs = records.engine.range(b"")?.into_iter();
    let changes: Vec<Change> = pairs.map(|(key, value)| Change::Put(key, value)).collect();
    Redb::open(beside.path()).and_then(|copy| copy.commit(&[], &changes))?;
    beside.replace().map_err(StoreError::Io)
}
