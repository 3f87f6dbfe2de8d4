//! A sign-in session ends on the server, and a cookie that is stale, strange or sent twice is a clean start and never an error.

use crate::devices::trusted_by;
use crate::second_factor::enrol;
use crate::why_ended::is_told;
use crate::world::browser::{Browser, Reply, read_reply};
use crate::world::footbridge::{AS_SHIPPED, Footbridge, text};
use crate::world::patience::until;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::terminal::{Event, Terminal};
use crate::world::{ADA, at_a_prompt, claimed, claimed_with, raw};
use serde_json::json;
use std::io::Write;
use std::time::Duration;
use tungstenite::Message;

const NAME: &str = "__Host-footbridge";
pub const FAR: [u8; 4] = [127, 0, 9, 1];

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

/// A cookie may be of any bytes, since it may be somebody else's (`requests::a_junk_cookie_that_is_not_utf_8_is_a_clean_page`).
#[test]
fn bytes_that_are_not_text_are_refused_and_not_a_fault() {
    let (_box, browser) = claimed();
    let mut bytes = format!("GET /api/state HTTP/1.1\r\nHost: {}\r\nX-Footbridge-Csrf: ", browser.address).into_bytes();
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

/// C3: what the page asks by itself keeps nobody signed in, and what somebody types does.
#[test]
fn polling_does_not_keep_a_session_alive() {
    let (box_, mut idle) = claimed_with(&[("FOOTBRIDGE_LOGIN_IDLE_MINUTES", "1")]);
    let cookie = idle.cookie.clone();
    // A host that asks its terminal something is answered by the page: nobody typed that. Nor what a page says of what it has read.
    let (host, mut typist) = (SshServer::openssh(), box_.browser());
    typist.sign_in(ADA);
    let password = typist.add_password(PASSWORD);
    let mut typed = typist.open_accepting(&host.target(Some(&password)));
    // Last, so that without its typing the other sign-in would end before this one.
    let mut terminal = idle.open(&host.target(None));
    until("the end of an idle session that only polls", || {
        for said in [r#"{"type":"report","text":"\u001b[1;1R"}"#, r#"{"type":"ack","offset":0}"#] {
            let _ = terminal.try_push(Message::text(said));
        }
        for said in [Message::Ping(Vec::new().into()), Message::Pong(Vec::new().into())] {
            let _ = terminal.try_push(said);
        }
        typed.send(b"x");
        std::thread::sleep(Duration::from_millis(500));
        idle.cookie = cookie.clone();
        idle.get("/api/sessions");
        idle.cookie = cookie.clone();
        (!idle.is_signed_in()).then_some(())
    });
    assert!(typist.is_signed_in(), "an open terminal in use is a use of the sign-in");
    idle.cookie = cookie;
    is_told(&mut idle, "timed_out");
}

/// H6: nobody looks on for a moment longer than they are signed in. A browser that nobody wakes would notice at its next ping, after
/// twenty-five seconds.
fn lets_go(terminal: &mut Terminal, why: &str) {
    loop {
        match terminal.next_within(Duration::from_secs(20)) {
            Some(Event::Closed(code)) => return assert_eq!(code, Some(1008), "{why}"),
            Some(_) => {}
            None => panic!("it goes on looking: {why}"),
        }
    }
}

type Deed = fn(&Footbridge, &mut Browser, &mut Browser);

#[test]
fn whoever_looks_lets_go_when_their_sign_in_ends() {
    let ways: [(&str, Deed); 9] = [
        ("signed out", |_, here, _| drop(here.post("/api/logout", json!({"terminals": "keep"})).expect(204))),
        ("ended from elsewhere", |_, _, there| {
            let logins = there.get("/api/logins").expect(200)["logins"].clone();
            let other = logins.as_array().unwrap().iter().find(|login| login["current"] == false).unwrap().clone();
            there.delete(&format!("/api/logins/{}", other["id"].as_str().unwrap())).expect(204);
        }),
        ("locked", |_, _, there| drop(there.post("/api/lock", json!({})).expect(204))),
        ("another password", |_, _, there| {
            let body = json!({"current": ADA.1, "new": "an even longer bridge over it"});
            there.post("/api/password", body).expect(200);
        }),
        ("another factor", |_, _, there| drop(enrol(there))),
        ("a forgotten password", |box_, _, there| {
            let told = text(&box_.command(&["user", "reset-password", ADA.0], "").stdout);
            let token = told.lines().next().unwrap().strip_prefix("reset-token ").unwrap().to_owned();
            let body = json!({"token": token, "password": "an even longer bridge over it", "discard": true});
            there.post("/api/reset", body).expect(204);
        }),
        ("a device demanded", |_, _, there| {
            trusted_by(there, ADA.1);
            there.put("/api/device/demand", json!({"required": true, "proof": ADA.1})).expect(204);
        }),
        ("a device removed", |_, here, there| {
            let device = trusted_by(here, ADA.1);
            there.remove(&format!("/api/devices/{}", device.id()), ADA.1).expect(204);
        }),
        ("on the command line", |box_, _, _| {
            assert!(box_.command(&["user", "reset-mfa", ADA.0], "").status.success());
        }),
    ];
    let host = SshServer::openssh();
    for (why, deed) in ways {
        let (box_, mut here) = claimed();
        let credential = here.add_password(PASSWORD);
        let mut terminal = here.open_accepting(&host.target(Some(&credential)));
        let mut there = box_.browser();
        there.sign_in(ADA);
        deed(&box_, &mut here, &mut there);
        lets_go(&mut terminal, why);
    }
}

/// What becomes of the terminals is the choice of whoever signs out.
#[test]
fn signing_out_keeps_the_terminals_or_ends_them() {
    let (host, box_, mut here, credential, mut kept) = at_a_prompt();
    here.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    lets_go(&mut kept, "signed out");
    here.sign_in(ADA);
    let state =
        |browser: &mut Browser, id: &str| browser.get(&format!("/api/sessions/{id}")).expect(200)["state"].clone();
    assert_eq!(state(&mut here, &kept.session), "live", "it waits for whoever comes back");
    let mut other = here.open(&host.target(Some(&credential)));
    other.until_prompt();
    here.post("/api/logout", json!({"terminals": "end"})).expect(204);
    let mut back = box_.browser();
    back.sign_in(ADA);
    for id in [&kept.session, &other.session] {
        until("the end of the terminals", || (state(&mut back, id) == "ended").then_some(()));
    }
}

/// "Lock now", from any of a user's browsers: all of them are out, whoever else is on the box is not, and what runs goes on.
#[test]
fn locking_ends_every_sign_in_of_its_user_and_no_terminal_that_runs() {
    const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
    let (host, mut box_, mut here, credential, mut kept) = at_a_prompt();
    box_.add_user(EVE.0, EVE.1);
    let (mut eve, mut there) = (box_.browser(), box_.browser());
    eve.sign_in(EVE);
    there.sign_in(ADA);
    kept.send(b"WHERE=still-there\n");
    kept.until_prompt();
    // It has an opened password, and waits for a yes to a key.
    let unknown = SshServer::openssh();
    let mut waiting = here.open(&unknown.target(Some(&credential)));
    waiting.until_question("host_key");

    let reply = there.post("/api/lock", json!({}));
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
    reply.expect(204);
    for mut ended in [here.clone(), there] {
        assert_eq!(ended.get("/api/credentials").refusal(401), "not_signed_in");
        assert_eq!(ended.post("/api/lock", json!({})).refusal(401), "not_signed_in");
    }
    assert!(eve.is_signed_in(), "it is nobody else's vault");
    lets_go(&mut kept, "locked");

    here.sign_in(ADA);
    let ended = || {
        let state = here.get(&format!("/api/sessions/{}", waiting.session)).expect(200)["state"].clone();
        (state == "ended").then_some(())
    };
    until("the end of what had not begun", ended);
    let mut again = here.attach(&kept.session, None);
    assert_eq!(again.run("echo $WHERE"), "still-there");
    here.open(&host.target(Some(&credential))).until_prompt();
}

/// A browser's cookie, from another loopback network: another neighbour, as far as the box can tell.
pub fn get_from(box_: &Footbridge, browser: &Browser, from: [u8; 4], path: &str) -> Reply {
    let stream = raw::tcp_from(from.into(), box_.address()).unwrap();
    let mut tls = raw::is_let_in(stream, box_.fingerprint()).unwrap();
    let cookie = browser.cookie.clone().unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", box_.address());
    tls.write_all(ask.as_bytes()).unwrap();
    read_reply(&mut tls, false).unwrap()
}

/// C4.
#[test]
fn a_cookie_is_good_only_in_the_network_it_began_in() {
    let (near, far) = ([127, 0, 0, 77], FAR);
    for (network, near_is_in, far_is_in) in [(AS_SHIPPED, true, false), ("ip", false, false), ("off", true, true)] {
        let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_NETWORK", network)]);
        for (from, is_in) in [(near, near_is_in), (far, far_is_in), (far, far_is_in)] {
            let reply = get_from(&box_, &ada, from, "/api/hosts");
            assert_eq!(reply.status, if is_in { 200 } else { 401 }, "{network} {from:?}");
        }
        assert!(ada.is_signed_in(), "its owner is not thrown out");
        let told = text(&box_.command(&["audit", "tail", "50"], "").stdout).matches("signin.strayed").count();
        assert_eq!(told, usize::from(!far_is_in), "{network}");
    }
}
