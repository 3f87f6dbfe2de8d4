//! Who is asking: claim, sign-in, change of password, and the limits on guessing.
//!
//! Every way in walks the same path (`sign_in`), so that none can forget a step: [`Table::admit`] -> the account -> [`Hasher`] (the same
//! work whoever it is) -> [`Lockout`] -> a session. Nobody is told which of these said no.

mod calibration;
mod cbor;
mod certificates;
mod claim;
mod devices;
mod ended;
mod factor;
mod floor;
mod halfway;
mod hashing;
mod invites;
mod limiter;
mod lock;
mod lockout;
pub mod logins;
mod names;
mod passkeys;
mod passwords;
mod people;
mod recovery;
mod refusal;
mod sign_in;
mod signed_in;
mod tickets;
mod totp;
pub mod webauthn;

use crate::clock::{Instant, Now, Seconds};
use crate::hex;
use crate::limits::{self, Counted, Of, Per};
use crate::random::{self, Id};
use crate::secret::Secret;
use crate::store::{Role, Store, StoreError, User};
use crate::vault::DeviceKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use devices::Challenges;
use floor::Floor;
pub use hashing::{Cost, HashError, stretch};
use hashing::{Hasher, Verifier};
pub use limiter::{Key, Table};
use lockout::Lockout;
use logins::{Binding, Login, Logins, Stage};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tickets::Tickets;

pub use calibration::{cost, kept_cost};
pub use certificates::{CertificateShown, Shown};
pub use devices::{DeviceProof, NewDevice};
pub use ended::Why;
pub use factor::{Enrolled, Enrolment};
pub use passkeys::{Offer, PasskeyMade, PasskeyShown, Wish};
pub use people::Vault;
pub use refusal::Refusal;

/// 256 random bits as text: a cookie, a CSRF token, a ticket.
fn token() -> String {
    URL_SAFE_NO_PAD.encode(random::bytes::<32>())
}

/// What is stored of a token that outlives a restart. Nobody guesses 256 bits, so it needs no slow hash.
fn token_hash(token: &str) -> String {
    hex::text(&Sha256::digest(token.as_bytes()))
}

/// Is a token made then, with this hash, the given one and still good? One from the future is not: the clock was set back, and nobody
/// knows how old it is.
fn token_fits(stored: &str, made: Seconds, lasting: Seconds, hash: &str, now: Seconds) -> bool {
    let fresh = (made..made.saturating_add(lasting)).contains(&now);
    bool::from(stored.as_bytes().ct_eq(hash.as_bytes())) && fresh
}

/// One from the future has not: the clock is wrong, and may be set again.
fn has_run_out(made: Seconds, lasting: Seconds, now: Seconds) -> bool {
    now >= made.saturating_add(lasting)
}

/// B2: must everybody have a second factor?
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    Required,
    Optional,
}

/// What an owner may change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of new hashes: [`cost`].
    pub cost: Cost,
    pub factor: Policy,
    pub binding: Binding,
    pub login_absolute: Duration,
    pub login_idle: Duration,
    /// Failed sign-ins per address and minute.
    pub failures: u32,
    /// Terminals opened per user and minute.
    pub connects: u32,
    /// Failures in a row that lock an account; 0: never.
    pub lock_after: u32,
    pub lock_for: Duration,
}

/// Who asks, from where and when.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    pub peer: IpAddr,
    pub user_agent: &'a str,
    pub shown: Shown<'a>,
    pub now: Now,
}

pub struct SignedIn {
    pub login: Arc<Login>,
    pub cookie: String,
}

/// Is this good enough for a passphrase? The rules of passwords (A2), without a name.
pub fn strong_enough(passphrase: &Secret) -> Result<(), String> {
    passwords::check(passphrase, "").map_err(Into::into)
}

pub struct Auth {
    store: Arc<Store>,
    device: Arc<DeviceKey>,
    data: PathBuf,
    hasher: Hasher,
    table: Arc<Table>,
    challenges: Challenges,
    lockout: Lockout,
    logins: Logins,
    floor: Floor,
    ran_out: Mutex<Option<Instant>>,
    tickets: Tickets,
    forms: Tickets,
    dummy: Verifier,
    /// There is an administrator. Never becomes untrue.
    claimed: AtomicBool,
    factor: Policy,
    binding: Binding,
    /// One at a time changes who may do what, so that an administrator is always left, and who is put out does nothing more.
    people: Mutex<()>,
}

impl Auth {
    pub fn new(store: Arc<Store>, device: Arc<DeviceKey>, data: &Path, settings: Settings) -> Result<Auth, StoreError> {
        let users = store.users()?;
        let stored = users.iter().filter_map(|user| Verifier::parse(&user.verifier)).map(|verifier| verifier.cost);
        let auth = Auth {
            hasher: Hasher::new(limits::ARGON2_AT_ONCE, limits::ARGON2_WAIT, settings.cost, stored),
            table: Arc::new(Table::new(&[(Counted::SignIn, settings.failures), (Counted::Connect, settings.connects)])),
            challenges: Challenges::new(Instant::now()),
            lockout: Lockout::new(settings.lock_after, settings.lock_for),
            logins: Logins::new(settings.login_absolute, settings.login_idle),
            floor: Floor::of(users.iter().map(|user| user.last_step)),
            ran_out: Mutex::new(None),
            tickets: Tickets::new(limits::TICKET),
            forms: Tickets::new(limits::FORM),
            dummy: Verifier::dummy(settings.cost),
            claimed: AtomicBool::new(users.iter().any(|user| user.role == Role::Administrator)),
            factor: settings.factor,
            binding: settings.binding,
            people: Mutex::new(()),
            data: data.to_owned(),
            store,
            device,
        };
        let now = crate::clock::now();
        for user in users {
            if let Some(until) = user.locked_until {
                auth.lockout.resume(user.id, until, now.calendar, now.since_boot);
            }
        }
        Ok(auth)
    }

    /// B2.
    pub fn factor_required(&self) -> bool {
        self.factor == Policy::Required
    }

    /// What is counted here, for the rooms that count too.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// A route's tries (E6), before anything is done for it. Failures are counted where it is known that something failed.
    pub fn count(&self, all: &[Counted], login: Option<&Login>, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        for what in all.iter().filter(|what| what.limit().of == Of::Tries) {
            let key = match (what.limit().per, login) {
                (Per::User, Some(login)) => Key::User(login.user),
                (Per::UserOrDevice, Some(login)) => login.device().map_or(Key::User(login.user), Key::Device),
                _ => Key::address(peer),
            };
            self.table.admit(*what, key, now)?;
        }
        Ok(())
    }

    fn user(&self, id: Id) -> Result<User, Refusal> {
        self.store.user(id)?.ok_or(Refusal::Gone)
    }

    /// The account of a sign-in, as long as it is what the sign-in began with.
    fn own(&self, login: &Login) -> Result<User, Refusal> {
        self.store.user(login.user)?.filter(|user| login.stands_on(user)).ok_or(Refusal::Ended)
    }

    /// Whatever a sign-in changes of its account is changed here: by the data key of yesterday, or on the word of who was put out a
    /// moment ago, nothing is written. The account as it is then, for what follows: read once more, it might be another.
    fn change_own(&self, login: &Login, change: impl FnOnce(&mut User)) -> Result<User, Refusal> {
        self.change_if(login.user, |user| login.stands_on(user), change)?.ok_or(Refusal::Ended)
    }

    /// None: the user is gone, or not as they must be for this.
    fn change_if(
        &self,
        id: Id,
        fits: impl FnOnce(&User) -> bool,
        change: impl FnOnce(&mut User),
    ) -> Result<Option<User>, Refusal> {
        let mut changed = None;
        let there = self.store.update_user(id, |user| {
            if fits(user) {
                change(user);
                changed = Some(user.clone());
            }
        })?;
        Ok(changed.filter(|_| there))
    }

    // ---- tickets ----

    /// None: too many are outstanding, or the sign-in is half.
    pub fn issue_ticket(&self, login: &Login, session: Id, now: Instant) -> Option<String> {
        if login.stage() != Stage::Full {
            return None;
        }
        self.tickets.issue(login.id, session, now)
    }

    pub fn redeem_ticket(&self, ticket: &str, login: &Login, session: Id, now: Instant) -> bool {
        self.tickets.redeem(ticket, login.id, session, now)
    }

    /// D2: the token of one form, for this sign-in session.
    pub fn issue_form(&self, login: &Login, now: Instant) -> Option<String> {
        self.forms.issue(login.id, login.id, now)
    }

    /// Whatever comes of the form, its token is used up.
    pub fn redeem_form(&self, token: &str, login: &Login, now: Instant) -> bool {
        self.forms.redeem(token, login.id, login.id, now)
    }

    /// Argon2id runs since the start.
    pub fn hashes(&self) -> u64 {
        self.hasher.runs()
    }

    /// Of new hashes.
    pub fn cost(&self) -> Cost {
        self.hasher.cost()
    }

    /// Sign-in sessions there are.
    pub fn signed_in(&self) -> usize {
        self.logins.count()
    }

    /// Does the box know what time it is? Not before it has heard it, nor if its clock was set back.
    pub fn knows_the_time(&self, now: &Now) -> bool {
        self.floor.holds(now)
    }

    /// What has run out goes from the disk too, so that a clock which is set back later makes nothing good again. Once a minute; where
    /// the disk takes nothing it is tried again.
    pub fn forget_what_ran_out(&self, now: &Now) -> Result<(), Refusal> {
        let mut last = self.ran_out.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.since_boot.saturating_duration_since(last) < limits::RUN_OUT_ROUND) {
            return Ok(());
        }
        *last = Some(now.since_boot);
        let (calendar, users) = (self.floor.calendar(now), self.store.users()?);
        if now.is_plausible()
            && !self.floor.holds(now)
            && let Some(user) = users.iter().max_by_key(|user| user.last_step)
        {
            let name = &user.name;
            log::warn!(
                "the clock is behind the newest one-time code that was accepted, one of {name}; no code is until it is set right. \
                 If it is right, that code was not: footbridge user reset-mfa {name}"
            );
        }
        for user in users.iter().filter(|user| people::any_ran_out(user, calendar)) {
            self.store.update_user(user.id, |user| people::drop_what_ran_out(user, calendar))?;
        }
        self.forget_old_invites(now)
    }

    /// Wipes what has run out.
    pub fn sweep(&self, now: Instant) {
        self.logins.sweep(now);
        self.table.sweep(now);
        self.tickets.sweep(now);
        self.forms.sweep(now);
        self.challenges.sweep(now);
    }
}

/// A notice is a word and a time; the page has the sentences.
fn notify(user: &mut User, what: &str, now: Seconds) {
    user.notices.push(format!("{what} {now}"));
    let surplus = user.notices.len().saturating_sub(limits::NOTICES);
    user.notices.drain(..surplus);
}

#[cfg(test)]
mod tests;
