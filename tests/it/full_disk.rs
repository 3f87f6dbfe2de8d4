//! A full disk stops nobody: what is there can be read, people sign in, and once there is space everything goes on by itself.

use crate::world::browser::Browser;
use crate::world::footbridge::{Footbridge, text};
use crate::world::{ADA, claimed};
use serde_json::json;
use std::fs;
use std::process::Command;

/// A limit on the size of files fails like a full disk, and needs no disk of its own.
fn limit_files(footbridge: &Footbridge, most: &str) {
    let process = footbridge.process().to_string();
    let done = Command::new("prlimit").args(["--pid", &process, &format!("--fsize={most}:")]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
}

fn add(browser: &mut Browser) -> u16 {
    let notes = "x".repeat(4000);
    browser.post("/api/hosts", json!({"label": "", "address": "h", "user": "u", "notes": notes})).status
}

/// The story: the engine takes no call after an error of its file. Once the disk had been full for a moment nobody could sign in until
/// somebody restarted the box.
#[test]
fn the_box_goes_on_while_it_is_full_and_after() {
    let (mut footbridge, mut browser) = claimed();
    assert_eq!(add(&mut browser), 201);
    let size = fs::metadata(footbridge.data().join("footbridge.redb")).unwrap().len();
    limit_files(&footbridge, &size.to_string());
    let mut there = 1;
    let refused = loop {
        match add(&mut browser) {
            201 => there += 1,
            status => break status,
        }
        assert!(there < 1000, "the disk never gets full");
    };
    assert_eq!(refused, 500);
    let hosts = |browser: &mut Browser| browser.get("/api/hosts").expect(200)["hosts"].as_array().unwrap().len();
    assert_eq!(hosts(&mut browser), there);
    assert_eq!(footbridge.browser().get("/ready").status, 200);
    let mut other = footbridge.browser();
    other.sign_in(ADA);
    assert_eq!(hosts(&mut other), there);
    limit_files(&footbridge, "unlimited");
    assert_eq!((add(&mut browser), hosts(&mut browser)), (201, there + 1));
    assert!(footbridge.command(&["audit", "verify"], "").status.success());
    footbridge.kill();
    footbridge.start_again();
    let mut browser = footbridge.browser();
    browser.sign_in(ADA);
    assert_eq!(hosts(&mut browser), there + 1);
}
