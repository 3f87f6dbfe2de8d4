//! What we offer a host: no SHA-1 anywhere, no CBC, no group smaller than 2048 bits; the quantum-safe exchange first.

use super::Patience;
use crate::limits;
use russh::client::{Config, GexParams};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Limits, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// ChaCha20 first: small boards have no AES instructions.
const CIPHERS: &[cipher::Name] = &[
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// The algorithms of keys already trusted come first, so that a host with several keys shows one that can be compared (G5).
fn host_keys(known: &[String]) -> Vec<Algorithm> {
    let is_known = |algorithm: &&Algorithm| {
        let name = if matches!(algorithm, Algorithm::Rsa { .. }) { "ssh-rsa" } else { algorithm.as_str() };
        known.iter().any(|known| known == name)
    };
    let (mut first, rest): (Vec<_>, Vec<_>) = HOST_KEYS.iter().partition(is_known);
    first.extend(rest);
    first.into_iter().cloned().collect()
}

pub(super) fn config(patience: &Patience, known: &[String]) -> Config {
    Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-Footbridge_", env!("CARGO_PKG_VERSION")))),
        limits: Limits::new(limits::SSH_REKEY_BYTES, limits::SSH_REKEY_BYTES, limits::SSH_REKEY),
        window_size: limits::SSH_WINDOW_BYTES,
        maximum_packet_size: limits::SSH_PACKET_BYTES,
        // Only the confirmation of the channel comes this way (inbox.rs says why).
        channel_buffer_size: 2,
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Owned(host_keys(known)),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        inactivity_timeout: None,
        // The library sends the keepalives; whether the host is dead is judged in carry.rs, which knows when we listen at all.
        keepalive_interval: Some(patience.keepalive),
        keepalive_max: 0,
        anonymous: false,
        gex: GexParams::default(),
        nodelay: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_is_asked_for_first_and_the_others_still_are() {
        let names = |known: &[&str]| -> Vec<String> {
            let known: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
            host_keys(&known).iter().map(|algorithm| algorithm.as_str().to_owned()).collect()
        };
        assert_eq!(names(&[])[0], "ssh-ed25519");
        assert_eq!(names(&["ssh-rsa"])[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
        assert_eq!(names(&["ecdsa-sha2-nistp384"])[0], "ecdsa-sha2-nistp384");
        assert_eq!(names(&["ssh-dss"]), names(&[]));
        assert_eq!(names(&["ssh-rsa"]).len(), HOST_KEYS.len());
    }

    #[test]
    fn nothing_offered_uses_sha_1() {
        let config = config(&Patience::default(), &["ssh-rsa".to_owned()]);
        let offered = config.preferred;
        let mut names: Vec<&str> = offered.kex.iter().map(AsRef::as_ref).collect();
        names.extend(offered.mac.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
        names.extend(offered.cipher.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
        names.extend(offered.key.iter().map(Algorithm::as_str));
        assert!(!names.iter().any(|name| name.contains("sha1") || *name == "ssh-rsa" || name.contains("cbc")));
    }
}
