//! A database that somebody altered is an error and never data: flipped bits, records moved to another place, another box's key.

use crate::world::browser::Browser;
use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::patience::until;
use crate::world::ssh_server::{self, SshServer};
use crate::world::{ADA, claimed};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

const BOB: (&str, &str) = ("bob", "thirteen grey herons");
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// A box with two users and some belongings, at rest.
fn at_rest() -> (Footbridge, PathBuf) {
    let (mut box_, mut ada) = claimed();
    box_.add_user(BOB.0, BOB.1);
    let mut bob = box_.browser();
    bob.sign_in(BOB);
    for browser in [&mut ada, &mut bob] {
        for name in ["attic", "cellar"] {
            browser
                .post("/api/hosts", json!({"label": name, "address": format!("{name}.example"), "user": "root"}))
                .expect(201);
        }
        browser.add_password("the password of a router");
    }
    box_.signal("TERM");
    until("the end of the process", || box_.ended());
    let file = box_.data().join("footbridge.redb");
    (box_, file)
}

#[track_caller]
fn is_refused_in_words(box_: &Footbridge, what: &str) {
    let done = box_.command(&["user", "list"], "");
    // 101 is a panic, and a signal has no code.
    assert!(matches!(done.status.code(), Some(1..=100)), "{what}: {done:?}");
    assert!(!text(&done.stderr).trim().is_empty(), "{what}: not a word");
    assert!(!text(&done.stdout).contains(ADA.0), "{what}: it was believed: {}", text(&done.stdout));
}

#[test]
fn a_flipped_bit_is_noticed_or_changes_nothing() {
    let (box_, file) = at_rest();
    let good = fs::read(&file).unwrap();
    let listed = box_.command(&["user", "list"], "");
    assert!(listed.status.success() && text(&listed.stdout).contains(BOB.0), "{listed:?}");
    let try_flips = |places: &[usize], bit: usize| {
        let mut bad = good.clone();
        places.iter().for_each(|at| bad[*at] ^= 1 << bit);
        fs::write(&file, bad).unwrap();
        let done = box_.command(&["user", "list"], "");
        if done.status.success() {
            assert_eq!(done.stdout, listed.stdout, "bytes {places:?} changed what is believed");
        } else {
            is_refused_in_words(&box_, &format!("bytes {places:?}"));
        }
        !done.status.success()
    };
    // Anywhere: most of the file is what earlier transactions left, and a flip there changes nothing.
    let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).collect();
    for round in 0..40 {
        try_flips(&[used[round * used.len() / 40]], round % 8);
    }
    // In what is believed. The live copy is among these places, beside what earlier transactions left of it. A broken live copy is
    // refused: going back to the one before it would be believing what somebody else chose.
    for needle in [&b"attic.example"[..], b"\"name\":\"ada\"", b"\"kind\":\"password\""] {
        let begins = (0..good.len() - needle.len()).filter(|at| &good[*at..*at + needle.len()] == needle);
        let places: Vec<usize> = begins.map(|at| at + needle.len() - 3).collect();
        let noticed = places.iter().filter(|at| try_flips(&[**at], 1)).count();
        assert!(noticed > 0, "{}: none of {} single flips was refused", text(needle), places.len());
        assert!(try_flips(&places, 1), "{} can be altered", text(needle));
    }
}

#[test]
fn a_file_cut_short_or_overwritten_is_refused() {
    let (box_, file) = at_rest();
    let good = fs::read(&file).unwrap();
    let halves = good[..good.len() / 2].to_vec();
    let mut scribbled = good.clone();
    scribbled[..4096].fill(0x55);
    for (what, bad) in [("half of it", halves), ("its head", scribbled), ("junk", b"not a database".repeat(1000))] {
        fs::write(&file, bad).unwrap();
        is_refused_in_words(&box_, what);
    }
    fs::write(&file, good).unwrap();
    assert!(box_.command(&["user", "list"], "").status.success(), "and the good one is good");
}

#[test]
fn another_box_s_key_opens_nothing() {
    let (box_, _) = at_rest();
    let key = box_.data().join("device.key");
    let mut bytes = fs::read(&key).unwrap();
    bytes[0] ^= 1;
    fs::remove_file(&key).unwrap();
    write_private(&key, "");
    fs::write(&key, bytes).unwrap();
    is_refused_in_words(&box_, "another key");
}

/// Alters records as somebody would who knows the format and has the file, with every checksum of the engine in order.
fn alter(file: &PathBuf, table: &str, how: impl Fn(&mut Vec<(Vec<u8>, Vec<u8>)>)) {
    let database = Database::open(file).unwrap();
    let reading = database.begin_read().unwrap();
    let records = reading.open_table(RECORDS).unwrap();
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = records
        .iter()
        .unwrap()
        .map(|pair| pair.unwrap())
        .map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
        .filter(|(key, _)| key.starts_with(table.as_bytes()))
        .collect();
    assert!(pairs.len() >= 2, "{table} holds {}", pairs.len());
    drop((records, reading));
    how(&mut pairs);
    let writing = database.begin_write().unwrap();
    {
        let mut records = writing.open_table(RECORDS).unwrap();
        for (key, value) in &pairs {
            records.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    }
    writing.commit().unwrap();
}

/// Every record of the table holds another one's value.
fn rotate(pairs: &mut [(Vec<u8>, Vec<u8>)]) {
    let first = pairs[0].1.clone();
    for at in 1..pairs.len() {
        pairs[at - 1].1 = pairs[at].1.clone();
    }
    pairs.last_mut().unwrap().1 = first;
}

fn signed_in(box_: &Footbridge) -> Browser {
    let mut browser = box_.browser();
    browser.sign_in(ADA);
    browser
}

#[track_caller]
fn is_an_error_without_data(browser: &mut Browser, path: &str, canary: &str) {
    let reply = browser.get(path);
    assert_eq!(reply.status, 500, "{reply:?}");
    assert!(!text(&reply.body).contains(canary), "{reply:?}");
    assert_eq!(reply.json()["error"], "internal");
    assert_eq!(browser.get("/health").status, 200, "the box goes on");
}

#[test]
fn a_record_in_another_s_place_is_an_error() {
    for (table, path, canary) in [("host/", "/api/hosts", "example"), ("credential/", "/api/credentials", "password")] {
        let (mut box_, file) = at_rest();
        alter(&file, table, |pairs| rotate(pairs));
        box_.start_again();
        is_an_error_without_data(&mut signed_in(&box_), path, canary);
    }
}

/// Whether a host's key is the trusted one, nobody knows then; and its owner is told which of the two it is.
#[test]
fn a_host_whose_trusted_keys_were_altered_is_sent_nothing() {
    let host = SshServer::openssh();
    let (mut box_, mut ada) = claimed();
    ada.post("/api/hostkeys", json!({"known_hosts": host.known_hosts_line("ed25519")})).expect(201);
    ada.post("/api/hostkeys", json!({"known_hosts": "other.example ".to_owned() + &key_of(&host)})).expect(201);
    box_.signal("TERM");
    until("the end of the process", || box_.ended());
    alter(&box_.data().join("footbridge.redb"), "hostkey/", |pairs| rotate(pairs));
    box_.start_again();
    let ended = signed_in(&box_).open(&host.target(None)).until_ended_unasked();
    assert_eq!(ended["reason"], "host_key", "{ended}");
    assert!(ended["message"].as_str().unwrap().contains("cannot be read"), "{ended}");
    assert!(!host.log().contains(ssh_server::USER), "{}", host.log());
    assert!(box_.log().contains("host keys cannot be read"), "{}", box_.log());
}

fn key_of(host: &SshServer) -> String {
    host.known_hosts_line("ed25519").split_once(' ').unwrap().1.to_owned()
}

#[test]
fn nobody_makes_themselves_an_administrator_with_an_editor() {
    let (box_, file) = at_rest();
    alter(&file, "user/", |pairs| {
        for (_, value) in pairs {
            let plain = String::from_utf8_lossy(value).contains("\"role\":\"user\"");
            if plain {
                let at = value.windows(13).position(|window| window == b"\"role\":\"user\"").unwrap();
                value.splice(at..at + 13, b"\"role\":\"administrator\"".iter().copied());
            }
        }
    });
    is_refused_in_words(&box_, "an altered role");
}
