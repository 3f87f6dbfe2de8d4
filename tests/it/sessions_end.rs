//! A sign-in session ends on the server, and a cookie that is stale, strange or sent twice is a clean start and never an error.

use crate::world::browser::{Browser, Reply, read_reply};
use crate::world::footbridge::{AS_SHIPPED, Footbridge, text};
use crate::world::patience::until;
use crate::world::ssh_server::SshServer;
use crate::world::{ADA, claimed, claimed_with, raw};
use serde_json::json;
use std::io::Write;
use tungstenite::Message;

const NAME: &str = "__Host-footbridge";

#[test]
fn signing_out_destroys_the_session_on_the_server() {
    let (_box, mut browser) = claimed();
    let mut thief = browser.clone();
    assert!(thief.is_signed_in());
    let reply = browser.post("/api/logout", json!({"terminals": "keep"}));
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
    reply.expect(204);
    assert!(browser.cookie.is_none());
    let (cookie, csrf) = (thief.cookie.clone(), thief.csrf.clone());
    for path in ["/api/hosts", "/api/credentials", "/api/sessions", "/api/hostkeys", "/api/preferences"] {
        thief.cookie = cookie.clone();
        assert_eq!(thief.get(path).refusal(401), "not_signed_in", "{path}");
    }
    (thief.cookie, thief.csrf) = (cookie, csrf);
    assert_eq!(thief.post("/api/hosts", json!({"address": "a", "user": "b"})).refusal(401), "not_signed_in");
}

#[test]
fn another_session_of_the_same_user_goes_on() {
    let (box_, mut here) = claimed();
    let mut there = box_.browser();
    there.sign_in(ADA);
    here.post("/api/logout", json!({"terminals": "end"})).expect(204);
    assert!(there.is_signed_in());
}

#[test]
fn junk_cookies_are_a_clean_start() {
    let (_box, mut good) = claimed();
    let good_pair = good.cookie.clone().unwrap();
    let half = &good_pair[..good_pair.len() - 4];
    let long = format!("{NAME}={}", "x".repeat(12_000));
    let twice = format!("{good_pair}; {good_pair}");
    let two = format!("{good_pair}; {NAME}=other");
    for junk in [
        format!("{NAME}="),
        format!("{NAME}=x"),
        format!("{NAME}=\"quoted\""),
        format!("{NAME}={}", "A".repeat(43)),
        format!("{NAME}=../../etc/passwd"),
        format!("{NAME}=%00%ff"),
        half.to_string(),
        format!("{good_pair}A"),
        long,
        twice,
        two,
        NAME.to_string(),
        ";;;===;".to_string(),
    ] {
        is_signed_out(&good, &junk);
    }
    assert!(good.is_signed_in(), "nobody else is touched");
}

fn is_signed_out(browser: &Browser, cookie: &str) {
    let ask = |method: &str, path: &str, body: Option<&str>| -> Reply {
        let origin = browser.origin();
        raw::request(browser, method, path, &[("Cookie", cookie), ("Origin", &origin)], body)
    };
    let short = &cookie[..cookie.len().min(60)];
    let state = ask("GET", "/api/state", None);
    let cleared = state.header("set-cookie").is_some_and(|line| line.contains("Max-Age=0"));
    assert_eq!(cleared, cookie.contains(&format!("{NAME}=")), "{short}");
    assert!(state.expect(200)["user"].is_null(), "{short}");
    assert_eq!(ask("GET", "/", None).status, 200, "the page itself comes, without a redirect: {short}");
    assert_eq!(ask("GET", "/api/hosts", None).refusal(401), "not_signed_in", "{short}");
    assert_eq!(ask("POST", "/api/hosts", Some("{}")).refusal(401), "not_signed_in", "{short}");
    let body = json!({"name": ADA.0, "password": ADA.1}).to_string();
    assert_eq!(ask("POST", "/api/login", Some(&body)).status, 200, "signing in works over it: {short}");
}

#[test]
fn a_good_cookie_among_those_of_others_is_found() {
    let (_box, browser) = claimed();
    let among = format!("a=b; {}; theme=dark", browser.cookie.clone().unwrap());
    assert_eq!(raw::request(&browser, "GET", "/api/hosts", &[("Cookie", &among)], None).status, 200);
}

#[test]
fn bytes_that_are_not_text_are_refused_and_not_a_fault() {
    let (_box, browser) = claimed();
    let mut bytes = format!("GET /api/state HTTP/1.1\r\nHost: {}\r\nCookie: {NAME}=", browser.address).into_bytes();
    bytes.extend([0xff, 0xfe, 0x80]);
    bytes.extend(b"\r\n\r\n");
    assert_eq!(raw::ask(&browser, &bytes).status, 400);
}

#[test]
fn a_restart_ends_every_session_cleanly() {
    let (mut box_, browser) = claimed();
    box_.kill();
    box_.start_again();
    let mut stale = box_.browser();
    stale.cookie = browser.cookie;
    let reply = stale.get("/api/hosts");
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"), "the stale cookie is cleared");
    assert_eq!(reply.refusal(401), "not_signed_in");
    assert!(!stale.is_signed_in());
    stale.sign_in(ADA);
}

/// C3: what the page asks by itself keeps nobody signed in.
#[test]
fn polling_does_not_keep_a_session_alive() {
    let (_box, mut idle) = claimed_with(&[("FOOTBRIDGE_LOGIN_IDLE_MINUTES", "1")]);
    let cookie = idle.cookie.clone();
    // A host that asks its terminal something is answered by the page: nobody typed that.
    let host = SshServer::openssh();
    let mut terminal = idle.open(&host.target(None));
    until("the end of an idle session that only polls", || {
        let _ = terminal.try_push(Message::text(r#"{"type":"report","text":"\u001b[1;1R"}"#));
        std::thread::sleep(std::time::Duration::from_millis(500));
        idle.cookie = cookie.clone();
        idle.get("/api/sessions");
        idle.cookie = cookie.clone();
        (!idle.is_signed_in()).then_some(())
    });
}

/// C4. The same cookie, from another loopback network: another neighbour, as far as the box can tell.
#[test]
fn a_cookie_is_good_only_in_the_network_it_began_in() {
    let try_from = |box_: &Footbridge, browser: &Browser, from: [u8; 4]| {
        let stream = raw::tcp_from(from.into(), box_.address()).unwrap();
        let mut tls = raw::is_let_in(stream, box_.fingerprint()).unwrap();
        let cookie = browser.cookie.clone().unwrap();
        let ask = format!("GET /api/hosts HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", box_.address());
        tls.write_all(ask.as_bytes()).unwrap();
        read_reply(&mut tls, false).unwrap()
    };
    let (near, far) = ([127, 0, 0, 77], [127, 0, 9, 1]);
    for (network, near_is_in, far_is_in) in [(AS_SHIPPED, true, false), ("ip", false, false), ("off", true, true)] {
        let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_NETWORK", network)]);
        for (from, is_in) in [(near, near_is_in), (far, far_is_in), (far, far_is_in)] {
            let reply = try_from(&box_, &ada, from);
            assert_eq!(reply.status, if is_in { 200 } else { 401 }, "{network} {from:?}");
        }
        assert!(ada.is_signed_in(), "its owner is not thrown out");
        let told = text(&box_.command(&["audit", "tail", "50"], "").stdout).matches("signin.strayed").count();
        assert_eq!(told, usize::from(!far_is_in), "{network}");
    }
}
