//! What there is only so much of, in all and for each who takes of it. Whoever finds too little left waits for a while.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub struct Budget<K: 'static> {
    most: usize,
    /// Of these, for one.
    each: usize,
    wait: Duration,
    /// One entry per part that is out.
    taken: Mutex<Vec<(K, usize)>>,
    freed: Condvar,
}

impl<K: Copy + Eq> Budget<K> {
    pub const fn new(most: usize, each: usize, wait: Duration) -> Budget<K> {
        Budget { most, each, wait, taken: Mutex::new(Vec::new()), freed: Condvar::new() }
    }

    /// None: there was too little for the whole wait. Who wants more than one may have gets all of that, once they hold nothing else.
    pub fn take(&'static self, whose: K, amount: usize) -> Option<Part<K>> {
        let amount = amount.min(self.each);
        let until = Instant::now() + self.wait;
        let mut taken = self.lock();
        while !self.is_left(&taken, whose, amount) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            taken = self.freed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        taken.push((whose, amount));
        Some(Part { of: self, whose, amount })
    }

    fn is_left(&self, taken: &[(K, usize)], whose: K, amount: usize) -> bool {
        let sum =
            |of: &dyn Fn(K) -> bool| taken.iter().filter(|(whose, _)| of(*whose)).map(|part| part.1).sum::<usize>();
        sum(&|_| true) + amount <= self.most && sum(&|other| other == whose) + amount <= self.each
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(K, usize)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back however its holder ends.
pub struct Part<K: Copy + Eq + 'static> {
    of: &'static Budget<K>,
    whose: K,
    amount: usize,
}

impl<K: Copy + Eq> Part<K> {
    /// The rest is given back.
    pub fn shrink(&mut self, to: usize) {
        let mut taken = self.of.lock();
        if let Some(own) = taken.iter_mut().find(|part| **part == (self.whose, self.amount)) {
            own.1 = own.1.min(to);
            self.amount = own.1;
        }
        self.of.freed.notify_all();
    }
}

impl<K: Copy + Eq> Drop for Part<K> {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        let own = taken.iter().position(|part| *part == (self.whose, self.amount));
        own.map(|at| taken.swap_remove(at));
        self.of.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(most: usize, each: usize, wait: Duration) -> &'static Budget<u8> {
        Box::leak(Box::new(Budget::new(most, each, wait)))
    }

    #[test]
    fn nobody_has_more_than_their_share_and_all_no_more_than_there_is() {
        let budget = budget(10, 6, Duration::ZERO);
        let _four = budget.take(1, 4).unwrap();
        assert!(budget.take(1, 3).is_none(), "more than one may have");
        let two = budget.take(1, 2).unwrap();
        assert!(budget.take(2, 5).is_none(), "more than there is");
        let _other = budget.take(2, 4).unwrap();
        assert!(budget.take(3, 1).is_none());
        drop(two);
        assert!(budget.take(3, 3).is_none());
        assert!(budget.take(3, 2).is_some());
    }

    #[test]
    fn who_wants_more_than_one_may_have_gets_that_alone() {
        let budget = budget(10, 6, Duration::ZERO);
        let all = budget.take(1, 100).unwrap();
        assert!(budget.take(1, 1).is_none() && budget.take(2, 4).is_some());
        drop(all);
        let _one = budget.take(1, 1).unwrap();
        assert!(budget.take(1, 100).is_none());
    }

    #[test]
    fn a_part_shrinks_and_never_grows() {
        let budget = budget(10, 8, Duration::ZERO);
        let _alike = budget.take(2, 4).unwrap();
        let mut part = budget.take(1, 6).unwrap();
        part.shrink(4);
        part.shrink(100);
        assert!(budget.take(1, 5).is_none() && budget.take(3, 3).is_none());
        assert!(budget.take(1, 2).is_some());
        drop(part);
        assert!(budget.take(1, 6).is_some() && budget.take(1, 7).is_none());
    }

    #[test]
    fn what_is_given_back_goes_to_who_waits() {
        let budget = budget(1, 1, Duration::from_secs(60));
        let held = budget.take(1, 1).unwrap();
        let waits = std::thread::spawn(|| budget.take(2, 1).is_some());
        drop(held);
        assert!(waits.join().unwrap());
    }
}
