//! All records at one moment, as they are stored: what a backup holds.

use super::engine::{Change, Condition, Engine, Pair, Redb};
use super::table::{Plan, Records};
use super::{Store, StoreError, User, format};
use crate::secret::Key32;
use crate::vault::VaultError;
use serde_json::Value;
use std::io;
use std::path::Path;

#[derive(Clone)]
pub struct Snapshot(pub Vec<Pair>);

/// What is in a snapshot whose every record is as it was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    pub format: u32,
    pub records: usize,
    pub users: usize,
}

impl Store {
    /// One read transaction: no change is half in it, and nobody waits for it.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.records.engine.range(b"").map(Snapshot)
    }
}

impl Snapshot {
    /// Checks every record's MAC, and that this program can read the format.
    pub fn check(&self, key: Key32) -> Result<Contents, StoreError> {
        let records = Records::new(Box::new(self.clone()), key);
        let all = records.all::<Value>(b"")?;
        let format = format::read(&records)?.ok_or_else(|| StoreError::Damaged("it has no format".into()))?;
        if format > format::TODAY {
            return Err(StoreError::Newer(format));
        }
        let users = self.0.iter().filter(|(key, _)| key.starts_with(b"user/")).count();
        Ok(Contents { format, records: all.len(), users })
    }

    /// The same records with their MACs under another key, and each user changed. One that is not as it was written is an error: it must
    /// not become a good one.
    pub fn under(
        self,
        new: Key32,
        old: Key32,
        change: impl Fn(&mut User) -> Result<(), VaultError>,
    ) -> Result<Snapshot, StoreError> {
        // Only their keys are wanted: nothing is read from them.
        let with = |key| Records::new(Box::new(Snapshot(Vec::new())), key);
        let (old, new) = (with(old), with(new));
        let mut plan = Plan::default();
        for (key, value) in self.0 {
            if key.starts_with(b"user/") {
                let mut user: User = old.open(&key, &value)?;
                change(&mut user).map_err(|error| StoreError::Damaged(format!("'{}': {error}", user.name)))?;
                new.put(&mut plan, key, &user)?;
            } else {
                let sealed = new.seal(&key, old.proven(&key, &value)?);
                plan.changes.push(Change::Put(key, sealed));
            }
        }
        let pairs = plan.changes.into_iter().filter_map(|change| match change {
            Change::Put(key, value) => Some((key, value)),
            Change::Delete(_) => None,
        });
        Ok(Snapshot(pairs.collect()))
    }

    /// Makes a database of it, which must not be there yet.
    pub fn write(self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(super::FILE);
        if path.exists() {
            return Err(StoreError::Exists);
        }
        let changes: Vec<Change> = self.0.into_iter().map(|(key, value)| Change::Put(key, value)).collect();
        Redb::open(&path)?.commit(&[], &changes).map(drop)
    }
}

/// A snapshot is read like the store it was taken of.
impl Engine for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()))
    }

    fn range(&self, prefix: &[u8]) -> Result<Vec<Pair>, StoreError> {
        Ok(self.0.iter().filter(|(key, _)| key.starts_with(prefix)).cloned().collect())
    }

    fn size(&self, prefix: &[u8]) -> Result<usize, StoreError> {
        Ok(self.0.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, value)| value.len()).sum())
    }

    fn commit(&self, _: &[Condition], _: &[Change]) -> Result<bool, StoreError> {
        Err(StoreError::Io(io::ErrorKind::ReadOnlyFilesystem.into()))
    }
}
