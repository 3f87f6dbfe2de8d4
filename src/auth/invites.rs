//! Invitations (A6): nobody registers, but an administrator may hand out a link that makes one user of a given role.

use super::logins::Login;
use super::{Auth, Refusal, SignedIn, Who, has_run_out, token, token_fits, token_hash};
use crate::audit;
use crate::clock::{Now, Seconds};
use crate::limits;
use crate::random::Id;
use crate::secret::Secret;
use crate::store::{Invite, Role, StoreError, User};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Who made an invitation that nobody's account stands for. No user can have this name.
const COMMAND_LINE: &str = "(command line)";

fn is_over(invite: &Invite, now: Seconds) -> bool {
    has_run_out(invite.made, limits::INVITE_SECONDS, now)
}

impl Auth {
    /// A token for the link, to be shown once. `by`: who asks, from `peer`; None: the command line.
    pub fn invite(
        &self,
        by: Option<&Login>,
        role: Role,
        peer: Option<IpAddr>,
        now: &Now,
    ) -> Result<Zeroizing<String>, Refusal> {
        // Whoever is deleted or demoted at this moment has lost their invitations before this one or does not make it.
        let _turn = self.one_at_a_time(by)?;
        let by = by.map_or(COMMAND_LINE, |login| &login.name);
        if !self.may_invite(by)? {
            return Err(Refusal::NotNow("Your account may invite nobody (any more)."));
        }
        self.forget_old_invites(now)?;
        let token = Zeroizing::new(token());
        let hash = token_hash(&token);
        let invite = Invite { id: Id::random(), role, hash, made: self.floor.calendar(now), by: by.to_owned() };
        match self.store.add_invite(&invite, limits::INVITES) {
            Err(StoreError::Full) => {
                return Err(Refusal::NotNow("Too many invitations are out. Take some back first."));
            }
            done => done?,
        }
        let (id, peer) = (invite.id.to_string(), peer.map(|peer| peer.to_string()));
        let mut fields = vec![("user", by), ("invite", id.as_str()), ("role", role.word())];
        fields.extend(peer.as_deref().map(|peer| ("peer", peer)));
        audit::note("invite", &fields);
        Ok(token)
    }

    /// Those that are out.
    pub fn invites(&self, now: &Now) -> Result<Vec<Invite>, Refusal> {
        let mut invites = self.store.invites()?;
        let calendar = self.floor.calendar(now);
        invites.retain(|invite| !is_over(invite, calendar));
        invites.sort_by_key(|invite| invite.made);
        Ok(invites)
    }

    /// False: there is no such invitation (any more).
    pub fn take_back_invite(&self, by: &Login, id: Id) -> Result<bool, Refusal> {
        let _turn = self.one_at_a_time(Some(by))?;
        Ok(self.store.delete_invite(id)?)
    }

    pub(super) fn take_back_invites_of(&self, by: &str) -> Result<(), Refusal> {
        for invite in self.store.invites()?.iter().filter(|invite| invite.by == by) {
            self.store.delete_invite(invite.id)?;
        }
        Ok(())
    }

    /// An invitation is good as long as whoever made it might make it now.
    fn may_invite(&self, by: &str) -> Result<bool, Refusal> {
        let able = |user: User| user.role == Role::Administrator && !user.disabled;
        Ok(by == COMMAND_LINE || self.store.user_by_name(by)?.is_some_and(able))
    }

    pub(super) fn forget_old_invites(&self, now: &Now) -> Result<(), Refusal> {
        let calendar = self.floor.calendar(now);
        for invite in self.store.invites()?.iter().filter(|invite| is_over(invite, calendar)) {
            self.store.delete_invite(invite.id)?;
        }
        Ok(())
    }

    /// Makes the user and signs them in, as far as the second factor.
    pub fn accept_invite(
        &self,
        token: &Secret,
        name: &str,
        password: &Secret,
        who: &Who<'_>,
    ) -> Result<SignedIn, Refusal> {
        let admitted = self.admit(who)?;
        let Some(invite) = self.invite_of(token, self.floor.calendar(&who.now))? else {
            audit::note_stranger("invite.failed", &[("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        };
        self.table.forgive(admitted);
        let (user, data_key) = self.new_user(name, invite.role, password, who.now.calendar)?;
        self.admit_invited(&invite, &user)?;
        let fields = [("user", user.name.as_str()), ("peer", &who.peer.to_string()), ("invited_by", &invite.by)];
        audit::note("invite.accept", &fields);
        self.begin(&user, self.stage_after_password(&user), data_key, who)
    }

    fn admit_invited(&self, invite: &Invite, user: &User) -> Result<(), Refusal> {
        // Hashing took its time: whoever made it may be no administrator any more.
        let _turn = self.one_at_a_time(None)?;
        if !self.may_invite(&invite.by)? {
            return Err(Refusal::Failed);
        }
        match self.store.accept_invite(invite.id, user) {
            Err(StoreError::Exists) => Err(Refusal::NameTaken),
            Ok(false) => Err(Refusal::Failed),
            done => Ok(done.map(drop)?),
        }
    }

    fn invite_of(&self, token: &Secret, now: Seconds) -> Result<Option<Invite>, Refusal> {
        let hash = token_hash(token.expose_str().unwrap_or_default());
        let fits = |invite: &Invite| token_fits(&invite.hash, invite.made, limits::INVITE_SECONDS, &hash, now);
        match self.store.invites()?.into_iter().find(fits) {
            Some(invite) if self.may_invite(&invite.by)? => Ok(Some(invite)),
            _ => Ok(None),
        }
    }
}
