//! Invitations: who has one may become a user, once (A6). `invite/ID`.

use super::table::{Plan, key};
use super::{Invite, Store, StoreError, User};
use crate::random::Id;

pub(super) const INVITE: &str = "invite";

impl Store {
    pub fn invites(&self) -> Result<Vec<Invite>, StoreError> {
        self.records.all(&key(INVITE, &[]))
    }

    /// [`StoreError::Full`] if it would be one more than `most`.
    pub fn add_invite(&self, invite: &Invite, most: usize) -> Result<(), StoreError> {
        let _turn = self.my_turn();
        if self.invites()?.len() >= most {
            return Err(StoreError::Full);
        }
        let mut plan = Plan::default();
        self.records.put(&mut plan, key(INVITE, &[invite.id]), invite)?;
        self.records.commit(&plan).map(drop)
    }

    pub fn delete_invite(&self, id: Id) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        Ok(self.records.remove::<Invite>(&mut plan, key(INVITE, &[id]))? && self.records.commit(&plan)?)
    }

    /// The invitation goes and its user comes, in one transaction. False: it is used. [`StoreError::Exists`] if the name is taken,
    /// and then the invitation is still good.
    pub fn accept_invite(&self, id: Id, user: &User) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        let mut plan = Plan::default();
        if !self.records.remove::<Invite>(&mut plan, key(INVITE, &[id]))? {
            return Ok(false);
        }
        self.insert_user_by(plan, user)?;
        Ok(true)
    }
}
