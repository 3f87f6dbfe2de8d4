//! Host keys: a user's own, and the administrators' for everybody (stored under the id of nobody).

use super::engine::Change;
use super::table::{Plan, key};
use super::{KnownHostKey, Store, StoreError};
use crate::limits;
use crate::random::Id;

pub(super) const HOST_KEY: &str = "hostkey";

fn owner(user: Option<Id>) -> Id {
    user.unwrap_or(Id::from_bytes([0; 16]))
}

fn place(of: &KnownHostKey) -> Vec<u8> {
    key(HOST_KEY, &[owner(of.user), of.id])
}

fn says_the_same(one: &KnownHostKey, other: &KnownHostKey) -> bool {
    (&one.address, one.port, &one.algorithm, &one.fingerprint)
        == (&other.address, other.port, &other.algorithm, &other.fingerprint)
}

impl Store {
    fn host_keys_of(&self, user: Option<Id>) -> Result<Vec<KnownHostKey>, StoreError> {
        self.records.all(&key(HOST_KEY, &[owner(user)]))
    }

    /// What this user trusts: their own and everybody's.
    pub fn host_keys(&self, user: Id) -> Result<Vec<KnownHostKey>, StoreError> {
        let mut keys = self.host_keys_of(Some(user))?;
        keys.append(&mut self.host_keys_of(None)?);
        Ok(keys)
    }

    /// What they take in the store, in bytes.
    pub fn host_keys_size(&self, user: Id) -> Result<usize, StoreError> {
        let size = |of| self.records.engine.size(&key(HOST_KEY, &[owner(of)]));
        Ok(size(Some(user))? + size(None)?)
    }

    pub fn all_host_keys(&self) -> Result<Vec<KnownHostKey>, StoreError> {
        self.records.all(&key(HOST_KEY, &[]))
    }

    /// What this user trusts at one address (lower case) and port.
    pub fn known_for(&self, user: Id, address: &str, port: u16) -> Result<Vec<KnownHostKey>, StoreError> {
        let mut keys = self.host_keys(user)?;
        keys.retain(|key| key.address == address && key.port == port);
        Ok(keys)
    }

    /// All or none of them. Those that are there already are left out; answers how many are new.
    pub fn add_host_keys(&self, keys: &[KnownHostKey]) -> Result<usize, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        let mut owners: Vec<Option<Id>> = keys.iter().map(|key| key.user).collect();
        owners.dedup();
        for user in owners {
            user.map(|user| self.watch_owner(&mut plan, user)).transpose()?;
            let mut there = self.host_keys_of(user)?;
            for key in keys.iter().filter(|key| key.user == user) {
                if !there.iter().any(|known| says_the_same(known, key)) {
                    self.records.put(&mut plan, place(key), key)?;
                    there.push(key.clone());
                }
            }
            if there.len() > limits::HOST_KEYS_PER_USER {
                return Err(StoreError::Full);
            }
        }
        if !plan.changes.is_empty() {
            self.records.commit(&plan)?;
        }
        Ok(plan.changes.len())
    }

    /// A host changed its key and its user said yes: the old one of the same algorithm goes, and a bare fingerprint that pinned it.
    pub fn replace_host_key(&self, new: &KnownHostKey) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        new.user.map(|user| self.watch_owner(&mut plan, user)).transpose()?;
        for old in self.host_keys_of(new.user)? {
            let same_host = old.address == new.address && old.port == new.port;
            if same_host && (old.algorithm == new.algorithm || old.algorithm.is_none()) {
                plan.changes.push(Change::Delete(place(&old)));
            }
        }
        self.records.put(&mut plan, place(new), new)?;
        self.records.commit(&plan).map(drop)
    }

    /// `user` is the owner; none for a key of everybody's.
    pub fn delete_host_key(&self, user: Option<Id>, id: Id) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        let place = key(HOST_KEY, &[owner(user), id]);
        Ok(self.records.remove::<KnownHostKey>(&mut plan, place)? && self.records.commit(&plan)?)
    }
}
