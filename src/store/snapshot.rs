//! All records at one moment, as they are stored: what a backup holds.

use super::belongings::{CREDENTIAL, HOST, PREFERENCES};
use super::engine::{Change, Condition, Engine, Pair, Redb};
use super::format::{self, Step};
use super::hostkeys::HOST_KEY;
use super::invites::INVITE;
use super::table::{Plan, Records, key};
use super::users::{USER, name_key};
use super::{Credential, Host, Invite, KnownHostKey, Store, StoreError, User};
use crate::secret::Key32;
use crate::vault::VaultError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
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
    /// Is this what a start can live with? Every record's MAC is checked, and each is read as what its table holds.
    pub fn check(&self, key: Key32) -> Result<Contents, StoreError> {
        self.check_by(key, format::STEPS)
    }

    pub(super) fn check_by(&self, key: Key32, steps: &[Step]) -> Result<Contents, StoreError> {
        let records = Records::new(Box::new(self.clone()), key.clone());
        self.0.iter().try_for_each(|(key, value)| records.proven(key, value).map(drop))?;
        let format = format::read(&records)?.ok_or_else(|| StoreError::Damaged("it has no format".into()))?;
        let steps = steps.get(format.max(1) as usize - 1..).ok_or(StoreError::Newer(format))?;
        // An older format is read as the start will read it, once it has brought it up to date.
        let today = steps.iter().try_fold(records, |records, step| after(&records, *step, key.clone()))?;
        let users = readable(&today)?;
        Ok(Contents { format, records: self.0.len(), users })
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

/// The records after this step.
fn after(before: &Records, step: Step, key: Key32) -> Result<Records, StoreError> {
    let mut plan = Plan::default();
    step(before, &mut plan)?;
    let mut pairs: BTreeMap<_, _> = before.engine.range(b"")?.into_iter().collect();
    for change in plan.changes {
        match change {
            Change::Put(key, value) => drop(pairs.insert(key, value)),
            Change::Delete(key) => drop(pairs.remove(&key)),
        }
    }
    Ok(Records::new(Box::new(Snapshot(pairs.into_iter().collect())), key))
}

/// Each record is read as what its table holds; and each user has their name, and each name its user. How many users.
fn readable(records: &Records) -> Result<usize, StoreError> {
    records.all::<Host>(&key(HOST, &[]))?;
    records.all::<Credential>(&key(CREDENTIAL, &[]))?;
    records.all::<Map<String, Value>>(&key(PREFERENCES, &[]))?;
    records.all::<KnownHostKey>(&key(HOST_KEY, &[]))?;
    records.all::<Invite>(&key(INVITE, &[]))?;
    let (mut users, mut named) = (Vec::new(), Vec::new());
    for (place, value) in records.engine.range(&key(USER, &[]))? {
        let user: User = records.open(&place, &value)?;
        users.push((name_key(&user.name), user.id, place));
    }
    for (name, value) in records.engine.range(&name_key(""))? {
        let id = records.open(&name, &value)?;
        named.push((name, id, key(USER, &[id])));
    }
    users.sort();
    named.sort();
    match users == named {
        true => Ok(users.len()),
        false => Err(StoreError::Damaged("a user and their name do not go together".into())),
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
