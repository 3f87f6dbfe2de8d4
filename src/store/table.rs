//! Typed records over the engine. Each value carries a MAC that covers its key, so a flipped bit and a record moved from another
//! place are errors, never data.
//!
//! ```text
//! key    table name | '/' | owner's id (16) | record's id (16)       (some tables have only one of the two)
//! value  HMAC-SHA256 over (length of key, u32 BE | key | JSON) (32) | JSON
//! ```

use super::StoreError;
use super::engine::{Change, Condition, Engine};
use crate::limits;
use crate::random::Id;
use crate::secret::Key32;
use crate::vault;
use hmac::{Hmac, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

const MAC_BYTES: usize = 32;

/// `table/` and then the ids.
pub fn key(table: &str, ids: &[Id]) -> Vec<u8> {
    let mut key = Vec::with_capacity(table.len() + 1 + 16 * ids.len());
    key.extend_from_slice(table.as_bytes());
    key.push(b'/');
    ids.iter().for_each(|id| key.extend_from_slice(id.as_bytes()));
    key
}

/// The engine and the key of the MACs.
pub struct Records {
    pub engine: Box<dyn Engine>,
    key: Key32,
}

/// A transaction being put together: what it saw, and what it wants.
#[derive(Default)]
pub struct Plan {
    pub conditions: Vec<Condition>,
    pub changes: Vec<Change>,
}

impl Records {
    pub fn new(engine: Box<dyn Engine>, key: Key32) -> Records {
        Records { engine, key }
    }

    pub fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.engine.get(key)?.map(|value| self.open(key, &value)).transpose()
    }

    pub fn all<T: DeserializeOwned>(&self, prefix: &[u8]) -> Result<Vec<T>, StoreError> {
        self.engine.range(prefix)?.iter().map(|(key, value)| self.open(key, value)).collect()
    }

    /// Reads `key` and makes the plan depend on what it read.
    pub fn watch<T: DeserializeOwned>(&self, plan: &mut Plan, key: &[u8]) -> Result<Option<T>, StoreError> {
        let raw = self.engine.get(key)?;
        let value = raw.as_deref().map(|value| self.open(key, value)).transpose()?;
        plan.conditions.push((key.to_vec(), raw));
        Ok(value)
    }

    pub fn put<T: Serialize>(&self, plan: &mut Plan, key: Vec<u8>, value: &T) -> Result<(), StoreError> {
        let json = serde_json::to_vec(value).map_err(|error| StoreError::Damaged(error.to_string()))?;
        if json.len() > limits::VALUE_BYTES {
            return Err(StoreError::TooLong);
        }
        let sealed = self.seal(&key, &json);
        plan.changes.push(Change::Put(key, sealed));
        Ok(())
    }

    /// A value as it is stored under this key.
    pub fn seal(&self, key: &[u8], json: &[u8]) -> Vec<u8> {
        [&self.mac(key, json).finalize().into_bytes()[..], json].concat()
    }

    /// The record goes, if it is there as it is now. False: there is none.
    pub fn remove<T: DeserializeOwned>(&self, plan: &mut Plan, key: Vec<u8>) -> Result<bool, StoreError> {
        let there = self.watch::<T>(plan, &key)?.is_some();
        if there {
            plan.changes.push(Change::Delete(key));
        }
        Ok(there)
    }

    /// Whatever is in this part of a table goes.
    pub fn remove_all(&self, plan: &mut Plan, prefix: &[u8]) -> Result<(), StoreError> {
        let all = self.engine.range(prefix)?.into_iter();
        plan.changes.extend(all.map(|(key, _)| Change::Delete(key)));
        Ok(())
    }

    pub fn commit(&self, plan: &Plan) -> Result<bool, StoreError> {
        self.engine.commit(&plan.conditions, &plan.changes)
    }

    pub fn open<T: DeserializeOwned>(&self, key: &[u8], value: &[u8]) -> Result<T, StoreError> {
        let json = self.proven(key, value)?;
        serde_json::from_slice(json).map_err(|_| odd(key, "has a form this version does not know"))
    }

    /// The JSON of a value that is as it was written.
    pub fn proven<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], StoreError> {
        let (mac, json) = value.split_at_checked(MAC_BYTES).ok_or_else(|| odd(key, "is too short"))?;
        self.mac(key, json).verify_slice(mac).map_err(|_| odd(key, "was changed or moved from its place"))?;
        Ok(json)
    }

    fn mac(&self, key: &[u8], json: &[u8]) -> Hmac<Sha256> {
        vault::mac(&self.key, &[&(key.len() as u32).to_be_bytes(), key, json])
    }
}

fn odd(key: &[u8], what: &str) -> StoreError {
    let name = key.split(|byte| *byte == b'/').next().unwrap_or_default();
    StoreError::Damaged(format!("a record of '{}' {what}", String::from_utf8_lossy(name)))
}
