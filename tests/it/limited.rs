//! Whatever can be guessed at, or costs something, is limited; and no route is a way around the limit of another (E).
//!
//! The routes come from the program's table. That each limit is released again is `auth::limiter`'s test, whose clock can be set.

use crate::devices::trusted_by;
use crate::passkeys::{Authenticator, half_named};
use crate::second_factor::{enrol, half, take as take_step};
use crate::world::browser::{Browser, Reply, head, read_reply};
use crate::world::footbridge::{AS_SHIPPED, Footbridge};
use crate::world::patience::until;
use crate::world::ssh_server::SshServer;
use crate::world::{ADA, claimed_with};
use footbridge::api::{Access, Method, ROUTES, Route};
use footbridge::limits::{Counted, LIMITED, Of, Per};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");

fn counted_as(what: Counted) -> impl Iterator<Item = &'static Route> + Clone {
    ROUTES.iter().filter(move |route| route.counted.contains(&what))
}

fn take(browser: &mut Browser, route: &Route, body: &Value) -> Reply {
    let path = route.path.replace("{id}", &"0".repeat(32));
    if route.access == Access::Upgrade {
        let (origin, cookie) = (browser.origin(), browser.cookie.clone().unwrap());
        return browser.upgrade(&path, &[("Origin", &origin), ("Cookie", &cookie)]).0;
    }
    match route.method {
        Method::Get => browser.get(&path),
        Method::Post => browser.post(&path, body.clone()),
        Method::Put => browser.put(&path, body.clone()),
        Method::Delete => browser.delete(&path),
    }
}

/// 429, and when to come back.
#[track_caller]
fn must_wait(reply: Reply, what: Counted, route: &Route) {
    let after: u64 = reply.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or_default();
    assert_eq!(reply.status, 429, "{what:?} {}: {reply:?}", route.path);
    assert_eq!(reply.json()["error"], "too_many");
    assert!((1..=what.limit().window.as_secs()).contains(&after), "{what:?} {}: {after}", route.path);
}

/// A route that takes a password, a code or a token is a place to guess at it.
#[test]
fn every_route_that_takes_a_secret_of_a_person_is_counted() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut seen = 0;
    for route in ROUTES {
        let method = format!("{:?}", route.method).to_lowercase();
        let schema = &document["paths"][route.path][method]["requestBody"]["content"]["application/json"]["schema"]["properties"];
        let guessed = ["password", "current", "code", "proof", "token", "recovery_code"];
        let takes = schema.as_object().into_iter().flatten().any(|(name, _)| guessed.contains(&name.as_str()));
        assert!(!takes || !route.counted.is_empty(), "{} takes a secret and is not counted", route.path);
        // A stranger who brings nothing guesses at nothing.
        let is_stranger =
            route.access == Access::Stranger && schema.as_object().is_none_or(|fields| !fields.is_empty());
        assert!(!is_stranger || route.counted.contains(&Counted::SignIn), "{} is open to strangers", route.path);
        seen += usize::from(takes);
    }
    assert!(seen > 12, "{seen}");
    for what in [Counted::Upgrade, Counted::Connect, Counted::Password, Counted::Target, Counted::Half] {
        assert_eq!(counted_as(what).count(), 1, "{what:?}");
    }
}

/// Each limit on tries is reached by all its routes together, and then all of them are closed.
#[test]
fn tries_are_limited_over_all_routes_that_share_them() {
    let settings = [("FOOTBRIDGE_CONNECTS_PER_MINUTE", AS_SHIPPED), ("FOOTBRIDGE_LOGIN_FAILURES", "1000")];
    let (mut box_, _) = claimed_with(&settings);
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    for limit in LIMITED.iter().filter(|limit| limit.of == Of::Tries) {
        for route in counted_as(limit.what).cycle().take(limit.most as usize) {
            assert_ne!(take(&mut eve, route, &json!({})).status, 429, "{:?} {}", limit.what, route.path);
        }
        counted_as(limit.what).for_each(|route| must_wait(take(&mut eve, route, &json!({})), limit.what, route));
    }
    // Nobody else waits for Eve, but where it is by address.
    let mut ada = box_.browser();
    ada.sign_in(ADA);
    for limit in LIMITED.iter().filter(|limit| limit.of == Of::Tries && limit.per != Per::Address) {
        counted_as(limit.what).for_each(|route| assert_ne!(take(&mut ada, route, &json!({})).status, 429));
    }
}

/// What fails on this route, for somebody who is as far in as it wants.
/// `credential`: a stored password.
fn a_guess(route: &Route, credential: &str) -> Value {
    match route.path {
        "/api/login" => json!({"name": "ada", "password": "not the password at all"}),
        "/api/claim" => json!({"code": "AAAAA", "name": "eve", "password": EVE.1}),
        "/api/restore" if route.method == Method::Post => json!({"code": "AAAAA", "bytes": 1}),
        "/api/restore" => json!({"code": "AAAAA", "upload": "0".repeat(32), "at": 0, "data": "AA=="}),
        "/api/restore/finish" => json!({"code": "AAAAA", "upload": "0".repeat(32), "passphrase": EVE.1}),
        "/api/invite" => json!({"token": "x", "name": "mal", "password": EVE.1}),
        "/api/reset" => json!({"token": "x", "password": EVE.1, "discard": true}),
        "/api/password" => json!({"current": "not the password at all", "new": EVE.1}),
        "/api/hostkeys" => {
            json!({"address": "192.0.2.7", "port": 22, "fingerprint": format!("SHA256:{}", "B".repeat(43)), "proof": "000000"})
        }
        "/api/hostkeys/{id}" | "/api/passkeys/{id}" | "/api/devices/{id}" | "/api/certificates/{id}" => {
            json!({"proof": "000000"})
        }
        "/api/users" => json!({"name": "mal", "role": "administrator", "password": EVE.1, "proof": "000000"}),
        "/api/users/{id}" if route.method == Method::Delete => json!({"proof": "000000"}),
        "/api/users/{id}" => json!({"role": "administrator", "proof": "000000"}),
        "/api/users/{id}/reset-factor" => json!({"proof": "000000"}),
        "/api/invites" => json!({"role": "administrator", "proof": "000000"}),
        "/api/sessions" => {
            json!({"address": "192.0.2.7", "user": "u", "credential_id": credential, "proof": "000000"})
        }
        "/api/factor/passkey/verify" | "/api/factor/passkey/prove" => {
            json!({"credential": "AA", "client_data": "AA", "authenticator_data": "AA", "signature": "AA"})
        }
        "/api/backup" => json!({"passphrase": EVE.1, "proof": "000000"}),
        "/api/update" => {
            json!({"bytes": 1, "signature": format!("{}==", "A".repeat(86)), "proof": "000000"})
        }
        "/api/devices" => {
            json!({"label": "x", "public_key": "AA", "challenge": "x", "signature": "AA", "proof": "000000"})
        }
        "/api/device/code" => json!({"proof": "000000"}),
        "/api/certificates" => json!({"label": "x", "proof": "000000"}),
        "/api/device/demand" | "/api/certificate/demand" => json!({"required": false, "proof": "000000"}),
        path if path.starts_with("/api/factor/") => json!({"code": "000000"}),
        path => panic!("{path} is counted as a sign-in: which guess fails on it?"),
    }
}

/// Five wrong passwords at the front door, and no other door is open to this address.
#[test]
fn failures_at_one_door_close_them_all() {
    // RFC 8410, section 10.1. Without a key for updates the box would take none, and ask for no proof.
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
    let (mut box_, mut ada) = claimed_with(&[("FOOTBRIDGE_UPDATE_KEY", key.path().to_str().unwrap())]);
    box_.add_user(EVE.0, EVE.1);
    let users = ada.get("/api/users").expect(200);
    let eve = users["users"].as_array().unwrap().iter().find(|user| user["name"] == "eve").unwrap()["id"].clone();
    // Another pin of this host, and the end of this one, want a proof.
    let pin = json!({"address": "192.0.2.7", "port": 22, "fingerprint": format!("SHA256:{}", "A".repeat(43))});
    ada.post("/api/hostkeys", pin).expect(201);
    let pinned = ada.get("/api/hostkeys").expect(200)["host_keys"][0]["id"].clone();
    // It was sent nowhere yet.
    let password = ada.add_password("the password of a router");
    // An address has no passkeys.
    ada.name = Some("localhost".into());
    // Of another browser: one that is trusted does not wait for its address.
    let mut laptop = box_.browser();
    laptop.sign_in(ADA);
    let device = json!(trusted_by(&mut laptop, ADA.1).id());
    let by_hand = json!({"label": "x", "proof": ADA.1, "fingerprint": "0a".repeat(32)});
    let certificate = ada.post("/api/certificates", by_hand).expect(201)["id"].clone();
    let (phone, _) = enrol(&mut ada);
    let wish = ada.post("/api/factor/passkey/create", json!({"code": phone.code(0)})).expect(200);
    let made = Authenticator::new(&ada).make(&wish);
    let passkey = ada.post("/api/passkeys", made).expect(201)["id"].clone();
    let mut owing = half_named(&box_, ADA);
    for _ in 0..Counted::SignIn.limit().most {
        box_.browser().try_sign_in("nobody", "not the password at all").refusal(401);
    }
    // A yes to a changed host key needs a host whose key has changed: `host_keys` is about it.
    let of_nobodys = ["/api/claim", "/api/restore", "/api/restore/finish"];
    let elsewhere = |path: &str| of_nobodys.contains(&path) || path == "/api/sessions/{id}/hostkey";
    for route in counted_as(Counted::SignIn).filter(|route| !elsewhere(route.path)) {
        let owes = ["/api/factor/verify", "/api/factor/recover", "/api/factor/passkey/verify"].contains(&route.path);
        let browser = if owes { &mut owing } else { &mut ada };
        let id = match route.path.split('/').nth(2) {
            Some("hostkeys") => &pinned,
            Some("passkeys") => &passkey,
            Some("devices") => &device,
            Some("certificates") => &certificate,
            _ => &eve,
        };
        let path = route.path.replace("{id}", id.as_str().unwrap());
        let reply =
            browser.request(&format!("{:?}", route.method).to_uppercase(), &path, Some(a_guess(route, &password)));
        must_wait(reply, Counted::SignIn, route);
    }
    // The claim is gone here; on a box that nobody has claimed it is a door like the others.
    let fresh = Footbridge::start();
    let doors = counted_as(Counted::SignIn).filter(|route| of_nobodys.contains(&route.path));
    let guess = |route: &Route| take(&mut fresh.browser(), route, &a_guess(route, ""));
    for route in doors.clone().cycle().take(Counted::SignIn.limit().most as usize) {
        guess(route).refusal(401);
    }
    for route in doors {
        must_wait(guess(route), Counted::SignIn, route);
        must_wait(fresh.browser().try_sign_in("ada", ADA.1), Counted::SignIn, route);
    }
}

/// The story: the password alone forgave itself, so that whoever had it made the box hash, and pushed out what its owner had begun, for ever.
#[test]
fn who_only_knows_the_password_begins_so_many_and_keeps_no_trusted_device_out() {
    let (box_, mut ada) = claimed_with(&[]);
    let device = trusted_by(&mut ada, ADA.1);
    let (phone, _) = enrol(&mut ada);
    let login = counted_as(Counted::Half).next().unwrap();
    let most = Counted::Half.limit().most;
    let finish = |browser: &mut Browser, code: String| {
        let reply = browser.post("/api/factor/verify", json!({"code": code}));
        take_step(browser, reply, 200, "full");
    };
    (1..most).for_each(|_| drop(half(&box_, ADA, "factor")));
    // The last place, which its owner needs for a moment only; and then somebody else has it.
    finish(&mut half(&box_, ADA, "factor"), phone.code(0));
    half(&box_, ADA, "factor");
    for _ in 0..2 {
        let refused = box_.browser().try_sign_in(ADA.0, ADA.1);
        assert!(refused.json()["remedy"].as_str().unwrap().contains("somebody knows your password"), "{refused:?}");
        must_wait(refused, Counted::Half, login);
    }
    assert_eq!(noted(&box_, "signin.half.limited"), 1);
    let activity = ada.get("/api/activity").expect(200);
    assert!(activity["events"].as_array().unwrap().iter().any(|event| event["event"] == "signin.half.limited"));
    // Nobody is told without the password, and the owner's device has its own.
    box_.browser().try_sign_in(ADA.0, EVE.1).refusal(401);
    let mut here = box_.browser();
    let reply = device.sign_in(&mut here, ADA.1);
    take_step(&mut here, reply, 200, "factor");
    finish(&mut here, phone.code(1));
    // Whoever holds the box gives the places back.
    assert!(box_.command(&["user", "unlock", ADA.0], "").status.success());
    half(&box_, ADA, "factor");
}

fn noted(box_: &Footbridge, event: &str) -> usize {
    let log = fs::read_to_string(box_.data().join("audit.log")).unwrap();
    log.lines().filter(|line| line.contains(&format!("\"event\":\"{event}\""))).count()
}

/// The story: 1500 refused sign-ins took a second and wrote 208 KB, so that half a minute of them was all that the audit knew.
#[test]
fn whoever_is_refused_cannot_turn_the_audit_log_over() {
    let (box_, mut ada) = claimed_with(&[]);
    let mut stranger = box_.browser();
    for n in 0..200 {
        let refused = stranger.try_sign_in("nobody", "not the password at all").status;
        assert_eq!(refused, if n < 5 { 401 } else { 429 });
    }
    assert_eq!((noted(&box_, "signin.failed"), noted(&box_, "signin.limited")), (5, 1));
    for _ in 0..50 {
        assert_eq!(ada.post("/api/hostkeys", json!({"known_hosts": ""})).expect(201)["added"], 0);
    }
    assert_eq!(noted(&box_, "hostkey.add"), 0);
}

/// The story: one /48, which a tunnel broker gives away, is 65536 networks. Junk tokens cost no hashing, and 3000 of them, each from
/// another network, wrote 438 KB in 0.7 s, so that nine seconds were all that the audit knew.
#[test]
fn many_networks_cannot_turn_the_audit_log_over() {
    let (mut box_, mut ada) = claimed_with(&[("FOOTBRIDGE_TRUSTED_PROXIES", "127.0.0.1")]);
    let stranger = box_.browser();
    let mut stream = stranger.connect().unwrap();
    let body = json!({"token": "x", "name": "mal", "password": EVE.1}).to_string();
    for n in 0..3000 {
        let lines = [
            ("Host".to_owned(), stranger.address.to_string()),
            ("Origin".to_owned(), stranger.origin()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("X-Forwarded-For".to_owned(), format!("2001:db8:1:{n:x}::1")),
        ];
        stream.write_all(&head("POST", "/api/invite", &lines, Some(body.as_bytes()))).unwrap();
        stream.flush().unwrap();
        assert_eq!(read_reply(&mut stream, false).unwrap().status, 401);
    }
    // Whoever is in has their lines all the same.
    ada.post("/api/password", json!({"current": "not the password at all", "new": EVE.1})).refusal(401);
    assert_eq!(noted(&box_, "password.failed"), 1);
    box_.signal("TERM");
    until("the end", || box_.ended());
    let log = fs::read_to_string(box_.data().join("audit.log")).unwrap();
    assert!(log.len() < 60_000, "{} bytes", log.len());
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let left_out = lines.filter(|line| line["event"] == "audit.left-out");
    let left_out: Vec<usize> = left_out.map(|line| line["count"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(noted(&box_, "invite.failed") + left_out.iter().sum::<usize>(), 3000, "none is lost: {left_out:?}");
    assert!(left_out.len() < 5, "{left_out:?}");
    assert!(box_.command(&["audit", "verify"], "").status.success());
}

/// E8.
#[test]
fn failed_sign_ins_at_a_host_are_limited_for_that_user_and_that_host() {
    let lines = "PasswordAuthentication no\nKbdInteractiveAuthentication no";
    let (host, other) = (SshServer::openssh_with(&["ed25519"], lines), SshServer::openssh_with(&["ed25519"], lines));
    let (mut box_, mut ada) = claimed_with(&[("FOOTBRIDGE_HOST_KEY_POLICY", "tofu")]);
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    let fails = |browser: &mut Browser, host: &SshServer, key: &str| {
        let mut terminal = browser.open(&host.target(Some(key)));
        assert_eq!(terminal.until_ended()["reason"], "authentication");
    };
    let (adas, eves) = (key_of(&mut ada), key_of(&mut eve));
    for _ in 0..Counted::Target.limit().most {
        fails(&mut ada, &host, &adas);
    }
    let start = counted_as(Counted::Target).next().unwrap();
    must_wait(ada.start_session(&host.target(Some(&adas))), Counted::Target, start);
    must_wait(ada.start_session(&host.target(None)), Counted::Target, start);
    fails(&mut ada, &other, &adas);
    fails(&mut eve, &host, &eves);
    // A saved host leads to the same place.
    let saved = ada.add_host(&host.target(Some(&adas)));
    must_wait(ada.post("/api/sessions", json!({"host_id": saved})), Counted::Target, start);
    // A sign-in that succeeds never counts, however often.
    let public = eve.get("/api/credentials").expect(200)["credentials"][0]["public_key"].as_str().unwrap().to_owned();
    host.authorize(&public);
    for _ in 0..Counted::Target.limit().most + 1 {
        let mut terminal = eve.open(&host.target(Some(&eves)));
        terminal.until_prompt();
        terminal.send(b"exit\r");
        assert_eq!(terminal.until_ended()["reason"], "exit");
    }
}

/// A key that the box has made and no host knows.
fn key_of(browser: &mut Browser) -> String {
    let made = browser.post("/api/credentials", json!({"label": "key", "kind": "generate"})).expect(201);
    made["id"].as_str().unwrap().into()
}
