//! Bytes that do not print, do not serialize, compare in constant time and are wiped when dropped.

use crate::limits;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Secret bytes: a password, a private key, a one-time code.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Named so that a reader of the caller sees it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, where it must be text.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

/// A request's field that holds a secret is read straight into one. There is no way back: `Secret` has no `Serialize`.
impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::from)
    }
}

/// A 32-byte key.
#[derive(Clone, Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Key32([u8; 32]);

impl Key32 {
    pub fn new(bytes: [u8; 32]) -> Key32 {
        Key32(bytes)
    }

    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key32 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key32(..)")
    }
}

/// Runs `work` and wipes the stack that it has used. Libraries wipe a key where it ends, but not the places that it was moved through; and
/// a terminal's thread keeps its stack for as long as the terminal runs. What `work` answers must have its secrets on the heap.
#[inline(never)]
pub fn on_a_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let done = work();
    wipe_stack();
    done
}

/// What lies below the caller, as deep as reading a key goes.
pub fn wipe_stack() {
    wipe::<{ limits::WIPED_STACK_BYTES }>();
}

/// As deep as any signature goes.
pub fn wipe_stack_deeply() {
    wipe::<{ limits::DEEPLY_WIPED_STACK_BYTES }>();
}

#[inline(never)]
fn wipe<const BYTES: usize>() {
    std::hint::black_box(&mut [0u8; BYTES]);
}

/// How much of the stack a work writes to. What is wiped must be as much, in whatever build, with whatever version of a library.
#[cfg(test)]
pub mod depth {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::thread::Builder;

    const PAINTED: usize = 2 * limits::DEEPLY_WIPED_STACK_BYTES;
    const PAINT: u8 = 0xa5;

    /// In bytes below the caller of `work`, which has a thread and a painted stack of its own.
    pub fn of<T>(work: impl FnOnce() -> T + Send) -> usize {
        std::thread::scope(|scope| {
            let thread = Builder::new().stack_size(3 * PAINTED).spawn_scoped(scope, || measure(work));
            thread.unwrap().join().unwrap()
        })
    }

    #[inline(never)]
    fn measure<T>(work: impl FnOnce() -> T) -> usize {
        let here = 0u8;
        let top = std::hint::black_box(&raw const here) as usize;
        paint();
        std::hint::black_box(work());
        let mut below = vec![0; PAINTED];
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut below, (top - PAINTED) as u64).unwrap();
        let untouched = below.iter().take_while(|byte| **byte == PAINT).count();
        assert!(untouched > 0, "deeper than {PAINTED} bytes");
        PAINTED - untouched
    }

    #[inline(never)]
    fn paint() {
        std::hint::black_box(&mut [PAINT; PAINTED]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn dig<const BYTES: usize>() {
        std::hint::black_box(&mut [1u8; BYTES]);
    }

    #[test]
    fn how_deep_a_work_goes_is_measured() {
        let [shallow, deep] = [depth::of(dig::<20_000>), depth::of(dig::<200_000>)];
        assert!((20_000..30_000).contains(&shallow) && (200_000..210_000).contains(&deep), "{shallow} {deep}");
        let [wiped, deeply] = [depth::of(wipe_stack), depth::of(wipe_stack_deeply)];
        assert!((0..10_000).contains(&(wiped - limits::WIPED_STACK_BYTES)), "{wiped}");
        assert!((0..10_000).contains(&(deeply - limits::DEEPLY_WIPED_STACK_BYTES)), "{deeply}");
    }

    #[test]
    fn a_secret_does_not_print_and_compares_by_value() {
        let secret = Secret::from("hunter2hunter2");
        assert!(!format!("{secret:?}").contains("hunter"));
        assert!(!format!("{:?}", Key32::new([65; 32])).contains("65"));
        assert_eq!(secret, Secret::from("hunter2hunter2"));
        assert_ne!(secret, Secret::from("hunter2hunter3"));
    }
}
