//! What the program said lately, in memory: for a box whose log goes nowhere that anybody can look.
//!
//! It holds what the log holds, no more: the same levels, and never a secret. A restart forgets it.

use crate::{clock, limits};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

static LINES: Mutex<Ring> = Mutex::new(Ring { lines: VecDeque::new(), bytes: 0 });

struct Ring {
    lines: VecDeque<String>,
    bytes: usize,
}

fn ring() -> MutexGuard<'static, Ring> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest lines, oldest first: seconds since 1970, level, where it was said, what.
pub fn tail(most: usize) -> Vec<String> {
    let ring = ring();
    ring.lines.iter().skip(ring.lines.len().saturating_sub(most)).cloned().collect()
}

/// Passes on what is logged, and keeps it.
pub struct Keeper<L>(pub L);

impl<L: log::Log> log::Log for Keeper<L> {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) {
            let said = format!("{} {:<5} [{}] {}", clock::today(), record.level(), record.target(), record.args());
            ring().keep(&said);
            // simple_logger panics where standard error takes nothing: a file on a disk that is full, a pipe whose reader is gone. Nobody's
            // terminal ends for a line that could not be written; here it is kept.
            let _ = catch_unwind(AssertUnwindSafe(|| self.0.log(record)));
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

impl Ring {
    fn keep(&mut self, said: &str) {
        // One line each: what somebody else's name brings into it begins no line of its own.
        let line: String =
            said.chars().take(limits::JOURNAL_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.bytes > limits::JOURNAL_BYTES {
            self.bytes -= self.lines.pop_front().map_or(self.bytes, |gone| gone.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl log::Log for Full {
        fn enabled(&self, _: &log::Metadata) -> bool {
            true
        }

        fn log(&self, _: &log::Record) {
            panic!("failed printing to stderr: No space left on device");
        }

        fn flush(&self) {}
    }

    #[test]
    fn a_line_that_cannot_be_written_ends_nobody_and_is_kept() {
        let record = log::Record::builder().level(log::Level::Error).args(format_args!("the disk is full")).build();
        log::Log::log(&Keeper(Full), &record);
        assert!(tail(usize::MAX).iter().any(|line| line.ends_with("the disk is full")));
    }

    #[test]
    fn the_oldest_lines_go_and_no_line_holds_another() {
        let mut ring = Ring { lines: VecDeque::new(), bytes: 0 };
        for number in 0..5000 {
            ring.keep(&format!("{number} a host said\n\x1b[31mthis {}", "x".repeat(number)));
        }
        assert!(ring.bytes <= limits::JOURNAL_BYTES && ring.bytes == ring.lines.iter().map(String::len).sum::<usize>());
        assert!(ring.lines.len() > 50 && ring.lines.back().is_some_and(|line| line.starts_with("4999 ")));
        assert!(
            ring.lines
                .iter()
                .all(|line| line.chars().count() <= limits::JOURNAL_LINE && !line.contains(char::is_control))
        );
    }
}
