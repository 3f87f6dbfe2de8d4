//! Who is asking: claim, sign-in, change of password, and the limits on guessing.
//!
//! Every way in walks the same path, so that none can forget a step: [`Limiter::admit`] -> the account -> [`Hasher`] (the same work
//! whoever it is) -> [`Lockout`] -> a session. Nobody is told which of these said no.

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
mod lockout;
pub mod logins;
mod names;
mod passkeys;
mod passwords;
mod people;
mod recovery;
mod tickets;
mod totp;
pub mod webauthn;

use crate::audit;
use crate::clock::{Instant, Now, Seconds};
use crate::hex;
use crate::limits::{self, Counted, Of, Per};
use crate::random::{self, Id};
use crate::secret::{Key32, Secret};
use crate::store::{Disk, Role, Store, StoreError, User};
use crate::vault::{DataKey, DeviceKey, VaultError, Wrapped};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use devices::Challenges;
pub use ended::Why;
use floor::Floor;
pub use hashing::{Cost, HashError, stretch};
use hashing::{Hasher, Turn, Verifier};
use limiter::Counting;
pub use limiter::{Key, Table};
use lockout::Lockout;
use logins::{Arrival, Binding, Ground, Login, Logins, Stage};
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tickets::Tickets;

pub use calibration::{cost, kept_cost};
pub use certificates::{CertificateShown, Shown};
pub use devices::{DeviceProof, NewDevice};
pub use factor::{Enrolled, Enrolment};
pub use passkeys::{Offer, PasskeyMade, PasskeyShown, Wish};
pub use people::Vault;

/// The name of the way into the data key that a password is.
const PASSWORD_SLOT: &str = "password";

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

/// Why not. Only what the asker may know.
#[derive(Debug)]
pub enum Refusal {
    /// The name, the password or the code is wrong; or the account is locked, disabled or not there.
    Failed,
    /// It wants a proof that was not given.
    ProofNeeded,
    /// Too many failures from this address; wait so long.
    TooMany(Duration),
    /// The password was right, but too many sign-ins of the account have come only so far; wait so long.
    TooManyHalf(Duration),
    Busy,
    /// A new name or password that cannot be.
    Weak {
        field: &'static str,
        message: String,
    },
    NameTaken,
    /// There is nothing to claim any more; or no such user.
    Gone,
    /// The sign-in is over, or what it stands on is another by now.
    Ended,
    /// Everything else was right, but the account demands a certificate; a sentence that says what was seen instead.
    Certificate(&'static str),
    /// It cannot be done as things are; a sentence that says why.
    NotNow(&'static str),
    /// The disk took nothing, so nothing was changed.
    Disk(Disk),
    /// The log says more.
    Internal,
}

fn internal(error: impl Display) -> Refusal {
    log::error!("sign-in: {error}");
    Refusal::Internal
}

/// For what a sign-in only remembers beside it: a full disk is no reason to keep anybody out. It was logged.
fn unless_the_disk_refuses<T>(done: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match done {
        Err(Refusal::Disk(_)) => Ok(None),
        done => done.map(Some),
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        if let StoreError::GivesWay = error {
            return Refusal::Gone;
        }
        let disk = error.disk();
        let refusal = internal(error);
        disk.map_or(refusal, Refusal::Disk)
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Refusal {
        internal(error)
    }
}

impl From<HashError> for Refusal {
    fn from(error: HashError) -> Refusal {
        match error {
            HashError::Busy => Refusal::Busy,
            HashError::Failed => internal("Argon2id failed; is there enough memory?"),
        }
    }
}

/// Is this good enough for a passphrase? The rules of passwords (A2), without a name.
pub fn strong_enough(passphrase: &Secret) -> Result<(), String> {
    passwords::check(passphrase, "").map_err(Into::into)
}

/// Who gives a password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Giver {
    Stranger,
    /// On a trusted device, which has signed for itself.
    Device,
    SignedIn,
}

impl Giver {
    fn of(device: Option<Id>) -> Giver {
        if device.is_some() { Giver::Device } else { Giver::Stranger }
    }

    fn turn(self) -> Turn {
        if self == Giver::Stranger { Turn::Stranger } else { Turn::Known }
    }
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

    // ---- the claim ----

    /// A fresh claim code for the box with this data directory; an earlier one is good no more.
    pub fn new_claim_code(dir: &Path) -> io::Result<String> {
        claim::renew(dir)
    }

    pub fn forget_claim_code(dir: &Path) {
        claim::forget(dir);
    }

    pub fn claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// Does whoever asks hold the claim code of a box that nobody has claimed? A wrong one counts like a wrong password.
    pub fn check_claim_code(&self, code: &Secret, who: &Who<'_>) -> Result<(), Refusal> {
        if self.claimed() {
            return Err(Refusal::Gone);
        }
        let admitted = self.admit(who)?;
        if !claim::fits(&self.data, code.expose_str().unwrap_or_default()) {
            audit::note_stranger("claim.failed", &[("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        }
        self.table.forgive(admitted);
        Ok(())
    }

    /// Makes the first administrator, once.
    pub fn claim(&self, code: &Secret, name: &str, password: &Secret, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        self.check_claim_code(code, who)?;
        let (user, data_key) = self.new_user(name, Role::Administrator, password, who.now.calendar)?;
        match self.store.add_first_administrator(&user) {
            // Whoever was first may not have come to say that the box is claimed; the store knows.
            Err(StoreError::Exists) => {
                let claimed = self.store.users()?.iter().any(|user| user.role == Role::Administrator);
                return Err(if claimed { Refusal::Gone } else { Refusal::NameTaken });
            }
            done => done?,
        }
        self.claimed.store(true, Ordering::Release);
        claim::forget(&self.data);
        audit::note("claim", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        self.begin(&user, self.stage_after_password(&user), data_key, who)
    }

    /// B2.
    pub fn factor_required(&self) -> bool {
        self.factor == Policy::Required
    }

    // ---- users ----

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

    fn new_user(
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

    // ---- sign-in ----

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

    fn admit(&self, who: &Who<'_>) -> Result<Counting, Refusal> {
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

    fn first_stage(&self, user: &User, device: Option<Id>) -> Stage {
        match self.stage_after_password(user) {
            Stage::Full => Auth::last_stage(user, device),
            half => half,
        }
    }

    fn stage_after_password(&self, user: &User) -> Stage {
        match (user.has_factor(), self.factor) {
            (true, _) => Stage::Factor,
            (false, Policy::Required) => Stage::Enrol,
            (false, Policy::Optional) => Stage::Full,
        }
    }

    /// By somebody who is signed in.
    fn prove<'u>(
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
    fn forget_lock(&self, user: &User) -> Result<(), Refusal> {
        if user.locked_until.is_some() {
            self.store.update_user(user.id, |user| user.locked_until = None)?;
        }
        Ok(())
    }

    fn unwrap(&self, user: &User, kek: &Key32) -> Result<DataKey, Refusal> {
        let wrapped = user.wrapped.iter().find(|(slot, _)| slot == PASSWORD_SLOT);
        let (slot, sealed) = wrapped.ok_or_else(|| internal("a user without a wrapped data key"))?;
        Ok(DataKey::unwrap(sealed, kek, &self.device, user.id, slot)?)
    }

    /// A1: hashed anew when the cost has changed; and wrapped anew, at last, when the device key was exchanged. The user as they were when their password was verified, and nothing later: a sign-in
    /// goes on with what it began with.
    fn renew_hash(&self, user: &User, password: &Secret, data_key: &DataKey) -> Result<User, Refusal> {
        let nested = user.wrapped.iter().any(|(slot, wrapped)| slot == PASSWORD_SLOT && wrapped.is_nested());
        if nested || Verifier::parse(&user.verifier).is_none_or(|verifier| verifier.cost != self.hasher.cost()) {
            return self.renew_lock(user, password, data_key);
        }
        Ok(user.clone())
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

    /// The same password and the same data key behind another hash. Nothing is done if the user as they were `verified` has another
    /// password by now: the key at hand may be of yesterday.
    fn renew_lock(&self, verified: &User, password: &Secret, data_key: &DataKey) -> Result<User, Refusal> {
        let lock = self.lock(verified.id, password, data_key)?;
        let fits = |user: &User| Ground::of(user) == Ground::of(verified);
        self.change_if(verified.id, fits, |user| lock.put_on(user))?.ok_or(Refusal::Failed)
    }

    /// A password for a data key.
    fn lock(&self, id: Id, password: &Secret, data_key: &DataKey) -> Result<Lock, Refusal> {
        let (verifier, kek) = self.hasher.make(password)?;
        Ok(Lock { verifier, wrapped: data_key.wrap(&kek, &self.device, id, PASSWORD_SLOT) })
    }

    /// The session is there first and then the user is looked at again: whoever was disabled, deleted or given another password
    /// while this sign-in was hashing either ends this session or is seen here.
    fn begin(&self, user: &User, stage: Stage, data_key: DataKey, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        self.begin_on(user, stage, data_key, None, who)
    }

    fn begin_on(
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
    fn begin_anew(&self, login: &Login, user: &User, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        self.logins.end_where(Some(Why::Account), |other| other.user == user.id && other.id != login.id);
        self.begin_next(login, user, Auth::last_stage(user, login.device()), who)
    }

    // ---- signed in ----

    /// A sign-in of any [`Stage`], if its cookie is shown from where it is good (C4), and with its certificate (R2). It lives on where it is not: its owner may
    /// still be there, and who has stolen the cookie shall not even end it.
    pub fn find_any(&self, cookie: &str, peer: IpAddr, shown: Shown<'_>, now: &Now) -> Option<Arc<Login>> {
        let login = self.logins.find(cookie, now.since_boot)?;
        let event =
            match (self.binding.holds(login.peer, peer), certificates::holds(login.certificate().as_deref(), shown)) {
                (true, true) => return Some(login),
                (false, _) => "signin.strayed",
                (true, false) => "certificate.refused",
            };
        if login.has_strayed() {
            audit::note(event, &[("user", &login.name), ("peer", &peer.to_string())]);
        }
        None
    }

    /// The whole sign-ins of a user, oldest first (C6).
    pub fn logins_of(&self, user: Id, now: &Now) -> Vec<Arc<Login>> {
        let mut own = self.logins.of(user, now.since_boot);
        own.retain(|login| login.stage() == Stage::Full);
        own
    }

    /// Ends one of the user's own sign-ins. False: they have no such.
    pub fn revoke(&self, user: Id, login: Id, who: &Who<'_>) -> bool {
        let Some(own) = self.logins.of(user, who.now.since_boot).into_iter().find(|other| other.id == login) else {
            return false;
        };
        let ended = self.logins.end_where(Some(Why::Ended), |other| other.id == own.id) > 0;
        if ended {
            let (login, peer) = (login.to_string(), who.peer.to_string());
            audit::note("signin.revoke", &[("user", &own.name), ("login", &login), ("peer", &peer)]);
        }
        ended
    }

    pub fn sign_out(&self, login: &Login, who: &Who<'_>) {
        self.logins.end_where(None, |other| other.id == login.id);
        audit::note("signout", &[("user", &login.name), ("peer", &who.peer.to_string())]);
    }

    /// Every sign-in of the user ends, the half ones too, and no key of theirs stays in memory.
    pub fn lock_now(&self, login: &Login, who: &Who<'_>) {
        self.logins.end_where(None, |other| other.id == login.id);
        self.logins.end_where(Some(Why::Ended), |other| other.user == login.user);
        audit::note("vault.lock", &[("user", &login.name), ("peer", &who.peer.to_string())]);
    }

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
    fn check_new_password(&self, user: &User, new: &Secret, field: &'static str) -> Result<(), Refusal> {
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

/// What a sign-in was decided by.
fn is_same_standing(then: &User, now: &User) -> bool {
    let keys = |user: &User| user.passkeys.iter().map(|key| key.id).collect::<Vec<_>>();
    let demand = then.device_required == now.device_required;
    !now.disabled && Ground::of(then) == Ground::of(now) && keys(then) == keys(now) && demand
}

/// It was not removed meanwhile.
fn is_trusted(now: &User, device: Option<Id>) -> bool {
    device.is_none_or(|id| now.devices.iter().any(|device| device.id == id))
}

/// A password's verifier, and the data key wrapped by it. They are one write: there is no moment with only one of them.
struct Lock {
    verifier: Verifier,
    wrapped: Wrapped,
}

impl Lock {
    fn put_on(self, user: &mut User) {
        user.verifier = self.verifier.to_text();
        user.wrapped.retain(|(slot, _)| slot != PASSWORD_SLOT);
        user.wrapped.push((PASSWORD_SLOT.into(), self.wrapped));
    }
}

/// Before the new one is set (A8). What was given out and not used yet was given out by who had the old one: a reset token, and a code
/// for another device.
fn remember_password(user: &mut User, now: Seconds) {
    (user.reset, user.device_code) = (None, None);
    user.old_verifiers.insert(0, user.verifier.clone());
    user.old_verifiers.truncate(limits::PASSWORD_HISTORY - 1);
    user.password_changed = now;
}

/// A notice is a word and a time; the page has the sentences.
fn notify(user: &mut User, what: &str, now: Seconds) {
    user.notices.push(format!("{what} {now}"));
    let surplus = user.notices.len().saturating_sub(limits::NOTICES);
    user.notices.drain(..surplus);
}

#[cfg(test)]
mod tests;
