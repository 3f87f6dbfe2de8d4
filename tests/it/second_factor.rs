//! A password alone is half a sign-in: the other half is a code that works once, and until then nothing else does.

use crate::passkeys::give_one;
use crate::world::browser::{Browser, Reply};
use crate::world::footbridge::{AS_SHIPPED, Footbridge, text};
use crate::world::ssh_server::SshServer;
use crate::world::{ADA, at_a_prompt, claimed, claimed_with};
use footbridge::api::{Access, Method, ROUTES};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// RFC 6238 and RFC 4648, written again: the program's own code is no witness for itself.
pub struct Phone {
    secret: Vec<u8>,
}

impl Phone {
    pub fn scan(secret: &str) -> Phone {
        let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
        for c in secret.bytes() {
            let digit = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|d| *d == c).expect("Base32") as u32;
            (bits, count) = ((bits << 5 | digit) & 0xfff, count + 5);
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        Phone { secret: bytes }
    }

    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// `steps` of 30 seconds from now: the box takes one step of difference, so each test has three codes.
    pub fn code(&self, steps: i64) -> String {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        // A code that is read in the last moments of its step may arrive in the next one, and be too old there.
        while clock() % 30 > 19 {
            std::thread::sleep(Duration::from_millis(200));
        }
        let now = clock();
        let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&self.secret).unwrap();
        mac.update(&(now / 30 + steps).to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let at = (digest[19] & 15) as usize;
        let number = u32::from_be_bytes(digest[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// What every step answers: a new token beside the new cookie.
pub fn take(browser: &mut Browser, reply: Reply, status: u16, stage: &str) -> Value {
    let body = reply.expect(status);
    assert_eq!(body["stage"], stage);
    browser.csrf = Some(body["csrf"].as_str().unwrap().into());
    body
}

/// The beginning of a first factor: whoever is signed in without one gives their password.
pub fn begin(browser: &mut Browser, path: &str) -> Value {
    let state = browser.get("/api/state").expect(200);
    let body = if state["stage"] == "full" { json!({"proof": browser.password}) } else { json!({}) };
    browser.post(path, body).expect(200)
}

/// Sets it up with the code of the step before this one, so that later ones are left. The recovery codes too.
pub fn enrol(browser: &mut Browser) -> (Phone, Vec<String>) {
    let begun = begin(browser, "/api/factor/begin");
    assert!(begun["uri"].as_str().unwrap().starts_with("otpauth://totp/"));
    let phone = Phone::scan(begun["secret"].as_str().unwrap());
    let reply = browser.post("/api/factor/finish", json!({"code": phone.code(-1)}));
    let body = take(browser, reply, 200, "full");
    let codes = body["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().into()).collect();
    (phone, codes)
}

/// A browser that has given the password and owes the rest.
pub fn half(box_: &Footbridge, (name, password): (&str, &str), stage: &str) -> Browser {
    let mut browser = box_.browser();
    let reply = browser.try_sign_in(name, password);
    take(&mut browser, reply, 200, stage);
    browser
}

fn refused_everywhere(browser: &mut Browser) {
    let mut seen = 0;
    for route in ROUTES.iter().filter(|r| !matches!(r.access, Access::Open | Access::Stranger | Access::Half)) {
        let path = route.path.replace("{id}", &"0".repeat(32));
        let reply = match route.method {
            Method::Get => browser.get(&path),
            Method::Post => browser.post(&path, json!({})),
            Method::Put => browser.put(&path, json!({})),
            Method::Delete => browser.delete(&path),
        };
        assert_eq!(reply.refusal(403), "second_factor", "{path}");
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn between_the_two_steps_nothing_else_works() {
    let (box_, mut ada) = claimed();
    let (phone, _) = enrol(&mut ada);
    let mut browser = half(&box_, ADA, "factor");
    refused_everywhere(&mut browser);
    let state = browser.get("/api/state").expect(200);
    assert_eq!((state["stage"].as_str(), state["factor_required"].as_bool()), (Some("factor"), Some(false)));
    assert_eq!(browser.post("/api/factor/begin", json!({})).refusal(409), "conflict", "no way around the factor");
    let before = browser.cookie.clone();
    let reply = browser.post("/api/factor/verify", json!({"code": phone.code(0)}));
    take(&mut browser, reply, 200, "full");
    assert_ne!(before, browser.cookie, "a new id after the factor (C5)");
    browser.get("/api/hosts").expect(200);
    let mut gives_up = half(&box_, ADA, "factor");
    gives_up.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    assert!(!gives_up.is_signed_in());
}

/// The story: whoever had the password alone could end all terminals of its owner, by signing out of a sign-in that owed its factor.
#[test]
fn a_half_sign_in_ends_no_terminal() {
    let (_host, box_, mut ada, _, terminal) = at_a_prompt();
    enrol(&mut ada);
    let mut browser = half(&box_, ADA, "factor");
    let path = format!("/api/sessions/{}", terminal.session);
    assert_eq!(browser.post("/api/logout", json!({"terminals": "end"})).refusal(403), "second_factor");
    assert_eq!(ada.get(&path).expect(200)["state"], "live");
    browser.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    assert_eq!(ada.get(&path).expect(200)["state"], "live");
}

#[test]
fn a_code_works_once() {
    let (mut box_, mut ada) = claimed();
    let (phone, _) = enrol(&mut ada);
    let code = phone.code(0);
    let mut first = half(&box_, ADA, "factor");
    let reply = first.post("/api/factor/verify", json!({"code": code}));
    take(&mut first, reply, 200, "full");
    assert_eq!(half(&box_, ADA, "factor").post("/api/factor/verify", json!({"code": code})).refusal(401), "wrong_code");
    box_.kill();
    box_.start_again();
    let again = half(&box_, ADA, "factor").post("/api/factor/verify", json!({"code": code}));
    assert_eq!(again.refusal(401), "wrong_code", "nor after a restart (B3)");
}

#[test]
fn five_wrong_codes_make_the_account_wait() {
    let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    let (phone, _) = enrol(&mut ada);
    let mut browser = half(&box_, ADA, "factor");
    for _ in 0..5 {
        assert_eq!(browser.post("/api/factor/verify", json!({"code": "abcdef"})).refusal(401), "wrong_code");
    }
    let mut elsewhere = half(&box_, ADA, "factor");
    assert_eq!(elsewhere.post("/api/factor/verify", json!({"code": phone.code(0)})).refusal(429), "too_many");
}

#[test]
fn a_recovery_code_replaces_the_factor_and_does_nothing_else() {
    let (box_, mut ada) = claimed();
    let (_, codes) = enrol(&mut ada);
    assert_eq!(codes.len(), 10);
    let mut browser = half(&box_, ADA, "factor");
    let reply = browser.post("/api/factor/recover", json!({"code": codes[0]}));
    take(&mut browser, reply, 200, "recovered");
    refused_everywhere(&mut browser);
    let mut other = half(&box_, ADA, "factor");
    assert_eq!(other.post("/api/factor/recover", json!({"code": codes[0]})).refusal(401), "wrong_code", "once");
    let (_, new) = enrol(&mut browser);
    assert_ne!(codes, new);
    assert_eq!(ada.get("/api/hosts").refusal(401), "not_signed_in", "setting it up ends the other sign-ins");
    let notices = browser.get("/api/notices").expect(200);
    assert_eq!(notices["notices"][0]["what"], "recovery-code-used");
    browser.post("/api/notices/dismiss", json!({"count": 1})).expect(204);
    assert_eq!(browser.get("/api/notices").expect(200)["notices"], json!([]));
}

/// B2, in the box as it ships: nobody has to have read the manual.
#[test]
fn as_shipped_nothing_works_before_it() {
    let host = SshServer::openssh();
    let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_SECOND_FACTOR", AS_SHIPPED)]);
    let state = ada.get("/api/state").expect(200);
    assert_eq!((state["stage"].as_str(), state["factor_required"].as_bool()), (Some("enrol"), Some(true)));
    refused_everywhere(&mut ada);
    let (origin, cookie) = (ada.origin(), ada.cookie.clone().unwrap());
    let upgrade = format!("/api/sessions/{}/attach?ticket=x", "0".repeat(32));
    let (reply, _) = ada.upgrade(&upgrade, &[("Origin", &origin), ("Cookie", &cookie)]);
    assert_eq!(reply.refusal(403), "second_factor", "no WebSocket");
    let mut leaves = half(&box_, ADA, "enrol");
    leaves.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    assert!(!leaves.is_signed_in());
    let begun = ada.post("/api/factor/begin", json!({})).expect(200);
    assert_eq!(ada.post("/api/factor/finish", json!({"code": "abcdef"})).refusal(401), "wrong_code");
    assert!(begun["secret"].is_string());
    let (phone, _) = enrol(&mut ada);
    let mut terminal = ada.open(&host.target(None));
    terminal.accept_host_key(false);
    assert_eq!(ada.post("/api/factor/disable", json!({"code": phone.code(0)})).refusal(409), "conflict");
    half(&box_, ADA, "factor");
}

/// The story: the sign-in of whoever had to set a factor up stood in the audit as half for ever.
#[test]
fn whoever_had_to_set_one_up_is_noted_as_signed_in_once_it_is_done() {
    let last = |box_: &Footbridge, count: &str| -> Vec<String> {
        let told = text(&box_.command(&["audit", "tail", count], "").stdout);
        let events = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    };
    let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_SECOND_FACTOR", AS_SHIPPED)]);
    let (phone, _) = enrol(&mut ada);
    assert_eq!(last(&box_, "2"), ["factor.enrol", "signin"]);
    let begun = ada.post("/api/factor/begin", json!({"code": phone.code(0)})).expect(200);
    let other = Phone::scan(begun["secret"].as_str().unwrap());
    let reply = ada.post("/api/factor/finish", json!({"code": other.code(1)}));
    take(&mut ada, reply, 200, "full");
    assert_eq!(last(&box_, "1"), ["factor.enrol"], "who was signed in is so still");
    let (box_, mut eve) = claimed_with(&[("FOOTBRIDGE_SECOND_FACTOR", AS_SHIPPED)]);
    give_one(&mut eve);
    assert_eq!(last(&box_, "2"), ["passkey.add", "signin"]);
}

#[test]
fn its_owner_renews_the_codes_and_takes_it_off() {
    let (box_, mut ada) = claimed();
    assert_eq!(ada.post("/api/factor/codes", json!({"code": "123456"})).refusal(409), "conflict");
    let (phone, codes) = enrol(&mut ada);
    assert_eq!(ada.post("/api/factor/begin", json!({})).refusal(401), "wrong_code", "replacing it needs a code of it");
    let new = ada.post("/api/factor/codes", json!({"code": phone.code(0)})).expect(200);
    assert_eq!(new["recovery_codes"].as_array().unwrap().len(), 10);
    let mut browser = half(&box_, ADA, "factor");
    assert_eq!(browser.post("/api/factor/recover", json!({"code": codes[0]})).refusal(401), "wrong_code");
    let reply = ada.post("/api/factor/disable", json!({"code": phone.code(1)}));
    take(&mut ada, reply, 200, "full");
    assert_eq!(ada.get("/api/factor").expect(200)["enrolled"], false);
    half(&box_, ADA, "full");
}

/// The story: where factors are optional, a stolen cookie of somebody without one set up the thief's, and their own password alone was
/// no way in any more.
#[test]
fn a_first_factor_wants_the_password() {
    let (box_, mut thief) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    thief.name = Some("localhost".into());
    for path in ["/api/factor/begin", "/api/factor/passkey/create"] {
        assert_eq!(thief.post(path, json!({})).refusal(403), "proof_needed", "{path}");
        assert_eq!(thief.post(path, json!({"code": "123456"})).refusal(401), "wrong_code", "{path}");
        assert_eq!(thief.post(path, json!({"proof": "not this one, surely"})).refusal(401), "wrong_code", "{path}");
    }
    assert_eq!(
        thief.post("/api/factor/finish", json!({"code": "123456"})).refusal(409),
        "conflict",
        "nothing is begun"
    );
    half(&box_, ADA, "full");
    for path in ["/api/factor/begin", "/api/factor/passkey/create"] {
        thief.post(path, json!({"proof": ADA.1})).expect(200);
    }
}
