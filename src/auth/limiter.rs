//! How often something may be tried, or fail (E): [`Table`] has a [`Limiter`] for each row of `limits::LIMITED`. A try takes a place before any work is done and gives it back if it succeeds, so that
//! many tries at once are no way around. Pure: `now` is an argument.

use crate::clock::Instant;
use crate::limits::{self, Counted, LIMITED, Limit};
use crate::network::Origin;
use crate::random::Id;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Whose tries they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Address(Origin),
    User(Id),
    Device(Id),
    Target([u8; 32]),
}

impl Key {
    pub fn address(peer: IpAddr) -> Key {
        Key::Address(Origin::of(peer))
    }

    /// A host's name may be long, and what is remembered is not.
    pub fn target(user: Id, host: &str, port: u16) -> Key {
        Key::Target(Sha256::digest(format!("{user} {} {port}", host.to_lowercase())).into())
    }
}

/// All that is counted, each row by itself.
pub struct Table(Vec<Limiter<Key>>);

/// A try of something in the table.
pub struct Counting {
    what: Counted,
    admitted: Try<Key>,
}

impl Table {
    /// `changed`: rows whose number the owner has set.
    pub fn new(changed: &[(Counted, u32)]) -> Table {
        let most =
            |limit: &Limit| changed.iter().find(|(what, _)| *what == limit.what).map_or(limit.most, |(_, most)| *most);
        let row = |limit: &Limit| Limiter::new(most(limit), limit.window, limits::COUNTED_AT_ONCE);
        Table(LIMITED.iter().map(row).collect())
    }

    fn row(&self, what: Counted) -> &Limiter<Key> {
        &self.0[what as usize]
    }

    pub fn admit(&self, what: Counted, key: Key, now: Instant) -> Result<Counting, Duration> {
        Ok(Counting { what, admitted: self.row(what).admit(key, now)? })
    }

    pub fn forgive(&self, counting: Counting) {
        self.row(counting.what).forgive(counting.admitted);
    }

    pub fn forgive_all(&self, countings: Vec<Counting>) {
        countings.into_iter().for_each(|counting| self.forgive(counting));
    }

    /// A try of the route's own (see `Auth::count`) turned out to be none: the user's newest is as good as any.
    pub fn give_back(&self, what: Counted, key: Key) {
        self.row(what).give_back(key);
    }

    /// Whoever used the places up is none whom it concerns any more.
    pub fn forget(&self, what: Counted, key: Key) {
        self.row(what).forget(key);
    }

    /// How long to wait, without taking a place.
    pub fn wait(&self, what: Counted, key: Key, now: Instant) -> Option<Duration> {
        self.row(what).wait(key, now)
    }

    /// Is this worth a line in the audit? Once per key and window: whoever is refused may ask as often as they like, and must not turn
    /// the log over with it.
    pub fn is_news(&self, what: Counted, key: Key, now: Instant) -> bool {
        self.row(what).is_news(key, now)
    }

    pub fn sweep(&self, now: Instant) {
        self.0.iter().for_each(|row| row.sweep(now));
    }
}

pub struct Limiter<K> {
    most: usize,
    window: Duration,
    /// Keys remembered.
    places: usize,
    /// Of the next try. None is given twice: what is forgiven late, when its try has run out, must not be another's.
    number: AtomicU64,
    tries: Mutex<Tries<K>>,
}

type Tries<K> = HashMap<K, Own>;

/// What is remembered of a key.
#[derive(Default)]
struct Own {
    /// When each of the tries that count was made, and its number.
    tries: Vec<(Instant, u64)>,
    /// When it was news last.
    noted: Option<Instant>,
}

impl Own {
    fn last(&self) -> Option<Instant> {
        self.tries.iter().map(|(at, _)| *at).chain(self.noted).max()
    }
}

/// A try that was let through. Forgotten if it succeeds, counted otherwise.
#[derive(Debug)]
pub struct Try<K> {
    key: K,
    number: u64,
}

impl<K: Copy + Eq + Hash> Limiter<K> {
    pub fn new(most: u32, window: Duration, places: usize) -> Limiter<K> {
        Limiter { most: most as usize, window, places, number: AtomicU64::new(0), tries: Mutex::new(HashMap::new()) }
    }

    /// A place for one try, or how long to wait for one.
    pub fn admit(&self, key: K, now: Instant) -> Result<Try<K>, Duration> {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = &mut self.own(&mut all, key, now).tries;
        tries.retain(|(at, _)| now.saturating_duration_since(*at) < self.window);
        if let Some(wait) = self.wait_for(tries, now) {
            return Err(wait);
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        tries.push((now, number));
        Ok(Try { key, number })
    }

    /// Only a look: whoever took a place for it would refuse that to another meanwhile, or push a third out of a full table.
    pub fn wait(&self, key: K, now: Instant) -> Option<Duration> {
        let all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        self.wait_for(all.get(&key).map_or(&[], |own| &own.tries), now)
    }

    fn wait_for(&self, tries: &[(Instant, u64)], now: Instant) -> Option<Duration> {
        let counts = |at: &Instant| now.saturating_duration_since(*at) < self.window;
        let all = || tries.iter().map(|(at, _)| *at).filter(counts);
        let oldest = all().min().unwrap_or(now);
        (all().count() >= self.most).then(|| (oldest + self.window).saturating_duration_since(now))
    }

    /// It succeeded: it does not count.
    pub fn forgive(&self, allowed: Try<K>) {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(&allowed.key) {
            own.tries.retain(|(_, number)| *number != allowed.number);
            if own.last().is_none() {
                all.remove(&allowed.key);
            }
        }
    }

    pub fn forget(&self, key: K) {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    pub fn give_back(&self, key: K) {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(&key) {
            own.tries.pop();
            if own.last().is_none() {
                all.remove(&key);
            }
        }
    }

    /// The first time in a window.
    pub fn is_news(&self, key: K, now: Instant) -> bool {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.own(&mut all, key, now);
        let news = own.noted.is_none_or(|at| now.saturating_duration_since(at) >= self.window);
        if news {
            own.noted = Some(now);
        }
        news
    }

    pub fn sweep(&self, now: Instant) {
        self.forget_old(&mut self.tries.lock().unwrap_or_else(PoisonError::into_inner), now);
    }

    fn own<'a>(&self, all: &'a mut Tries<K>, key: K, now: Instant) -> &'a mut Own {
        if !all.contains_key(&key) && all.len() >= self.places {
            self.make_room(all, now);
        }
        all.entry(key).or_default()
    }

    fn forget_old(&self, all: &mut Tries<K>, now: Instant) {
        all.retain(|_, own| own.last().is_some_and(|at| now.saturating_duration_since(at) < self.window));
    }

    /// What is over goes first, else the one whose last try is longest ago.
    fn make_room(&self, all: &mut Tries<K>, now: Instant) {
        self.forget_old(all, now);
        if all.len() >= self.places {
            let oldest = all.iter().min_by_key(|(_, own)| own.last()).map(|(key, _)| *key);
            oldest.map(|key| all.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Origin;
    use std::net::IpAddr;

    #[test]
    fn the_table_has_its_rows_in_order_and_each_is_reached_and_released() {
        let table = Table::new(&[(Counted::Connect, 3)]);
        let now = Instant::now();
        let (user, other) = (Key::User(Id::random()), Key::target(Id::random(), "Host", 22));
        for (place, limit) in LIMITED.iter().enumerate() {
            assert_eq!(limit.what as usize, place, "the table is in the order of `Counted`");
            let most = if limit.what == Counted::Connect { 3 } else { limit.most };
            for _ in 0..most {
                assert_eq!(table.wait(limit.what, user, now), None);
                assert!(table.admit(limit.what, user, now).is_ok());
            }
            let half = now + limit.window / 2;
            assert_eq!(table.admit(limit.what, user, half).err(), Some(limit.window / 2), "{:?}", limit.what);
            assert_eq!(table.wait(limit.what, user, half), Some(limit.window / 2));
            assert!(table.admit(limit.what, other, half).is_ok(), "somebody else's tries are their own");
            let released = table.admit(limit.what, user, now + limit.window);
            table.forgive(released.unwrap_or_else(|wait| panic!("{:?} waits {wait:?}", limit.what)));
        }
    }

    #[test]
    fn what_is_given_back_does_not_count_and_leaves_what_does() {
        let (limiter, now) = (Limiter::new(2, MINUTE, 10), Instant::now());
        limiter.give_back(peer("10.0.0.1"));
        limiter.admit(peer("10.0.0.1"), now).unwrap();
        for n in 1..50 {
            limiter.admit(peer("10.0.0.1"), now + Duration::from_secs(n)).unwrap();
            limiter.give_back(peer("10.0.0.1"));
        }
        limiter.admit(peer("10.0.0.1"), now).unwrap();
        assert_eq!(limiter.admit(peer("10.0.0.1"), now).unwrap_err(), MINUTE);
    }

    #[test]
    fn a_target_is_a_user_a_host_in_any_case_and_a_port() {
        let (one, two) = (Id::random(), Id::random());
        assert_eq!(Key::target(one, "Host", 22), Key::target(one, "host", 22));
        let all = [Key::target(one, "host", 22), Key::target(two, "host", 22), Key::target(one, "host", 2222)];
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn peer(text: &str) -> Origin {
        Origin::of(text.parse().unwrap())
    }

    #[test]
    fn failures_count_and_successes_do_not() {
        let (limiter, now) = (Limiter::new(5, MINUTE, 10), Instant::now());
        for _ in 0..100 {
            limiter.forgive(limiter.admit(peer("10.0.0.1"), now).unwrap());
        }
        for n in 0..5 {
            limiter.admit(peer("10.0.0.1"), now + Duration::from_secs(n)).unwrap();
        }
        let wait = limiter.admit(peer("10.0.0.1"), now + Duration::from_secs(10)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(50));
        limiter.admit(peer("10.0.0.2"), now).unwrap();
        limiter.admit(peer("10.0.0.1"), now + MINUTE).unwrap();
        limiter.admit(peer("10.0.0.1"), now + MINUTE).unwrap_err();
    }

    /// The story: numbers began anew when all had run out, and a sign-in that became whole late gave back the try of another.
    #[test]
    fn what_is_forgiven_late_is_not_anothers() {
        let (limiter, now) = (Limiter::new(1, MINUTE, 10), Instant::now());
        let late = limiter.admit(peer("10.0.0.1"), now).unwrap();
        limiter.admit(peer("10.0.0.1"), now + MINUTE).unwrap();
        limiter.forgive(late);
        limiter.admit(peer("10.0.0.1"), now + MINUTE).unwrap_err();
    }

    #[test]
    fn what_is_forgotten_begins_anew_and_nobody_elses_does() {
        let (limiter, now) = (Limiter::new(1, MINUTE, 10), Instant::now());
        for one in ["10.0.0.1", "10.0.0.2"] {
            limiter.admit(peer(one), now).unwrap();
        }
        limiter.forget(peer("10.0.0.1"));
        limiter.admit(peer("10.0.0.1"), now).unwrap();
        limiter.admit(peer("10.0.0.2"), now).unwrap_err();
    }

    #[test]
    fn a_refusal_is_news_once_per_key_and_window() {
        let (limiter, now) = (Limiter::new(1, MINUTE, 10), Instant::now());
        assert!(limiter.is_news(peer("10.0.0.1"), now) && limiter.is_news(peer("10.0.0.2"), now));
        // A success forgets the try, and not that it was said.
        limiter.forgive(limiter.admit(peer("10.0.0.1"), now).unwrap());
        limiter.sweep(now + MINUTE / 2);
        assert!(!limiter.is_news(peer("10.0.0.1"), now + MINUTE / 2));
        assert!(limiter.is_news(peer("10.0.0.1"), now + MINUTE));
        limiter.sweep(now + 3 * MINUTE);
        assert!(limiter.tries.lock().unwrap().is_empty());
    }

    #[test]
    fn tries_at_once_take_their_places_before_they_fail() {
        let (limiter, now) = (Limiter::new(2, MINUTE, 10), Instant::now());
        let first = limiter.admit(peer("10.0.0.1"), now).unwrap();
        limiter.admit(peer("10.0.0.1"), now).unwrap();
        limiter.admit(peer("10.0.0.1"), now).unwrap_err();
        limiter.forgive(first);
        limiter.admit(peer("10.0.0.1"), now).unwrap();
    }

    /// The story: a look took the place for a moment, and a sign-in that came in that moment was told to wait a minute.
    #[test]
    fn a_look_takes_no_place() {
        let (limiter, now) = (Limiter::new(1, MINUTE, 1), Instant::now());
        limiter.admit(peer("10.0.0.1"), now).unwrap();
        assert_eq!(limiter.wait(peer("10.0.0.2"), now), None);
        assert_eq!(limiter.wait(peer("10.0.0.1"), now), Some(MINUTE), "nobody was pushed out for it");
        assert_eq!(limiter.wait(peer("10.0.0.1"), now + MINUTE), None);
    }

    #[test]
    fn one_customer_is_one_origin() {
        let (limiter, now) = (Limiter::new(1, MINUTE, 10), Instant::now());
        limiter.admit(peer("2001:db8:1:2::1"), now).unwrap();
        limiter.admit(peer("2001:db8:1:2:ffff::9"), now).unwrap_err();
        limiter.admit(peer("2001:db8:1:3::1"), now).unwrap();
        limiter.admit(peer("10.0.0.1"), now).unwrap();
        limiter.admit(peer("::ffff:10.0.0.1"), now).unwrap_err();
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_gives_way() {
        let (limiter, now) = (Limiter::new(1, MINUTE, 3), Instant::now());
        for n in 0..100u8 {
            limiter.admit(Origin::of(IpAddr::from([10, 0, 0, n])), now + Duration::from_millis(n.into())).unwrap();
        }
        assert_eq!(limiter.tries.lock().unwrap().len(), 3);
        limiter.admit(peer("10.0.0.99"), now + Duration::from_secs(1)).unwrap_err();
        limiter.sweep(now + 2 * MINUTE);
        assert!(limiter.tries.lock().unwrap().is_empty());
    }
}
