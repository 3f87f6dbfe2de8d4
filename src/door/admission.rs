//! Who may come in: counts of connections in all, from one address, and of strangers. A place is given back when its holder ends.

use crate::network::Origin;
use crate::web::Proxies;
use std::collections::HashMap;
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

#[derive(Default)]
struct Counts {
    total: usize,
    anonymous: usize,
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
    anonymous: bool,
}

impl Admission {
    pub fn new(limits: Limits) -> Arc<Admission> {
        Arc::new(Admission { limits, counts: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In all, and strangers.
    pub fn crowd(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.total, counts.anonymous)
    }

    pub fn admit(self: &Arc<Admission>, peer: IpAddr) -> Option<Place> {
        let origin = Origin::of(peer);
        let mut counts = self.counts();
        let from_there = counts.by_address.get(&origin).copied().unwrap_or_default();
        let full = counts.total >= self.limits.total
            || counts.anonymous >= self.limits.anonymous
            || (from_there >= self.limits.per_address && !self.limits.proxies.trusts(peer.to_canonical()));
        if full {
            return None;
        }
        counts.total += 1;
        counts.anonymous += 1;
        counts.by_address.insert(origin, from_there + 1);
        Some(Place { admission: self.clone(), origin, anonymous: true })
    }
}

impl Place {
    /// Its holder is a user now; the stranger's place is free again.
    pub fn signed_in(&mut self) {
        if self.anonymous {
            self.anonymous = false;
            self.admission.counts().anonymous -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.total -= 1;
        counts.anonymous -= usize::from(self.anonymous);
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

    #[test]
    fn each_count_has_its_limit_and_a_place_is_given_back() {
        let door = Admission::new(limits(5, 2, 3));
        let first = door.admit(from(1)).unwrap();
        let mut second = door.admit(from(1)).unwrap();
        assert!(door.admit(from(1)).is_none(), "two from one address");
        let _third = door.admit(from(2)).unwrap();
        assert!(door.admit(from(3)).is_none(), "three strangers");
        second.signed_in();
        second.signed_in();
        let mut fourth = door.admit(from(3)).unwrap();
        assert!(door.admit(from(4)).is_none());
        fourth.signed_in();
        let _fifth = door.admit(from(4)).unwrap();
        drop(first);
        let sixth = door.admit(from(5)).unwrap();
        drop(sixth);
        drop((second, fourth));
        assert_eq!(door.counts().total, 2);
        assert_eq!(door.counts().by_address.len(), 2, "nothing is remembered of who has gone");
    }

    fn limits(total: usize, per_address: usize, anonymous: usize) -> Limits {
        Limits { total, per_address, anonymous, proxies: Proxies::default() }
    }

    /// The story: behind nginx everybody shared its 128 places, so that one stranger with 128 tabs shut out the household.
    #[test]
    fn a_trusted_proxy_is_not_one_customer() {
        let proxies = Proxies::parse(&["10.0.0.1".into()]).unwrap();
        let door = Admission::new(Limits { proxies, ..limits(5, 1, 4) });
        let held: Vec<Place> = (0..4).filter_map(|_| door.admit("::ffff:10.0.0.1".parse().unwrap())).collect();
        assert_eq!(held.len(), 4);
        assert!(door.admit(from(1)).is_none(), "strangers are counted all the same");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_address() {
        let door = Admission::new(limits(9, 1, 9));
        let _one = door.admit("2001:db8:0:1::1".parse().unwrap()).unwrap();
        assert!(door.admit("2001:db8:0:1:ffff::".parse().unwrap()).is_none());
        let _two = door.admit("2001:db8:0:2::1".parse().unwrap()).unwrap();
        let _three = door.admit(from(1)).unwrap();
        assert!(door.admit("::ffff:10.0.0.1".parse().unwrap()).is_none());
    }
}
