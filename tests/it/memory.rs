//! Secrets do not lie about in memory: once a request has been answered, nothing of what it brought is found in the process.

use crate::world::footbridge::Footbridge;
use crate::world::{ADA, claimed, patience};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

/// How often `needle` is found in the memory that the process can write.
fn found(footbridge: &Footbridge, needle: &str) -> usize {
    let process = footbridge.process();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let writable = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|modes| modes.starts_with("rw")));
    let count = |line: &str| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; (to - from) as usize];
        // A mapping may go while we look.
        let read = memory.read_exact_at(&mut bytes, from).is_ok();
        if read { bytes.windows(needle.len()).filter(|window| *window == needle.as_bytes()).count() } else { 0 }
    };
    writable.map(count).sum()
}

fn until_wiped(footbridge: &Footbridge, secrets: &[&str]) {
    for secret in secrets {
        patience::until("a secret to be wiped", || (found(footbridge, secret) == 0).then_some(()));
    }
}

/// The story: the TLS library decrypts into buffers of its own, and JSON with an escape in it is put together in another. Both were
/// freed as they were, and every password ever sent could be read from a dump of the process.
#[test]
fn what_a_request_brought_is_wiped_with_its_connection() {
    let (footbridge, mut browser) = claimed();
    assert!(found(&footbridge, "footbridge.redb") > 0, "this test sees nothing");
    browser.sign_in(ADA);
    browser.add_password("what opens the host\n has an escape");
    let key = tempfile::tempdir().unwrap();
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "key"]).current_dir(&key).status();
    assert!(made.unwrap().success());
    let text = fs::read_to_string(key.path().join("key")).unwrap();
    browser.add_key(&text, None);
    drop(browser);
    let line = text.lines().nth(2).unwrap();
    until_wiped(&footbridge, &[ADA.1, "what opens the host", " has an escape", line]);
}
