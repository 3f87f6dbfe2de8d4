//! A password as the lock of a data key: made, changed, and made anew when its cost or the device key has changed.

use super::hashing::Verifier;
use super::logins::{Ground, Login};
use super::refusal::internal;
use super::{Auth, Refusal, SignedIn, Who, passwords};
use crate::audit;
use crate::clock::Seconds;
use crate::limits;
use crate::random::Id;
use crate::secret::{Key32, Secret};
use crate::store::User;
use crate::vault::{DataKey, Wrapped};

/// The name of the way into the data key that a password is.
pub(super) const PASSWORD_SLOT: &str = "password";

impl Auth {
    /// Needs the current password, counts like a sign-in, rewraps the data key, and ends every session of the user but the new one.
    pub fn change_password(
        &self,
        login: &Login,
        current: &Secret,
        new: &Secret,
        who: &Who<'_>,
    ) -> Result<SignedIn, Refusal> {
        let user = self.whole(login)?;
        let admitted = self.admit_on(login.device(), who)?;
        if self.prove(Some(&user), current, who)?.is_none() {
            audit::note("password.failed", &[("user", &user.name), ("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        }
        self.table.forgive(admitted);
        self.check_new_password(&user, new, "new")?;
        let lock = login.data_key(|data_key| self.lock(user.id, new, data_key)).ok_or(Refusal::Ended)??;
        let user = self.change_own(login, |user| {
            remember_password(user, who.now.calendar);
            lock.put_on(user);
        })?;
        self.let_in_again(user.id);
        audit::note("password.change", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        self.begin_anew(login, &user, who)
    }

    /// A2, and none of the last five (A8).
    pub(super) fn check_new_password(&self, user: &User, new: &Secret, field: &'static str) -> Result<(), Refusal> {
        let weak = |why: &str| Refusal::Weak { field, message: why.into() };
        passwords::check(new, &user.name).map_err(weak)?;
        for earlier in std::iter::once(&user.verifier).chain(&user.old_verifiers) {
            let Some(verifier) = Verifier::parse(earlier) else { continue };
            if self.hasher.fits(new, &verifier)? {
                return Err(weak("You have used this password before. Choose a new one."));
            }
        }
        Ok(())
    }

    pub(super) fn unwrap(&self, user: &User, kek: &Key32) -> Result<DataKey, Refusal> {
        let wrapped = user.wrapped.iter().find(|(slot, _)| slot == PASSWORD_SLOT);
        let (slot, sealed) = wrapped.ok_or_else(|| internal("a user without a wrapped data key"))?;
        Ok(DataKey::unwrap(sealed, kek, &self.device, user.id, slot)?)
    }

    /// A1: hashed anew when the cost has changed; and wrapped anew, at last, when the device key was exchanged. The user as they were when
    /// their password was verified, and nothing later: a sign-in goes on with what it began with.
    pub(super) fn renew_hash(&self, user: &User, password: &Secret, data_key: &DataKey) -> Result<User, Refusal> {
        let nested = user.wrapped.iter().any(|(slot, wrapped)| slot == PASSWORD_SLOT && wrapped.is_nested());
        if nested || Verifier::parse(&user.verifier).is_none_or(|verifier| verifier.cost != self.hasher.cost()) {
            return self.renew_lock(user, password, data_key);
        }
        Ok(user.clone())
    }

    /// The same password and the same data key behind another hash. Nothing is done if the user as they were `verified` has another
    /// password by now: the key at hand may be of yesterday.
    pub(super) fn renew_lock(&self, verified: &User, password: &Secret, data_key: &DataKey) -> Result<User, Refusal> {
        let lock = self.lock(verified.id, password, data_key)?;
        let fits = |user: &User| Ground::of(user) == Ground::of(verified);
        self.change_if(verified.id, fits, |user| lock.put_on(user))?.ok_or(Refusal::Failed)
    }

    /// A password for a data key.
    pub(super) fn lock(&self, id: Id, password: &Secret, data_key: &DataKey) -> Result<Lock, Refusal> {
        let (verifier, kek) = self.hasher.make(password)?;
        Ok(Lock { verifier, wrapped: data_key.wrap(&kek, &self.device, id, PASSWORD_SLOT) })
    }
}

/// A password's verifier, and the data key wrapped by it. They are one write: there is no moment with only one of them.
pub(super) struct Lock {
    pub(super) verifier: Verifier,
    pub(super) wrapped: Wrapped,
}

impl Lock {
    pub(super) fn put_on(self, user: &mut User) {
        user.verifier = self.verifier.to_text();
        user.wrapped.retain(|(slot, _)| slot != PASSWORD_SLOT);
        user.wrapped.push((PASSWORD_SLOT.into(), self.wrapped));
    }
}

/// Before the new one is set (A8). What was given out and not used yet was given out by who had the old one: a reset token, and a code
/// for another device.
pub(super) fn remember_password(user: &mut User, now: Seconds) {
    (user.reset, user.device_code) = (None, None);
    user.old_verifiers.insert(0, user.verifier.clone());
    user.old_verifiers.truncate(limits::PASSWORD_HISTORY - 1);
    user.password_changed = now;
}
