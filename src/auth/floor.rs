//! A floor under the calendar: the time that a one-time code has last confirmed. A phone and the box agreed on it, so that it was the
//! right one, and a calendar below it was set back. Each user's last step is in their record, and the newest of all is the floor: it is on
//! the disk with the code that made it.

use super::totp;
use crate::clock::{Now, Seconds};
use crate::limits;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Floor(AtomicU64);

impl Floor {
    /// From what is stored of the users.
    pub fn of(last_steps: impl Iterator<Item = u64>) -> Floor {
        Floor(AtomicU64::new(last_steps.max().unwrap_or(0)))
    }

    /// A code of this step was accepted.
    pub fn raise(&self, step: u64) {
        self.0.fetch_max(step, Ordering::AcqRel);
    }

    /// Anew, where one that raised it counts no more.
    pub fn reckon(&self, last_steps: impl Iterator<Item = u64>) {
        self.0.store(last_steps.max().unwrap_or(0), Ordering::Release);
    }

    /// When a code of the newest step was good at the earliest.
    fn seconds(&self) -> Seconds {
        let step = self.0.load(Ordering::Acquire).saturating_sub(limits::TOTP_STEPS_AROUND);
        Seconds::try_from(step.saturating_mul(totp::STEP_SECONDS)).unwrap_or(Seconds::MAX)
    }

    /// May codes be compared with this calendar? A clock that is corrected by some seconds was not set back.
    pub fn holds(&self, now: &Now) -> bool {
        now.is_plausible() && now.calendar.saturating_add(limits::CLOCK_CORRECTION_SECONDS) >= self.seconds()
    }

    /// What tokens are made and run out by: it does not go back over what has run out.
    pub fn calendar(&self, now: &Now) -> Seconds {
        now.calendar.max(self.seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;

    fn at(calendar: Seconds) -> Now {
        Now { calendar, since_boot: Instant::now() }
    }

    #[test]
    fn the_newest_code_of_anybody_is_the_floor_and_nothing_goes_below_it() {
        let time = 1_790_000_010;
        let step = time as u64 / 30;
        let floor = Floor::of([step - 1000, step - 1].into_iter());
        floor.raise(step);
        floor.raise(step - 5);
        assert!(floor.holds(&at(time)) && floor.holds(&at(time + 10_000_000)) && floor.holds(&at(time - 60)));
        assert!(!floor.holds(&at(time - 200)) && !floor.holds(&at(0)));
        assert_eq!(floor.calendar(&at(time + 5)), time + 5);
        assert_eq!([time - 40, time - 4000, 0].map(|back| floor.calendar(&at(back))), [(step as i64 - 1) * 30; 3]);
        floor.reckon([step - 1000].into_iter());
        assert!(floor.holds(&at(time - 200)));
    }

    #[test]
    fn without_codes_there_is_none_and_a_senseless_one_does_no_harm() {
        let floor = Floor::of(std::iter::empty());
        assert!(floor.holds(&at(1_790_000_000)) && !floor.holds(&at(0)));
        assert_eq!(floor.calendar(&at(-7)), 0);
        floor.raise(u64::MAX);
        assert_eq!(floor.calendar(&at(0)), Seconds::MAX);
    }
}
