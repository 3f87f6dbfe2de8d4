//! Sign-in sessions. They live in memory only: a restart signs everybody out, and a stolen card holds none.

use super::certificates;
use super::devices::is_trusted;
use super::ended::{Ended, Past, Why};
use super::limiter::Counting;
use crate::clock::{Instant, Seconds};
use crate::limits;
use crate::random::{self, Id};
use crate::secret::Secret;
use crate::store::{Role, User};
use crate::vault::{DataKey, Sealed};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How far a sign-in has come. All but `Full` are half: they last five minutes, and are good for their next step and sign-out only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The password was right; the second factor is owed.
    Factor,
    /// The password was right, and this user has no second factor yet, but must have one.
    Enrol,
    /// All was right, but the account demands a trusted device, and this browser is none.
    Device,
    /// A recovery code stood for the lost factor: it may be replaced, and nothing else.
    Recovered,
    /// Signed in.
    Full,
}

/// C4: from where a sign-in's cookie is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Off,
    /// The network it began in: IPv4 by /24, IPv6 by /64.
    Subnet,
    /// The very address.
    Ip,
}

impl Binding {
    pub fn holds(self, began: IpAddr, peer: IpAddr) -> bool {
        match (self, began.to_canonical(), peer.to_canonical()) {
            (Binding::Off, ..) => true,
            (Binding::Subnet, IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
            (Binding::Subnet, IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
            (_, a, b) => a == b,
        }
    }
}

/// What an authenticator's answer is for. Nobody has to prove anything to be asked for a signature, but for a new key they do: so the
/// one question never stands for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Make,
    Use,
}

/// What a sign-in stands on. Whoever changes any of it ends the user's sign-ins; but a moment lies between that write and their end,
/// and what is written in it would stay.
#[derive(PartialEq, Eq)]
pub(super) struct Ground {
    role: Role,
    /// The verifier of the password before the present one: another one after every new password, and only then. A hash that is renewed
    /// at a sign-in leaves it as it is, and a new data key never comes without a new password.
    before: Option<String>,
    factor: Option<Sealed>,
    has_factor: bool,
}

const _: () = assert!(limits::PASSWORD_HISTORY > 1, "the password before the present one is remembered");

impl Ground {
    pub(super) fn of(user: &User) -> Ground {
        let before = user.old_verifiers.first().cloned();
        Ground { role: user.role, before, factor: user.factor.clone(), has_factor: user.has_factor() }
    }
}

/// One sign-in session: a browser that knows its cookie.
pub struct Login {
    pub id: Id,
    stage: Stage,
    pub user: Id,
    pub name: String,
    pub role: Role,
    ground: Ground,
    pub csrf: String,
    pub peer: IpAddr,
    pub user_agent: String,
    pub created: Seconds,
    started: Instant,
    ended: AtomicBool,
    /// Its cookie was shown from elsewhere, and the audit knows.
    strayed: AtomicBool,
    last_use: Mutex<Instant>,
    absolute: Duration,
    idle: Duration,
    /// Gone, and wiped, as soon as the session ends.
    data_key: Mutex<Option<DataKey>>,
    /// The factor that is being set up, and since when.
    pending: Mutex<Option<(Secret, Instant)>>,
    /// Its place among those that are on the way, as long as it is half.
    place: Mutex<Option<Counting>>,
    /// The trusted device that this is (R1).
    device: Mutex<Option<Id>>,
    /// The fingerprint that it is bound to (R2).
    certificate: Mutex<Option<String>>,
    /// What an authenticator was asked, for what, since when. One at a time, and for one answer.
    challenge: Mutex<Option<([u8; 32], Purpose, Instant)>>,
    /// The hash of what stands for a code that a passkey has proven, and since when.
    proof: Mutex<Option<([u8; 32], Instant)>>,
    /// What a fresh code was given for, and when (B8). One at a time.
    step_up: Mutex<Option<(String, Instant)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Login {
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Somebody did something: the idle time begins anew (C3).
    pub fn touch(&self, now: Instant) {
        let mut last = lock(&self.last_use);
        *last = now.max(*last);
    }

    pub fn is_alive(&self, now: Instant) -> bool {
        let fresh = now.saturating_duration_since(self.started) < self.absolute
            && now.saturating_duration_since(self.last_use()) < self.idle;
        fresh && !self.ended.load(Ordering::Acquire)
    }

    pub(super) fn ends_at_the_latest(&self) -> Instant {
        self.started + self.absolute
    }

    /// Is all as it was when this sign-in began, so that its data key is the account's, and what it asks for may be done? Asked with the
    /// user as they are within the transaction that does it.
    pub fn stands_on(&self, user: &User) -> bool {
        let open = !self.ended.load(Ordering::Acquire) && !user.disabled;
        let shown = is_trusted(user, self.device()) && certificates::is_registered(user, self.certificate().as_deref());
        open && shown && self.ground == Ground::of(user)
    }

    /// The first time only, so that whoever has the cookie cannot fill the audit.
    pub(super) fn has_strayed(&self) -> bool {
        !self.strayed.swap(true, Ordering::AcqRel)
    }

    pub fn last_use(&self) -> Instant {
        *lock(&self.last_use)
    }

    /// None: the session has ended, and with it the key; or it is half only.
    pub fn data_key<R>(&self, use_it: impl FnOnce(&DataKey) -> R) -> Option<R> {
        if self.stage == Stage::Full { self.data_key_of_any_stage(use_it) } else { None }
    }

    /// A half session's key opens the factor's secret, which is asked for next.
    pub(super) fn data_key_of_any_stage<R>(&self, use_it: impl FnOnce(&DataKey) -> R) -> Option<R> {
        lock(&self.data_key).as_ref().map(use_it)
    }

    pub fn csrf_matches(&self, given: &str) -> bool {
        given.as_bytes().ct_eq(self.csrf.as_bytes()).into()
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        lock(&self.data_key).take();
        lock(&self.pending).take();
        lock(&self.step_up).take();
        lock(&self.challenge).take();
        lock(&self.proof).take();
    }

    pub(super) fn set_pending(&self, secret: Secret, now: Instant) {
        *lock(&self.pending) = Some((secret, now));
    }

    /// It stays, because a mistyped code is no reason to scan again.
    pub(super) fn pending(&self, now: Instant) -> Option<Secret> {
        let fresh = |since: &Instant| now.saturating_duration_since(*since) < limits::HALF_LOGIN;
        lock(&self.pending).as_ref().filter(|(_, since)| fresh(since)).map(|(secret, _)| secret.clone())
    }

    pub(super) fn grant(&self, what: String, now: Instant) {
        *lock(&self.step_up) = Some((what, now));
    }

    /// Used up, whatever the answer.
    pub(super) fn take_grant(&self, what: &str, now: Instant) -> bool {
        let grant = lock(&self.step_up).take();
        grant.is_some_and(|(given, at)| given == what && now.saturating_duration_since(at) < limits::STEP_UP)
    }

    pub(super) fn set_place(&self, place: Option<Counting>) {
        *lock(&self.place) = place;
    }

    pub(super) fn take_place(&self) -> Option<Counting> {
        lock(&self.place).take()
    }

    pub fn device(&self) -> Option<Id> {
        *lock(&self.device)
    }

    pub(super) fn set_device(&self, device: Option<Id>) {
        *lock(&self.device) = device;
    }

    pub fn certificate(&self) -> Option<String> {
        lock(&self.certificate).clone()
    }

    pub(super) fn set_certificate(&self, fingerprint: Option<String>) {
        *lock(&self.certificate) = fingerprint;
    }

    /// B9: random, and this session's alone.
    pub(super) fn ask(&self, purpose: Purpose, now: Instant) -> [u8; 32] {
        let challenge = random::bytes();
        *lock(&self.challenge) = Some((challenge, purpose, now));
        challenge
    }

    /// Used up, whatever the answer to it is worth.
    pub(super) fn take_challenge(&self, purpose: Purpose, now: Instant) -> Option<[u8; 32]> {
        let (challenge, asked_for, at) = lock(&self.challenge).take()?;
        let fresh = now.saturating_duration_since(at) < limits::HALF_LOGIN;
        (asked_for == purpose && fresh).then_some(challenge)
    }

    /// What stands for a one-time code, once, within five minutes.
    pub(super) fn give_proof(&self, now: Instant) -> String {
        let token = super::token();
        *lock(&self.proof) = Some((hash(&token), now));
        token
    }

    /// Used up only if it was meant: a mistyped code leaves it.
    pub(super) fn take_proof(&self, given: &Secret, now: Instant) -> bool {
        let given: [u8; 32] = Sha256::digest(given.expose()).into();
        let good = |(hash, at): &mut ([u8; 32], Instant)| {
            now.saturating_duration_since(*at) < limits::STEP_UP && bool::from(hash.ct_eq(&given))
        };
        lock(&self.proof).take_if(good).is_some()
    }

    /// The key moves to the session that follows this one.
    pub(super) fn take_data_key(&self) -> Option<DataKey> {
        lock(&self.data_key).take()
    }
}

/// Who signs in, from where and when.
pub struct Arrival<'a> {
    pub user: &'a User,
    pub stage: Stage,
    pub peer: IpAddr,
    pub user_agent: &'a str,
    pub calendar: Seconds,
    pub now: Instant,
}

/// What is remembered of a cookie: its hash.
pub(super) type Cookie = [u8; 32];

/// All of them, by the hash of their cookie (C1): what lies in memory opens nothing.
pub struct Logins {
    absolute: Duration,
    idle: Duration,
    by_cookie: Mutex<HashMap<Cookie, Arc<Login>>>,
    /// Locked after `by_cookie`, so that there is no moment at which one is in neither.
    past: Mutex<Ended>,
}

fn hash(cookie: &str) -> Cookie {
    Sha256::digest(cookie.as_bytes()).into()
}

impl Logins {
    pub fn new(absolute: Duration, idle: Duration) -> Logins {
        Logins { absolute, idle, by_cookie: Mutex::new(HashMap::new()), past: Mutex::default() }
    }

    /// A new session and its cookie. The user's oldest gives way if there are too many; the box's oldest, if that is not enough.
    pub fn begin(&self, arrival: &Arrival<'_>, data_key: DataKey) -> (Arc<Login>, String) {
        let cookie = super::token();
        let login = Arc::new(Login {
            id: Id::random(),
            stage: arrival.stage,
            user: arrival.user.id,
            name: arrival.user.name.clone(),
            role: arrival.user.role,
            ground: Ground::of(arrival.user),
            csrf: super::token(),
            peer: arrival.peer,
            user_agent: arrival.user_agent.chars().filter(|c| !c.is_control()).take(200).collect(),
            created: arrival.calendar,
            started: arrival.now,
            ended: AtomicBool::new(false),
            strayed: AtomicBool::new(false),
            last_use: Mutex::new(arrival.now),
            absolute: if arrival.stage == Stage::Full { self.absolute } else { limits::HALF_LOGIN },
            idle: self.idle,
            data_key: Mutex::new(Some(data_key)),
            pending: Mutex::new(None),
            place: Mutex::new(None),
            step_up: Mutex::new(None),
            device: Mutex::new(None),
            certificate: Mutex::new(None),
            challenge: Mutex::new(None),
            proof: Mutex::new(None),
        });
        let mut logins = lock(&self.by_cookie);
        logins.insert(hash(&cookie), login.clone());
        let whole = login.stage == Stage::Full;
        let most = if whole { limits::LOGINS_PER_USER } else { limits::HALF_LOGINS_PER_USER };
        let like_it = |other: &Login| other.user == login.user && (other.stage == Stage::Full) == whole;
        let mut gone = trim(&mut logins, most, &login, like_it);
        gone.append(&mut trim(&mut logins, limits::LOGINS, &login, |_| true));
        self.remember(&gone, Why::Pushed);
        drop(logins);
        gone.iter().for_each(|(_, login)| login.end());
        (login, cookie)
    }

    pub fn find(&self, cookie: &str, now: Instant) -> Option<Arc<Login>> {
        lock(&self.by_cookie).get(&hash(cookie)).filter(|login| login.is_alive(now)).cloned()
    }

    /// A user's sessions, oldest first.
    pub fn of(&self, user: Id, now: Instant) -> Vec<Arc<Login>> {
        let mut own: Vec<_> =
            lock(&self.by_cookie).values().filter(|login| login.user == user && login.is_alive(now)).cloned().collect();
        own.sort_by_key(|login| login.started);
        own
    }

    pub fn count(&self) -> usize {
        lock(&self.by_cookie).len()
    }

    /// How many there were. `why`: what their browsers are told, if anything.
    pub fn end_where(&self, why: Option<Why>, goes: impl Fn(&Login) -> bool) -> usize {
        let mut logins = lock(&self.by_cookie);
        let gone: Vec<_> = logins.extract_if(|_, login| goes(login)).collect();
        why.into_iter().for_each(|why| self.remember(&gone, why));
        drop(logins);
        gone.iter().for_each(|(_, login)| login.end());
        gone.len()
    }

    fn remember(&self, gone: &[(Cookie, Arc<Login>)], why: Why) {
        let mut past = lock(&self.past);
        gone.iter().for_each(|(cookie, login)| past.add(*cookie, login, why));
    }

    /// At one that has ended.
    pub(super) fn look_back<R>(&self, cookie: &str, now: Instant, look: impl FnOnce(&Past) -> Option<R>) -> Option<R> {
        let cookie = hash(cookie);
        // It may have run out a moment ago.
        if lock(&self.by_cookie).contains_key(&cookie) {
            self.sweep(now);
        }
        lock(&self.past).find(&cookie).and_then(look)
    }

    /// Ends what has run out, so that its key is wiped although nobody asks for it any more.
    pub fn sweep(&self, now: Instant) {
        self.end_where(Some(Why::TimedOut), |login| !login.is_alive(now));
        lock(&self.past).sweep(now);
    }
}

/// Takes out what is too many, and not the new one, also where the clock is coarse and all are equally old. They are ended only once
/// the table is free again: a session's key may be in use for as long as an Argon2 run, and everybody's requests need the table.
fn trim(
    logins: &mut HashMap<Cookie, Arc<Login>>,
    most: usize,
    new: &Login,
    counts: impl Fn(&Login) -> bool,
) -> Vec<(Cookie, Arc<Login>)> {
    let mut gone = Vec::new();
    while logins.values().filter(|login| counts(login)).count() > most {
        let others = logins.iter().filter(|(_, login)| counts(login) && login.id != new.id);
        let oldest = others.min_by_key(|(_, login)| login.last_use());
        let Some(cookie) = oldest.map(|(cookie, _)| *cookie) else { break };
        gone.extend(logins.remove_entry(&cookie));
    }
    gone
}

/// For the tests of the rooms above.
#[cfg(test)]
pub mod for_tests {
    use super::*;

    pub const HOUR: Duration = Duration::from_secs(3600);

    pub fn somebody(name: &str) -> User {
        serde_json::from_value(serde_json::json!({
            "id": Id::random(), "name": name, "role": "user", "created": 0, "disabled": false, "verifier": "", "wrapped": [],
            "password_changed": 0
        }))
        .unwrap()
    }

    pub fn begin(logins: &Logins, user: &User, now: Instant) -> (Arc<Login>, String) {
        begin_at(logins, user, Stage::Full, now)
    }

    pub fn begin_at(logins: &Logins, user: &User, stage: Stage, now: Instant) -> (Arc<Login>, String) {
        let peer = IpAddr::from([127, 0, 0, 1]);
        logins.begin(&Arrival { user, stage, peer, user_agent: "a\nb", calendar: 0, now }, DataKey::random())
    }

    pub fn login() -> Arc<Login> {
        begin(&Logins::new(HOUR, HOUR), &somebody("ada"), Instant::now()).0
    }
}

#[cfg(test)]
mod tests {
    use super::for_tests::{HOUR, begin, begin_at, somebody};
    use super::*;

    #[test]
    fn a_cookie_is_good_in_its_network_as_far_as_it_is_bound() {
        let holds = |binding: Binding, a: &str, b: &str| binding.holds(a.parse().unwrap(), b.parse().unwrap());
        for (a, b, subnet, ip) in [
            ("192.168.1.5", "192.168.1.5", true, true),
            ("192.168.1.5", "192.168.1.77", true, false),
            ("192.168.1.5", "192.168.2.5", false, false),
            ("::ffff:192.168.1.5", "192.168.1.5", true, true),
            ("2001:db8:1:2::5", "2001:db8:1:2:ffff::9", true, false),
            ("2001:db8:1:2::5", "2001:db8:1:3::5", false, false),
            ("127.0.0.1", "::1", false, false),
        ] {
            let all = [Binding::Off, Binding::Subnet, Binding::Ip].map(|binding| holds(binding, a, b));
            assert_eq!(all, [true, subnet, ip], "{a} {b}");
        }
    }

    #[test]
    fn a_session_ends_by_age_by_idleness_and_by_order() {
        let (logins, user, now) = (Logins::new(12 * HOUR, HOUR), somebody("ada"), Instant::now());
        let (login, cookie) = begin(&logins, &user, now);
        assert!(logins.find(&cookie, now + HOUR / 2).is_some());
        assert!(logins.find(&cookie, now + HOUR).is_none(), "looking at it is not using it");
        (1..12).for_each(|hours| login.touch(now + hours * HOUR - HOUR / 2));
        login.touch(now + 12 * HOUR - HOUR / 2);
        assert!(login.is_alive(now + 12 * HOUR - HOUR / 4));
        assert!(!login.is_alive(now + 12 * HOUR));
        logins.sweep(now + 12 * HOUR);
        assert!(login.data_key(|_| ()).is_none(), "the key is gone with it");
        let (login, cookie) = begin(&logins, &user, now);
        logins.end_where(None, |other| other.id == login.id);
        assert!(logins.find(&cookie, now).is_none() && login.data_key(|_| ()).is_none() && !login.is_alive(now));
    }

    #[test]
    fn a_cookie_is_its_own_and_so_is_its_csrf_token() {
        let (logins, user, now) = (Logins::new(HOUR, HOUR), somebody("ada"), Instant::now());
        let ((one, a), (two, b)) = (begin(&logins, &user, now), begin(&logins, &user, now));
        assert!(a != b && logins.find(&a, now).unwrap().id == one.id && logins.find("junk", now).is_none());
        assert!(one.csrf_matches(&one.csrf) && !one.csrf_matches(&two.csrf) && !one.csrf_matches(""));
        assert_eq!(one.user_agent, "ab");
    }

    /// The story: a change of password holds its session's key for a whole Argon2 run. Whoever signed out meanwhile waited for that
    /// key with the table of all sessions locked, and nobody's request was answered.
    #[test]
    fn a_key_in_use_keeps_nobody_else_waiting() {
        let (logins, user, now) = (Logins::new(HOUR, HOUR), somebody("ada"), Instant::now());
        let (changing, _) = begin(&logins, &user, now);
        let (_, other) = begin(&logins, &somebody("bob"), now);
        let (asking, found) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            changing.data_key(|_| {
                scope.spawn(|| logins.end_where(None, |login| login.id == changing.id));
                while !changing.ended.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                scope.spawn(|| asking.send(logins.find(&other, now).is_some()));
                assert_eq!(found.recv_timeout(Duration::from_secs(20)), Ok(true));
            });
        });
    }

    #[test]
    fn the_least_used_gives_way() {
        let (logins, user, now) = (Logins::new(HOUR, HOUR), somebody("ada"), Instant::now());
        let (first, first_cookie) = begin(&logins, &user, now);
        let (_, second_cookie) = begin(&logins, &user, now);
        first.touch(now + HOUR / 2);
        (1..limits::LOGINS_PER_USER).for_each(|_| drop(begin(&logins, &user, now + HOUR / 4)));
        assert!(logins.find(&first_cookie, now).is_some() && logins.find(&second_cookie, now).is_none());
        assert_eq!(logins.of(user.id, now).len(), limits::LOGINS_PER_USER);
    }

    #[test]
    fn a_half_session_is_short_gives_no_key_and_pushes_nobody_out() {
        let (logins, user, now) = (Logins::new(12 * HOUR, HOUR), somebody("ada"), Instant::now());
        let (whole, cookie) = begin(&logins, &user, now);
        for stage in [Stage::Factor, Stage::Enrol, Stage::Recovered] {
            let (half, _) = begin_at(&logins, &user, stage, now);
            assert!(half.data_key(|_| ()).is_none() && half.data_key_of_any_stage(|_| ()).is_some());
            half.touch(now + limits::HALF_LOGIN / 2);
            assert!(half.is_alive(now + limits::HALF_LOGIN / 2) && !half.is_alive(now + limits::HALF_LOGIN));
        }
        (0..100).for_each(|_| drop(begin_at(&logins, &user, Stage::Factor, now)));
        let (newest, _) = begin_at(&logins, &user, Stage::Factor, now);
        assert!(newest.is_alive(now), "the newest stays, though all are equally old");
        assert!(logins.find(&cookie, now).is_some() && whole.data_key(|_| ()).is_some());
        assert_eq!(logins.of(user.id, now).len(), 1 + limits::HALF_LOGINS_PER_USER);
    }

    #[test]
    fn what_a_session_has_begun_is_for_once_for_a_while_and_goes_with_it() {
        let (logins, user, now) = (Logins::new(12 * HOUR, HOUR), somebody("ada"), Instant::now());
        let (login, _) = begin(&logins, &user, now);
        let grant = || login.grant("backup all".into(), now);
        grant();
        assert!(login.take_grant("backup all", now) && !login.take_grant("backup all", now));
        grant();
        assert!(!login.take_grant("role bob", now) && !login.take_grant("backup all", now), "used up");
        grant();
        assert!(!login.take_grant("backup all", now + limits::STEP_UP));
        login.set_pending("s".into(), now);
        assert!(login.pending(now).is_some() && login.pending(now + limits::HALF_LOGIN).is_none());
        for (this, other) in [(Purpose::Make, Purpose::Use), (Purpose::Use, Purpose::Make)] {
            let asked = login.ask(this, now);
            let answers = (login.take_challenge(this, now), login.take_challenge(this, now));
            assert_eq!(answers, (Some(asked), None), "one answer");
            login.ask(this, now);
            assert_eq!(login.take_challenge(this, now + limits::HALF_LOGIN), None, "soon");
            login.ask(this, now);
            assert_eq!(login.take_challenge(other, now), None, "to what was asked");
            assert_ne!(login.ask(this, now), login.ask(this, now));
        }
        let proof: Secret = login.give_proof(now).into();
        assert!(!login.take_proof(&"123456".into(), now) && !login.take_proof(&proof, now + limits::STEP_UP));
        assert!(login.take_proof(&proof, now) && !login.take_proof(&proof, now));
        login.ask(Purpose::Use, now);
        login.give_proof(now);
        logins.end_where(None, |_| true);
        assert!(login.pending(now).is_none() && login.take_challenge(Purpose::Use, now).is_none());
    }
}
