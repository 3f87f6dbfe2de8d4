//! The audit log can be read and checked from the command line, while the server runs and while it does not.

use crate::world::footbridge::{Footbridge, text};
use crate::world::{ADA, claimed};
use std::fs;
use std::process::Output;

fn tail(footbridge: &Footbridge, lines: &str) -> Vec<serde_json::Value> {
    let told = footbridge.command(&["audit", "tail", lines], "");
    assert!(told.status.success(), "{}", text(&told.stderr));
    text(&told.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn verify(footbridge: &Footbridge) -> Output {
    footbridge.command(&["audit", "verify"], "")
}

#[test]
fn the_last_events_are_shown_oldest_first() {
    let (mut footbridge, mut browser) = claimed();
    assert_eq!(browser.try_sign_in(ADA.0, "not the password at all").status, 401);
    let shown = tail(&footbridge, "2");
    assert_eq!((&shown[0]["event"], &shown[1]["event"]), (&"claim".into(), &"signin.failed".into()));
    assert_eq!((&shown[1]["user"], &shown[1]["peer"]), (&"ada".into(), &"127.0.0.1".into()));
    footbridge.kill();
    assert_eq!(tail(&footbridge, "2"), shown);
    assert!(!text(&footbridge.command(&["audit", "tail"], "").stdout).contains("not the password at all"));
}

#[test]
fn a_changed_line_is_found_and_the_exit_status_says_so() {
    let (mut footbridge, mut browser) = claimed();
    browser.sign_in(ADA);
    assert!(verify(&footbridge).status.success());
    let log = footbridge.data().join("audit.log");
    let good = fs::read_to_string(&log).unwrap();
    fs::write(&log, good.replacen("\"user\":\"ada\"", "\"user\":\"eve\"", 1)).unwrap();
    for running in [true, false] {
        let told = verify(&footbridge);
        assert_eq!(told.status.code(), Some(1), "running: {running}");
        assert!(text(&told.stderr).contains("the audit log was changed"), "{}", text(&told.stderr));
        footbridge.kill();
    }
    fs::write(&log, good).unwrap();
    assert!(verify(&footbridge).status.success());
}

#[test]
fn half_a_line_of_a_power_cut_is_no_forgery() {
    let (mut footbridge, _) = claimed();
    footbridge.kill();
    let log = footbridge.data().join("audit.log");
    let whole = fs::read_to_string(&log).unwrap();
    fs::write(&log, format!("{whole}{{\"time\":17,\"ev")).unwrap();
    footbridge.start_again();
    let told = verify(&footbridge);
    assert!(told.status.success(), "{}", text(&told.stderr));
}
