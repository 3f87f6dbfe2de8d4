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
    pub fn wrap(&self, kek: &Key32, device: &DeviceKey, user: Id, slot: &str) -> Wrapped {
        Wrapped::Plain(seal(&wrapping_key(kek, &share(device)), &wrapped_place(user, slot), self.0.expose()))
    }

    pub fn unwrap(
        wrapped: &Wrapped,
        kek: &Key32,
        device: &DeviceKey,
        user: Id,
        slot: &str,
    ) -> Result<DataKey, VaultError> {
        let (share, sealed) = wrapped.of_its_time(device, user, slot)?;
        let bytes = open(&wrapping_key(kek, &share), &wrapped_place(user, slot), &sealed)?;
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| VaultError::NotOpened)?);
        Ok(DataKey(Key32::new(*key)))
    }
}

/// A data key as it is stored for one way in. Which of the two it is, the JSON says: a text or an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wrapped {
    /// Under a key of the user's and today's device key together.
    Plain(Sealed),
    /// Wrapped under an earlier device key, by a password or code that nobody knew when that one was exchanged: under today's device key
    /// lie the earlier one's share and what it was wrapped to.
    Nested { nested: Sealed },
}

impl Wrapped {
    pub fn is_nested(&self) -> bool {
        matches!(self, Wrapped::Nested { .. })
    }

    /// The same behind another device key. However often: there is one layer around what a password or a code wrapped.
    pub fn under(&self, new: &DeviceKey, old: &DeviceKey, user: Id, slot: &str) -> Result<Wrapped, VaultError> {
        let (share, sealed) = self.of_its_time(old, user, slot)?;
        let inside = Zeroizing::new([&share.expose()[..], &sealed.0].concat());
        Ok(Wrapped::Nested { nested: seal(&new.derive("nest"), &wrapped_place(user, slot), &inside) })
    }

    /// The share of the device key that it was wrapped with, and what it was wrapped to.
    fn of_its_time(&self, device: &DeviceKey, user: Id, slot: &str) -> Result<(Key32, Sealed), VaultError> {
        match self {
            Wrapped::Plain(sealed) => Ok((share(device), sealed.clone())),
            Wrapped::Nested { nested } => {
                let inside = open(&device.derive("nest"), &wrapped_place(user, slot), nested)?;
                let (share, sealed) = inside.split_first_chunk::<32>().ok_or(VaultError::NotOpened)?;
                Ok((Key32::new(*share), Sealed(sealed.to_vec())))
            }
        }
    }
}

/// What the device key gives to the wrapping of data keys.
fn share(device: &DeviceKey) -> Key32 {
    device.derive("wrap")
}

/// Without the device key a copied database cannot even be guessed at.
fn wrapping_key(kek: &Key32, share: &Key32) -> Key32 {
    let both = Zeroizing::new([&kek.expose()[..], &share.expose()[..]].concat());
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

    fn opens(wrapped: &Wrapped, kek: &Key32, device: &DeviceKey, user: Id, slot: &str, key: &DataKey) -> bool {
        DataKey::unwrap(wrapped, kek, device, user, slot).is_ok_and(|found| found.0.expose() == key.0.expose())
    }

    #[test]
    fn after_an_exchange_a_data_key_needs_the_new_device_key_and_the_password() {
        let (old, new, kek, user) = (device(), device(), random::key(), Id::random());
        let key = DataKey::random();
        let nested = key.wrap(&kek, &old, user, "recovery-1").under(&new, &old, user, "recovery-1").unwrap();
        assert!(opens(&nested, &kek, &new, user, "recovery-1", &key));
        assert!(!opens(&nested, &kek, &old, user, "recovery-1", &key), "the old device key alone");
        assert!(!opens(&nested, &random::key(), &new, user, "recovery-1", &key), "another password");
        assert!(!opens(&nested, &kek, &new, Id::random(), "recovery-1", &key), "another user's place");
        assert!(!opens(&nested, &kek, &new, user, "recovery-2", &key), "another slot's place");
        let moved = key.wrap(&kek, &old, user, "recovery-1").under(&new, &old, user, "recovery-2").unwrap();
        assert!(!opens(&moved, &kek, &new, user, "recovery-2", &key), "what is inside knows its place too");
        assert!(nested.under(&device(), &old, user, "recovery-1").is_err(), "not by who has only the old one");
    }

    #[test]
    fn exchanged_again_and_again_it_does_not_grow() {
        let (first, kek, user) = (device(), random::key(), Id::random());
        let key = DataKey::random();
        let (mut wrapped, mut before) = (key.wrap(&kek, &first, user, "password"), first);
        let mut lengths = Vec::new();
        for _ in 0..3 {
            let new = device();
            wrapped = wrapped.under(&new, &before, user, "password").unwrap();
            assert!(opens(&wrapped, &kek, &new, user, "password", &key));
            assert!(!opens(&wrapped, &kek, &before, user, "password", &key));
            lengths.push(serde_json::to_string(&wrapped).unwrap().len());
            before = new;
        }
        assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    }

    /// Databases from before there was anything to nest hold texts.
    #[test]
    fn plain_and_nested_are_told_apart_by_their_form() {
        let (old, new, user) = (device(), device(), Id::random());
        let plain = DataKey::random().wrap(&random::key(), &old, user, "password");
        let nested = plain.under(&new, &old, user, "password").unwrap();
        assert!(!plain.is_nested() && nested.is_nested());
        let (one, other) = (serde_json::to_value(&plain).unwrap(), serde_json::to_value(&nested).unwrap());
        assert!(one.is_string() && other["nested"].is_string());
        assert_eq!(serde_json::from_value::<Wrapped>(one).unwrap(), plain);
        assert_eq!(serde_json::from_value::<Wrapped>(other).unwrap(), nested);
        for junk in [serde_json::json!({"nested": "short"}), serde_json::json!({"other": "x"}), serde_json::json!(7)] {
            assert!(serde_json::from_value::<Wrapped>(junk).is_err());
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
