//! A full disk stops nobody: what is there can be read, people sign in, and once there is space everything goes on by itself.

use crate::world::browser::Browser;
use crate::world::footbridge::{Footbridge, text};
use crate::world::{ADA, claimed};
use serde_json::json;
use std::fs;
use std::process::Command;

/// A limit on the size of files fails like a full disk, and needs no disk of its own.
pub fn limit_files(footbridge: &Footbridge, most: &str) {
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
    assert_eq!(refused, 507);
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

/// Each write of a person's account, while there is no room for it: an error and nothing half done, and the same goes well afterwards.
#[test]
fn every_write_about_an_account_is_whole_or_not_there() {
    let (mut footbridge, mut ada) = claimed();
    footbridge.add_user("eve", "a quiet river under the bridge");
    let users = ada.get("/api/users").expect(200);
    let eve = users["users"].as_array().unwrap().iter().find(|user| user["name"] == "eve").unwrap()["id"].clone();
    let eve = format!("/api/users/{}", eve.as_str().unwrap());
    let size = fs::metadata(footbridge.data().join("footbridge.redb")).unwrap().len();
    limit_files(&footbridge, &size.to_string());
    // Small writes still fit beside big ones: the last page has to be used up too.
    for notes in [4000, 400, 0] {
        let body = json!({"label": "", "address": "h", "user": "u", "notes": "x".repeat(notes)});
        let refused = (0..2000).any(|_| ada.post("/api/hosts", body.clone()).status == 507);
        assert!(refused, "the disk never gets full");
    }
    let pin = json!({"address": "h", "port": 22, "fingerprint": "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"});
    let long = "y".repeat(20_000);
    let writes = [
        ("POST", "/api/users", json!({"name": "bob", "role": "user", "password": "seven lanterns by the weir"}), 201),
        ("PUT", eve.as_str(), json!({"role": "command-only"}), 200),
        ("PUT", eve.as_str(), json!({"disabled": true}), 200),
        ("POST", "/api/invites", json!({"role": "user"}), 201),
        ("POST", "/api/hostkeys", pin, 201),
        ("POST", "/api/credentials", json!({"label": "", "kind": "password", "password": "x"}), 201),
        ("PUT", "/api/preferences", json!({"preferences": {"long": long}}), 204),
        ("POST", "/api/password", json!({"current": ADA.1, "new": "an even longer bridge over it"}), 200),
    ];
    let lists = ["/api/users", "/api/invites", "/api/hostkeys", "/api/credentials", "/api/preferences"];
    for (method, path, body, _) in &writes {
        let before = lists.map(|list| ada.get(list).expect(200));
        let reply = ada.request(method, path, Some(body.clone()));
        // An overwrite may find the room that the old value leaves; what is said to be done is done then.
        if reply.status >= 400 {
            assert_eq!(reply.status, 507, "{method} {path}: {}", String::from_utf8_lossy(&reply.body));
            assert_eq!(
                lists.map(|list| ada.get(list).expect(200)),
                before,
                "{method} {path} was refused, and left something"
            );
        } else if let Some(csrf) = reply.json()["csrf"].as_str() {
            ada.csrf = Some(csrf.into());
        }
        assert!(footbridge.is_running());
    }
    limit_files(&footbridge, "unlimited");
    let done = footbridge.command(&["user", "unlock", "ada"], "");
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(ada.post("/api/invites", json!({"role": "user"})).status, 201, "there is room again");
    assert_eq!(add(&mut ada), 201);
    footbridge.kill();
    footbridge.start_again();
    let mut again = footbridge.browser();
    let (old, new) =
        (again.try_sign_in("ada", ADA.1).status, again.try_sign_in("ada", "an even longer bridge over it").status);
    assert!([(200, 401), (401, 200)].contains(&(old, new)), "one password, whole: {old} {new}");
}
