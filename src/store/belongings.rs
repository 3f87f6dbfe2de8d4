//! A user's hosts, credentials and preferences. The owner's id is in the key, so nobody else's can be reached by accident.

use super::table::{Plan, key};
use super::{Credential, Host, Place, Store, StoreError, User};
use crate::clock::Seconds;
use crate::random::Id;
use serde::Serialize;
use serde_json::{Map, Value};

pub(super) const HOST: &str = "host";
pub(super) const CREDENTIAL: &str = "credential";
pub(super) const PREFERENCES: &str = "preferences";
/// `last_used` is for people: to the minute is enough, and the card is spared.
const TOUCH_SECONDS: Seconds = 60;

/// A clock that was set back is no reason to stop noting.
fn is_due(last: Option<Seconds>, now: Seconds) -> bool {
    last.is_none_or(|last| !(last..last + TOUCH_SECONDS).contains(&now))
}

impl Store {
    pub fn hosts(&self, user: Id) -> Result<Vec<Host>, StoreError> {
        self.records.all(&key(HOST, &[user]))
    }

    /// What they take in the store, in bytes.
    pub fn hosts_size(&self, user: Id) -> Result<usize, StoreError> {
        self.records.engine.size(&key(HOST, &[user]))
    }

    pub fn host(&self, user: Id, id: Id) -> Result<Option<Host>, StoreError> {
        self.records.get(&key(HOST, &[user, id]))
    }

    /// Adds or replaces. [`StoreError::Full`] if it would be one more than `most`.
    pub fn put_host(&self, user: Id, host: &Host, most: usize) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        let host = self.with_own_credential(user, host.clone())?;
        self.put_in_turn(HOST, user, host.id, &host, most, |_| true)
    }

    /// What its owner changed of it; when it was made and last used stays. None: there is no such host (any more).
    pub fn replace_host(&self, user: Id, host: Host) -> Result<Option<Host>, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        let place = key(HOST, &[user, host.id]);
        let Some(old) = self.records.watch::<Host>(&mut plan, &place)? else { return Ok(None) };
        let host = Host { created: old.created, last_used: old.last_used, ..self.with_own_credential(user, host)? };
        self.records.put(&mut plan, place, &host)?;
        Ok(self.records.commit(&plan)?.then_some(host))
    }

    /// A credential may be deleted between the check of a request and its turn: then the host asks every time, as all others do.
    fn with_own_credential(&self, user: Id, mut host: Host) -> Result<Host, StoreError> {
        if let Some(id) = host.credential_id
            && self.credential(user, id)?.is_none()
        {
            host.credential_id = None;
        }
        Ok(host)
    }

    pub fn delete_host(&self, user: Id, id: Id) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        Ok(self.records.remove::<Host>(&mut plan, key(HOST, &[user, id]))? && self.records.commit(&plan)?)
    }

    /// Notes that a terminal was opened at a host, with a credential that was taken there. One write for both, and at most one a minute
    /// for each. What is gone meanwhile stays gone.
    pub fn touch(&self, user: Id, host: Option<Id>, credential: Option<Id>, now: Seconds) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        if let Some(place) = host.map(|id| key(HOST, &[user, id]))
            && let Some(host) = self.records.watch::<Host>(&mut plan, &place)?
            && is_due(host.last_used, now)
        {
            self.records.put(&mut plan, place, &Host { last_used: Some(now), ..host })?;
        }
        if let Some(place) = credential.map(|id| key(CREDENTIAL, &[user, id]))
            && let Some(credential) = self.records.watch::<Credential>(&mut plan, &place)?
            && is_due(credential.last_used, now)
        {
            self.records.put(&mut plan, place, &Credential { last_used: Some(now), ..credential })?;
        }
        if plan.changes.is_empty() { Ok(()) } else { self.records.commit(&plan).map(drop) }
    }

    pub fn credentials(&self, user: Id) -> Result<Vec<Credential>, StoreError> {
        self.records.all(&key(CREDENTIAL, &[user]))
    }

    pub fn credentials_size(&self, user: Id) -> Result<usize, StoreError> {
        self.records.engine.size(&key(CREDENTIAL, &[user]))
    }

    pub fn credential(&self, user: Id, id: Id) -> Result<Option<Credential>, StoreError> {
        self.records.get(&key(CREDENTIAL, &[user, id]))
    }

    /// The same; and [`StoreError::Overtaken`] unless its owner, as they are in this very transaction, still `has` the key it is sealed
    /// under.
    pub fn put_credential(
        &self,
        user: Id,
        credential: &Credential,
        most: usize,
        has: impl FnOnce(&User) -> bool,
    ) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        self.put_in_turn(CREDENTIAL, user, credential.id, credential, most, has)
    }

    /// None: there is no such credential (any more).
    pub fn update_credential(
        &self,
        user: Id,
        id: Id,
        change: impl FnOnce(&mut Credential),
    ) -> Result<Option<Credential>, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        let found = self.records.watch::<Credential>(&mut plan, &key(CREDENTIAL, &[user, id]))?;
        let Some(mut credential) = found else { return Ok(None) };
        change(&mut credential);
        self.records.put(&mut plan, key(CREDENTIAL, &[user, id]), &credential)?;
        Ok(self.records.commit(&plan)?.then_some(credential))
    }

    /// From now on this password is sent there. The oldest place gives way, and is asked about again.
    pub fn allow_place(&self, user: Id, id: Id, place: &Place, most: usize) -> Result<(), StoreError> {
        let allow = |credential: &mut Credential| {
            credential.sent_to.retain(|known| known != place);
            credential.sent_to.push(place.clone());
            let too_many = credential.sent_to.len().saturating_sub(most);
            credential.sent_to.drain(..too_many);
        };
        self.update_credential(user, id, allow).map(drop)
    }

    /// Hosts that used it ask every time from then on, by the same transaction.
    pub fn delete_credential(&self, user: Id, id: Id) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        if !self.records.remove::<Credential>(&mut plan, key(CREDENTIAL, &[user, id]))? {
            return Ok(false);
        }
        for mut host in self.hosts(user)?.into_iter().filter(|host| host.credential_id == Some(id)) {
            host.credential_id = None;
            self.records.put(&mut plan, key(HOST, &[user, host.id]), &host)?;
        }
        self.records.commit(&plan)
    }

    pub fn preferences(&self, user: Id) -> Result<Option<Map<String, Value>>, StoreError> {
        self.records.get(&key(PREFERENCES, &[user]))
    }

    pub fn put_preferences(&self, user: Id, preferences: &Map<String, Value>) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        self.watch_owner(&mut plan, user)?;
        self.records.put(&mut plan, key(PREFERENCES, &[user]), preferences)?;
        self.records.commit(&plan).map(drop)
    }

    fn put_in_turn(
        &self,
        table: &str,
        user: Id,
        id: Id,
        value: &impl Serialize,
        most: usize,
        may: impl FnOnce(&User) -> bool,
    ) -> Result<(), StoreError> {
        let mut plan = Plan::default();
        if !may(&self.watch_owner(&mut plan, user)?) {
            return Err(StoreError::Overtaken);
        }
        let place = key(table, &[user, id]);
        let own = self.records.engine.range(&key(table, &[user]))?;
        if own.len() >= most && !own.iter().any(|(key, _)| *key == place) {
            return Err(StoreError::Full);
        }
        self.records.put(&mut plan, place, value)?;
        self.records.commit(&plan).map(drop)
    }
}
