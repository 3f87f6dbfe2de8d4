//! What an administrator, or the command line, does to an account. Sessions end here; terminals are the caller's
//! (`Registry::end_all_of`), because they are in a room above; and so is the line in the audit, because they know who asked.

use super::ended::Why;
use super::lock::{PASSWORD_SLOT, remember_password};
use super::logins::Login;
use super::{
    Auth, Refusal, Who, claim, devices, has_run_out, names, notify, passwords, recovery, token, token_fits, token_hash,
};
use crate::audit;
use crate::clock::{Now, Seconds};
use crate::limits;
use crate::random::Id;
use crate::secret::Secret;
use crate::store::{Reset, Role, StoreError, User};
use crate::vault::DataKey;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use zeroize::Zeroizing;

const LAST: &str = "This is the only administrator. Make another one first.";

/// What becomes of the stored credentials when a forgotten password is replaced (A11).
pub enum Vault<'a> {
    /// Opened with a recovery code; nothing is lost.
    Recovery(&'a Secret),
    /// Deleted, with the second factor and the recovery codes, because nobody can open them.
    Discard,
}

impl Reset {
    fn fits(&self, hash: &str, now: Seconds) -> bool {
        token_fits(&self.hash, self.made, limits::RESET_SECONDS, hash, now)
    }
}

/// A reset token, or a code for another device.
pub(super) fn any_ran_out(user: &User, now: Seconds) -> bool {
    let over =
        |token: &Option<Reset>, lasting| token.as_ref().is_some_and(|token| has_run_out(token.made, lasting, now));
    over(&user.reset, limits::RESET_SECONDS) || over(&user.device_code, limits::DEVICE_CODE_SECONDS)
}

pub(super) fn drop_what_ran_out(user: &mut User, now: Seconds) {
    user.reset.take_if(|token| has_run_out(token.made, limits::RESET_SECONDS, now));
    user.device_code.take_if(|token| has_run_out(token.made, limits::DEVICE_CODE_SECONDS, now));
}

impl Auth {
    /// `by`, here and elsewhere: the administrator who wants it; none is the word of whoever holds the box.
    pub fn add_user(
        &self,
        by: Option<&Login>,
        name: &str,
        role: Role,
        password: &Secret,
        now: &Now,
    ) -> Result<User, Refusal> {
        let (user, _) = self.new_user(name, role, password, now.calendar)?;
        let _turn = self.one_at_a_time(by)?;
        match self.store.add_user(&user) {
            Err(StoreError::Exists) => return Err(Refusal::NameTaken),
            done => done?,
        }
        if role == Role::Administrator {
            self.claimed.store(true, Ordering::Release);
            claim::forget(&self.data);
        }
        Ok(user)
    }

    pub(super) fn new_user(
        &self,
        name: &str,
        role: Role,
        password: &Secret,
        created: Seconds,
    ) -> Result<(User, DataKey), Refusal> {
        let name = names::check(name).map_err(|why| Refusal::Weak { field: "name", message: why.into() })?;
        passwords::check(password, &name).map_err(|why| Refusal::Weak { field: "password", message: why.into() })?;
        let (verifier, kek) = self.hasher.make(password)?;
        let (id, data_key) = (Id::random(), DataKey::random());
        let wrapped = vec![(PASSWORD_SLOT.to_owned(), data_key.wrap(&kek, &self.device, id, PASSWORD_SLOT))];
        let user = User {
            id,
            name,
            role,
            created,
            disabled: false,
            verifier: verifier.to_text(),
            wrapped,
            password_changed: created,
            old_verifiers: Vec::new(),
            locked_until: None,
            factor: None,
            last_step: 0,
            passkeys: Vec::new(),
            devices: Vec::new(),
            device_required: false,
            device_code: None,
            certificates: Vec::new(),
            certificate_required: false,
            recovery: Vec::new(),
            reset: None,
            notices: Vec::new(),
        };
        Ok((user, data_key))
    }

    /// Whoever is put out at this moment has done before what they wanted, or does not do it: also where hashing took its time.
    pub(super) fn one_at_a_time(&self, by: Option<&Login>) -> Result<MutexGuard<'_, ()>, Refusal> {
        let turn = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        by.map(|login| self.own(login)).transpose()?;
        Ok(turn)
    }

    /// The same for a deed of the rooms above. A short one: meanwhile nobody is put out.
    pub fn in_turn<T>(&self, by: &Login, deed: impl FnOnce() -> T) -> Result<T, Refusal> {
        let _turn = self.one_at_a_time(Some(by))?;
        Ok(deed())
    }

    /// There is an administrator who can sign in besides this one; or this is none that could.
    fn spare(&self, id: Id) -> Result<(), Refusal> {
        let users = self.store.users()?;
        let mut able = users.iter().filter(|user| user.role == Role::Administrator && !user.disabled);
        match able.clone().any(|user| user.id == id) && able.all(|user| user.id == id) {
            true => Err(Refusal::NotNow(LAST)),
            false => Ok(()),
        }
    }

    /// Before an account is an able administrator's no more: there is another one, and the links that this one gave out are good no
    /// more, or they would be a way back in. They go first: should the rest fail, a link too few is no harm.
    fn step_down(&self, id: Id) -> Result<(), Refusal> {
        self.spare(id)?;
        match self.store.user(id)? {
            Some(user) => self.take_back_invites_of(&user.name),
            None => Ok(()),
        }
    }

    /// Changes a user and ends their sessions, so that no session is older than what it may do.
    fn change(&self, id: Id, change: impl FnOnce(&mut User)) -> Result<(), Refusal> {
        if !self.store.update_user(id, change)? {
            return Err(Refusal::Gone);
        }
        self.logins.end_where(Some(Why::Account), |login| login.user == id);
        Ok(())
    }

    pub fn set_disabled(&self, id: Id, disabled: bool) -> Result<(), Refusal> {
        let _turn = self.one_at_a_time(None)?;
        if disabled {
            self.step_down(id)?;
        }
        self.change(id, |user| user.disabled = disabled)
    }

    /// Both in one write, or neither. None: as it is.
    pub fn set_standing(&self, by: &Login, id: Id, role: Option<Role>, disabled: Option<bool>) -> Result<(), Refusal> {
        let _turn = self.one_at_a_time(Some(by))?;
        if disabled == Some(true) || role.is_some_and(|role| role != Role::Administrator) {
            self.step_down(id)?;
        }
        self.change(id, |user| {
            user.role = role.unwrap_or(user.role);
            user.disabled = disabled.unwrap_or(user.disabled);
        })
    }

    pub fn set_role(&self, id: Id, role: Role) -> Result<(), Refusal> {
        let _turn = self.one_at_a_time(None)?;
        if role != Role::Administrator {
            self.step_down(id)?;
        }
        self.change(id, |user| user.role = role)
    }

    /// With everything of theirs.
    pub fn delete_user(&self, by: Option<&Login>, id: Id) -> Result<(), Refusal> {
        let _turn = self.one_at_a_time(by)?;
        self.step_down(id)?;
        if !self.store.delete_user(id)? {
            return Err(Refusal::Gone);
        }
        self.logins.end_where(Some(Why::Account), |login| login.user == id);
        self.let_in_again(id);
        Ok(())
    }

    /// E2: the lock is lifted, and the count begins anew. Sessions go on.
    pub fn unlock(&self, by: Option<&Login>, id: Id) -> Result<(), Refusal> {
        let _turn = self.one_at_a_time(by)?;
        // The disk first: a lock that is lifted in memory only would come back with the next start. Also where none is there yet: the
        // thread that writes it may be on its way.
        if !self.store.update_user(id, |user| user.locked_until = None)? {
            return Err(Refusal::Gone);
        }
        self.let_in_again(id);
        Ok(())
    }

    pub fn is_locked(&self, id: Id, now: &Now) -> bool {
        self.lockout.is_locked(id, now.since_boot)
    }

    /// A lost second factor, on the word of whoever holds the box. The user is told.
    pub fn reset_factor(&self, by: Option<&Login>, id: Id, now: &Now) -> Result<(), Refusal> {
        let _turn = self.one_at_a_time(by)?;
        self.change(id, |user| {
            (user.factor, user.last_step) = (None, 0);
            user.passkeys.clear();
            devices::forget_all(user);
            notify(user, "factor-reset", now.calendar);
        })?;
        // One whose codes were of another time than everybody's keeps nobody out any longer.
        self.reckon_floor()
    }

    // ---- a forgotten password ----

    /// A10: a token, good once and for an hour, whose hash only is stored. It changes nothing by itself, and takes the place of an
    /// earlier one.
    pub fn begin_reset(&self, id: Id, now: &Now) -> Result<Zeroizing<String>, Refusal> {
        let token = Zeroizing::new(token());
        let reset = Reset { hash: token_hash(&token), made: self.floor.calendar(now) };
        let there = self.store.update_user(id, |user| {
            user.reset = Some(reset);
            notify(user, "reset-issued", now.calendar);
        })?;
        there.then_some(token).ok_or(Refusal::Gone)
    }

    /// Whose token this is, as long as it is good.
    fn holder(&self, token: &Secret, now: Seconds) -> Result<Option<(User, String)>, Refusal> {
        let hash = token_hash(token.expose_str().unwrap_or_default());
        let holder = |user: &User| user.reset.as_ref().is_some_and(|reset| reset.fits(&hash, now)) && !user.disabled;
        Ok(self.store.users()?.into_iter().find(holder).map(|user| (user, hash)))
    }

    /// A new password for a forgotten one. It signs nobody in: the way in is the usual one, second factor and all. Whose it was.
    pub fn finish_reset(&self, token: &Secret, new: &Secret, vault: &Vault<'_>, who: &Who<'_>) -> Result<Id, Refusal> {
        let admitted = self.admit(who)?;
        let Some((user, hash)) = self.holder(token, self.floor.calendar(&who.now))? else {
            audit::note_stranger("reset.failed", &[("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        };
        let found = match vault {
            Vault::Recovery(code) => match recovery::find(&user, code) {
                Some(found) => Some(found),
                None => {
                    audit::note_stranger("reset.failed", &[("user", &user.name), ("peer", &who.peer.to_string())]);
                    return Err(Refusal::Failed);
                }
            },
            Vault::Discard => None,
        };
        self.table.forgive(admitted);
        self.check_new_password(&user, new, "password")?;
        let data_key = match &found {
            Some(found) => found.open(&user, &self.device).ok_or(Refusal::Failed)?,
            None => DataKey::random(),
        };
        self.replace(&user, &hash, new, &data_key, found.as_ref(), who)?;
        self.let_in_again(user.id);
        self.logins.end_where(Some(Why::Account), |login| login.user == user.id);
        let outcome = if found.is_some() { "kept" } else { "discarded" };
        let fields = [("user", user.name.as_str()), ("peer", &who.peer.to_string()), ("vault", outcome)];
        audit::note("reset.done", &fields);
        Ok(user.id)
    }

    /// Token, password, key and, if nothing opens them any more, credentials: in one write.
    fn replace(
        &self,
        user: &User,
        hash: &str,
        new: &Secret,
        data_key: &DataKey,
        found: Option<&recovery::Found>,
        who: &Who<'_>,
    ) -> Result<(), Refusal> {
        let lock = self.lock(user.id, new, data_key)?;
        let now = self.floor.calendar(&who.now);
        let mut done = false;
        let change = |user: &mut User| {
            // Used by another browser meanwhile, or somebody's again.
            let good = user.reset.as_ref().is_some_and(|reset| reset.fits(hash, now)) && !user.disabled;
            done = good && found.is_none_or(|found| found.use_up(user));
            if done {
                remember_password(user, now);
                lock.put_on(user);
                user.locked_until = None;
                notify(user, if found.is_some() { "password-reset" } else { "vault-discarded" }, now);
            }
            done
        };
        match found {
            Some(_) => self.store.update_user(user.id, |user| {
                change(user);
            })?,
            None => self.store.discard_credentials(user.id, |user| {
                let done = change(user);
                if done {
                    forget_old_key(user);
                }
                done
            })?,
        };
        done.then_some(()).ok_or(Refusal::Failed)
    }

    // ---- notices ----

    /// What happened to the account: `WORD TIME` each, oldest first (A10).
    pub fn notices(&self, login: &Login) -> Result<Vec<String>, Refusal> {
        Ok(self.user(login.user)?.notices)
    }

    /// The user has read the first `count` of them.
    pub fn dismiss_notices(&self, login: &Login, count: usize) -> Result<(), Refusal> {
        self.change_own(login, |user| drop(user.notices.drain(..count.min(user.notices.len())))).map(drop)
    }
}

/// Everything that the old data key had sealed.
fn forget_old_key(user: &mut User) {
    user.factor = None;
    user.passkeys.clear();
    recovery::forget_all(user);
}
