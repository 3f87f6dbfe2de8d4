//! The audit log says who opened a terminal, where to, for how long and how much came back, and nothing of what was typed or printed.

use crate::world::footbridge::text;
use crate::world::ssh_server::{PASSWORD, SshServer, USER};
use crate::world::{ADA, claimed, claimed_with, patience, raw};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_terminal_leaves_two_lines() {
    let (footbridge, mut browser) = claimed();
    let host = SshServer::openssh();
    let password = browser.add_password(PASSWORD);
    let mut terminal = browser.open_accepting(&host.target(Some(&password)));
    terminal.run("echo typed-and-printed");
    let session = terminal.session.clone();
    terminal.send(b"exit 3\r");
    terminal.until_ended();
    let events = || -> Vec<Value> {
        let told = text(&footbridge.command(&["audit", "tail", "50"], "").stdout);
        told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
    };
    let of =
        |event: &str| events().into_iter().find(|line| line["event"] == event && line["session"] == session.as_str());
    let end = patience::until("the end of the session in the log", || of("session.end"));
    let start = of("session.start").unwrap();
    for line in [&start, &end] {
        assert_eq!((&line["user"], &line["host"], &line["as"]), (&ADA.0.into(), &"127.0.0.1".into(), &USER.into()));
        assert_eq!((&line["port"], &line["peer"]), (&host.port.to_string().into(), &"127.0.0.1".into()));
    }
    assert_eq!(end["reason"], "exit");
    assert!(end["bytes"].as_str().unwrap().parse::<u64>().unwrap() > 20 && end["seconds"].as_str().is_some());
    let key = events().into_iter().find(|line| line["event"] == "hostkey.add").unwrap();
    assert_eq!((&key["user"], &key["fingerprint"]), (&ADA.0.into(), &host.fingerprint("ed25519").into()));
    let log = fs::read_to_string(footbridge.data().join("audit.log")).unwrap();
    assert!(!log.contains("typed-and-printed") && !log.contains(PASSWORD) && !log.contains("exit 3"));
}

/// Through a proxy that is believed, so that the browser's address is none of the box's own. A restart ends the terminal, and whoever
/// reads the log afterwards still learns from where it was opened.
#[test]
fn from_where_a_terminal_was_opened_is_known_after_a_restart_too() {
    const FROM: &str = "198.51.100.7";
    let settings = [("FOOTBRIDGE_TRUSTED_PROXIES", "127.0.0.1/32"), ("FOOTBRIDGE_LOGIN_NETWORK", "off")];
    let (mut footbridge, mut ada) = claimed_with(&settings);
    let host = SshServer::openssh();
    let password = ada.add_password(PASSWORD);
    ada.post("/api/hostkeys", json!({"known_hosts": host.known_hosts_line("ed25519")})).expect(201);
    let body = json!({"address": "127.0.0.1", "port": host.address().port(), "user": USER, "credential_id": password, "proof": ADA.1});
    let (origin, cookie, csrf) = (ada.origin(), ada.cookie.clone().unwrap(), ada.csrf.clone().unwrap());
    let lines =
        [("Origin", origin.as_str()), ("Cookie", &cookie), ("X-Footbridge-Csrf", &csrf), ("X-Forwarded-For", FROM)];
    let started = raw::request(&ada, "POST", "/api/sessions", &lines, Some(&body.to_string())).expect(201);
    let session = started["session"]["id"].as_str().unwrap().to_owned();
    // Somebody looks at it from elsewhere: that is not from where it was opened.
    ada.attach(&session, None).until_prompt();
    footbridge.signal("TERM");
    patience::until("the end of the box", || footbridge.ended());
    footbridge.start_again();
    let told = text(&footbridge.command(&["audit", "tail", "50"], "").stdout);
    let of_it: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_it: Vec<&Value> = of_it.iter().filter(|line| line["session"] == session.as_str()).collect();
    let said: Vec<_> =
        of_it.iter().map(|line| (line["event"].as_str().unwrap(), line["peer"].as_str().unwrap())).collect();
    assert_eq!(said, [("session.start", FROM), ("session.end", FROM)]);
    assert!(footbridge.command(&["audit", "verify"], "").status.success());
}
