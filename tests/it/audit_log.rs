//! The audit log can be read and checked from the command line, while the server runs and while it does not.

use crate::full_disk::limit_files;
use crate::world::footbridge::{Footbridge, text};
use crate::world::{ADA, claimed, claimed_with};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
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

/// K7. What is written to the file is what goes to the system's log, and goes there also where the file takes nothing.
#[test]
fn each_line_goes_to_the_system_s_log_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let reader = UnixDatagram::bind(&path).unwrap();
    let (box_, mut browser) = claimed_with(&[("FOOTBRIDGE_AUDIT_SYSLOG", path.to_str().unwrap())]);
    browser.sign_in(ADA);
    let next = || {
        let mut message = vec![0; 4096];
        let length = reader.recv(&mut message).unwrap();
        let message = String::from_utf8(message[..length].to_vec()).unwrap();
        let said = message.strip_prefix(&format!("<86>footbridge[{}]: ", box_.process())).unwrap();
        serde_json::from_str::<serde_json::Value>(said).unwrap()
    };
    let received: Vec<_> = (0..3).map(|_| next()).collect();
    let mut kept = tail(&box_, "3");
    kept.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove("chain")));
    assert_eq!(received, kept);
    assert_eq!(
        received.iter().map(|line| line["event"].as_str().unwrap()).collect::<Vec<_>>(),
        ["serve.start", "claim", "signin"]
    );
    limit_files(&box_, "0");
    box_.browser().try_sign_in(ADA.0, "not the password at all").refusal(401);
    assert_eq!(next()["event"], "signin.failed");
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

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("ui") {
            sources(&entry, into);
        } else if entry.extension().is_some_and(|end| end == "rs") && !entry.ends_with("tests.rs") {
            let text = fs::read_to_string(entry).unwrap();
            into.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
}

/// The events that have words on the page.
fn known() -> BTreeSet<String> {
    let words = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui/text/people.en.ts");
    let words = fs::read_to_string(words).unwrap();
    let event = |line: &str| Some(line.trim().strip_prefix("'people.event.")?.split_once('\'')?.0.to_owned());
    words.lines().filter_map(event).collect()
}

/// The events that the program writes, as its source has them; those of `Deed` are put together of two words.
pub fn written() -> BTreeSet<String> {
    const FILES: [&str; 3] = ["admin.sock", "audit.log", "device.key"];
    let known = known();
    let families: BTreeSet<&str> = known.iter().map(|event| event.split('.').next().unwrap()).collect();
    let mut code = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    let direct = code.split("note(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let literals = code.split('"').filter(|text| {
        let of_a_family =
            text.split_once('.').is_some_and(|(family, rest)| families.contains(family) && !rest.is_empty());
        of_a_family
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || b".-".contains(&byte))
            && !FILES.contains(text)
    });
    let deeds = ["disable", "enable", "delete", "unlock", "reset-password", "reset-mfa"];
    let deeds = deeds.map(|deed| format!("cli.user.{deed}"));
    direct.chain(literals).map(str::to_owned).chain(deeds).collect()
}

/// The story: an administrator on a phone read `session.start` and `hostkey.add` among sentences.
#[test]
fn every_event_has_words_on_the_page() {
    let (written, known) = (written(), known());
    assert!(written.len() > 40, "only {written:?}");
    let silent: Vec<&String> = written.difference(&known).collect();
    assert!(silent.is_empty(), "without words: {silent:?}");
}

/// Beside the audit: what the program itself said, from its memory, for administrators and on the command line.
#[test]
fn the_last_lines_of_the_log_can_be_had() {
    let (mut footbridge, mut browser) = crate::world::claimed_with(&[("FOOTBRIDGE_LOG", "info")]);
    let told = footbridge.command(&["log"], "");
    let lines: Vec<String> = text(&told.stdout).lines().map(str::to_owned).collect();
    assert!(
        lines.iter().any(|line| line.contains(" INFO  [footbridge::door") && line.contains("made a certificate for"))
    );
    let shown = browser.get("/api/log").expect(200);
    let shown: Vec<&str> = shown["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(shown[..lines.len()], lines);
    assert_eq!(text(&footbridge.command(&["log", "1"], "").stdout).lines().count(), 1);
    footbridge.kill();
    let told = footbridge.command(&["log"], "");
    assert!(!told.status.success() && text(&told.stderr).contains("no server runs here"), "{}", text(&told.stderr));
}
