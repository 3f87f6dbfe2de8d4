//! How often an address, or an account, may fail (E1, E3, E7, B7). A try takes a place before any work is done and gives it back if it succeeds, so that
//! many tries at once are no way around. Pure: `now` is an argument.

use crate::clock::Instant;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub struct Limiter<K> {
    most: usize,
    window: Duration,
    /// Keys remembered.
    places: usize,
    tries: Mutex<Tries<K>>,
}

/// When each of the tries that count was made, and its number.
type Tries<K> = HashMap<K, Vec<(Instant, u64)>>;

/// A try that was let through. Forgotten if it succeeds, counted otherwise.
#[derive(Debug)]
pub struct Try<K> {
    key: K,
    number: u64,
}

impl<K: Copy + Eq + Hash> Limiter<K> {
    pub fn new(most: u32, window: Duration, places: usize) -> Limiter<K> {
        Limiter { most: most as usize, window, places, tries: Mutex::new(HashMap::new()) }
    }

    /// A place for one try, or how long to wait for one.
    pub fn admit(&self, key: K, now: Instant) -> Result<Try<K>, Duration> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if !tries.contains_key(&key) && tries.len() >= self.places {
            self.make_room(&mut tries, now);
        }
        let own = tries.entry(key).or_default();
        own.retain(|(at, _)| now.saturating_duration_since(*at) < self.window);
        if own.len() >= self.most {
            let oldest = own.iter().map(|(at, _)| *at).min().unwrap_or(now);
            return Err((oldest + self.window).saturating_duration_since(now));
        }
        let number = own.iter().map(|(_, number)| number + 1).max().unwrap_or_default();
        own.push((now, number));
        Ok(Try { key, number })
    }

    /// It succeeded: it does not count.
    pub fn forgive(&self, allowed: Try<K>) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = tries.get_mut(&allowed.key) {
            own.retain(|(_, number)| *number != allowed.number);
            if own.is_empty() {
                tries.remove(&allowed.key);
            }
        }
    }

    pub fn sweep(&self, now: Instant) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.retain(|_, own| own.iter().any(|(at, _)| now.saturating_duration_since(*at) < self.window));
    }

    /// What is over goes first, else the one whose last try is longest ago.
    fn make_room(&self, tries: &mut Tries<K>, now: Instant) {
        tries.retain(|_, own| own.iter().any(|(at, _)| now.saturating_duration_since(*at) < self.window));
        if tries.len() >= self.places {
            let oldest = tries.iter().min_by_key(|(_, own)| own.iter().map(|(at, _)| *at).max()).map(|(key, _)| *key);
            oldest.map(|key| tries.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Origin;
    use std::net::IpAddr;

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

    #[test]
    fn tries_at_once_take_their_places_before_they_fail() {
        let (limiter, now) = (Limiter::new(2, MINUTE, 10), Instant::now());
        let first = limiter.admit(peer("10.0.0.1"), now).unwrap();
        limiter.admit(peer("10.0.0.1"), now).unwrap();
        limiter.admit(peer("10.0.0.1"), now).unwrap_err();
        limiter.forgive(first);
        limiter.admit(peer("10.0.0.1"), now).unwrap();
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
