//! The audit log says who opened a terminal, where to, for how long and how much came back, and nothing of what was typed or printed.

use crate::world::footbridge::text;
use crate::world::ssh_server::{PASSWORD, SshServer, USER};
use crate::world::{ADA, claimed, patience};
use serde_json::Value;
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
