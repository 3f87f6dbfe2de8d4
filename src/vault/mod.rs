//! Keys and sealed values: [`Sealed`] is the only form in which a secret can be stored.
//!
//! ```text
//! password --Argon2id (auth)--> root --HKDF "kek"--> KEK --.
//!                                     device key ----------+--HKDF--> wrapping key --XChaCha20-Poly1305--> wrapped data key
//! data key (per user, random) --XChaCha20-Poly1305, AAD = user | record | kind | version--> sealed records
//! ```

mod device;

pub use device::{DeviceKey, FILE as DEVICE_KEY_FILE};

use crate::random::{self, Id};
use crate::secret::{Key32, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use std::fmt;
use std::io;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Why a key or a value is not to be had.
#[derive(Debug)]
pub enum VaultError {
    /// The key does not fit, or the value was changed or belongs elsewhere. Which of these cannot be told.
    NotOpened,
    /// The device key's file is not as we made it.
    DeviceKey(String),
    Io(io::Error),
}

impl fmt::Display for VaultError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::NotOpened => {
                out.write_str("a sealed value does not open: wrong key, or changed, or moved from its place")
            }
            VaultError::DeviceKey(why) => write!(out, "the device key: {why}"),
            VaultError::Io(error) => write!(out, "the device key: {error}"),
        }
    }
}

impl std::error::Error for VaultError {}

/// Where a sealed value belongs. Opened anywhere else, it does not open.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub user: Id,
    pub record: Id,
    pub kind: &'a str,
    pub version: u32,
}

impl About<'_> {
    /// Fixed widths first, so that no two places read the same.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(36 + self.kind.len());
        bytes.extend_from_slice(self.user.as_bytes());
        bytes.extend_from_slice(self.record.as_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(self.kind.as_bytes());
        bytes
    }
}

/// nonce (24) | ciphertext | tag (16). As text: base64 without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Sealed, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64.decode(text).map_err(serde::de::Error::custom)?;
        if bytes.len() < NONCE_BYTES + TAG_BYTES {
            return Err(serde::de::Error::custom("too short for a sealed value"));
        }
        Ok(Sealed(bytes))
    }
}

fn seal(key: &Key32, place: &[u8], secret: &[u8]) -> Sealed {
    let nonce: [u8; NONCE_BYTES] = random::bytes();
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    // Fails only beyond 256 GiB.
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: place }).unwrap_or_default();
    Sealed([&nonce[..], &sealed].concat())
}

fn open(key: &Key32, place: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, text) = sealed.0.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::NotOpened)?;
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: place });
    opened.map(Zeroizing::new).map_err(|_| VaultError::NotOpened)
}

/// Bytes of the box's own, not a user's, under a key that somebody remembers: a backup. The same form as [`Sealed`].
pub fn seal_bytes(key: &Key32, place: &[u8], secret: &[u8]) -> Vec<u8> {
    seal(key, place, secret).0
}

pub fn open_bytes(key: &Key32, place: &[u8], sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    open(key, place, &Sealed(sealed))
}

/// One key for one purpose, from a root that has enough entropy (HKDF-SHA256, RFC 5869).
pub fn derive(root: &[u8], purpose: &str) -> Key32 {
    let mut key = Zeroizing::new([0; 32]);
    // Fails only for outputs beyond 8160 bytes.
    let expanded = Hkdf::<Sha256>::new(None, root).expand(format!("footbridge v1 {purpose}").as_bytes(), &mut key[..]);
    debug_assert!(expanded.is_ok());
    Key32::new(*key)
}

/// HMAC-SHA256 over the parts, one after the other. Where one ends and the next begins, the caller must make plain.
pub fn mac(key: &Key32, parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros to its block; given the whole block, nothing can fail.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key.expose());
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new((&*block).into());
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// A user's data key. It lives only in a signed-in session's memory.
pub struct DataKey(Key32);

impl fmt::Debug for DataKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DataKey(..)")
    }
}

impl DataKey {
    pub fn random() -> DataKey {
        DataKey(random::key())
    }

    pub fn seal(&self, about: &About<'_>, secret: &Secret) -> Sealed {
        seal(&self.0, &about.bytes(), secret.expose())
    }

    pub fn open(&self, about: &About<'_>, sealed: &Sealed) -> Result<Secret, VaultError> {
        open(&self.0, &about.bytes(), sealed).map(|mut bytes| Secret::new(std::mem::take(&mut *bytes)))
    }

    /// Wrapped under a key of the user's and the device key together. `slot` names the wrapper ("password", "recovery-3").
    pub fn wrap(&self, kek: &Key32, device: &DeviceKey, user: Id, slot: &str) -> Sealed {
        seal(&wrapping_key(kek, device), &wrapped_place(user, slot), self.0.expose())
    }

    pub fn unwrap(
        sealed: &Sealed,
        kek: &Key32,
        device: &DeviceKey,
        user: Id,
        slot: &str,
    ) -> Result<DataKey, VaultError> {
        let bytes = open(&wrapping_key(kek, device), &wrapped_place(user, slot), sealed)?;
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| VaultError::NotOpened)?);
        Ok(DataKey(Key32::new(*key)))
    }
}

/// Without the device key a copied database cannot even be guessed at.
fn wrapping_key(kek: &Key32, device: &DeviceKey) -> Key32 {
    let device = device.derive("wrap");
    let both = Zeroizing::new([&kek.expose()[..], &device.expose()[..]].concat());
    derive(&both, "wrapping key")
}

fn wrapped_place(user: Id, slot: &str) -> Vec<u8> {
    [&user.as_bytes()[..], slot.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device() -> DeviceKey {
        DeviceKey::load_or_make(tempfile::tempdir().unwrap().path()).unwrap()
    }

    #[test]
    fn a_value_opens_in_its_place_and_nowhere_else() {
        let key = DataKey::random();
        let about = About { user: Id::random(), record: Id::random(), kind: "ssh-key", version: 1 };
        let sealed = key.seal(&about, &Secret::from("a private key"));
        assert_eq!(key.open(&about, &sealed).unwrap(), Secret::from("a private key"));
        let elsewhere = [
            About { user: Id::random(), ..about },
            About { record: Id::random(), ..about },
            About { kind: "ssh-password", ..about },
            About { version: 2, ..about },
        ];
        assert!(elsewhere.iter().all(|about| matches!(key.open(about, &sealed), Err(VaultError::NotOpened))));
        assert!(DataKey::random().open(&about, &sealed).is_err());
    }

    #[test]
    fn a_data_key_needs_the_password_and_the_device() {
        let (device, other, kek, user) = (device(), device(), random::key(), Id::random());
        let key = DataKey::random();
        let wrapped = key.wrap(&kek, &device, user, "password");
        let again = DataKey::unwrap(&wrapped, &kek, &device, user, "password").unwrap();
        assert_eq!(again.0.expose(), key.0.expose());
        for wrong in [
            DataKey::unwrap(&wrapped, &random::key(), &device, user, "password"),
            DataKey::unwrap(&wrapped, &kek, &other, user, "password"),
            DataKey::unwrap(&wrapped, &kek, &device, Id::random(), "password"),
            DataKey::unwrap(&wrapped, &kek, &device, user, "recovery-1"),
        ] {
            assert!(wrong.is_err());
        }
    }

    /// RFC 4231, test case 1, its key filled up with the zeros that HMAC would add.
    #[test]
    fn a_mac_is_that_of_the_standard() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mac = mac(&Key32::new(key), &[b"Hi ", b"There"]).finalize().into_bytes();
        assert_eq!(mac[..8], [0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53]);
    }

    #[test]
    fn nothing_prints_a_secret() {
        let key = DataKey::random();
        let about = About { user: Id::random(), record: Id::random(), kind: "k", version: 1 };
        assert_eq!(format!("{key:?}"), "DataKey(..)");
        assert!(format!("{:?}", key.seal(&about, &Secret::from("hunter2"))).starts_with("Sealed("));
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(secret in proptest::collection::vec(any::<u8>(), 0..200), at in any::<usize>(), bit in 0..8u8) {
            let key = DataKey::random();
            let about = About { user: Id::random(), record: Id::random(), kind: "k", version: 1 };
            let mut sealed = key.seal(&about, &Secret::new(secret));
            let at = at % sealed.0.len();
            sealed.0[at] ^= 1 << bit;
            prop_assert!(key.open(&about, &sealed).is_err());
        }

        #[test]
        fn junk_is_no_sealed_value(text in ".*") {
            if let Ok(sealed) = serde_json::from_value::<Sealed>(serde_json::json!(text)) {
                let about = About { user: Id::random(), record: Id::random(), kind: "k", version: 1 };
                prop_assert!(DataKey::random().open(&about, &sealed).is_err());
            }
        }
    }
}
