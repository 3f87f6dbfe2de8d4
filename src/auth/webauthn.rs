//! What an authenticator says (Web Authentication level 2, 7.1 and 7.2), and whether it is true. Pure: bytes in, facts out.
//!
//! Attestation is not asked for and not looked at: the box does not care who made the key. As a second factor it has to be present
//! and touched; whom it knows by finger or PIN is its own affair.

use super::cbor::{self, Value};
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// What the page may ask an authenticator for, the best first (COSE numbers: ES256, EdDSA, RS256).
pub const ALGORITHMS: [i64; 3] = [-7, -8, -257];

const PRESENT: u8 = 1;
const BACKUP_ELIGIBLE: u8 = 8;
const BACKED_UP: u8 = 16;
const WITH_KEY: u8 = 64;
const WITH_EXTENSIONS: u8 = 128;

/// Bytes as browsers write them: base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        URL_SAFE_NO_PAD.decode(text).map(Bytes).map_err(|_| serde::de::Error::custom("not base64url"))
    }
}

/// Where the page is: a key made for one name is none for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub rp_id: String,
    origin: String,
}

impl Place {
    /// Of a `Host` header. None: an address; browsers know passkeys of names only.
    pub fn of(host: &str) -> Option<Place> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
        // It is stored with each key.
        let fits = (1..=limits::HOST_NAME_BYTES).contains(&name.len()) && !name.contains(':');
        if host.starts_with('[') || !fits || name.parse::<IpAddr>().is_ok() {
            return None;
        }
        let origin = format!("https://{}", host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase());
        Some(Place { rp_id: name, origin })
    }
}

/// A public key, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicKey {
    /// 4 | x | y
    Es256(Bytes),
    EdDsa(Bytes),
    Rs256 {
        n: Bytes,
        e: Bytes,
    },
}

/// Why not. For the log: the user hears less.
pub type Flaw = &'static str;

/// A new key.
#[derive(Debug)]
pub struct Made {
    pub credential: Vec<u8>,
    pub key: PublicKey,
    pub counter: u32,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: Bytes,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

fn check_client(json: &[u8], kind: &str, challenge: &[u8], place: &Place) -> Result<(), Flaw> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| "the client data is not of the known form")?;
    if data.kind != kind {
        return Err("the client data is of another ceremony");
    }
    if !bool::from(data.challenge.0.as_slice().ct_eq(challenge)) {
        return Err("the challenge is another one");
    }
    if data.origin.to_ascii_lowercase() != place.origin || data.cross_origin {
        return Err("it was made for another origin");
    }
    Ok(())
}

/// Of the authenticator's own statement: flags, counter, and what follows.
fn check_statement<'a>(data: &'a [u8], place: &Place) -> Result<(u8, u32, &'a [u8]), Flaw> {
    let short = "the authenticator's statement is too short";
    let (rp, rest) = data.split_at_checked(32).ok_or(short)?;
    let (flags, rest) = rest.split_first().ok_or(short)?;
    let (counter, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
    if rp != Sha256::digest(place.rp_id.as_bytes()).as_slice() {
        return Err("it was made for another name");
    }
    if flags & PRESENT == 0 {
        return Err("nobody touched the authenticator");
    }
    if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
        return Err("it is backed up and cannot be");
    }
    Ok((*flags, u32::from_be_bytes(*counter), rest))
}

/// Level 2, 7.1.
pub fn read_made(client: &[u8], object: &[u8], challenge: &[u8], place: &Place) -> Result<Made, Flaw> {
    check_client(client, "webauthn.create", challenge, place)?;
    let object = cbor::read_all(object).ok_or("the attestation is not CBOR as CTAP2 has it")?;
    let data = object.text_key("authData").and_then(Value::bytes).ok_or("there is no authData")?;
    let (flags, counter, rest) = check_statement(data, place)?;
    if flags & WITH_KEY == 0 {
        return Err("there is no key in it");
    }
    let short = "the new key is too short";
    let (_aaguid, rest) = rest.split_at_checked(16).ok_or(short)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let (credential, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(short)?;
    if !limits::PASSKEY_ID_BYTES.contains(&credential.len()) {
        return Err("its id is too long");
    }
    let (cose, rest) = cbor::read(rest).ok_or("the key is not CBOR as CTAP2 has it")?;
    let extensions = flags & WITH_EXTENSIONS != 0;
    if rest.is_empty() == extensions || (extensions && cbor::read_all(rest).is_none()) {
        return Err("something else follows the key");
    }
    let key = public_key(&cose).ok_or("the key is of no kind that was asked for")?;
    Ok(Made { credential: credential.to_vec(), key, counter })
}

/// RFC 9053: kty (1), alg (3), and by kind crv (-1), x (-2), y (-3), or n (-1), e (-2).
fn public_key(cose: &Value<'_>) -> Option<PublicKey> {
    let int = |number| cose.int_key(number).and_then(Value::int);
    let bytes = |number, lengths: std::ops::RangeInclusive<usize>| {
        cose.int_key(number).and_then(Value::bytes).filter(|bytes| lengths.contains(&bytes.len()))
    };
    match (int(1)?, int(3)?) {
        (2, -7) if int(-1)? == 1 => {
            Some(PublicKey::Es256(Bytes([&[4], bytes(-2, 32..=32)?, bytes(-3, 32..=32)?].concat())))
        }
        (1, -8) if int(-1)? == 6 => Some(PublicKey::EdDsa(Bytes(bytes(-2, 32..=32)?.to_vec()))),
        (3, -257) => Some(PublicKey::Rs256 {
            n: Bytes(bytes(-1, limits::PASSKEY_MODULUS_BYTES)?.to_vec()),
            e: Bytes(bytes(-2, limits::PASSKEY_EXPONENT_BYTES)?.to_vec()),
        }),
        _ => None,
    }
}

/// What an authenticator answers to a challenge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    pub credential: Bytes,
    pub client_data: Bytes,
    pub authenticator_data: Bytes,
    pub signature: Bytes,
}

impl Assertion {
    /// Level 2, 7.2: the counter, if all of it is true.
    pub fn check(&self, key: &PublicKey, challenge: &[u8], place: &Place) -> Result<u32, Flaw> {
        check_client(&self.client_data.0, "webauthn.get", challenge, place)?;
        let (_, counter, _) = check_statement(&self.authenticator_data.0, place)?;
        let signed = [&self.authenticator_data.0[..], &Sha256::digest(&self.client_data.0)].concat();
        verify(key, &signed, &self.signature.0).map(|()| counter)
    }
}

fn verify(key: &PublicKey, signed: &[u8], given: &[u8]) -> Result<(), Flaw> {
    let fits = match key {
        PublicKey::Es256(point) => {
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, &point.0).verify(signed, given)
        }
        PublicKey::EdDsa(point) => UnparsedPublicKey::new(&signature::ED25519, &point.0).verify(signed, given),
        PublicKey::Rs256 { n, e } => {
            RsaPublicKeyComponents { n: &n.0, e: &e.0 }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, given)
        }
    };
    fits.map_err(|_| "the signature does not fit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_has_passkeys_and_an_address_has_none() {
        let place = Place::of("Box.local:8443").unwrap();
        assert_eq!((place.rp_id.as_str(), place.origin.as_str()), ("box.local", "https://box.local:8443"));
        assert_eq!(Place::of("box:443").unwrap().origin, "https://box");
        assert_eq!(Place::of("localhost").unwrap().rp_id, "localhost");
        for address in ["10.0.0.1", "10.0.0.1:8443", "[::1]:8443", "[::1]", "", ":8443", "box:80:443"] {
            assert_eq!(Place::of(address), None, "{address}");
        }
        let name = "a".repeat(limits::HOST_NAME_BYTES);
        assert!(Place::of(&format!("{name}:8443")).is_some() && Place::of(&format!("{name}a:8443")).is_none());
    }

    #[test]
    fn a_counter_and_a_touch_are_read_from_where_they_stand() {
        let place = Place::of("box").unwrap();
        let mut data = Sha256::digest(b"box").to_vec();
        data.extend([PRESENT, 0, 0, 1, 2]);
        assert_eq!(check_statement(&data, &place).unwrap(), (PRESENT, 258, &[][..]));
        assert!(check_statement(&data[..36], &place).is_err());
        for flags in [0, 4, PRESENT | BACKED_UP] {
            data[32] = flags;
            assert!(check_statement(&data, &place).is_err(), "{flags}");
        }
        data[32] = PRESENT | BACKED_UP | BACKUP_ELIGIBLE;
        assert!(check_statement(&data, &place).is_ok());
        data[0] ^= 1;
        assert_eq!(check_statement(&data, &place), Err("it was made for another name"));
    }

    proptest! {
        #[test]
        fn junk_is_a_flaw_and_never_a_crash(client in proptest::collection::vec(any::<u8>(), 0..200), data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let place = Place::of("box").unwrap();
            prop_assert!(read_made(&client, &data, &[0; 32], &place).is_err());
            let object = [b"\xa1\x68authData\x58", &[data.len() as u8][..], &data].concat();
            let good = br#"{"type":"webauthn.create","challenge":"","origin":"https://box"}"#;
            prop_assert!(read_made(good, &object, &[], &place).is_err());
            let key = PublicKey::Rs256 { n: Bytes(data.clone()), e: Bytes(client.clone()) };
            prop_assert!(verify(&key, b"text", &data).is_err());
            prop_assert!(verify(&PublicKey::Es256(Bytes(data.clone())), b"text", &client).is_err());
            prop_assert!(verify(&PublicKey::EdDsa(Bytes(data)), b"text", &client).is_err());
        }

        /// A statement with a good head, so that what follows it is read too.
        #[test]
        fn junk_after_a_good_head_is_a_flaw(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let place = Place::of("box").unwrap();
            let data = [&Sha256::digest(b"box")[..], &[PRESENT | WITH_KEY, 0, 0, 0, 0], &tail].concat();
            let object = [b"\xa1\x68authData\x59", &(data.len() as u16).to_be_bytes()[..], &data].concat();
            let client = br#"{"type":"webauthn.create","challenge":"","origin":"https://box"}"#;
            let _ = read_made(client, &object, &[], &place);
        }
    }
}
