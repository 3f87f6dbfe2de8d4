//! F8: a device key that may have been copied is exchanged, whole or not at all, and whoever has only the old one has nothing.

use crate::second_factor::{Phone, enrol, half, take};
use crate::world::browser::{Browser, Target};
use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::patience::until;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::{ADA, claimed};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
const NEW_PASSWORD: &str = "an even longer bridge over it";
const PASSPHRASE: &str = "eleven lamps along the quay\n";

fn ordered(box_: &Footbridge, words: &[&str], stdin: &str) -> String {
    let done = box_.command(words, stdin);
    assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

#[track_caller]
fn refused(box_: &Footbridge, words: &[&str]) -> String {
    let done = box_.command(words, "");
    assert!(!done.status.success(), "{words:?}: {}", text(&done.stdout));
    text(&done.stderr)
}

fn stop(box_: &mut Footbridge) {
    box_.signal("TERM");
    until("the end of the process", || box_.ended());
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

fn put_back(good: &Path, data: &Path) {
    fs::remove_dir_all(data).unwrap();
    copy(good, data);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn rotations(box_: &Footbridge) -> usize {
    ordered(box_, &["audit", "tail", "1000"], "").matches("\"device-key.rotate\"").count()
}

fn credentials(browser: &mut Browser) -> usize {
    browser.get("/api/credentials").expect(200)["credentials"].as_array().unwrap().len()
}

/// As `eve`, whose second factor is on this phone.
fn eve_signs_in(box_: &Footbridge, phone: &Phone, steps: i64) -> Browser {
    let mut eve = half(box_, EVE, "factor");
    let reply = eve.post("/api/factor/verify", json!({"code": phone.code(steps)}));
    take(&mut eve, reply, 200, "full");
    eve
}

#[test]
fn everything_opens_after_a_rotation_and_nothing_with_the_old_key() {
    let host = SshServer::openssh();
    let (mut box_, mut ada) = claimed();
    let credential = ada.add_password(PASSWORD);
    let target = host.target(Some(&credential));
    ada.open_accepting(&target);
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    let (phone, codes) = enrol(&mut eve);
    eve.add_password("the password of a router");
    let place = tempfile::tempdir().unwrap();
    let (backup, words) = (place.path().join("box.backup"), place.path().join("words"));
    write_private(&words, PASSPHRASE);
    let (backup, words) = (backup.to_str().unwrap(), words.to_str().unwrap());
    ordered(&box_, &["backup", "create", backup, "--passphrase-file", words], "");

    let data = box_.data();
    let runs = |box_: &Footbridge| refused(box_, &["device-key", "rotate"]).contains("a footbridge runs on this data");
    assert!(runs(&box_));
    // The lock of the store tells it too.
    fs::remove_file(data.join("admin.sock")).unwrap();
    assert!(runs(&box_));
    stop(&mut box_);
    // As an earlier program would have left it before it brought the database up to date.
    copy(&data.join("footbridge.redb"), &data.join("footbridge.redb.format-0"));
    let old = place.path().join("old");
    copy(&data, &old);
    let told = ordered(&box_, &["device-key", "rotate"], "");
    assert!(told.starts_with("the device key is a new one: "), "{told}");
    assert!(told.contains("footbridge.redb.format-0 is removed") && told.contains("Backups and copies"), "{told}");
    let expected: Vec<_> = names(&old).into_iter().filter(|name| !name.ends_with("format-0")).collect();
    assert_eq!(names(&data), expected, "and nothing is left beside it");
    for name in ["device.key", "footbridge.redb", "audit.log"] {
        assert_eq!(fs::metadata(data.join(name)).unwrap().mode() & 0o777, 0o600, "{name}");
        assert_ne!(fs::read(data.join(name)).unwrap(), fs::read(old.join(name)).unwrap(), "{name}");
    }
    assert!(ordered(&box_, &["audit", "verify"], "").starts_with("good: "));
    assert!(ordered(&box_, &["audit", "tail", "1000"], "").contains("\"device-key.rotate\""));
    assert_eq!(ordered(&box_, &["doctor"], "").matches("no rotation is under way").count(), 1);
    nothing_is_left_of_the_old_slots(&old, &data);

    // Everybody signs in, twice: with the slot as the rotation left it, and as the first sign-in left it.
    box_.start_again();
    for _ in 0..2 {
        let mut ada = box_.browser();
        ada.sign_in(ADA);
        // The credential opens, and goes where it went before.
        ada.password = None;
        ada.open(&target).until_prompt();
    }
    assert_eq!(credentials(&mut eve_signs_in(&box_, &phone, 0)), 1);

    // Once more, with slots of both kinds; then a recovery code sets another password and keeps what is stored.
    stop(&mut box_);
    ordered(&box_, &["device-key", "rotate"], "");
    assert_eq!(rotations(&box_), 2);
    box_.start_again();
    assert_eq!(credentials(&mut eve_signs_in(&box_, &phone, 1)), 1);
    let token = ordered(&box_, &["user", "reset-password", "eve"], "");
    let token = token.lines().next().unwrap().strip_prefix("reset-token ").unwrap();
    let reset = json!({"token": token, "password": NEW_PASSWORD, "recovery_code": codes[0]});
    box_.browser().post("/api/reset", reset).expect(204);
    let mut owing = half(&box_, (EVE.0, NEW_PASSWORD), "factor");
    let reply = owing.post("/api/factor/recover", json!({"code": codes[1]}));
    take(&mut owing, reply, 200, "recovered");
    enrol(&mut owing);
    assert_eq!(credentials(&mut owing), 1, "a recovery code from before two rotations keeps the vault");

    // The old device key beside the new database: refused in a line that says what to do.
    stop(&mut box_);
    let key = fs::read(data.join("device.key")).unwrap();
    fs::write(data.join("device.key"), fs::read(old.join("device.key")).unwrap()).unwrap();
    for words in [["serve"].as_slice(), &["user", "list"], &["audit", "verify"], &["device-key", "rotate"]] {
        assert!(refused(&box_, words).contains("was written under another device.key"), "{words:?}");
    }
    fs::write(data.join("device.key"), key).unwrap();
    assert!(ordered(&box_, &["audit", "verify"], "").starts_with("good: "));

    // A backup from before has its own key in it.
    fs::remove_dir_all(&data).unwrap();
    ordered(&box_, &["backup", "restore", backup, "--passphrase-file", words], "");
    box_.start_again();
    let mut ada = box_.browser();
    ada.sign_in(ADA);
    ada.password = None;
    ada.open(&target).until_prompt();
}

/// Not in free pages either: whoever has the old key, and then this file, has nothing to try passwords on.
fn nothing_is_left_of_the_old_slots(old: &Path, new: &Path) {
    let before = fs::read(old.join("footbridge.redb")).unwrap();
    let after = fs::read(new.join("footbridge.redb")).unwrap();
    let holds = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let needle = br#"["password",""#;
    let slots: Vec<&[u8]> = (0..before.len() - 200)
        .filter(|at| before[*at..].starts_with(needle))
        .map(|at| &before[at + needle.len()..at + needle.len() + 90])
        .collect();
    assert!(slots.len() >= 2, "{}", slots.len());
    assert!(slots.iter().all(|slot| !holds(&after, slot)));
    assert!(!holds(&after, needle) && holds(&after, br#"["password",{"nested":""#));
}

/// A box at rest with two users, and beside it a copy of its data.
fn at_rest(place: &Path) -> Footbridge {
    let (mut box_, mut ada) = claimed();
    let target = Target { address: "192.0.2.7", port: 22, user: "root", credential: None };
    ada.add_host(&target);
    ada.add_password("hunter2hunter2");
    box_.add_user(EVE.0, EVE.1);
    stop(&mut box_);
    copy(&box_.data(), &place.join("old"));
    box_
}

/// Each set of files that a power cut can leave: whatever has its name already, the next command or start moves the rest.
#[test]
fn wherever_it_was_interrupted_it_is_finished_before_anything_else() {
    let place = tempfile::tempdir().unwrap();
    let mut box_ = at_rest(place.path());
    let (old, new, data) = (place.path().join("old"), place.path().join("new"), box_.data());
    ordered(&box_, &["device-key", "rotate"], "");
    copy(&data, &new);
    let moved = ["audit.log", "footbridge.redb", "device.key"];
    let (backup, words) = (place.path().join("box.backup"), place.path().join("words"));
    write_private(&words, PASSPHRASE);
    let (backup, words) = (backup.to_str().unwrap(), words.to_str().unwrap());
    let create: &[&str] = &["backup", "create", backup, "--passphrase-file", words];
    let first: [&[&str]; 5] = [&["serve"], create, &["audit", "verify"], &["user", "list"], &["device-key", "rotate"]];
    for in_place in 0..1 << moved.len() {
        put_back(&old, &data);
        copy(&old.join("footbridge.redb"), &data.join(".footbridge.redb.format-0.half"));
        let ready = data.join("rotation");
        fs::create_dir(&ready).unwrap();
        fs::set_permissions(&ready, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        for (number, name) in moved.iter().enumerate() {
            let to = if in_place >> number & 1 == 1 { &data } else { &ready };
            copy(&new.join(name), to);
        }
        assert!(ordered(&box_, &["doctor"], "").contains("a rotation was interrupted"));
        assert!(ready.exists(), "the doctor changes nothing");
        match first[in_place % first.len()] {
            ["serve"] => {
                box_.start_again();
                let mut ada = box_.browser();
                ada.sign_in(ADA);
                assert_eq!(credentials(&mut ada), 1);
                stop(&mut box_);
            }
            ["device-key", ..] => {
                assert!(ordered(&box_, &["device-key", "rotate"], "").contains("that was interrupted is finished"))
            }
            words => drop(ordered(&box_, words, "")),
        }
        if fs::exists(backup).unwrap() {
            assert!(
                ordered(&box_, &["backup", "verify", backup, "--passphrase-file", words], "").starts_with("good: ")
            );
            fs::remove_file(backup).unwrap();
        }
        assert_eq!(names(&data), names(&new), "{in_place}");
        assert_eq!(fs::read(data.join("device.key")).unwrap(), fs::read(new.join("device.key")).unwrap());
        assert!(ordered(&box_, &["audit", "verify"], "").starts_with("good: "), "{in_place}");
        assert_eq!(rotations(&box_), 1, "{in_place}");
    }
}

/// The real program, killed at each of its calls that give or take names or wait for the disk: then everything is as it was before, or
/// as it is to be.
#[test]
fn killed_at_any_step_it_is_whole_or_did_not_happen() {
    let place = tempfile::tempdir().unwrap();
    let mut box_ = at_rest(place.path());
    let (old, data) = (place.path().join("old"), box_.data());
    let (mut undone, mut done) = (0, 0);
    for step in 1..1000 {
        put_back(&old, &data);
        let calls = "rename,renameat2,mkdir,rmdir,unlink,fsync,fdatasync";
        let told = box_.command_refused(&format!("{calls}:signal=SIGKILL:when={step}"), &["device-key", "rotate"], "");
        if told.status.success() {
            break;
        }
        assert!(ordered(&box_, &["audit", "verify"], "").starts_with("good: "), "step {step}");
        assert_eq!(names(&data), names(&old), "step {step}: nothing is left beside it");
        let is_old = fs::read(data.join("device.key")).unwrap() == fs::read(old.join("device.key")).unwrap();
        assert_eq!(rotations(&box_), usize::from(!is_old), "step {step}");
        *(if is_old { &mut undone } else { &mut done }) += 1;
        assert!(undone == 0 || done == 0 || !is_old, "step {step}: what was done is undone by a later step");
    }
    assert!(undone >= 4 && done >= 4, "{undone} {done}");
    box_.start_again();
    box_.browser().sign_in(ADA);
    box_.browser().sign_in(EVE);
}

/// On a full disk, wherever it is met first.
#[test]
fn what_cannot_be_made_whole_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut box_ = at_rest(place.path());
    let (old, data) = (place.path().join("old"), box_.data());
    for call in ["mkdir", "pwrite64", "fsync", "rename"] {
        let told = box_.command_refused(&format!("{call}:error=ENOSPC:when=1+"), &["device-key", "rotate"], "");
        assert!(!told.status.success() && text(&told.stderr).contains("No space left"), "{call}: {told:?}");
        assert_eq!(names(&data), names(&old), "{call}");
        assert_eq!(fs::read(data.join("device.key")).unwrap(), fs::read(old.join("device.key")).unwrap(), "{call}");
    }
    assert!(ordered(&box_, &["audit", "verify"], "").starts_with("good: "));
    box_.start_again();
    box_.browser().sign_in(ADA);
}
