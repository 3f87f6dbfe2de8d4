//! The lines that anybody can let the audit write, who has shown nothing: so many, and of the others their number. A limit per address is
//! none for whoever has many, and a log that is turned over in seconds has told nothing.

use crate::clock::Instant;
use crate::limits;

pub struct Strangers {
    /// Lines that may be written at once.
    left: u32,
    /// Until when the earned ones are counted.
    earned: Instant,
    left_out: u64,
    told: Option<Instant>,
}

impl Strangers {
    pub fn new(now: Instant) -> Strangers {
        Strangers { left: limits::AUDIT_STRANGERS, earned: now, left_out: 0, told: None }
    }

    /// May this one have its line? Otherwise it is counted.
    pub fn admit(&mut self, now: Instant) -> bool {
        while self.left < limits::AUDIT_STRANGERS && now >= self.earned + limits::AUDIT_STRANGERS_EVERY {
            self.earned += limits::AUDIT_STRANGERS_EVERY;
            self.left += 1;
        }
        if self.left == limits::AUDIT_STRANGERS {
            self.earned = now;
        }
        let admitted = self.left > 0;
        self.left -= u32::from(admitted);
        self.left_out += u64::from(!admitted);
        admitted
    }

    /// How many were left out, if it is time to say so: at once when it begins, and then once in a while.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        let soon = self.told.is_some_and(|told| now < told + limits::AUDIT_LEFT_OUT_EVERY);
        if soon {
            return None;
        }
        let count = self.rest()?;
        self.told = Some(now);
        Some(count)
    }

    /// The same, whenever that was said last.
    pub fn rest(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.left_out)).filter(|count| *count > 0)
    }

    /// That could not be said.
    pub fn still(&mut self, count: u64) {
        self.left_out += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn so_many_at_once_then_one_in_a_while_and_none_is_lost() {
        let now = Instant::now();
        let mut strangers = Strangers::new(now);
        let admitted = |strangers: &mut Strangers, at: Instant, tries: u32| {
            (0..tries).filter(|_| strangers.admit(at)).count() as u32
        };
        assert_eq!(admitted(&mut strangers, now, limits::AUDIT_STRANGERS), limits::AUDIT_STRANGERS);
        assert_eq!(strangers.due(now), None, "nothing to tell");
        assert_eq!((admitted(&mut strangers, now, 7), strangers.due(now)), (0, Some(7)), "told when it begins");
        let soon = now + limits::AUDIT_LEFT_OUT_EVERY - Duration::from_millis(1);
        let earned = (soon - now).as_secs() / limits::AUDIT_STRANGERS_EVERY.as_secs();
        assert_eq!((u64::from(admitted(&mut strangers, soon, 50)), strangers.due(soon)), (earned, None));
        let later = now + limits::AUDIT_LEFT_OUT_EVERY;
        assert_eq!(strangers.due(later), Some(50 - earned), "also when nothing more comes");
        assert_eq!((strangers.due(later + limits::AUDIT_LEFT_OUT_EVERY), strangers.rest()), (None, None));
        let much_later = later + 2 * limits::AUDIT_STRANGERS * limits::AUDIT_STRANGERS_EVERY;
        assert_eq!(admitted(&mut strangers, much_later, 9999), limits::AUDIT_STRANGERS, "no more is saved up");
        assert_eq!(admitted(&mut strangers, much_later, 1), 0);
        let count = strangers.due(much_later).unwrap();
        strangers.still(count);
        assert_eq!(strangers.rest(), Some(count), "what could not be said is said later");
    }

    /// What the numbers are for.
    #[test]
    fn the_audit_of_two_weeks_outlasts_whoever_never_stops() {
        let day = Duration::from_secs(24 * 3600);
        let (lines, told) = (limits::AUDIT_STRANGERS_EVERY, limits::AUDIT_LEFT_OUT_EVERY);
        let lines = u64::from(limits::AUDIT_STRANGERS)
            + 14 * (day.as_secs() / lines.as_secs() + day.as_secs() / told.as_secs());
        // The longest name of a user, and of an address.
        let line = 170;
        assert!(lines * line < (limits::AUDIT_FILES as u64 - 1) * limits::AUDIT_FILE_BYTES, "{lines}");
    }
}
