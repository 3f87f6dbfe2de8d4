//! Failures in a row lock an account for a while (E2). Counted in memory on the clock since boot; the lock itself is stored, so that
//! pulling the plug does not open it. A board that wakes up in 1970 waits for at most one whole lock.

use crate::clock::{Instant, Seconds};
use crate::random::Id;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct Account {
    failures: u32,
    locked_until: Option<Instant>,
}

pub struct Lockout {
    /// 0: never lock.
    after: u32,
    lasting: Duration,
    accounts: Mutex<HashMap<Id, Account>>,
}

impl Lockout {
    pub fn new(after: u32, lasting: Duration) -> Lockout {
        Lockout { after, lasting, accounts: Mutex::new(HashMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lock from before the restart: what is left of it, by a calendar that may be wrong.
    pub fn resume(&self, user: Id, until: Seconds, calendar: Seconds, now: Instant) {
        let left = Duration::from_secs(until.saturating_sub(calendar).max(0) as u64).min(self.lasting);
        if !left.is_zero() {
            self.lock().entry(user).or_default().locked_until = Some(now + left);
        }
    }

    pub fn is_locked(&self, user: Id, now: Instant) -> bool {
        self.lock().get(&user).and_then(|account| account.locked_until).is_some_and(|until| now < until)
    }

    /// Some: this one locked the account, for so long.
    pub fn failed(&self, user: Id, now: Instant) -> Option<Duration> {
        let mut accounts = self.lock();
        let account = accounts.entry(user).or_default();
        if self.after == 0 || account.locked_until.is_some_and(|until| now < until) {
            return None;
        }
        account.failures += 1;
        if account.failures < self.after {
            return None;
        }
        *account = Account { failures: 0, locked_until: Some(now + self.lasting) };
        Some(self.lasting)
    }

    /// The right password: the count begins anew, unless the account is locked. Asked and done in one turn, so that a lock that comes
    /// in between is not lifted.
    pub fn opens(&self, user: Id, now: Instant) -> bool {
        let mut accounts = self.lock();
        let locked = accounts.get(&user).and_then(|account| account.locked_until).is_some_and(|until| now < until);
        if !locked {
            accounts.remove(&user);
        }
        !locked
    }

    /// The lock is lifted too.
    pub fn succeeded(&self, user: Id) {
        self.lock().remove(&user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTING: Duration = Duration::from_secs(900);

    #[test]
    fn the_fifth_failure_in_a_row_locks_for_a_while() {
        let (lockout, user, now) = (Lockout::new(5, LASTING), Id::random(), Instant::now());
        (0..4).for_each(|_| assert_eq!(lockout.failed(user, now), None));
        lockout.succeeded(user);
        (0..4).for_each(|_| assert_eq!(lockout.failed(user, now), None));
        assert!(!lockout.is_locked(user, now));
        assert_eq!(lockout.failed(user, now), Some(LASTING));
        assert!(
            lockout.is_locked(user, now + LASTING - Duration::from_secs(1)) && !lockout.is_locked(user, now + LASTING)
        );
        assert_eq!(lockout.failed(user, now), None, "failing on does not make it longer");
        assert!(!lockout.is_locked(Id::random(), now));
    }

    #[test]
    fn a_right_password_begins_the_count_anew_and_lifts_no_lock() {
        let (lockout, user, now) = (Lockout::new(5, LASTING), Id::random(), Instant::now());
        for _ in 0..3 {
            (0..4).for_each(|_| assert_eq!(lockout.failed(user, now), None));
            assert!(lockout.opens(user, now));
        }
        for _ in 0..5 {
            lockout.failed(user, now);
        }
        assert!(!lockout.opens(user, now) && lockout.is_locked(user, now));
        assert!(lockout.opens(user, now + LASTING));
    }

    #[test]
    fn zero_never_locks() {
        let (lockout, user) = (Lockout::new(0, LASTING), Id::random());
        assert!((0..100).all(|_| lockout.failed(user, Instant::now()).is_none()));
    }

    #[test]
    fn a_stored_lock_goes_on_and_a_wrong_clock_makes_it_no_longer() {
        let (now, user) = (Instant::now(), Id::random());
        let resumed = |until, calendar| {
            let lockout = Lockout::new(5, LASTING);
            lockout.resume(user, until, calendar, now);
            move |after: u64| lockout.is_locked(user, now + Duration::from_secs(after))
        };
        assert!(resumed(1000, 900)(99) && !resumed(1000, 900)(100));
        assert!(!resumed(1000, 1000)(0) && !resumed(1000, i64::MAX)(0));
        assert!(resumed(2_000_000_000, 0)(899) && !resumed(2_000_000_000, 0)(900), "a clock of 1970");
        assert!(!resumed(i64::MAX, i64::MIN)(900));
    }
}
