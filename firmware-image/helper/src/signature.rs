//! Is this file the one that was signed? Raw Ed25519, as `openssl pkeyutl -sign -rawin` makes it.

use ring::signature::{ED25519, UnparsedPublicKey};
use std::fs::{self, File};
use std::io::Read;

/// What stands before the 32 key bytes in `openssl pkey -pubout -outform DER` (RFC 8410).
const DER_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// `length`: so much of the file and no more, as of a slot that is larger than what was written to it.
pub fn verify(key: &str, signature: &str, file: &str, length: Option<u64>) -> Result<(), String> {
    let read = |path: &str| fs::read(path).map_err(|error| format!("{path}: {error}"));
    let (key, signature) = (read(key)?, read(signature)?);
    let mut bytes = Vec::new();
    let opened = File::open(file).map(|open| open.take(length.unwrap_or(u64::MAX)));
    opened.and_then(|mut open| open.read_to_end(&mut bytes)).map_err(|error| format!("{file}: {error}"))?;
    let key = key.strip_prefix(&DER_PREFIX).ok_or("the key is not an Ed25519 public key in DER")?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&bytes, &signature)
        .map_err(|_| format!("{file} is not what was signed, or another key signed it"))
}
