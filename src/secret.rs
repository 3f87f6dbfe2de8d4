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
#[inline(never)]
pub fn wipe_stack() {
    std::hint::black_box(&mut [0u8; limits::WIPED_STACK_BYTES]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_and_compares_by_value() {
        let secret = Secret::from("hunter2hunter2");
        assert!(!format!("{secret:?}").contains("hunter"));
        assert!(!format!("{:?}", Key32::new([65; 32])).contains("65"));
        assert_eq!(secret, Secret::from("hunter2hunter2"));
        assert_ne!(secret, Secret::from("hunter2hunter3"));
    }
}
