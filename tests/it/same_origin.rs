//! A terminal's WebSocket opens only for the page's own origin, a signed-in cookie and a ticket that is good once.

use crate::world::browser::{Browser, Target};
use crate::world::proxy::closed_port;
use crate::world::{ADA, claimed, raw};
use serde_json::{Value, json};
use std::time::Duration;

/// A session that has ended at once can be attached to for five minutes: enough for upgrades.
fn session(browser: &mut Browser) -> (String, String) {
    let target = Target { address: "127.0.0.1", port: closed_port(), user: "root", credential: None };
    let started: Value = browser.start_session(&target).expect(201);
    (started["session"]["id"].as_str().unwrap().into(), started["ticket"].as_str().unwrap().into())
}

/// Status and code of an upgrade.
fn knock(browser: &Browser, session: &str, ticket: &str, origin: Option<&str>, cookie: Option<&str>) -> (u16, String) {
    let path = format!("/api/sessions/{session}/attach?ticket={ticket}&offset=0");
    let lines: Vec<_> = [origin.map(|origin| ("Origin", origin)), cookie.map(|cookie| ("Cookie", cookie))]
        .into_iter()
        .flatten()
        .collect();
    let (reply, _) = browser.upgrade(&path, &lines);
    let status = reply.status;
    (status, if status >= 400 { reply.refusal(status) } else { String::new() })
}

#[test]
fn only_the_exact_origin_is_let_in() {
    let (_box, mut browser) = claimed();
    let (id, ticket) = session(&mut browser);
    let cookie = browser.cookie.clone().unwrap();
    let address = browser.address;
    for origin in [
        None,
        Some("null".to_string()),
        Some(String::new()),
        Some("https://evil.example".into()),
        Some(format!("http://{address}")),
        Some(format!("wss://{address}")),
        Some("https://127.0.0.1".into()),
        Some(format!("https://{address}/")),
        Some(format!("https://{address}.evil.example")),
        Some(format!("https://localhost:{}", address.port())),
    ] {
        let refused = knock(&browser, &id, &ticket, origin.as_deref(), Some(&cookie));
        assert_eq!(refused, (403, "wrong_origin".into()), "{origin:?}");
    }
    let path = format!("/api/sessions/{id}/attach?ticket={ticket}");
    let (reply, _) = browser.upgrade(&path, &[("Cookie", &cookie), ("Sec-Fetch-Site", "same-origin")]);
    assert_eq!(reply.refusal(403), "wrong_origin", "a browser always sends an Origin with an upgrade");
    // None of these used the ticket up.
    assert_eq!(knock(&browser, &id, &ticket, Some(&browser.origin()), Some(&cookie)).0, 101);
}

#[test]
fn only_a_signed_in_browser_is_let_in() {
    let (_box, mut browser) = claimed();
    let (id, ticket) = session(&mut browser);
    let origin = browser.origin();
    for cookie in [None, Some("__Host-footbridge=x"), Some("__Host-footbridge=")] {
        assert_eq!(knock(&browser, &id, &ticket, Some(&origin), cookie), (401, "not_signed_in".into()), "{cookie:?}");
    }
    let cookie = browser.cookie.clone().unwrap();
    browser.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    assert_eq!(knock(&browser, &id, &ticket, Some(&origin), Some(&cookie)).0, 401);
}

#[test]
fn a_ticket_is_good_once_for_its_session_and_its_sign_in() {
    let (box_, mut browser) = claimed();
    let (first, first_ticket) = session(&mut browser);
    let (second, second_ticket) = session(&mut browser);
    let origin = browser.origin();
    let cookie = browser.cookie.clone().unwrap();
    let try_it = |id: &str, ticket: &str| knock(&browser, id, ticket, Some(&origin), Some(&cookie)).0;

    for junk in ["", "x", "null", &"A".repeat(43), &first_ticket[1..], &format!("{first_ticket}A")] {
        assert_eq!(try_it(&first, junk), 403, "{junk}");
    }
    let (reply, _) =
        browser.upgrade(&format!("/api/sessions/{first}/attach"), &[("Origin", &origin), ("Cookie", &cookie)]);
    assert_eq!(reply.status, 403, "no ticket at all");
    assert_eq!(try_it(&first, &second_ticket), 403, "a ticket of another session");
    assert_eq!(try_it(&first, &first_ticket), 101);
    assert_eq!(try_it(&first, &first_ticket), 403, "the second time");

    // The same user, signed in twice: the ticket of one sign-in is nothing to the other.
    let mut other = box_.browser();
    other.sign_in(ADA);
    let others_ticket = other.ticket(&second);
    assert_eq!(try_it(&second, &others_ticket), 403);
    let mine = browser.clone().ticket(&second);
    let theirs = other.cookie.clone().unwrap();
    assert_eq!(knock(&other, &second, &mine, Some(&origin), Some(&theirs)).0, 403);
}

#[test]
fn a_ticket_does_not_keep() {
    let (_box, mut browser) = claimed();
    let (id, ticket) = session(&mut browser);
    std::thread::sleep(Duration::from_secs(31));
    let (origin, cookie) = (browser.origin(), browser.cookie.clone().unwrap());
    assert_eq!(knock(&browser, &id, &ticket, Some(&origin), Some(&cookie)).0, 403);
    let fresh = browser.ticket(&id);
    assert_eq!(knock(&browser, &id, &fresh, Some(&origin), Some(&cookie)).0, 101);
}

#[test]
fn somebody_else_s_terminal_is_not_there() {
    let (mut box_, mut ada) = claimed();
    let (id, ticket) = session(&mut ada);
    box_.add_user("eve", "a quiet river under the bridge");
    let mut eve = box_.browser();
    eve.sign_in(("eve", "a quiet river under the bridge"));
    let (origin, cookie) = (eve.origin(), eve.cookie.clone().unwrap());
    let (status, _) = knock(&eve, &id, &ticket, Some(&origin), Some(&cookie));
    let (missing, _) = knock(&eve, &"0".repeat(32), &ticket, Some(&origin), Some(&cookie));
    assert!([403, 404].contains(&status), "{status}");
    assert_eq!(status, missing, "a foreign session looks like none");
    let mine = ada.cookie.clone().unwrap();
    assert_eq!(knock(&ada, &id, &ticket, Some(&origin), Some(&mine)).0, 101, "and Ada's ticket is still good");
}

#[test]
fn what_is_no_upgrade_is_refused_as_a_request() {
    let (_box, mut browser) = claimed();
    let (id, ticket) = session(&mut browser);
    let (origin, cookie) = (browser.origin(), browser.cookie.clone().unwrap());
    let path = format!("/api/sessions/{id}/attach?ticket={ticket}");
    let base = [("Origin", origin.as_str()), ("Cookie", cookie.as_str())];
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let upgrade = ("Upgrade", "websocket");
    let connection = ("Connection", "Upgrade");
    let version = ("Sec-WebSocket-Version", "13");
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16);
    let cases: [Case<'_>; 7] = [
        ("nothing of it", vec![], 400),
        ("no Connection", vec![upgrade, key, version], 400),
        ("no Upgrade", vec![connection, key, version], 400),
        ("another protocol", vec![("Upgrade", "h2c"), connection, key, version], 400),
        ("no key", vec![upgrade, connection, version], 400),
        ("a short key", vec![upgrade, connection, ("Sec-WebSocket-Key", "abcd"), version], 400),
        ("an old version", vec![upgrade, connection, key, ("Sec-WebSocket-Version", "8")], 426),
    ];
    for (what, lines, status) in cases {
        let lines: Vec<_> = base.into_iter().chain(lines).collect();
        assert_eq!(raw::request(&browser, "GET", &path, &lines, None).status, status, "{what}");
    }
    assert_eq!(knock(&browser, &id, &ticket, Some(&origin), Some(&cookie)).0, 101, "the ticket was not used up");
}
