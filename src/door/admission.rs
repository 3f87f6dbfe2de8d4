//! Who may come in: counts of connections in all, from one address, and of strangers. A place is given back when its holder ends.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub total: usize,
    pub per_address: usize,
    /// Strangers: connections that have not (yet) shown a good cookie. They never take the last places from users.
    pub anonymous: usize,
}

#[derive(Default)]
struct Counts {
    total: usize,
    anonymous: usize,
    by_address: HashMap<IpAddr, usize>,
}

pub struct Admission {
    limits: Limits,
    counts: Mutex<Counts>,
}

/// One connection's place.
pub struct Place {
    admission: Arc<Admission>,
    origin: IpAddr,
    anonymous: bool,
}

/// IPv6 addresses of one customer (/64) are one.
fn origin(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

impl Admission {
    pub fn new(limits: Limits) -> Arc<Admission> {
        Arc::new(Admission { limits, counts: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn admit(self: &Arc<Admission>, peer: IpAddr) -> Option<Place> {
        let origin = origin(peer);
        let mut counts = self.counts();
        let from_there = counts.by_address.get(&origin).copied().unwrap_or_default();
        let full = counts.total >= self.limits.total
            || counts.anonymous >= self.limits.anonymous
            || from_there >= self.limits.per_address;
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
        let door = Admission::new(Limits { total: 5, per_address: 2, anonymous: 3 });
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

    #[test]
    fn a_customer_of_ipv6_is_one_address() {
        let door = Admission::new(Limits { total: 9, per_address: 1, anonymous: 9 });
        let _one = door.admit("2001:db8:0:1::1".parse().unwrap()).unwrap();
        assert!(door.admit("2001:db8:0:1:ffff::".parse().unwrap()).is_none());
        let _two = door.admit("2001:db8:0:2::1".parse().unwrap()).unwrap();
        let _three = door.admit(from(1)).unwrap();
        assert!(door.admit("::ffff:10.0.0.1".parse().unwrap()).is_none());
    }
}
