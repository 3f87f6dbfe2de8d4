//! Is this file the one that was signed? Raw Ed25519, as `openssl pkeyutl -sign -rawin` makes it.

use ring::signature::{ED25519, UnparsedPublicKey};
use std::fs;

/// What stands before the 32 key bytes in `openssl pkey -pubout -outform DER` (RFC 8410).
const DER_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

pub fn verify(key: &str, signature: &str, file: &str) -> Result<(), String> {
    let read = |path: &str| fs::read(path).map_err(|error| format!("{path}: {error}"));
    let (key, signature, bytes) = (read(key)?, read(signature)?, read(file)?);
    let key = key.strip_prefix(&DER_PREFIX).ok_or("the key is not an Ed25519 public key in DER")?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&bytes, &signature)
        .map_err(|_| format!("{file} is not what was signed, or another key signed it"))
}
