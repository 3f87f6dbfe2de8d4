//! Waiting for what must come, without ever asserting how fast: a slow machine makes a test slow, not red.

use std::time::{Duration, Instant};

/// Long enough for a busy machine with one core to spare. A test that runs into it has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `probe` gives a value, or fails, saying what never came.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
