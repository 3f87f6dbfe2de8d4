//! A trusted device is a browser that keeps a key. Where an account demands one, a password and a factor open nothing without it, on
//! localhost as anywhere; and whoever locks an account does not lock it for its owner's device.

use crate::passkeys::{Authenticator, named, offer, proof, verify};
use crate::second_factor::{Phone, enrol, half, take};
use crate::world::browser::{Browser, Reply, Target};
use crate::world::footbridge::{Footbridge, text};
use crate::world::proxy::closed_port;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::{ADA, claimed, claimed_with};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use footbridge::limits::Counted;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

pub struct Device {
    key: EcdsaKeyPair,
    id: String,
}

impl Device {
    pub fn new() -> Device {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap();
        Device { key, id: String::new() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    fn sign(&self, purpose: &str, browser: &Browser, challenge: &str) -> String {
        let host = browser.origin().replace("https://", "");
        let text = format!("footbridge device v1\n{purpose}\n{host}\n{challenge}");
        B64.encode(self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap())
    }

    pub fn application(&self, browser: &mut Browser) -> Value {
        let challenge = challenge(browser);
        json!({"label": "laptop", "public_key": B64.encode(self.key.public_key()),
            "signature": self.sign("trust", browser, &challenge), "challenge": challenge})
    }

    fn word(&self, browser: &mut Browser) -> Value {
        self.word_for("sign-in", browser)
    }

    fn word_for(&self, purpose: &str, browser: &mut Browser) -> Value {
        let challenge = challenge(browser);
        json!({"id": self.id, "signature": self.sign(purpose, browser, &challenge), "challenge": challenge})
    }

    pub fn sign_in(&self, browser: &mut Browser, password: &str) -> Reply {
        let word = self.word(browser);
        browser.post("/api/login", json!({"name": ADA.0, "password": password, "device": word}))
    }
}

fn challenge(browser: &mut Browser) -> String {
    let answer = browser.post("/api/device/challenge", json!({})).expect(200);
    answer["challenge"].as_str().unwrap().into()
}

fn trusted(browser: &mut Browser) -> Device {
    trusted_by(browser, ADA.1)
}

/// Without a second factor the password is the proof.
pub fn trusted_by(browser: &mut Browser, password: &str) -> Device {
    let mut device = Device::new();
    let mut body = device.application(browser);
    body["proof"] = json!(password);
    device.id = browser.post("/api/devices", body).expect(201)["id"].as_str().unwrap().into();
    device
}

fn demand(browser: &mut Browser, required: bool) -> Reply {
    browser.put("/api/device/demand", json!({"required": required, "proof": ADA.1}))
}

fn attach(browser: &mut Browser, session: &str, device: impl FnOnce(&Browser, &str) -> String) -> Reply {
    let ticket = browser.ticket(session);
    let device = device(browser, &ticket);
    let path = format!("/api/sessions/{session}/attach?ticket={ticket}{device}");
    browser.upgrade(&path, &[("Origin", &browser.origin()), ("Cookie", browser.cookie.as_ref().unwrap())]).0
}

fn nowhere() -> Target<'static> {
    Target { address: "127.0.0.1", port: closed_port(), user: "root", credential: None }
}

fn session(browser: &mut Browser) -> String {
    browser.start_session(&nowhere()).expect(201)["session"]["id"].as_str().unwrap().into()
}

#[test]
fn where_it_is_demanded_a_password_opens_nothing_without_it_on_localhost_too() {
    let (box_, mut ada) = claimed();
    assert_eq!(demand(&mut ada, true).refusal(409), "conflict", "nobody shuts themselves out");
    let device = trusted(&mut ada);
    let mut elsewhere = half(&box_, ADA, "full");
    demand(&mut ada, true).expect(204);
    assert_eq!(elsewhere.get("/api/hosts").refusal(401), "not_signed_in", "sign-ins without one end");
    for name in [None, Some("localhost".to_string())] {
        let mut browser = half(&box_, ADA, "device");
        browser.name = name;
        assert_eq!(browser.get("/api/hosts").refusal(403), "second_factor");
        assert_eq!(browser.post("/api/factor/begin", json!({})).refusal(409), "conflict", "no way around it");
        let mut other = box_.browser();
        other.name = browser.name.clone();
        let reply = device.sign_in(&mut other, ADA.1);
        take(&mut other, reply, 200, "full");
        other.get("/api/hosts").expect(200);
    }
    assert_eq!(demand(&mut ada, false).status, 204);
    half(&box_, ADA, "full");
}

#[test]
fn password_and_code_lead_no_further_than_to_the_device() {
    let (box_, mut ada) = claimed();
    let device = trusted(&mut ada);
    demand(&mut ada, true).expect(204);
    let (phone, _) = enrol(&mut ada);
    let mut elsewhere = half(&box_, ADA, "factor");
    let reply = elsewhere.post("/api/factor/verify", json!({"code": phone.code(0)}));
    take(&mut elsewhere, reply, 200, "device");
    let told = text(&box_.command(&["audit", "tail", "2"], "").stdout);
    assert_eq!(told.matches("\"signin.half\"").count(), 2, "signed in is who lacks nothing: {told}");
    assert_eq!(elsewhere.get("/api/hosts").refusal(403), "second_factor");
    assert_eq!(elsewhere.start_session(&nowhere()).refusal(403), "second_factor");
    // The other way round: a device that spoke does not stand for the factor.
    let mut here = box_.browser();
    let reply = device.sign_in(&mut here, ADA.1);
    take(&mut here, reply, 200, "factor");
    assert_eq!(here.get("/api/hosts").refusal(403), "second_factor");
    let reply = here.post("/api/factor/verify", json!({"code": phone.code(1)}));
    take(&mut here, reply, 200, "full");
    here.get("/api/hosts").expect(200);
}

#[test]
fn each_upgrade_wants_the_ticket_signed_by_the_device_that_signed_in() {
    let (_box, mut ada) = claimed();
    let device = trusted(&mut ada);
    let id = session(&mut ada);
    assert_eq!(attach(&mut ada, &id, |_, _| String::new()).status, 101, "not demanded");
    demand(&mut ada, true).expect(204);
    let good = |browser: &Browser, ticket: &str| format!("&device={}", device.sign("attach", browser, ticket));
    assert_eq!(attach(&mut ada, &id, good).status, 101);
    assert_eq!(attach(&mut ada, &id, |_, _| String::new()).refusal(403), "device_needed");
    let stranger = Device::new();
    let foreign = |browser: &Browser, ticket: &str| format!("&device={}", stranger.sign("attach", browser, ticket));
    assert_eq!(attach(&mut ada, &id, foreign).refusal(403), "device_needed");
    let purpose = |browser: &Browser, ticket: &str| format!("&device={}", device.sign("sign-in", browser, ticket));
    assert_eq!(attach(&mut ada, &id, purpose).refusal(403), "device_needed", "signed for something else");
    let old = ada.ticket(&id);
    let replayed = |browser: &Browser, _: &str| format!("&device={}", device.sign("attach", browser, &old));
    assert_eq!(attach(&mut ada, &id, replayed).refusal(403), "device_needed", "another ticket's");
}

/// The story: the device was looked at when a browser wanted to see the terminal. By then the box had shown a stored password to
/// whatever server the request had named.
#[test]
fn a_cookie_without_the_device_makes_the_box_dial_nobody() {
    let host = SshServer::openssh();
    let (_box, mut ada) = claimed_with(&[("FOOTBRIDGE_HOST_KEY_POLICY", "tofu")]);
    // This sign-in is made with the one that is trusted last.
    let (other, device) = (trusted(&mut ada), trusted(&mut ada));
    let password = ada.add_password_for(&host.target(None), PASSWORD);
    let target = host.target(Some(&password));
    demand(&mut ada, true).expect(204);
    let is_called = || host.log().contains("remote software version");
    let start = |browser: &mut Browser, word: Value| {
        let body = json!({"address": target.address, "port": target.port, "user": target.user,
            "credential_id": target.credential, "device": word});
        browser.post("/api/sessions", body)
    };
    let saved = ada.add_host(&target);
    assert_eq!(ada.start_session(&target).refusal(403), "device_needed");
    assert_eq!(ada.post("/api/sessions", json!({"host_id": saved})).refusal(403), "device_needed");
    let mut foreign = Device::new();
    foreign.id = device.id.clone();
    let words = [
        foreign.word_for("start", &mut ada),
        other.word_for("start", &mut ada),
        device.word_for("sign-in", &mut ada),
        Value::Null,
    ];
    for word in words {
        assert_eq!(start(&mut ada, word).refusal(403), "device_needed");
    }
    assert_eq!(ada.get("/api/sessions").expect(200)["sessions"], json!([]));
    assert!(!is_called(), "{}", host.log());

    let word = device.word_for("start", &mut ada);
    let started = start(&mut ada, word.clone()).expect(201);
    let ticket = started["ticket"].as_str().unwrap();
    let signed = format!("{ticket}&device={}", device.sign("attach", &ada, ticket));
    ada.attach_with(started["session"]["id"].as_str().unwrap(), &signed, Some(0)).until_prompt();
    assert!(is_called());
    assert_eq!(start(&mut ada, word).refusal(403), "device_needed", "once");
}

#[test]
fn a_locked_account_opens_for_its_owners_device() {
    let (mut box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "6")]);
    let device = trusted(&mut ada);
    let mut attacker = box_.browser();
    for _ in 0..5 {
        assert_eq!(attacker.try_sign_in(ADA.0, "not the password of ada").refusal(401), "sign_in_failed");
    }
    assert_eq!(attacker.try_sign_in(ADA.0, ADA.1).refusal(401), "sign_in_failed", "locked");
    assert_eq!(attacker.try_sign_in(ADA.0, ADA.1).refusal(429), "too_many", "and the address has to wait");
    let mut owner = box_.browser();
    let reply = device.sign_in(&mut owner, ADA.1);
    take(&mut owner, reply, 200, "full");
    // After a restart too: the lock is stored, the device is as well.
    box_.kill();
    box_.start_again();
    let mut owner = box_.browser();
    let reply = device.sign_in(&mut owner, ADA.1);
    take(&mut owner, reply, 200, "full");
}

#[test]
fn a_device_has_five_tries_of_its_own_and_locks_nobody() {
    let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    let device = trusted(&mut ada);
    let mut thief = box_.browser();
    for _ in 0..5 {
        assert_eq!(device.sign_in(&mut thief, "not the password of ada").refusal(401), "sign_in_failed");
    }
    assert_eq!(device.sign_in(&mut thief, ADA.1).refusal(429), "too_many");
    half(&box_, ADA, "full");
}

/// What she has, with her device.
struct Ada {
    device: Device,
    passkey: Authenticator,
    phone: Phone,
    recovery_codes: Vec<String>,
}

impl Ada {
    fn of(browser: &mut Browser) -> Ada {
        let device = trusted(browser);
        let (phone, recovery_codes) = enrol(browser);
        let wish = browser.post("/api/factor/passkey/create", json!({"code": phone.code(0)})).expect(200);
        let mut passkey = Authenticator::new(browser);
        browser.post("/api/passkeys", passkey.make(&wish)).expect(201);
        Ada { device, passkey, phone, recovery_codes }
    }

    fn half(&self, box_: &Footbridge) -> Browser {
        let mut browser = named(box_.browser());
        let reply = self.device.sign_in(&mut browser, ADA.1);
        take(&mut browser, reply, 200, "factor");
        browser
    }

    /// Each way in, and each proof of who is in.
    fn goes_all_ways(&mut self, box_: &Footbridge) {
        let mut browser = self.half(box_);
        let offer = offer(&mut browser);
        let reply = verify(&mut browser, self.passkey.answer(&offer));
        take(&mut browser, reply, 200, "full");
        let stands_for_a_code = proof(&mut browser, &mut self.passkey);
        browser.post("/api/device/code", json!({"proof": stands_for_a_code})).expect(200);
        let mut browser = self.half(box_);
        let reply = browser.post("/api/factor/verify", json!({"code": self.phone.code(1)}));
        take(&mut browser, reply, 200, "full");
        let mut browser = self.half(box_);
        let reply = browser.post("/api/factor/recover", json!({"code": self.recovery_codes[0]}));
        take(&mut browser, reply, 200, "recovered");
        enrol(&mut browser);
    }
}

/// The story: the password was counted by device, and the code after it by address.
#[test]
fn an_address_that_has_to_wait_keeps_no_device_out_at_any_step() {
    let (box_, ada) = claimed();
    let mut browser = named(ada);
    let mut ada = Ada::of(&mut browser);
    let mut neighbour = box_.browser();
    for _ in 0..Counted::SignIn.limit().most {
        neighbour.try_sign_in("nobody", "not the password of ada").refusal(401);
    }
    ada.goes_all_ways(&box_);
    assert_eq!(neighbour.try_sign_in(ADA.0, ADA.1).refusal(429), "too_many");
}

/// The story: whoever had the password spent the account's five codes, and its owner's device waited with everybody.
#[test]
fn wrong_codes_from_elsewhere_keep_no_device_out_at_any_step() {
    let (box_, ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    let mut browser = named(ada);
    let mut ada = Ada::of(&mut browser);
    let mut thief = half(&box_, ADA, "factor");
    let mut guess = || thief.post("/api/factor/verify", json!({"code": "abcdef"}));
    for _ in 0..Counted::Code.limit().most {
        assert_eq!(guess().refusal(401), "wrong_code");
    }
    for _ in Counted::Code.limit().most..Counted::Factor.limit().most + 1 {
        assert_eq!(guess().refusal(429), "too_many");
    }
    ada.goes_all_ways(&box_);
}

/// What a device has of its own is not more.
#[test]
fn a_device_has_five_codes_of_its_own_and_takes_none_of_others() {
    let (box_, ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    let mut browser = named(ada);
    let ada = Ada::of(&mut browser);
    let mut here = ada.half(&box_);
    let wrong = json!({"code": "abcdef"});
    for _ in 0..Counted::Code.limit().most {
        assert_eq!(here.post("/api/factor/verify", wrong.clone()).refusal(401), "wrong_code");
    }
    assert_eq!(here.post("/api/factor/recover", wrong).refusal(429), "too_many");
    let code = json!({"code": ada.phone.code(1)});
    assert_eq!(here.post("/api/factor/verify", code.clone()).refusal(429), "too_many");
    assert_eq!(ada.half(&box_).post("/api/factor/verify", code.clone()).refusal(429), "too_many");
    let mut elsewhere = half(&box_, ADA, "factor");
    let reply = elsewhere.post("/api/factor/verify", code);
    take(&mut elsewhere, reply, 200, "full");
}

/// Of who has no second factor.
#[test]
fn an_address_that_has_to_wait_keeps_no_device_from_proving_its_password() {
    let (box_, mut ada) = claimed();
    trusted(&mut ada);
    for _ in 0..Counted::SignIn.limit().most {
        box_.browser().try_sign_in("nobody", "not the password of ada").refusal(401);
    }
    ada.post("/api/device/code", json!({"proof": ADA.1})).expect(200);
    ada.post("/api/password", json!({"current": ADA.1, "new": "another river under the bridge"})).expect(200);
}

#[test]
fn a_challenge_is_answered_once_and_by_the_right_key() {
    let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    let device = trusted(&mut ada);
    demand(&mut ada, true).expect(204);
    let mut browser = box_.browser();
    let word = device.word(&mut browser);
    let try_word = |word: &Value, stage: &str| {
        let mut browser = box_.browser();
        let reply = browser.post("/api/login", json!({"name": ADA.0, "password": ADA.1, "device": word}));
        take(&mut browser, reply, 200, stage);
    };
    try_word(&word, "full");
    try_word(&word, "device");
    let mut foreign = Device::new();
    foreign.id = device.id.clone();
    try_word(&foreign.word(&mut browser), "device");
    let mut made_up = device.word(&mut browser);
    made_up["challenge"] = json!(B64.encode([0; 56]));
    try_word(&made_up, "device");
    let elsewhere = challenge(&mut browser);
    browser.name = Some("evil.example".into());
    let signature = device.sign("sign-in", &browser, &elsewhere);
    try_word(&json!({"id": device.id, "challenge": elsewhere, "signature": signature}), "device");
}

#[test]
fn a_code_from_a_trusted_device_lets_another_in_once() {
    let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    trusted(&mut ada);
    demand(&mut ada, true).expect(204);
    assert_eq!(ada.post("/api/device/code", json!({})).refusal(400), "bad_request");
    let code = ada.post("/api/device/code", json!({"proof": ADA.1})).expect(200)["code"].clone();
    let mut phone = half(&box_, ADA, "device");
    let mut device = Device::new();
    let mut body = device.application(&mut phone);
    assert_eq!(phone.post("/api/devices", body.clone()).refusal(401), "wrong_code", "without one");
    body = device.application(&mut phone);
    body["code"] = json!(code.as_str().unwrap().to_lowercase());
    let reply = phone.post("/api/devices", body);
    device.id = take(&mut phone, reply, 201, "full")["id"].as_str().unwrap().into();
    phone.get("/api/hosts").expect(200);
    let told = text(&box_.command(&["audit", "tail", "3"], "").stdout);
    let events = ["\"device.failed\"", "\"device.trust\"", "\"signin\""];
    let fits = |(line, event): (&str, &&str)| line.contains(*event);
    assert!(told.lines().zip(&events).all(fits), "whole is who lacks nothing any more: {told}");
    let mut third = half(&box_, ADA, "device");
    let mut body = Device::new().application(&mut third);
    body["code"] = code;
    assert_eq!(third.post("/api/devices", body).refusal(401), "wrong_code", "once");
    assert_eq!(ada.get("/api/devices").expect(200)["devices"].as_array().unwrap().len(), 2);
    ada.remove(&format!("/api/devices/{}", device.id), ADA.1).expect(204);
    assert_eq!(phone.get("/api/hosts").refusal(401), "not_signed_in", "who is removed is out");
    let mut again = box_.browser();
    let reply = device.sign_in(&mut again, ADA.1);
    take(&mut again, reply, 200, "device");
    let last = ada.get("/api/devices").expect(200)["devices"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ada.remove(&format!("/api/devices/{last}"), ADA.1).refusal(409), "conflict", "the last one stays");
    // Who has lost them all is let in by whoever holds the box.
    assert!(box_.command(&["user", "reset-mfa", ADA.0], "").status.success());
    half(&box_, ADA, "full");
}

#[test]
fn trusting_needs_a_proof_and_the_key_that_it_names() {
    let (mut box_, mut ada) = claimed();
    let device = Device::new();
    let body = device.application(&mut ada);
    assert_eq!(ada.post("/api/devices", body).refusal(403), "proof_needed");
    let mut body = device.application(&mut ada);
    body["proof"] = json!(ADA.1);
    body["public_key"] = json!(B64.encode(Device::new().key.public_key()));
    assert_eq!(ada.post("/api/devices", body).refusal(422), "invalid");
    let mine = trusted(&mut ada);
    // To demand one, no more, and to let another in, too.
    let path = "/api/device/demand";
    for (proof, status, why) in [(Value::Null, 403, "proof_needed"), (json!("not this one, surely"), 401, "wrong_code")]
    {
        for required in [true, false] {
            assert_eq!(ada.put(path, json!({"required": required, "proof": proof})).refusal(status), why);
        }
    }
    assert_eq!(ada.post("/api/device/code", json!({"proof": "not this one, surely"})).refusal(401), "wrong_code");
    assert_eq!(ada.get("/api/devices").expect(200)["required"], false);
    box_.add_user("eve", "a quiet river under the bridge");
    let mut eve = half(&box_, ("eve", "a quiet river under the bridge"), "full");
    assert_eq!(eve.delete(&format!("/api/devices/{}", mine.id)).refusal(404), "not_found");
    assert_eq!(eve.get("/api/devices").expect(200)["devices"], json!([]));
}

#[test]
fn a_device_is_removed_only_with_a_proof() {
    let (_box, mut ada) = claimed();
    let path = format!("/api/devices/{}", trusted(&mut ada).id);
    assert_eq!(ada.delete(&path).refusal(403), "proof_needed");
    assert_eq!(ada.remove(&path, "not this one, surely").refusal(401), "wrong_code");
    assert_eq!(ada.get("/api/devices").expect(200)["devices"].as_array().unwrap().len(), 1);
    ada.remove(&path, ADA.1).expect(204);
}
