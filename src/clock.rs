//! Now: by the calendar (for people and certificates) and since boot (for every deadline and limit).
//!
//! Policy code takes `now` as an argument; only the edges read a clock. Limits run on the monotonic clock, because a board
//! without a battery starts in 1970 and jumps when the network comes.

pub use std::time::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC.
pub type Seconds = i64;

/// 2026-01-01: this program did not exist before, so an earlier date is a clock that was never set.
pub const BUILT_AFTER: Seconds = 1_767_225_600;

pub fn today() -> Seconds {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs() as Seconds,
        Err(before) => -(before.duration().as_secs() as Seconds),
    }
}

/// Both clocks, read together once per request or event.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub calendar: Seconds,
    pub since_boot: Instant,
}

pub fn now() -> Now {
    Now { calendar: today(), since_boot: Instant::now() }
}

impl Now {
    /// False while the calendar is plainly wrong.
    pub fn is_plausible(&self) -> bool {
        self.calendar >= BUILT_AFTER
    }
}
