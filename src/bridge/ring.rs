//! The output ring: the newest bytes of a terminal, addressed by their absolute offset since the session began. Pure.

use super::modes::Modes;
use std::collections::VecDeque;

/// Bytes `start()..end()` of a terminal's output. Appending beyond the capacity lets the oldest go.
pub struct Ring {
    bytes: VecDeque<u8>,
    end: u64,
    capacity: usize,
    /// What has left.
    gone: Modes,
}

/// What a cursor at some offset gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes that had left the ring before this cursor came for them.
    pub lost: u64,
    /// Absolute offset of `bytes[0]`.
    pub offset: u64,
    pub bytes: Vec<u8>,
}

impl Ring {
    /// Takes no memory until output comes, then grows with it up to `capacity` bytes.
    pub fn new(capacity: usize) -> Ring {
        Ring { bytes: VecDeque::new(), end: 0, capacity, gone: Modes::default() }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Offset of the oldest byte still held.
    pub fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    /// What a terminal that begins with the oldest byte must be written before it.
    pub fn restore(&self) -> String {
        self.gone.restore()
    }

    /// Offset the next byte will have.
    pub fn end(&self) -> u64 {
        self.end
    }

    pub fn append(&mut self, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        let (front, back) = self.bytes.as_slices();
        self.gone.pass(&front[..surplus.min(front.len())]);
        self.gone.pass(&back[..surplus.saturating_sub(front.len())]);
        self.gone.pass(&bytes[..bytes.len() - kept.len()]);
        self.bytes.drain(..surplus);
        self.reserve(kept.len());
        self.bytes.extend(kept);
    }

    /// Doubles like any vector, but never beyond the capacity.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let goal = (needed * 2).min(self.capacity).max(needed);
            self.bytes.reserve_exact(goal - self.bytes.len());
        }
    }

    /// Up to `most` bytes from `offset`. An offset beyond the end is taken as the end: nobody has bytes that were never printed.
    pub fn read(&self, offset: u64, most: usize) -> Piece {
        let from = offset.clamp(self.start(), self.end);
        let skip = (from - self.start()) as usize;
        let (front, back) = self.bytes.as_slices();
        let front = &front[skip.min(front.len())..];
        let back = &back[(skip.saturating_sub(self.bytes.as_slices().0.len())).min(back.len())..];
        let mut bytes = Vec::with_capacity(most.min(front.len() + back.len()));
        bytes.extend_from_slice(&front[..front.len().min(most)]);
        let left = most - bytes.len();
        bytes.extend_from_slice(&back[..back.len().min(left)]);
        Piece { lost: from.saturating_sub(offset), offset: from, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_ring_takes_no_memory_and_gives_nothing() {
        let ring = Ring::new(1024);
        assert_eq!(ring.bytes.capacity(), 0);
        assert_eq!(ring.read(0, 10), Piece { lost: 0, offset: 0, bytes: vec![] });
        assert_eq!(ring.read(99, 10), Piece { lost: 0, offset: 0, bytes: vec![] });
    }

    proptest! {
        /// Against the plainest model: all output ever, kept in one vector.
        #[test]
        fn a_cursor_reads_what_was_printed_or_learns_how_much_is_lost(
            pieces in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0x1bu8), Just(b'['), Just(b'm'), any::<u8>()], 0..40), 0..30),
            capacity in 1usize..100, offset in 0u64..1500, most in 0usize..80,
        ) {
            let (mut ring, mut all) = (Ring::new(capacity), Vec::new());
            for piece in &pieces {
                ring.append(piece);
                all.extend_from_slice(piece);
            }
            prop_assert_eq!(ring.end(), all.len() as u64);
            prop_assert_eq!(ring.start(), all.len().saturating_sub(capacity) as u64);
            prop_assert!(ring.bytes.capacity() <= capacity.max(64));
            let got = ring.read(offset, most);
            let from = offset.clamp(ring.start(), ring.end()) as usize;
            prop_assert_eq!(&got.bytes, &all[from..all.len().min(from + most)]);
            prop_assert_eq!(got.offset, from as u64);
            prop_assert_eq!(got.lost, (from as u64).saturating_sub(offset));
            let mut gone = Modes::default();
            gone.pass(&all[..ring.start() as usize]);
            prop_assert_eq!(ring.restore(), gone.restore());
        }
    }
}
