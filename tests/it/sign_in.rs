//! Signing in tells nobody which part was wrong, limits guessing per address, and gives each sign-in a session of its own.

use crate::world::browser::{Browser, Reply};
use crate::world::footbridge::{AS_SHIPPED, Footbridge, text};
use crate::world::raw;
use crate::world::ssh_server::{self, SshServer};
use crate::world::{ADA, claimed, claimed_with};
use serde_json::json;
use std::collections::HashSet;
use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

const NEW_PASSWORD: &str = "an even longer bridge over it";

fn value_of(browser: &Browser) -> String {
    browser.cookie.as_deref().unwrap().split_once('=').unwrap().1.to_string()
}

/// Status, headers and body: all that a stranger sees.
fn seen(reply: Reply) -> (u16, Vec<(String, String)>, String) {
    (reply.status, reply.headers, String::from_utf8(reply.body).unwrap())
}

#[test]
fn unknown_wrong_short_long_and_locked_look_the_same() {
    let (box_, _) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000"), ("FOOTBRIDGE_LOCKOUT_FAILURES", "3")]);
    let try_in = |name: &str, password: &str| seen(box_.browser().try_sign_in(name, password));
    let long = "x".repeat(2000);
    let unknown = try_in("nobody-here", "a long bridge over warm water");
    assert_eq!(unknown.0, 401);
    assert_eq!(try_in("ada", "short"), unknown);
    assert_eq!(try_in("ada", &long), unknown);
    assert_eq!(try_in("ada", "a long bridge over warm water"), unknown);
    assert_eq!(try_in("ada", ADA.1), unknown, "three failures lock the account, and nobody is told");
    assert_eq!(try_in("nobody-here", "short"), unknown);
    for strange in ["", "ada\u{0}", "ädä", "' or 1=1 --", "../ada", &"a".repeat(1000)] {
        assert_eq!(try_in(strange, ADA.1), unknown, "{strange:?}");
    }
}

/// As the box ships: what a password costs is found on the machine, once. How much it is depends on the machine, and is not tested here.
#[test]
fn the_cost_of_a_password_is_measured_at_the_first_start_and_kept() {
    let (mut box_, _) = claimed_with(&[("FOOTBRIDGE_LOGIN_HASH_MS", AS_SHIPPED)]);
    let passes = |box_: &Footbridge| {
        let page = text(&box_.command(&["metrics"], "").stdout);
        let line = page.lines().find_map(|line| line.strip_prefix("footbridge_argon2_passes "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let doctor = |box_: &Footbridge| text(&box_.command(&["doctor"], "").stdout);
    let (found, file) = (passes(&box_), box_.data().join("argon2"));
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.starts_with(&format!("m=19456,t={found},p=1 aim=500 machine=")), "{kept}");
    assert!(doctor(&box_).contains(&format!("19 MiB and {found} passes")), "{}", doctor(&box_));
    // What no machine measures twice: it is kept, and everybody is hashed by it from their next sign-in on.
    box_.kill();
    std::fs::write(&file, kept.replace(&format!("t={found},"), "t=3,")).unwrap();
    box_.start_again();
    assert_eq!(passes(&box_), 3);
    box_.browser().try_sign_in(ADA.0, ADA.1).expect(200);
    assert_eq!(box_.browser().try_sign_in("nobody-here", ADA.1).refusal(401), "sign_in_failed");
    // Below the floor it is not believed.
    box_.kill();
    std::fs::write(&file, kept.replace(&format!("t={found},"), "t=1,")).unwrap();
    assert!(doctor(&box_).contains("note  passwords"), "{}", doctor(&box_));
    box_.start_again();
    assert!(passes(&box_) >= 2);
    box_.browser().try_sign_in(ADA.0, ADA.1).expect(200);
    box_.kill();
    box_.set(("FOOTBRIDGE_LOGIN_HASH_MS", "0"));
    box_.start_again();
    assert_eq!(passes(&box_), 2);
    box_.browser().try_sign_in(ADA.0, ADA.1).expect(200);
}

#[test]
fn a_lock_outlives_the_process() {
    let (mut box_, _) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000"), ("FOOTBRIDGE_LOCKOUT_FAILURES", "2")]);
    for _ in 0..2 {
        box_.browser().try_sign_in("ada", "a long bridge over warm water").refusal(401);
    }
    assert_eq!(box_.browser().try_sign_in(ADA.0, ADA.1).refusal(401), "sign_in_failed");
    // The lock is written by a thread of its own; give it the moment it needs.
    std::thread::sleep(Duration::from_secs(2));
    box_.kill();
    box_.start_again();
    assert_eq!(box_.browser().try_sign_in(ADA.0, ADA.1).refusal(401), "sign_in_failed");
}

#[test]
fn a_success_forgives_the_failures_before_it() {
    let (box_, _) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000"), ("FOOTBRIDGE_LOCKOUT_FAILURES", "3")]);
    for _ in 0..4 {
        for _ in 0..2 {
            box_.browser().try_sign_in("ada", "a long bridge over warm water").refusal(401);
        }
        box_.browser().sign_in(ADA);
    }
}

#[test]
fn five_failures_from_an_address_make_it_wait_and_no_other() {
    let (box_, _) = claimed_with(&[("FOOTBRIDGE_LOCKOUT_FAILURES", "0")]);
    for _ in 0..6 {
        box_.browser().sign_in(ADA);
    }
    for _ in 0..5 {
        box_.browser().try_sign_in("ada", "a long bridge over warm water").refusal(401);
    }
    let refused = box_.browser().try_sign_in(ADA.0, ADA.1);
    let wait: u64 = refused.header("retry-after").expect("a 429 says when to come back").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.refusal(429), "too_many");
    assert_eq!(sign_in_from(Ipv4Addr::new(127, 0, 0, 2), &box_.browser()).status, 200, "a neighbour is not punished");
    std::thread::sleep(Duration::from_secs(wait + 1));
    box_.browser().sign_in(ADA);
}

fn sign_in_from(address: Ipv4Addr, browser: &Browser) -> Reply {
    let body = json!({"name": ADA.0, "password": ADA.1}).to_string();
    let mut stream = raw::is_let_in(raw::tcp_from(address, browser.address).unwrap(), &browser.fingerprint).unwrap();
    let head = format!(
        "POST /api/login HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        browser.address,
        browser.origin(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    crate::world::browser::read_reply(&mut stream, false).unwrap()
}

#[test]
fn an_address_cannot_be_borrowed_with_a_header() {
    let (box_, _) = claimed_with(&[("FOOTBRIDGE_LOCKOUT_FAILURES", "0")]);
    let browser = box_.browser();
    let origin = browser.origin();
    let body = json!({"name": "ada", "password": "a long bridge over warm water"}).to_string();
    let mut statuses = Vec::new();
    for n in 0..6 {
        let other = format!("10.0.0.{n}");
        let lines = [("Origin", origin.as_str()), ("X-Forwarded-For", other.as_str()), ("Forwarded", other.as_str())];
        statuses.push(raw::request(&browser, "POST", "/api/login", &lines, Some(&body)).status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

#[test]
fn a_trusted_proxy_speaks_for_its_clients() {
    let settings = [("FOOTBRIDGE_LOCKOUT_FAILURES", "0"), ("FOOTBRIDGE_TRUSTED_PROXIES", "127.0.0.1/32")];
    let (box_, _) = claimed_with(&settings);
    let browser = box_.browser();
    let origin = browser.origin();
    let body = json!({"name": "ada", "password": "a long bridge over warm water"}).to_string();
    let from = |client: &str| {
        let lines = [("Origin", origin.as_str()), ("X-Forwarded-For", client)];
        raw::request(&browser, "POST", "/api/login", &lines, Some(&body)).status
    };
    for n in 0..8 {
        assert_eq!(from(&format!("10.0.0.{n}")), 401);
    }
    let same: Vec<u16> = (0..6).map(|n| from(&format!("10.9.9.{n}, 10.0.1.1"))).collect();
    assert_eq!(same, [401, 401, 401, 401, 401, 429], "what a client puts before the proxy's word does not count");
}

#[test]
fn the_cookie_is_for_this_origin_and_out_of_reach_of_scripts() {
    let (box_, _) = claimed();
    let reply = box_.browser().try_sign_in(ADA.0, ADA.1);
    let cookies: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!(cookies.len(), 1);
    let mut parts: Vec<&str> = cookies[0].1.split("; ").collect();
    let value = parts.remove(0).strip_prefix("__Host-footbridge=").unwrap();
    assert!(value.len() >= 43, "256 bits take 43 characters of Base64: {value}");
    parts.sort_unstable();
    assert_eq!(parts, ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]);
}

/// To a browser U+2000 `__Host-footbridge` is a name without a prefix: a sibling's site, and plain HTTP, may set it.
#[test]
fn a_cookie_with_unicode_white_space_before_its_name_is_not_ours() {
    let (box_, browser) = claimed();
    let planted = browser.cookie.clone().unwrap();
    for space in ["\u{2000}", "\u{a0}", "\u{85}", "\u{3000}"] {
        for line in [format!("{space}{planted}"), format!("a=b; {space}{planted}")] {
            let mut victim = box_.browser();
            victim.cookie = Some(line);
            let state = victim.get("/api/state").expect(200);
            assert!(state["user"].is_null(), "{space:?}: {}", state["user"]);
        }
    }
    let mut spaced = box_.browser();
    spaced.cookie = Some(format!("a=b \t; \t {planted} "));
    assert_eq!(spaced.get("/api/state").expect(200)["user"]["name"], ADA.0, "what HTTP calls white space");
}

#[test]
fn every_sign_in_is_a_session_of_its_own() {
    let (box_, first) = claimed();
    let mut all = vec![first];
    for _ in 0..4 {
        let mut browser = box_.browser();
        browser.sign_in(ADA);
        all.push(browser);
    }
    let cookies: HashSet<_> = all.iter().map(value_of).collect();
    let tokens: HashSet<_> = all.iter().map(|browser| browser.csrf.clone().unwrap()).collect();
    assert_eq!((cookies.len(), tokens.len()), (5, 5));
    assert!(all.iter_mut().all(Browser::is_signed_in), "a second sign-in ends none before it");

    // Signing in again in the same browser changes the id too.
    let before = value_of(&all[0]);
    all[0].sign_in(ADA);
    assert_ne!(before, value_of(&all[0]));
}

#[test]
fn names_are_of_one_case() {
    let (box_, _) = claimed();
    box_.browser().sign_in(("ADA", ADA.1));
    box_.browser().try_sign_in("ada", &ADA.1.to_uppercase()).refusal(401);
}

#[test]
fn the_token_of_one_session_opens_nothing_in_another() {
    let (box_, first) = claimed();
    let mut second = box_.browser();
    second.sign_in(ADA);
    let own = second.csrf.replace(first.csrf.clone().unwrap());
    let body = json!({"address": "192.0.2.1", "user": "root"});
    assert_eq!(second.post("/api/hosts", body.clone()).refusal(403), "wrong_csrf");
    second.csrf = own;
    second.post("/api/hosts", body).expect(201);
}

#[test]
fn a_changed_password_ends_the_other_sessions_and_no_credential() {
    let host = SshServer::openssh();
    let (box_, mut here) = claimed();
    let mut elsewhere = box_.browser();
    elsewhere.sign_in(ADA);
    let old = here.clone();
    let credential = here.add_password_for(&host.target(None), ssh_server::PASSWORD);

    let body = here.post("/api/password", json!({"current": ADA.1, "new": NEW_PASSWORD})).expect(200);
    here.csrf = Some(body["csrf"].as_str().unwrap().into());
    assert_ne!(here.cookie, old.cookie);
    assert!(here.is_signed_in());
    for mut ended in [elsewhere, old] {
        assert_eq!(ended.get("/api/hosts").refusal(401), "not_signed_in");
    }
    box_.browser().try_sign_in(ADA.0, ADA.1).refusal(401);
    let mut again = box_.browser();
    again.sign_in((ADA.0, NEW_PASSWORD));

    // The vault is wrapped anew: what was sealed under the old password opens under the new one.
    for browser in [&mut here, &mut again] {
        let target = host.target(Some(&credential));
        let mut terminal = browser.open(&target);
        terminal.accept_host_key(false);
        terminal.until_prompt();
        terminal.say(json!({"type": "end"}));
    }
}

#[test]
fn a_password_is_changed_only_by_who_knows_it_and_only_to_a_good_one() {
    let (_box, mut browser) = claimed();
    let mut change = |current: &str, new: &str| browser.post("/api/password", json!({"current": current, "new": new}));
    assert_eq!(change("a long bridge over warm water", NEW_PASSWORD).refusal(401), "sign_in_failed");
    for bad in ["short", "passwordpassword", ADA.1, &"x".repeat(1025)] {
        let body = change(ADA.1, bad).expect(422);
        assert_eq!((body["error"].as_str(), body["field"].as_str()), (Some("invalid"), Some("new")), "{bad}");
    }
    for _ in 0..4 {
        change("a long bridge over warm water", NEW_PASSWORD).refusal(401);
    }
    assert_eq!(change(ADA.1, NEW_PASSWORD).refusal(429), "too_many", "counted like failed sign-ins");
}
