//! Users. `name/NAME` points to the user's id, so a name is taken in the same transaction that makes its user.

use super::engine::Change;
use super::table::{Plan, key};
use super::{Role, Store, StoreError, User};
use crate::random::Id;
use std::sync::atomic::Ordering;

pub(super) const USER: &str = "user";
const HOST: &str = "host";
const CREDENTIAL: &str = "credential";
/// Everything that belongs to one user and goes with them.
const BELONGINGS: [&str; 4] = [HOST, CREDENTIAL, "hostkey", "preferences"];

pub(super) fn name_key(name: &str) -> Vec<u8> {
    [b"name/", name.as_bytes()].concat()
}

impl Store {
    /// [`StoreError::Exists`] if the name is taken.
    pub fn add_user(&self, user: &User) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        self.insert_user(user)
    }

    /// [`StoreError::Exists`] if there is any administrator already, or the name is taken.
    pub fn add_first_administrator(&self, user: &User) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        match self.users()?.iter().any(|user| user.role == Role::Administrator) {
            true => Err(StoreError::Exists),
            false => self.insert_user(user),
        }
    }

    fn insert_user(&self, user: &User) -> Result<(), StoreError> {
        self.insert_user_by(Plan::default(), user)
    }

    /// As part of a transaction that does more. Our turn is the caller's.
    pub(super) fn insert_user_by(&self, mut plan: Plan, user: &User) -> Result<(), StoreError> {
        if self.gives_way.load(Ordering::Relaxed) {
            return Err(StoreError::GivesWay);
        }
        if self.records.watch::<Id>(&mut plan, &name_key(&user.name))?.is_some() {
            return Err(StoreError::Exists);
        }
        self.records.put(&mut plan, name_key(&user.name), &user.id)?;
        self.records.put(&mut plan, key(USER, &[user.id]), user)?;
        self.records.commit(&plan)?.then_some(()).ok_or(StoreError::Exists)
    }

    pub fn user(&self, id: Id) -> Result<Option<User>, StoreError> {
        self.records.get(&key(USER, &[id]))
    }

    pub fn user_by_name(&self, name: &str) -> Result<Option<User>, StoreError> {
        match self.records.get(&name_key(name))? {
            Some(id) => self.user(id),
            None => Ok(None),
        }
    }

    /// Whose it is that the plan writes: they are there now, or nothing is written. What is written for nobody stays for ever.
    pub(super) fn watch_owner(&self, plan: &mut Plan, id: Id) -> Result<User, StoreError> {
        self.records.watch(plan, &key(USER, &[id]))?.ok_or(StoreError::Overtaken)
    }

    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        self.records.all(&key(USER, &[]))
    }

    /// Reads, changes and writes in one turn. False: there is no such user. The name and the id stay what they are.
    pub fn update_user(&self, id: Id, change: impl FnOnce(&mut User)) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        let Some(mut user) = self.records.watch::<User>(&mut plan, &key(USER, &[id]))? else { return Ok(false) };
        let name = user.name.clone();
        change(&mut user);
        (user.id, user.name) = (id, name);
        self.records.put(&mut plan, key(USER, &[id]), &user)?;
        self.records.commit(&plan)
    }

    /// The same; and in the same transaction all credentials of the user go, because nobody has their key any more. `change` says
    /// whether it is to be done at all.
    pub fn discard_credentials(&self, id: Id, change: impl FnOnce(&mut User) -> bool) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        let Some(mut user) = self.records.watch::<User>(&mut plan, &key(USER, &[id]))? else { return Ok(false) };
        let name = user.name.clone();
        if !change(&mut user) {
            return Ok(false);
        }
        (user.id, user.name) = (id, name);
        self.records.put(&mut plan, key(USER, &[id]), &user)?;
        self.records.remove_all(&mut plan, &key(CREDENTIAL, &[id]))?;
        for mut host in self.hosts(id)?.into_iter().filter(|host| host.credential_id.is_some()) {
            host.credential_id = None;
            self.records.put(&mut plan, key(HOST, &[id, host.id]), &host)?;
        }
        self.records.commit(&plan)
    }

    /// The user and everything of theirs.
    pub fn delete_user(&self, id: Id) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        let Some(user) = self.records.watch::<User>(&mut plan, &key(USER, &[id]))? else { return Ok(false) };
        plan.changes.push(Change::Delete(name_key(&user.name)));
        plan.changes.push(Change::Delete(key(USER, &[id])));
        for table in BELONGINGS {
            self.records.remove_all(&mut plan, &key(table, &[id]))?;
        }
        self.records.commit(&plan)
    }
}
