//! Sign-in sessions. They live in memory only: a restart signs everybody out, and a stolen card holds none.

use crate::clock::{Instant, Seconds};
use crate::limits;
use crate::random::Id;
use crate::store::{Role, User};
use crate::vault::DataKey;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// One sign-in session: a browser that knows its cookie.
pub struct Login {
    pub id: Id,
    pub user: Id,
    pub name: String,
    pub role: Role,
    pub csrf: String,
    pub peer: IpAddr,
    pub user_agent: String,
    pub created: Seconds,
    started: Instant,
    ended: AtomicBool,
    last_use: Mutex<Instant>,
    absolute: Duration,
    idle: Duration,
    /// Gone, and wiped, as soon as the session ends.
    data_key: Mutex<Option<DataKey>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Login {
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

    pub fn last_use(&self) -> Instant {
        *lock(&self.last_use)
    }

    /// None: the session has ended, and with it the key.
    pub fn data_key<R>(&self, use_it: impl FnOnce(&DataKey) -> R) -> Option<R> {
        lock(&self.data_key).as_ref().map(use_it)
    }

    pub fn csrf_matches(&self, given: &str) -> bool {
        given.as_bytes().ct_eq(self.csrf.as_bytes()).into()
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        lock(&self.data_key).take();
    }

    /// The key moves to the session that follows this one.
    pub(super) fn take_data_key(&self) -> Option<DataKey> {
        lock(&self.data_key).take()
    }
}

/// Who signs in, from where and when.
pub struct Arrival<'a> {
    pub user: &'a User,
    pub peer: IpAddr,
    pub user_agent: &'a str,
    pub calendar: Seconds,
    pub now: Instant,
}

/// All of them, by the hash of their cookie (C1): what lies in memory opens nothing.
pub struct Logins {
    absolute: Duration,
    idle: Duration,
    by_cookie: Mutex<HashMap<[u8; 32], Arc<Login>>>,
}

fn hash(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

impl Logins {
    pub fn new(absolute: Duration, idle: Duration) -> Logins {
        Logins { absolute, idle, by_cookie: Mutex::new(HashMap::new()) }
    }

    /// A new session and its cookie. The user's oldest gives way if there are too many; the box's oldest, if that is not enough.
    pub fn begin(&self, arrival: &Arrival<'_>, data_key: DataKey) -> (Arc<Login>, String) {
        let cookie = super::token();
        let login = Arc::new(Login {
            id: Id::random(),
            user: arrival.user.id,
            name: arrival.user.name.clone(),
            role: arrival.user.role,
            csrf: super::token(),
            peer: arrival.peer,
            user_agent: arrival.user_agent.chars().filter(|c| !c.is_control()).take(200).collect(),
            created: arrival.calendar,
            started: arrival.now,
            ended: AtomicBool::new(false),
            last_use: Mutex::new(arrival.now),
            absolute: self.absolute,
            idle: self.idle,
            data_key: Mutex::new(Some(data_key)),
        });
        let mut logins = lock(&self.by_cookie);
        logins.insert(hash(&cookie), login.clone());
        let mut gone = trim(&mut logins, limits::LOGINS_PER_USER, |other| other.user == login.user);
        gone.append(&mut trim(&mut logins, limits::LOGINS, |_| true));
        drop(logins);
        gone.iter().for_each(|login| login.end());
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

    pub fn end_where(&self, goes: impl Fn(&Login) -> bool) {
        let gone: Vec<_> = lock(&self.by_cookie).extract_if(|_, login| goes(login)).collect();
        gone.iter().for_each(|(_, login)| login.end());
    }

    /// Ends what has run out, so that its key is wiped although nobody asks for it any more.
    pub fn sweep(&self, now: Instant) {
        self.end_where(|login| !login.is_alive(now));
    }
}

/// Takes out what is too many. It is ended only once the table is free again: a session's key may be in use for as long as an
/// Argon2 run, and everybody's requests need the table.
fn trim(logins: &mut HashMap<[u8; 32], Arc<Login>>, most: usize, counts: impl Fn(&Login) -> bool) -> Vec<Arc<Login>> {
    let mut gone = Vec::new();
    while logins.values().filter(|login| counts(login)).count() > most {
        let oldest = logins.iter().filter(|(_, login)| counts(login)).min_by_key(|(_, login)| login.last_use());
        let Some(cookie) = oldest.map(|(cookie, _)| *cookie) else { break };
        gone.extend(logins.remove(&cookie));
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
        let peer = IpAddr::from([127, 0, 0, 1]);
        logins.begin(&Arrival { user, peer, user_agent: "a\nb", calendar: 0, now }, DataKey::random())
    }

    pub fn login() -> Arc<Login> {
        begin(&Logins::new(HOUR, HOUR), &somebody("ada"), Instant::now()).0
    }
}

#[cfg(test)]
mod tests {
    use super::for_tests::{HOUR, begin, somebody};
    use super::*;

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
        logins.end_where(|other| other.id == login.id);
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
                scope.spawn(|| logins.end_where(|login| login.id == changing.id));
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
}
