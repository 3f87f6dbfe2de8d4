//! A backup is one file under a passphrase: made while the server runs, checked without restoring, restored whole or not at all.

use crate::world::browser::Target;
use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::patience::until;
use crate::world::{ADA, claimed};
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

const PASSPHRASE: &str = "eleven lamps along the quay\n";

fn backup(footbridge: &Footbridge, words: &[&str], passphrase: &str) -> Output {
    footbridge.command(&[&["backup"], words].concat(), passphrase)
}

fn make(footbridge: &Footbridge, place: &Path) -> PathBuf {
    let file = place.join("box.backup");
    let told = backup(footbridge, &["create", file.to_str().unwrap()], PASSPHRASE);
    assert!(told.status.success(), "{}", text(&told.stderr));
    file
}

fn refusal(told: &Output) -> String {
    assert!(!told.status.success(), "{}", text(&told.stdout));
    text(&told.stderr)
}

#[test]
fn a_box_comes_back_as_it_was() {
    let (mut footbridge, mut browser) = claimed();
    let credential = browser.add_password("hunter2hunter2");
    let target = Target { address: "192.0.2.7", port: 22, user: "root", credential: Some(&credential) };
    let host = browser.add_host(&target);
    browser.start_session(&target).expect(201);
    let (place, fingerprint) = (tempfile::tempdir().unwrap(), footbridge.fingerprint().to_owned());
    let file = make(&footbridge, place.path());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
    // What came after it is not in it.
    browser.add_host(&target);
    footbridge.kill();
    fs::remove_dir_all(footbridge.data()).unwrap();
    let told = backup(&footbridge, &["restore", file.to_str().unwrap()], PASSPHRASE);
    assert!(told.status.success(), "{}", text(&told.stderr));
    footbridge.start_again();
    assert_eq!(footbridge.fingerprint(), fingerprint, "the certificate that browsers trust");
    assert!(!footbridge.prints_a_claim_code());
    let mut browser = footbridge.browser();
    browser.sign_in(ADA);
    let hosts = browser.get("/api/hosts").expect(200);
    assert_eq!((hosts["hosts"].as_array().unwrap().len(), &hosts["hosts"][0]["id"]), (1, &host.into()));
    // The credential opens with its user's password, and goes where it went before without another proof.
    browser.password = None;
    browser.start_session(&target).expect(201);
    assert!(footbridge.command(&["audit", "verify"], "").status.success());
}

/// A small disk, mounted; gone with its value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> SmallDisk {
        let disk = SmallDisk(tempfile::tempdir().unwrap());
        let words = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let done = Command::new("mount").args(words).arg(disk.0.path()).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        disk
    }

    fn names(&self) -> Vec<String> {
        fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// The story: the file took its name by a hard link, and FAT has none, so that no backup could be made onto a USB stick. Not every
/// kernel that runs the tests knows FAT: here the calls fail as they do there.
#[test]
fn it_is_made_where_there_are_no_hard_links_or_no_careful_rename() {
    let (footbridge, _) = claimed();
    let place = tempfile::tempdir().unwrap();
    for (name, refused) in [("stick", "linkat:error=EPERM"), ("network", "renameat2:error=EINVAL")] {
        let file = place.path().join(name);
        let file = file.to_str().unwrap();
        let told = footbridge.command_refused(refused, &["backup", "create", file], PASSPHRASE);
        assert!(told.status.success(), "{}", text(&told.stderr));
        assert!(backup(&footbridge, &["verify", file], PASSPHRASE).status.success());
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing is left beside them");
}

#[test]
fn a_full_disk_keeps_no_half_of_it() {
    let (footbridge, _) = claimed();
    let disk = SmallDisk::new();
    let filler = disk.0.path().join("filler");
    let full = io::copy(&mut io::repeat(0), &mut fs::File::create(&filler).unwrap()).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    let file = disk.0.path().join("box.backup");
    let told = refusal(&backup(&footbridge, &["create", file.to_str().unwrap()], PASSPHRASE));
    assert!(told.contains("No space left"), "{told}");
    assert_eq!(disk.names(), ["filler"]);
    fs::remove_file(&filler).unwrap();
    make(&footbridge, disk.0.path());
    assert!(backup(&footbridge, &["verify", file.to_str().unwrap()], PASSPHRASE).status.success());
}

#[test]
fn it_is_made_without_a_server_too_and_tells_nothing_without_its_passphrase() {
    let (mut footbridge, _) = claimed();
    footbridge.kill();
    let place = tempfile::tempdir().unwrap();
    let file = make(&footbridge, place.path());
    let bytes = fs::read(&file).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(b"ada") && !holds(b"user/") && !holds(&fs::read(footbridge.data().join("device.key")).unwrap()));
    let name = file.to_str().unwrap();
    assert!(refusal(&backup(&footbridge, &["create", name], PASSPHRASE)).contains("is there already"));
    assert!(refusal(&backup(&footbridge, &["create", "weak"], "password1234\n")).contains("among the first"));
    let good = backup(&footbridge, &["verify", name], PASSPHRASE);
    assert!(text(&good.stdout).starts_with("good: format 1, 1 users, 3 records"), "{}", text(&good.stdout));
    assert!(refusal(&backup(&footbridge, &["verify", name], "not this one at all\n")).contains("passphrase is wrong"));
}

#[test]
fn a_changed_file_is_found_before_anything_is_restored() {
    let (mut footbridge, _) = claimed();
    let place = tempfile::tempdir().unwrap();
    let good = fs::read(make(&footbridge, place.path())).unwrap();
    footbridge.kill();
    let empty = place.path().join("empty");
    let file = place.path().join("bad");
    let told = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let verified = backup(&footbridge, &["verify", file.to_str().unwrap()], PASSPHRASE);
        let words = ["restore", file.to_str().unwrap(), "--data", empty.to_str().unwrap()];
        let restored = refusal(&backup(&footbridge, &words, PASSPHRASE));
        assert!(fs::read_dir(&empty).unwrap().next().is_none(), "{what}: something was restored");
        assert!(refusal(&verified).contains(what) && restored.contains(what), "{restored}");
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    told(&flipped(good.len() - 1), "does not open");
    told(&flipped(40), "does not open");
    told(&flipped(good.len() / 2), "does not open");
    told(&good[..good.len() - 1], "does not open");
    told(&good[..30], "ends too early");
    // A head that asks for terabytes is not obeyed.
    told(&[&good[..20], &[0xff; 12], &good[32..]].concat(), "head was changed");
    told(b"something else", "is not a backup");
    told(&[b"footbridge-backup 2\n", &good[20..]].concat(), "newer footbridge");
}

#[test]
fn nothing_is_restored_over_something() {
    let (mut footbridge, _) = claimed();
    let place = tempfile::tempdir().unwrap();
    let file = make(&footbridge, place.path());
    footbridge.kill();
    let before = fs::read(footbridge.data().join("device.key")).unwrap();
    assert!(refusal(&backup(&footbridge, &["restore", file.to_str().unwrap()], PASSPHRASE)).contains("is not empty"));
    assert_eq!(fs::read(footbridge.data().join("device.key")).unwrap(), before);
    footbridge.start_again();
    footbridge.browser().sign_in(ADA);
}

/// The story: that the directory was empty was seen before somebody was asked for the passphrase. Whatever had come there while they looked
/// for it was written over, a box that people used already; and of two restores one took the other's work for what was left of an old one.
#[test]
fn what_came_while_the_passphrase_was_looked_for_is_not_written_over() {
    const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
    let (mut footbridge, _) = claimed();
    let place = tempfile::tempdir().unwrap();
    let file = make(&footbridge, place.path());
    footbridge.kill();
    fs::remove_dir_all(footbridge.data()).unwrap();
    let words = ["backup", "restore", file.to_str().unwrap()];
    let mut waits = footbridge.begin(&words);
    // It has the file open for as long as it reads it, and then waits for a line.
    until("the restore to wait for its passphrase", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", waits.id())).unwrap();
        (footbridge.data().exists() && stat.contains(") S ")).then_some(())
    });
    let second = refusal(&footbridge.command(&words, PASSPHRASE));
    assert!(second.contains("another restore is under way"), "{second}");
    footbridge.start_again_unclaimed();
    footbridge.browser().claim(footbridge.claim_code(), EVE);
    let key = || fs::read(footbridge.data().join("device.key")).unwrap();
    let before = key();
    waits.stdin.take().unwrap().write_all(PASSPHRASE.as_bytes()).unwrap();
    let told = refusal(&waits.wait_with_output().unwrap());
    assert!(told.contains("is not empty"), "{told}");
    assert_eq!(key(), before);
    footbridge.kill();
    footbridge.start_again();
    footbridge.browser().sign_in(EVE);
}

/// The device key gets its name last. Until then nothing starts, and nothing makes another key.
#[test]
fn half_a_restore_does_not_start_and_is_done_again() {
    let (mut footbridge, _) = claimed();
    let place = tempfile::tempdir().unwrap();
    let file = make(&footbridge, place.path());
    footbridge.kill();
    let data = footbridge.data();
    fs::remove_file(data.join("device.key")).unwrap();
    let told = footbridge.command(&["serve"], "");
    assert!(refusal(&told).contains("there is a database and no device.key"));
    for name in ["audit.log", "claim", "admin.sock"] {
        let _ = fs::remove_file(data.join(name));
    }
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(data.join(".restore-x")).unwrap();
    assert!(refusal(&footbridge.command(&["serve"], "")).contains("restore was interrupted"));
    assert!(!data.join("device.key").exists());
    let told = backup(&footbridge, &["restore", file.to_str().unwrap()], PASSPHRASE);
    assert!(told.status.success(), "{}", text(&told.stderr));
    footbridge.start_again();
    footbridge.browser().sign_in(ADA);
}

/// B8: from afar, with a proof for this alone; and it is the file that the command line makes.
#[test]
fn an_administrator_exports_one_over_the_page_with_a_proof() {
    let (mut box_, mut ada) = claimed();
    box_.add_user("eve", "a quiet river under the bridge");
    let mut eve = box_.browser();
    eve.sign_in(("eve", "a quiet river under the bridge"));
    let body = |passphrase: &str, proof: Option<&str>| json!({"passphrase": passphrase, "proof": proof});
    let passphrase = "seven lanterns by the weir";
    assert_eq!(eve.post("/api/backup", body(passphrase, Some(ADA.1))).refusal(403), "forbidden");
    assert_eq!(ada.post("/api/backup", body(passphrase, None)).refusal(403), "proof_needed");
    assert_eq!(ada.post("/api/backup", body(passphrase, Some("not the password"))).refusal(401), "wrong_code");
    assert_eq!(ada.post("/api/backup", body("short", Some(ADA.1))).expect(422)["field"], "passphrase");
    let reply = ada.post("/api/backup", body(passphrase, Some(ADA.1)));
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/octet-stream")));
    assert!(reply.header("content-disposition").unwrap().starts_with("attachment"));
    let folder = tempfile::tempdir().unwrap();
    let (file, words) = (folder.path().join("box.backup"), folder.path().join("passphrase"));
    fs::write(&file, &reply.body).unwrap();
    write_private(&words, passphrase);
    let verify = ["backup", "verify", file.to_str().unwrap(), "--passphrase-file", words.to_str().unwrap()];
    let done = box_.command(&verify, "");
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&box_.command(&["audit", "tail", "20"], "").stdout).contains("admin.backup"));
}

/// The story: who asks was looked at when they gave their proof, and then the backup waited for its turn and for Argon2. Seven of eight
/// were given to an account that was deleted meanwhile.
#[test]
fn whoever_is_put_out_while_a_backup_is_made_gets_none() {
    const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
    let (mut box_, _) = claimed();
    box_.add_user(EVE.0, EVE.1);
    assert!(box_.command(&["user", "role", EVE.0, "administrator"], "").status.success());
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut eve = box_.browser();
            eve.sign_in(EVE);
            thread::spawn(move || {
                let reply = eve.post("/api/backup", json!({"passphrase": PASSPHRASE.trim(), "proof": EVE.1}));
                (reply.status, reply.body.len())
            })
        })
        .collect();
    let audit = || fs::read_to_string(box_.data().join("audit.log")).unwrap();
    until("all proofs", || (audit().matches("\"event\":\"stepup\"").count() == waiting.len()).then_some(()));
    assert!(box_.command(&["user", "delete", EVE.0], "").status.success());
    let replies: Vec<_> = waiting.into_iter().map(|one| one.join().unwrap()).collect();
    let audit = audit();
    let (before, after) = audit.split_once("\"event\":\"cli.user.delete\"").unwrap();
    let made = |lines: &str| lines.matches("\"event\":\"admin.backup\"").count();
    let given = replies.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!((given, made(after)), (made(before), 0), "{replies:?}");
    assert!(given < replies.len() && replies.iter().all(|(status, _)| [200, 401].contains(status)), "{replies:?}");
}
