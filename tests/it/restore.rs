//! A backup is brought to a new box by its page: whoever holds the claim code restores it whole, or nothing has changed; and wherever the
//! power fails, the box is afterwards the one that it was or the one that was restored.

use crate::full_disk_routes::Disk;
use crate::world::browser::{Browser, Reply, Target};
use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::patience::until;
use crate::world::proxy::closed_port;
use crate::world::{ADA, claimed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
const PASSPHRASE: &str = "eleven lamps along the quay";
/// With what stands around it this fits into the body of a stranger, in Base64.
const PIECE: usize = 2700;

/// A box of two people, its backup, and what browsers know it by. It runs no more.
struct Old {
    box_: Footbridge,
    place: TempDir,
    backup: Vec<u8>,
    fingerprint: String,
    credential: String,
    device_key: Vec<u8>,
}

const TARGET: Target<'_> = Target { address: "192.0.2.7", port: 22, user: "root", credential: None };

impl Old {
    fn new() -> Old {
        let (mut box_, mut ada) = claimed();
        box_.add_user(EVE.0, EVE.1);
        let credential = ada.add_password("hunter2hunter2");
        ada.start_session(&Target { credential: Some(&credential), ..TARGET }).expect(201);
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("box.backup");
        let told = box_.command(&["backup", "create", file.to_str().unwrap()], &format!("{PASSPHRASE}\n"));
        assert!(told.status.success(), "{}", text(&told.stderr));
        let device_key = fs::read(box_.data().join("device.key")).unwrap();
        let fingerprint = box_.fingerprint().to_owned();
        box_.kill();
        Old { box_, backup: fs::read(file).unwrap(), place, fingerprint, credential, device_key }
    }

    /// Everything is there that was, and nothing of what was there before.
    fn is_back(&self, box_: &Footbridge, mut browser: Browser) {
        browser.sign_in(EVE);
        browser.sign_in(ADA);
        // The credential opens with its user's password, and goes where it went before without another proof.
        browser.password = None;
        browser.start_session(&Target { credential: Some(&self.credential), ..TARGET }).expect(201);
        assert_eq!(fs::read(box_.data().join("device.key")).unwrap(), self.device_key);
        for gone in ["claim", "restored", ".restored", "audit.log.1"] {
            assert!(!box_.data().join(gone).exists(), "{gone}");
        }
        let verified = box_.command(&["audit", "verify"], "");
        assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
    }
}

/// A new box, at an address where it is found again after it has started anew by itself.
fn new_box() -> Footbridge {
    Footbridge::start_with(&[("FOOTBRIDGE_LISTEN", &format!("127.0.0.1:{}", closed_port()))])
}

fn begin(browser: &mut Browser, code: &str, bytes: usize) -> Value {
    browser.post("/api/restore", json!({"code": code, "bytes": bytes})).expect(201)["upload"].clone()
}

fn put(browser: &mut Browser, code: &str, upload: &Value, at: usize, piece: &[u8]) -> Reply {
    let body = json!({"code": code, "upload": upload, "at": at, "data": BASE64.encode(piece)});
    browser.put("/api/restore", body)
}

fn send(browser: &mut Browser, code: &str, backup: &[u8]) -> Value {
    let upload = begin(browser, code, backup.len());
    let mut whole = false;
    for (number, piece) in backup.chunks(PIECE).enumerate() {
        assert!(!whole);
        whole = put(browser, code, &upload, number * PIECE, piece).expect(200)["whole"] == true;
    }
    assert!(whole);
    upload
}

fn finish(browser: &mut Browser, code: &str, upload: &Value, passphrase: &str) -> Reply {
    browser.post("/api/restore/finish", json!({"code": code, "upload": upload, "passphrase": passphrase}))
}

/// The box at the same address, once it shows this certificate.
fn come_back(box_: &Footbridge, fingerprint: &str) -> Browser {
    let browser = Browser::new(box_.address(), fingerprint);
    until("the restored box", || browser.connect().ok());
    browser
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_takes_the_place_of_a_box_that_nobody_has_claimed() {
    let (old, mut box_) = (Old::new(), new_box());
    assert_ne!(box_.fingerprint(), old.fingerprint);
    write_private(&box_.data().join("audit.log.1"), "of before\n");
    let (mut browser, code) = (box_.browser(), box_.claim_code().to_lowercase().replace('-', " "));
    let upload = send(&mut browser, &code, &old.backup);
    let before = names(&box_.data());
    assert_eq!(finish(&mut browser, &code, &upload, "not this one at all").expect(422)["field"], "passphrase");
    assert_eq!(names(&box_.data()), before, "a wrong passphrase leaves nothing");
    // It need not be sent again.
    let reply = finish(&mut browser, &code, &upload, PASSPHRASE);
    assert_eq!((reply.status, &reply.json()["users"]), (202, &json!(2)));
    let mut browser = come_back(&box_, &old.fingerprint);
    assert_eq!(browser.get("/api/state").expect(200)["claimed"], true);
    assert!(box_.is_running(), "it has started anew by itself, with its own number");
    old.is_back(&box_, browser.clone());
    let audit = text(&box_.command(&["audit", "tail", "100"], "").stdout);
    let first: Value = serde_json::from_str(audit.lines().next().unwrap()).unwrap();
    assert_eq!((&first["event"], &first["peer"]), (&json!("claim.restore"), &json!("127.0.0.1")));
    assert!(!audit.contains(PASSPHRASE) && !box_.log().contains(PASSPHRASE));
    // The way in is gone for good.
    let nobody = json!({"code": code, "bytes": 1});
    assert_eq!(box_.browser().address, browser.address);
    assert_eq!(browser.post("/api/restore", nobody.clone()).refusal(404), "not_found");
    box_.kill();
    box_.start_again();
    assert!(!box_.prints_a_claim_code());
    assert_eq!(box_.browser().post("/api/restore", nobody).refusal(404), "not_found");
    old.is_back(&box_, box_.browser());
}

#[test]
fn nobody_restores_without_the_code_or_over_somebody() {
    let (old, mut box_) = (Old::new(), new_box());
    let (mut browser, code) = (box_.browser(), box_.claim_code().to_owned());
    let upload = send(&mut browser, &code, &old.backup);
    let wrong = "AAAAA-AAAAA-AAAAA-AAAAA";
    assert_eq!(browser.post("/api/restore", json!({"code": wrong, "bytes": 1})).refusal(401), "sign_in_failed");
    assert_eq!(put(&mut browser, wrong, &upload, 0, b"x").refusal(401), "sign_in_failed");
    assert_eq!(finish(&mut browser, wrong, &upload, PASSPHRASE).refusal(401), "sign_in_failed");
    assert_eq!(text(&box_.command(&["audit", "tail"], "").stdout).matches("claim.failed").count(), 3);
    // Somebody who has an account keeps it, though the box belongs to nobody yet.
    box_.add_user(EVE.0, EVE.1);
    assert_eq!(finish(&mut browser, &code, &upload, PASSPHRASE).refusal(409), "conflict");
    // And somebody to whom it belongs has closed the door.
    box_.browser().claim(&code, ADA);
    assert_eq!(finish(&mut browser, &code, &upload, PASSPHRASE).refusal(404), "not_found");
    assert_eq!(put(&mut browser, &code, &upload, 0, b"x").refusal(404), "not_found");
    assert!(!names(&box_.data()).iter().any(|name| name.contains("restored")));
    box_.kill();
    box_.start_again();
    box_.browser().sign_in(EVE);
}

#[test]
fn what_is_no_good_backup_is_refused_in_words_and_changes_nothing() {
    let (old, box_) = (Old::new(), new_box());
    let (mut browser, code) = (box_.browser(), box_.claim_code());
    let mut told = |bytes: &[u8], field: &str, what: &str| {
        let upload = send(&mut browser, code, bytes);
        let before = names(&box_.data());
        let refused = finish(&mut browser, code, &upload, PASSPHRASE).expect(422);
        assert_eq!(refused["field"], field, "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(what), "{refused}");
        assert_eq!(names(&box_.data()), before);
    };
    let flipped = |at: usize| {
        let mut bytes = old.backup.clone();
        bytes[at] ^= 1;
        bytes
    };
    told(&flipped(old.backup.len() / 2), "passphrase", "It does not open");
    told(&old.backup[..old.backup.len() - 1], "passphrase", "cut off.");
    told(&old.backup[..30], "backup", "ends too early");
    told(b"something else", "backup", "This is not a backup.");
    told(&[b"footbridge-backup 2\n", &old.backup[20..]].concat(), "backup", "newer footbridge");
    // A head that asks for terabytes is not obeyed.
    told(&[&old.backup[..20], &[0xff; 12], &old.backup[32..]].concat(), "backup", "head was changed");
    for bytes in [0, 1_u64 << 40] {
        let refused = browser.post("/api/restore", json!({"code": code, "bytes": bytes})).expect(422);
        assert_eq!(refused["field"], "backup");
    }
    browser.claim(code, ADA);
}

/// The key of a backup, as docs/FORMAT.md has it.
fn key_of(head: &[u8]) -> [u8; 32] {
    let number = |at: usize| u32::from_be_bytes(head[20 + 4 * at..24 + 4 * at].try_into().unwrap());
    let cost = argon2::Params::new(number(0), number(1), number(2), Some(64)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, cost);
    let (mut root, mut key) = ([0; 64], [0; 32]);
    argon2.hash_password_into(PASSPHRASE.as_bytes(), &head[32..48], &mut root).unwrap();
    hkdf::Hkdf::<sha2::Sha256>::new(None, &root).expand(b"footbridge v1 backup", &mut key).unwrap();
    key
}

/// The same backup with this done to what is in it.
fn altered(backup: &[u8], alter: impl Fn(&mut Value)) -> Vec<u8> {
    let (head, sealed) = backup.split_at(48);
    let cipher = XChaCha20Poly1305::new((&key_of(head)).into());
    let (nonce, sealed) = sealed.split_at(24);
    let nonce = XNonce::try_from(nonce).unwrap();
    let text = cipher.decrypt(&nonce, Payload { msg: sealed, aad: head }).unwrap();
    let mut bundle = serde_json::from_slice(&text).unwrap();
    alter(&mut bundle);
    let text = serde_json::to_vec(&bundle).unwrap();
    [head, &nonce, &cipher.encrypt(&nonce, Payload { msg: &text, aad: head }).unwrap()].concat()
}

/// The story: only the names of the certificates' files were looked at. What was called good took the box's place, and the box ended at
/// every start.
#[test]
fn a_backup_whose_certificates_cannot_be_read_is_refused_before_it_takes_the_box_s_place() {
    let old = Old::new();
    let with_junk = |names: &[&str]| {
        altered(&old.backup, |bundle| {
            for file in bundle["tls"].as_array_mut().unwrap() {
                if names.contains(&file[0].as_str().unwrap()) {
                    file[1] = BASE64.encode("x").into();
                }
            }
        })
    };
    let verify = |backup: &[u8]| {
        let file = old.place.path().join("altered");
        fs::write(&file, backup).unwrap();
        old.box_.command(&["backup", "verify", file.to_str().unwrap()], &format!("{PASSPHRASE}\n"))
    };
    let bad = with_junk(&["ca.pem", "ca.key", "leaf.pem", "leaf.key", "leaf.json"]);
    let told = verify(&bad);
    assert!(!told.status.success() && text(&told.stderr).contains("certificates"), "{}", text(&told.stderr));
    let box_ = new_box();
    let (mut browser, code) = (box_.browser(), box_.claim_code().to_owned());
    let before = names(&box_.data());
    let upload = send(&mut browser, &code, &bad);
    let refused = finish(&mut browser, &code, &upload, PASSPHRASE).expect(422);
    assert!(refused["field"] == "backup" && refused["message"].as_str().unwrap().contains("certificates"), "{refused}");
    assert_eq!(names(&box_.data()), before);
    // What the start makes anew is no reason to refuse all the rest.
    let good = with_junk(&["leaf.pem", "leaf.key", "leaf.json"]);
    assert!(verify(&good).status.success());
    let upload = send(&mut browser, &code, &good);
    finish(&mut browser, &code, &upload, PASSPHRASE).expect(202);
    let ca = fs::read(old.box_.data().join("tls/ca.pem")).unwrap();
    until("the start with another leaf and the same CA", || {
        let leaf = fs::read(box_.data().join("tls/leaf.pem")).ok()?;
        (leaf.len() > 1 && leaf.ends_with(&ca)).then_some(())
    });
}

#[test]
fn pieces_that_are_lost_or_too_many_are_not_glued_and_a_kill_leaves_nothing() {
    let (old, mut box_) = (Old::new(), new_box());
    let (mut browser, code) = (box_.browser(), box_.claim_code().to_owned());
    let upload = begin(&mut browser, &code, old.backup.len());
    put(&mut browser, &code, &upload, 0, &old.backup[..PIECE]).expect(200);
    // The answer was lost, and the piece comes once more; or one is missing.
    assert_eq!(put(&mut browser, &code, &upload, 0, &old.backup[..PIECE]).refusal(409), "conflict");
    assert_eq!(put(&mut browser, &code, &upload, 2 * PIECE, &old.backup[..1]).refusal(409), "conflict");
    assert_eq!(finish(&mut browser, &code, &upload, PASSPHRASE).refusal(404), "not_found");
    // Another browser begins again.
    let mut other = box_.browser();
    let second = send(&mut other, &code, &old.backup);
    assert_eq!(put(&mut browser, &code, &upload, PIECE, &old.backup[PIECE..][..1]).refusal(404), "not_found");
    let before = names(&box_.data());
    box_.kill();
    box_.start_again_unclaimed();
    assert_eq!(names(&box_.data()), before);
    let code = box_.claim_code().to_owned();
    assert_eq!(finish(&mut box_.browser(), &code, &second, PASSPHRASE).refusal(404), "not_found");
    box_.browser().claim(&code, ADA);
}

#[test]
fn a_disk_that_takes_nothing_is_said_and_the_box_stays_as_it_was() {
    for read_only in [false, true] {
        let (old, disk) = (Old::new(), Disk::new());
        let data = disk.data();
        let listen = format!("127.0.0.1:{}", closed_port());
        let settings = [("FOOTBRIDGE_DATA", data.to_str().unwrap()), ("FOOTBRIDGE_LISTEN", &listen)];
        let mut box_ = Footbridge::start_with(&settings);
        let (mut browser, mut code) = (box_.browser(), box_.claim_code().to_owned());
        let mut upload = send(&mut browser, &code, &old.backup);
        let before = names(&data);
        let wanted = if read_only { "disk_read_only" } else { "disk_full" };
        if read_only {
            disk.become_read_only()
        } else {
            disk.fill()
        }
        assert_eq!(finish(&mut browser, &code, &upload, PASSPHRASE).refusal(507), wanted);
        assert_eq!(names(&data), before);
        assert_eq!(browser.get("/api/state").expect(200)["claimed"], false);
        if read_only {
            box_.kill();
            disk.mount_anew();
            box_.start_again_unclaimed();
            code = box_.claim_code().to_owned();
            browser = box_.browser();
            upload = send(&mut browser, &code, &old.backup);
        } else {
            disk.make_room();
        }
        finish(&mut browser, &code, &upload, PASSPHRASE).expect(202);
        let mut browser = come_back(&box_, &old.fingerprint);
        browser.sign_in(ADA);
    }
}

/// A box that was stopped when a restore lay ready: its folder, to be copied.
fn ready(old: &Old, data: &Path) {
    let restored = data.join("restored");
    fs::DirBuilder::new().mode(0o700).create(&restored).unwrap();
    let file = old.place.path().join("box.backup");
    let (box_, words) = (new_box(), ["backup", "restore", file.to_str().unwrap()]);
    let elsewhere = old.place.path().join("files");
    let words = [&words[..], &["--data", elsewhere.to_str().unwrap()]].concat();
    let told = box_.command(&words, &format!("{PASSPHRASE}\n"));
    assert!(told.status.success(), "{}", text(&told.stderr));
    for name in ["tls", "footbridge.redb", "device.key"] {
        fs::rename(elsewhere.join(name), restored.join(name)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let done = Command::new("cp").args(["-a", from.to_str().unwrap(), to.to_str().unwrap()]).status().unwrap();
    assert!(done.success());
}

/// The process that puts the files in place is killed at each of its calls that changes a name, one after the other.
#[test]
fn whenever_the_power_fails_the_next_start_finishes_what_lay_ready() {
    let (old, mut box_) = (Old::new(), new_box());
    box_.kill();
    ready(&old, &box_.data());
    let saved = old.place.path().join("saved");
    copy(&box_.data(), &saved);
    let mut cuts = 0;
    // Each call is counted for itself.
    for call in ["rename", "unlink", "unlinkat", "rmdir", "fsync"] {
        for nth in 1.. {
            copy(&saved, &box_.data());
            let told = box_.command_refused(&format!("{call}:signal=KILL:when={nth}"), &["user", "list"], "");
            if told.status.success() {
                assert!(text(&told.stdout).contains("eve"), "{}", text(&told.stdout));
                break;
            }
            cuts += 1;
            let told = box_.command(&["user", "list"], "");
            assert!(text(&told.stdout).contains("eve"), "{call} {nth}: {}", text(&told.stderr));
            let left = names(&box_.data());
            let stray = left.iter().find(|name| name.contains("restored") || name.as_str() == "claim");
            assert!(stray.is_none(), "{call} {nth}: {left:?}");
            assert_eq!(fs::read(box_.data().join("device.key")).unwrap(), old.device_key, "{call} {nth}");
        }
    }
    assert!(cuts >= 10, "only {cuts}");
    copy(&saved, &box_.data());
    box_.start_again();
    assert_eq!(box_.fingerprint(), old.fingerprint);
    assert!(!box_.prints_a_claim_code());
    fs::remove_file(box_.data().join("audit.log")).unwrap();
    box_.kill();
    box_.start_again();
    old.is_back(&box_, box_.browser());
}

/// Cut off before it had its name, it is nothing: the box is the one that it was.
#[test]
fn what_was_never_whole_goes() {
    let (old, mut box_) = (Old::new(), new_box());
    let fingerprint = box_.fingerprint().to_owned();
    box_.kill();
    ready(&old, &box_.data());
    fs::rename(box_.data().join("restored"), box_.data().join(".restored")).unwrap();
    box_.start_again_unclaimed();
    assert_eq!(box_.fingerprint(), fingerprint);
    assert!(!box_.data().join(".restored").exists());
    box_.browser().claim(box_.claim_code(), ADA);
    assert_eq!(box_.browser().try_sign_in(EVE.0, EVE.1).status, 401);
}
