//! A password, and the session that it begins.
//!
//! Nobody is told which step said no, and each try is the same work whoever it is.

use super::ended::Why;
use super::hashing::{Turn, Verifier};
use super::limiter::{Counting, Key};
use super::logins::{Arrival, Ground, Login, Stage};
use super::refusal::unless_the_disk_refuses;
use super::{Auth, DeviceProof, Policy, Refusal, SignedIn, Who, names, passwords};
use crate::audit;
use crate::clock::{Instant, Seconds};
use crate::limits::{self, Counted};
use crate::random::Id;
use crate::secret::{Key32, Secret};
use crate::store::User;
use crate::vault::DataKey;

/// Who gives a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Giver {
    Stranger,
    /// On a trusted device, which has signed for itself.
    Device,
    SignedIn,
}

impl Giver {
    pub(super) fn of(device: Option<Id>) -> Giver {
        if device.is_some() { Giver::Device } else { Giver::Stranger }
    }

    pub(super) fn turn(self) -> Turn {
        if self == Giver::Stranger { Turn::Stranger } else { Turn::Known }
    }
}

impl Auth {
    pub(super) fn admit(&self, who: &Who<'_>) -> Result<Counting, Refusal> {
        let (key, now) = (Key::address(who.peer), who.now.since_boot);
        self.table.admit(Counted::SignIn, key, now).map_err(|wait| {
            if self.table.is_news(Counted::SignIn, key, now) {
                audit::note_stranger("signin.limited", &[("peer", &who.peer.to_string())]);
            }
            Refusal::TooMany(wait)
        })
    }

    pub fn sign_in(&self, name: &str, password: &Secret, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        self.sign_in_on(name, password, None, who)
    }

    /// `device`: what a trusted device says for itself, and the host name that it says it to.
    pub fn sign_in_on(
        &self,
        name: &str,
        password: &Secret,
        device: Option<(&DeviceProof, &str)>,
        who: &Who<'_>,
    ) -> Result<SignedIn, Refusal> {
        let account = match names::normal(name) {
            Some(name) => self.store.user_by_name(&name)?,
            None => None,
        };
        let (admitted, device) = self.admit_sign_in(account.as_ref(), device, who)?;
        let shown = account.as_ref().map_or("(unknown)", |user| user.name.as_str());
        let Some((user, kek)) = self.prove_on(account.as_ref(), password, Giver::of(device), who)? else {
            let note = if device.is_some() { audit::note } else { audit::note_stranger };
            note("signin.failed", &[("user", shown), ("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        };
        unless_the_disk_refuses(self.forget_lock(user))?;
        let bound = self.admit_certificate(user, who)?;
        let place = self.admit_halfway(user, self.first_stage(user, device), device, who)?;
        self.table.forgive(admitted);
        if let Some(fingerprint) = bound {
            unless_the_disk_refuses(self.touch_certificate(user, &fingerprint, who.now.calendar))?;
        }
        if let Some(id) = device {
            unless_the_disk_refuses(self.touch_device(user, id, who.now.calendar))?;
        }
        let data_key = self.unwrap(user, &kek)?;
        let user = unless_the_disk_refuses(self.renew_hash(user, password, &data_key))?.unwrap_or_else(|| user.clone());
        let signed_in = self.begin_on(&user, self.first_stage(&user, device), data_key, device, who)?;
        self.hand_on(place, &signed_in.login);
        self.note_sign_in(&signed_in, &[], who);
        Ok(signed_in)
    }

    pub(super) fn first_stage(&self, user: &User, device: Option<Id>) -> Stage {
        match self.stage_after_password(user) {
            Stage::Full => Auth::last_stage(user, device),
            half => half,
        }
    }

    pub(super) fn stage_after_password(&self, user: &User) -> Stage {
        match (user.has_factor(), self.factor) {
            (true, _) => Stage::Factor,
            (false, Policy::Required) => Stage::Enrol,
            (false, Policy::Optional) => Stage::Full,
        }
    }

    /// By somebody who is signed in.
    pub(super) fn prove<'u>(
        &self,
        account: Option<&'u User>,
        password: &Secret,
        who: &Who<'_>,
    ) -> Result<Option<(&'u User, Key32)>, Refusal> {
        self.prove_on(account, password, Giver::SignedIn, who)
    }

    /// The same work whoever it is; the account and its key only if it is there, open, and the password fits. A lock is for
    /// strangers: on a trusted device it is not looked at, and wrong passwords from there, which are counted elsewhere, make none.
    fn prove_on<'u>(
        &self,
        account: Option<&'u User>,
        password: &Secret,
        giver: Giver,
        who: &Who<'_>,
    ) -> Result<Option<(&'u User, Key32)>, Refusal> {
        let (now, trusted) = (who.now.since_boot, giver == Giver::Device);
        if !passwords::fits(password) {
            // Checked before any hashing, and it says nothing about the account.
            account.filter(|_| !trusted).inspect(|user| self.failed(user, who));
            return Ok(None);
        }
        let verifier = account.and_then(|user| Verifier::parse(&user.verifier));
        let proof = self.hasher.prove(password, verifier.as_ref().unwrap_or(&self.dummy), giver.turn())?;
        // Only now: while this try waited for its turn to hash, others may have locked the account.
        match account {
            Some(user) if proof.fits && self.lets_in(user, trusted, now) => Ok(Some((user, proof.kek))),
            Some(user) if !trusted => {
                self.failed(user, who);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// With the right password.
    fn lets_in(&self, user: &User, trusted: bool, now: Instant) -> bool {
        if trusted && !user.disabled {
            self.lockout.succeeded(user.id);
        }
        !user.disabled && self.lockout.opens(user.id, now)
    }

    /// Counts it. The lock is written by a thread of its own: a slow card must not tell by its time which names exist.
    fn failed(&self, user: &User, who: &Who<'_>) {
        let Some(lasting) = self.lockout.failed(user.id, who.now.since_boot) else { return };
        audit::note("account.locked", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        let (store, id, until) = (self.store.clone(), user.id, who.now.calendar + lasting.as_secs() as Seconds);
        let write = move || {
            if let Err(error) = store.update_user(id, |user| user.locked_until = Some(until)) {
                log::error!("a lock could not be stored: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("lock".into()).stack_size(limits::CONNECTION_STACK_BYTES);
        if let Err(error) = thread.spawn(write) {
            log::error!("a lock could not be stored: {error}");
        }
    }

    /// A lock that is over goes from the store too. On a board that boots in 1970 it would seem to lie ahead after every start.
    pub(super) fn forget_lock(&self, user: &User) -> Result<(), Refusal> {
        if user.locked_until.is_some() {
            self.store.update_user(user.id, |user| user.locked_until = None)?;
        }
        Ok(())
    }

    /// The session is there first and then the user is looked at again: whoever was disabled, deleted or given another password
    /// while this sign-in was hashing either ends this session or is seen here.
    pub(super) fn begin(
        &self,
        user: &User,
        stage: Stage,
        data_key: DataKey,
        who: &Who<'_>,
    ) -> Result<SignedIn, Refusal> {
        self.begin_on(user, stage, data_key, None, who)
    }

    pub(super) fn begin_on(
        &self,
        user: &User,
        stage: Stage,
        data_key: DataKey,
        device: Option<Id>,
        who: &Who<'_>,
    ) -> Result<SignedIn, Refusal> {
        let bound = self.admit_certificate(user, who)?;
        let arrival = Arrival {
            user,
            stage,
            peer: who.peer,
            user_agent: who.user_agent,
            calendar: who.now.calendar,
            now: who.now.since_boot,
        };
        let (login, cookie) = self.logins.begin(&arrival, data_key);
        login.set_device(device);
        login.set_certificate(bound);
        match self.store.user(user.id) {
            Ok(Some(now)) if is_same_standing(user, &now) && login.stands_on(&now) => Ok(SignedIn { login, cookie }),
            changed => {
                self.logins.end_where(None, |other| other.id == login.id);
                changed?;
                Err(Refusal::Failed)
            }
        }
    }

    /// A new session takes the place of all that the user has (C5, A7), with the key of this one. `user`: as this one left them.
    pub(super) fn begin_anew(&self, login: &Login, user: &User, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        self.logins.end_where(Some(Why::Account), |other| other.user == user.id && other.id != login.id);
        self.begin_next(login, user, Auth::last_stage(user, login.device()), who)
    }
}

/// What a sign-in was decided by.
pub(super) fn is_same_standing(then: &User, now: &User) -> bool {
    let keys = |user: &User| user.passkeys.iter().map(|key| key.id).collect::<Vec<_>>();
    let demand = then.device_required == now.device_required;
    !now.disabled && Ground::of(then) == Ground::of(now) && keys(then) == keys(now) && demand
}
