//! Trusted devices: what a code for another one is worth, and what wrong passwords from one cost.

use super::*;
use crate::auth::webauthn::Bytes;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

pub const HOST: &str = "box:8443";

/// A browser's key.
pub struct Browser(EcdsaKeyPair);

impl Browser {
    pub fn new() -> Browser {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Browser(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap())
    }

    fn sign(&self, purpose: &str, challenge: &str) -> Bytes {
        let text = format!("footbridge device v1\n{purpose}\n{HOST}\n{challenge}");
        Bytes(self.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec())
    }

    pub fn application(&self, auth: &Auth, who: &Who<'_>) -> NewDevice {
        let challenge = auth.device_challenge(who.now.since_boot);
        let (public_key, signature) = (Bytes(self.0.public_key().as_ref().to_vec()), self.sign("trust", &challenge));
        NewDevice { label: "laptop".into(), public_key, challenge, signature }
    }

    /// At its own machine, which is trusted as this one.
    pub fn sign_in(&self, auth: &Auth, id: Id, password: &str, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        let challenge = auth.device_challenge(who.now.since_boot);
        let proof = DeviceProof { id, signature: self.sign("sign-in", &challenge), challenge };
        auth.sign_in_on("ada", &password.into(), Some((&proof, HOST)), who)
    }
}

/// Ada, whose account demands a device, and hers, at which she is signed in.
fn ada(auth: &Auth) -> (User, Browser, Arc<Login>, Id) {
    let user = add(auth, "ada");
    let (browser, login) = (Browser::new(), auth.sign_in("ada", &GOOD.into(), &who()).unwrap().login);
    let (id, _) = auth.trust_device(&login, &browser.application(auth, &who()), None, HOST, &who()).unwrap();
    auth.demand_device(&login, true, &who()).unwrap();
    (user, browser, login, id)
}

/// Somebody who has all but a device brings this code, from there and then.
fn bring(auth: &Auth, code: &str, who: &Who<'_>) -> Result<(), Refusal> {
    let half = auth.sign_in("ada", &GOOD.into(), who)?.login;
    assert_eq!(half.stage(), Stage::Device);
    let new = Browser::new().application(auth, who);
    auth.trust_device(&half, &new, Some(&code.into()), HOST, who).map(drop)
}

#[test]
fn a_code_for_another_device_is_good_for_ten_minutes() {
    let Box_ { auth, .. } = fresh(settings());
    let (_, _, login, _) = ada(&auth);
    let code = auth.device_code(&login, &who()).unwrap();
    assert!(is_failed(bring(&auth, &code, &later(600))));
    bring(&auth, &code, &later(599)).unwrap();
    assert!(is_failed(bring(&auth, &code, &later(599))), "once");
}

/// B7, E1: a code for a device is no more to be guessed at than one of an app.
#[test]
fn wrong_codes_for_a_device_count_by_account_and_by_address() {
    let Box_ { auth, .. } = fresh(settings());
    let (_, _, login, _) = ada(&auth);
    let code = auth.device_code(&login, &who()).unwrap();
    let from = |n: u8| Who { peer: IpAddr::from([10, 0, 1, n]), ..who() };
    (0..5).for_each(|n| assert!(is_failed(bring(&auth, "AAAAA", &from(n)))));
    assert!(matches!(bring(&auth, &code, &from(9)), Err(Refusal::TooMany(_))));

    let Box_ { auth, .. } = fresh(Settings { failures: 2, ..settings() });
    ada(&auth);
    (0..2).for_each(|_| assert!(is_failed(bring(&auth, "AAAAA", &who()))));
    assert!(matches!(auth.sign_in("ada", &GOOD.into(), &who()), Err(Refusal::TooMany(_))));
}

/// Whatever is wrong with them: they are counted by device.
#[test]
fn wrong_passwords_from_a_device_lock_nobody() {
    for wrong in ["short", OTHER] {
        let Box_ { auth, .. } = fresh(settings());
        let (user, browser, _, id) = ada(&auth);
        let sign_in = |password: &str| browser.sign_in(&auth, id, password, &who());
        (0..5).for_each(|_| assert!(is_failed(sign_in(wrong))));
        assert!(!auth.is_locked(user.id, &who().now), "{wrong}");
        assert!(matches!(sign_in(GOOD), Err(Refusal::TooMany(_))));
    }
}
