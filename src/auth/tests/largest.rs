//! Whatever somebody may have, they can have all of it at once: the largest record of every kind is a value the store takes. If it were
//! not, the last passkey, or a new password years later, would fail for no reason that its owner could see.

use super::devices::{Browser, HOST};
use super::factor::enrol;
use super::*;
use crate::auth::logins::Purpose;
use crate::auth::webauthn::{Bytes, Place};
use crate::store::{Credential, CredentialKind, Host, Invite, KnownHostKey, Place as Target, Reset};
use crate::vault::{About, DataKey, Sealed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const LATE: Seconds = 253_402_300_799;

/// Four bytes each.
fn label() -> String {
    "🌉".repeat(limits::LABEL_CHARACTERS)
}

/// Two bytes of JSON each.
fn escaped(count: usize) -> String {
    "\"".repeat(count)
}

fn host_name() -> String {
    "a".repeat(limits::HOST_NAME_BYTES)
}

/// What hashes to 64 hexadecimal digits.
fn digest() -> String {
    hex::text(&[0xff; 32])
}

/// An authenticator that has an RSA key and an id as long as they may be: what it says of them (Web Authentication level 2, 6.5.1).
fn longest_key(number: usize, asked: &[u8; 32], name: &str) -> (Bytes, Bytes) {
    let two = |number: usize| (number as u16).to_be_bytes();
    let id = vec![number as u8; *limits::PASSKEY_ID_BYTES.end()];
    let modulus = vec![0xff; *limits::PASSKEY_MODULUS_BYTES.end()];
    let exponent = vec![0xff; *limits::PASSKEY_EXPONENT_BYTES.end()];
    // {1: 3 (RSA), 3: -257 (RS256), -1: the modulus, -2: the exponent}
    let cose = [
        &[0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59][..],
        &two(modulus.len()),
        &modulus,
        &[0x21, 0x40 | exponent.len() as u8],
        &exponent,
    ]
    .concat();
    let (touched_with_key, aaguid) = (0x41, [0; 16]);
    let head = [&Sha256::digest(name)[..], &[touched_with_key, 0xff, 0xff, 0xff, 0xff], &aaguid].concat();
    let data = [&head[..], &two(id.len()), &id, &cose].concat();
    let client = json!({
        "type": "webauthn.create", "challenge": Bytes(asked.to_vec()), "origin": format!("https://{name}"),
    });
    let object = [b"\xa1\x68authData\x59", &two(data.len())[..], &data].concat();
    (Bytes(client.to_string().into_bytes()), Bytes(object))
}

/// What needs no right of its own, and time: changed passwords, notices, an exchanged device key.
fn grow_old(auth: &Auth, user: &mut User) {
    let cost = Cost { passes: limits::ARGON2_PASSES_MOST, ..Cost::FLOOR };
    user.verifier = Verifier::dummy(cost).to_text();
    (0..limits::PASSWORD_HISTORY).for_each(|_| remember_password(user, LATE));
    (0..limits::NOTICES).for_each(|_| notify(user, "recovery-code-used", LATE));
    (user.created, user.locked_until, user.last_step) = (LATE, Some(LATE), u64::MAX);
    (user.device_required, user.certificate_required) = (true, true);
    (user.reset, user.device_code) = (once(), once());
    let (id, device) = (user.id, &auth.device);
    user.wrapped.iter_mut().for_each(|(slot, wrapped)| *wrapped = wrapped.under(device, device, id, slot).unwrap());
}

fn once() -> Option<Reset> {
    Some(Reset { hash: digest(), made: LATE })
}

/// Every step as its owner takes it: the last one must not fail.
#[test]
fn a_user_who_has_all_of_everything_fits() {
    let Box_ { auth, .. } = fresh(settings());
    let name = "a".repeat(32);
    let id = auth.add_user(None, &name, Role::Administrator, &GOOD.into(), &who().now).unwrap().id;
    let (_, enrolled) = enrol(&auth, &auth.sign_in(&name, &GOOD.into(), &who()).unwrap().login, &who());
    let login = enrolled.signed_in.login;
    let place = Place::of(&host_name()).unwrap();
    for number in 0..limits::PASSKEYS_PER_USER {
        let asked = login.ask(Purpose::Make, who().now.since_boot);
        let (client, object) = longest_key(number, &asked, &place.rp_id);
        auth.add_passkey(&login, &label(), (&client, &object), &place, &who()).unwrap();
    }
    for _ in 0..limits::DEVICES_PER_USER {
        let new = NewDevice { label: label(), ..Browser::new().application(&auth, &who()) };
        auth.trust_device(&login, &new, None, HOST, &who()).unwrap();
    }
    for number in 0..limits::CERTIFICATES_PER_USER {
        let fingerprint = format!("{number:064x}");
        auth.register_certificate(&login, &label(), Some(&fingerprint), &who()).unwrap();
    }
    auth.store.update_user(id, |user| grow_old(&auth, user)).unwrap();

    let user = auth.store.user(id).unwrap().unwrap();
    let length = serde_json::to_vec(&user).unwrap().len();
    // There is not so much room that somebody forgot what lives here.
    assert!(length > limits::VALUE_BYTES / 2, "{length} bytes");
    let has =
        (user.passkeys.len(), user.devices.len(), user.certificates.len(), user.recovery.len(), user.wrapped.len());
    let codes = limits::RECOVERY_CODES;
    let may = (limits::PASSKEYS_PER_USER, limits::DEVICES_PER_USER, limits::CERTIFICATES_PER_USER, codes, codes + 1);
    assert!(has == may && user.factor.is_some() && user.old_verifiers.len() == limits::PASSWORD_HISTORY - 1);
}

fn sealed(bytes: usize) -> Sealed {
    let about = About { user: Id::random(), record: Id::random(), kind: "k", version: 1 };
    DataKey::random().seal(&about, &Secret::new(vec![0; bytes]))
}

fn credential(kind: CredentialKind, secret: Sealed) -> Credential {
    Credential {
        id: Id::random(),
        label: label(),
        kind,
        algorithm: None,
        public_key: None,
        fingerprint: None,
        created: LATE,
        secret,
        sent_to: Vec::new(),
        last_used: Some(LATE),
    }
}

fn target() -> Target {
    Target { address: host_name(), port: u16::MAX }
}

#[test]
fn the_largest_of_what_a_user_keeps_fits() {
    let Box_ { auth, .. } = fresh(settings());
    let (store, me) = (&auth.store, add(&auth, "ada").id);

    let password = Credential {
        sent_to: vec![target(); limits::PLACES_PER_PASSWORD],
        ..credential(CredentialKind::Password, sealed(limits::HOST_PASSWORD_BYTES))
    };
    store.put_credential(me, &password, 9, |_| true).unwrap();
    // The text of a private key has all of the public one in it, twice.
    let key = Credential {
        algorithm: Some("ecdsa-sha2-nistp521".into()),
        public_key: Some("A".repeat(limits::KEY_TEXT_BYTES / 2)),
        fingerprint: Some(format!("SHA256:{}", BASE64.encode([0xff; 32]))),
        ..credential(CredentialKind::Key, sealed(limits::KEY_TEXT_BYTES))
    };
    store.put_credential(me, &key, 9, |_| true).unwrap();

    let host = Host {
        id: Id::random(),
        label: label(),
        address: host_name(),
        port: u16::MAX,
        user: "🌉".repeat(limits::HOST_USER_CHARACTERS),
        credential_id: Some(key.id),
        created: LATE,
        last_used: Some(LATE),
        tags: vec!["🌉".repeat(limits::TAG_CHARACTERS); limits::TAGS_PER_HOST],
        favourite: true,
        colour: "orange".into(),
        notes: escaped(limits::HOST_NOTES_BYTES),
        osc52: true,
    };
    store.put_host(me, &host, 9).unwrap();

    // {"k":"…"}
    let preferences = Map::from_iter([("k".to_owned(), Value::from("x".repeat(limits::PREFERENCES_BYTES - 8)))]);
    store.put_preferences(me, &preferences).unwrap();

    let (algorithm, fingerprint) = (key.algorithm, key.fingerprint.unwrap_or_default());
    let known = KnownHostKey::new(Some(me), &host_name(), u16::MAX, algorithm, fingerprint, LATE);
    store.add_host_keys(&[known]).unwrap();
    let invite = Invite { id: Id::random(), role: Role::CommandOnly, hash: digest(), made: LATE, by: "a".repeat(32) };
    store.add_invite(&invite, 9).unwrap();
}
