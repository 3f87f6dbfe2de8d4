//! The running server tells its numbers to whoever holds the box, and nobody's name.

use crate::full_disk::limit_files;
use crate::world::footbridge::{Footbridge, text};
use crate::world::{ADA, claimed, claimed_with};
use serde_json::json;
use std::fs;

#[test]
fn the_numbers_are_those_of_the_running_server() {
    let (mut footbridge, mut browser) = claimed();
    browser.sign_in(ADA);
    let told = footbridge.command(&["metrics"], "");
    let page = text(&told.stdout);
    assert!(told.status.success(), "{}", text(&told.stderr));
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {page}")).parse::<u64>().unwrap()
    };
    assert_eq!(value("footbridge_logins"), 2);
    assert_eq!(value("footbridge_terminals{state=\"live\"}"), 0);
    assert_eq!(value("footbridge_store_well"), 1);
    assert_eq!(value("footbridge_audit_trouble"), 0);
    assert!(value("footbridge_resident_bytes") > 100_000 && value("footbridge_open_files") > 3);
    assert!(value("footbridge_connections{who=\"users\"}") + value("footbridge_connections{who=\"strangers\"}") >= 1);
    assert!(!page.contains(ADA.0) && !page.contains("127.0.0.1"));
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        assert!(page.contains(&format!("# TYPE {} gauge", line.split(['{', ' ']).next().unwrap())), "{line}");
    }
    footbridge.kill();
    assert_eq!(footbridge.command(&["metrics"], "").status.code(), Some(1));
}

/// A3, from outside: refused sign-ins cost one Argon2 run each, whoever they are for.
#[test]
fn whoever_is_refused_costs_one_run() {
    let settings = [("FOOTBRIDGE_LOGIN_FAILURES", "1000"), ("FOOTBRIDGE_LOCKOUT_FAILURES", "2")];
    let (mut box_, mut ada) = claimed_with(&settings);
    for name in ["wrong", "locked", "disabled"] {
        box_.add_user(name, "a quiet river under the bridge");
    }
    let users = ada.get("/api/users").expect(200);
    let id = users["users"].as_array().unwrap().iter().find(|user| user["name"] == "disabled").unwrap()["id"].clone();
    ada.put(&format!("/api/users/{}", id.as_str().unwrap()), json!({"disabled": true})).expect(200);
    let runs = || -> u64 {
        let page = text(&box_.command(&["metrics"], "").stdout);
        let line = page.lines().find_map(|line| line.strip_prefix("footbridge_argon2_runs "));
        line.expect("no metric of Argon2 runs").parse().unwrap()
    };
    let refused = |name: &str, password: &str| {
        let before = runs();
        box_.browser().try_sign_in(name, password).refusal(401);
        runs() - before
    };
    let (right, wrong) = ("a quiet river under the bridge", "not the password at all");
    for _ in 0..2 {
        refused("locked", wrong);
    }
    let all = [("nobody", right), ("wrong", wrong), ("locked", right), ("locked", wrong), ("disabled", right)];
    assert_eq!(all.map(|(name, password)| refused(name, password)), [1; 5]);
}

/// A worn card has lost the database's bytes under the running server. Whoever asks whether the box is ready hears that it is not, and
/// nothing about why: that is in the log. It lives, so that `/health` is well. Once the bytes are back it is ready without a restart.
#[test]
fn a_box_whose_database_cannot_be_read_lives_and_is_not_ready() {
    let (box_, mut ada) = claimed();
    let database = box_.data().join("footbridge.redb");
    let good = fs::read(&database).unwrap();
    fs::write(&database, vec![0x5a; good.len()]).unwrap();
    // What was read is kept in memory: only the change after an error looks at the file anew.
    limit_files(&box_, "0");
    for _ in 0..2 {
        let changed = ada.post("/api/hosts", json!({"address": "h", "user": "u"})).status;
        assert!(changed >= 500, "{changed}");
    }
    let asked = |path: &str| box_.browser().get(path);
    let refused = asked("/ready");
    assert_eq!(refused.status, 503);
    let told = text(&refused.body);
    assert_eq!(refused.refusal(503), "busy");
    assert!(["footbridge", "redb", "damaged", "data"].iter().all(|word| !told.contains(word)), "{told}");
    // Standard error is a file here, and takes nothing now either.
    assert!(text(&box_.command(&["log"], "").stdout).contains("not ready: "));
    assert_eq!(asked("/health").status, 200);
    let well = |box_: &Footbridge, answer: u8| {
        let page = text(&box_.command(&["metrics"], "").stdout);
        page.contains(&format!("\nfootbridge_store_well {answer}\n"))
    };
    assert!(well(&box_, 0), "whoever watches the numbers sees it too");
    fs::write(&database, good).unwrap();
    limit_files(&box_, "unlimited");
    assert_eq!(asked("/ready").expect(200), json!({"status": "ok"}));
    assert!(well(&box_, 1));
}
