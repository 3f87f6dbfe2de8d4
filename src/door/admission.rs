//! Who may come in: counts of connections in all, from one address, and of strangers. A place is given back when its holder ends.
//!
//! When the strangers' places are all taken, the newcomer gets one at once: that of the stranger who has been there longest, among
//! those of the address that has most. Holding connections open shuts nobody out, then, and costs a real newcomer nothing but another
//! connection of their browser's.

use crate::limits;
use crate::network::Origin;
use crate::web::Proxies;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug)]
pub struct Limits {
    pub total: usize,
    pub per_address: usize,
    /// Strangers: connections that have not (yet) shown a good cookie. They never take the last places from users.
    pub anonymous: usize,
    /// Behind each of these may be a whole town: `per_address` is not for them.
    pub proxies: Proxies,
}

/// Ends a stranger's connection, from another thread than its own.
pub type End = Box<dyn FnOnce() + Send>;

struct Stranger {
    origin: Origin,
    end: End,
}

#[derive(Default)]
struct Counts {
    total: usize,
    /// In the order in which they came.
    strangers: BTreeMap<u64, Stranger>,
    came: u64,
    /// Strangers who have lost their place and whose thread has not noticed yet.
    leaving: usize,
    by_address: HashMap<Origin, usize>,
}

pub struct Admission {
    limits: Limits,
    counts: Mutex<Counts>,
}

/// One connection's place.
pub struct Place {
    admission: Arc<Admission>,
    origin: Origin,
    number: u64,
    user: bool,
}

impl Admission {
    pub fn new(limits: Limits) -> Arc<Admission> {
        Arc::new(Admission { limits, counts: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In all, and strangers; those who are leaving too.
    pub fn crowd(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.total, counts.strangers.len() + counts.leaving)
    }

    pub fn admit(self: &Arc<Admission>, peer: IpAddr, end: End) -> Option<Place> {
        let origin = Origin::of(peer);
        let mut counts = self.counts();
        let from_there = counts.by_address.get(&origin).copied().unwrap_or_default();
        let full = counts.total >= self.limits.total
            || counts.leaving >= limits::STRANGERS_LEAVING
            || (from_there >= self.limits.per_address && !self.limits.proxies.trusts(peer.to_canonical()));
        if full {
            return None;
        }
        if counts.strangers.len() >= self.limits.anonymous {
            counts.make_room();
        }
        counts.total += 1;
        counts.came += 1;
        let number = counts.came;
        counts.strangers.insert(number, Stranger { origin, end });
        counts.by_address.insert(origin, from_there + 1);
        Some(Place { admission: self.clone(), origin, number, user: false })
    }
}

impl Counts {
    /// The oldest stranger of the address that has most of them goes.
    fn make_room(&mut self) {
        let mut of_each: HashMap<Origin, usize> = HashMap::new();
        self.strangers.values().for_each(|stranger| *of_each.entry(stranger.origin).or_default() += 1);
        let most = of_each.values().max().copied().unwrap_or_default();
        let oldest = self.strangers.iter().find(|(_, stranger)| of_each[&stranger.origin] == most);
        let Some(number) = oldest.map(|(number, _)| *number) else { return };
        if let Some(stranger) = self.strangers.remove(&number) {
            self.leaving += 1;
            (stranger.end)();
        }
    }
}

impl Place {
    /// Its holder is a user now; the stranger's place is free again.
    pub fn signed_in(&mut self) {
        // Whose place was given away at this very moment is leaving, whoever they are.
        if !self.user && self.admission.counts().strangers.remove(&self.number).is_some() {
            self.user = true;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.total -= 1;
        if !self.user && counts.strangers.remove(&self.number).is_none() {
            counts.leaving -= 1;
        }
        if let Some(count) = counts.by_address.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn enter(door: &Arc<Admission>, peer: IpAddr) -> Option<Place> {
        door.admit(peer, Box::new(|| ()))
    }

    #[test]
    fn each_count_has_its_limit_and_a_place_is_given_back() {
        let door = Admission::new(limits(5, 2, 9));
        let first = enter(&door, from(1)).unwrap();
        let mut second = enter(&door, from(1)).unwrap();
        assert!(enter(&door, from(1)).is_none(), "two from one address");
        second.signed_in();
        second.signed_in();
        let _others: Vec<Place> = (2..5).filter_map(|n| enter(&door, from(n))).collect();
        assert_eq!(door.crowd(), (5, 4));
        assert!(enter(&door, from(9)).is_none(), "five in all");
        drop(first);
        drop(enter(&door, from(5)).unwrap());
        drop(second);
        assert_eq!(door.crowd(), (3, 3));
        assert_eq!(door.counts().by_address.len(), 3, "nothing is remembered of who has gone");
    }

    #[test]
    fn a_newcomer_takes_the_oldest_place_of_the_address_that_has_most() {
        let (door, ended) = (Admission::new(limits(99, 9, 4)), Arc::new(Mutex::new(Vec::new())));
        let come = |name: &'static str, n| {
            let ended = ended.clone();
            door.admit(from(n), Box::new(move || ended.lock().unwrap().push(name))).unwrap()
        };
        let lonely = come("lonely", 1);
        let mut crowd = vec![come("first", 2), come("second", 2), come("third", 2)];
        crowd.push(come("newcomer", 3));
        assert_eq!(*ended.lock().unwrap(), ["first"]);
        crowd.push(come("another", 4));
        assert_eq!(*ended.lock().unwrap(), ["first", "second"]);
        crowd.push(come("one more", 5));
        assert_eq!(*ended.lock().unwrap(), ["first", "second", "lonely"], "all have one: the oldest");
        assert_eq!(door.crowd(), (7, 7), "those who leave are counted until they have left, and are no users");
        drop(lonely);
        drop(crowd);
        assert_eq!((door.crowd(), door.counts().leaving), ((0, 0), 0));
    }

    #[test]
    fn a_user_is_never_sent_away_and_leavers_are_few() {
        let door = Admission::new(limits(999, 999, 1));
        let mut user = enter(&door, from(1)).unwrap();
        user.signed_in();
        let mut held: Vec<Place> = (0..=limits::STRANGERS_LEAVING).filter_map(|_| enter(&door, from(2))).collect();
        assert!(enter(&door, from(3)).is_none(), "until some of them have left");
        assert_eq!(door.counts().leaving, limits::STRANGERS_LEAVING);
        held.drain(..2);
        let mut gone = enter(&door, from(3)).unwrap();
        let _newest = enter(&door, from(4));
        gone.signed_in();
        assert!(!gone.user, "too late");
        assert_eq!(door.counts().strangers.len(), 1);
    }

    fn limits(total: usize, per_address: usize, anonymous: usize) -> Limits {
        Limits { total, per_address, anonymous, proxies: Proxies::default() }
    }

    /// The story: behind nginx everybody shared its 128 places, so that one stranger with 128 tabs shut out the household.
    #[test]
    fn a_trusted_proxy_is_not_one_customer() {
        let proxies = Proxies::parse(&["10.0.0.1".into()]).unwrap();
        let door = Admission::new(Limits { proxies, ..limits(5, 1, 4) });
        let held: Vec<Place> = (0..4).filter_map(|_| enter(&door, "::ffff:10.0.0.1".parse().unwrap())).collect();
        assert_eq!(held.len(), 4);
        let _newcomer = enter(&door, from(1)).unwrap();
        assert_eq!(door.counts().strangers.len(), 4, "strangers are counted all the same");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_address() {
        let door = Admission::new(limits(9, 1, 9));
        let _one = enter(&door, "2001:db8:0:1::1".parse().unwrap()).unwrap();
        assert!(enter(&door, "2001:db8:0:1:ffff::".parse().unwrap()).is_none());
        let _two = enter(&door, "2001:db8:0:2::1".parse().unwrap()).unwrap();
        let _three = enter(&door, from(1)).unwrap();
        assert!(enter(&door, "::ffff:10.0.0.1".parse().unwrap()).is_none());
    }
}
