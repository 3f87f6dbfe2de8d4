//! An update is signed and serves, or nothing has changed: the program that runs stays, or comes back by itself.

use crate::world::browser::{Browser, Reply};
use crate::world::footbridge::{text, write_private};
use crate::world::patience::until;
use crate::world::{ADA, claimed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const REAL: &str = env!("CARGO_BIN_EXE_footbridge");

/// A program in a folder of its own, a key for its updates, and a server that somebody claimed.
struct Installed {
    folder: TempDir,
    key: Ed25519KeyPair,
    server: Option<Child>,
}

fn new_key() -> Ed25519KeyPair {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()
}

impl Installed {
    fn new() -> Installed {
        let (folder, key) = (tempfile::tempdir().unwrap(), new_key());
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::copy(REAL, folder.path().join("bin/footbridge")).unwrap();
        // RFC 8410: what stands before the 32 bytes of an Ed25519 key.
        let der = [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], key.public_key().as_ref()].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(der));
        fs::write(folder.path().join("update.pem"), pem).unwrap();
        Installed { folder, key, server: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self) -> Vec<u8> {
        fs::read(self.path("bin/footbridge")).unwrap()
    }

    fn environment(&self, command: &mut Command) {
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("FOOTBRIDGE_")) {
            command.env_remove(key);
        }
        command
            .env("FOOTBRIDGE_DATA", self.path("data"))
            .env("FOOTBRIDGE_LISTEN", "127.0.0.1:0")
            .env("FOOTBRIDGE_SECOND_FACTOR", "optional")
            .env("FOOTBRIDGE_UPDATE_KEY", self.path("update.pem"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
    }

    fn start(&mut self, script: &str) -> Browser {
        let mut command = Command::new("sh");
        self.environment(&mut command);
        command.args(["-c", script]).process_group(0);
        command.stdout(File::create(self.path("out")).unwrap()).stderr(File::create(self.path("log")).unwrap());
        self.server = Some(command.spawn().unwrap());
        let code = until("the claim code", || self.announced("claim-code "));
        let mut browser = self.browser();
        browser.claim(&code, ADA);
        browser
    }

    /// Nobody watches over it: what becomes of it is its own doing.
    fn start_alone(&mut self) -> Browser {
        self.start("exec bin/footbridge serve")
    }

    /// Whatever ends is started anew, as systemd, procd and init do it.
    fn start_watched_over(&mut self) -> Browser {
        self.start("while :; do bin/footbridge serve; sleep 0.2; done")
    }

    /// The last whole line that begins so.
    fn announced(&self, start: &str) -> Option<String> {
        let out = fs::read_to_string(self.path("out")).unwrap();
        let whole = &out[..out.rfind('\n')? + 1];
        whole.lines().rev().find_map(|line| line.strip_prefix(start)).map(str::to_owned)
    }

    /// Somebody who comes to the address that was announced last.
    fn browser(&self) -> Browser {
        let address = self.announced("listening https://").unwrap().parse().unwrap();
        Browser::new(address, &self.announced("certificate sha256:").unwrap())
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.path("out")).unwrap().matches("listening ").count()
    }

    /// A file as the maker of releases would publish it.
    fn release(&self, bytes: &[u8]) -> PathBuf {
        let file = self.path("release");
        fs::write(&file, bytes).unwrap();
        fs::write(self.path("release.sig"), self.key.sign(bytes).as_ref()).unwrap();
        file
    }

    fn update(&self, words: &[&str]) -> Output {
        let mut command = Command::new(self.path("bin/footbridge"));
        self.environment(&mut command);
        command.arg("update").args(words).output().unwrap()
    }

    /// `update` as it must end when nothing may change. Its one line on stderr.
    fn refuses(&self, file: &Path) -> String {
        let (before, starts) = (self.program(), self.starts());
        let done = self.update(&[file.to_str().unwrap()]);
        assert_eq!(done.status.code(), Some(2), "{}{}", text(&done.stdout), text(&done.stderr));
        assert!(self.program() == before, "the program was changed");
        let left = fs::read_dir(self.path("bin")).unwrap().count();
        assert_eq!(left, 1, "something is left beside the program");
        assert_eq!(self.starts(), starts, "the server was started anew");
        text(&done.stderr)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let group = format!("-{}", server.id());
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
            let _ = server.wait();
        }
        if std::thread::panicking() {
            eprintln!("---- log ----\n{}", fs::read_to_string(self.path("log")).unwrap_or_default());
        }
    }
}

/// The same program with other bytes, as a second build has them.
fn second_build() -> Vec<u8> {
    let mut bytes = fs::read(REAL).unwrap();
    bytes.extend(b"a second build");
    bytes
}

/// A program that says it is of that version and does what `otherwise` says, except that an empty box is really served.
fn script(version: &str, otherwise: &str) -> Vec<u8> {
    let trial = format!("case \"$*\" in *footbridge-trial-*) exec {REAL} \"$@\";; esac");
    format!("#!/bin/sh\n[ \"$1\" = version ] && echo 'footbridge {version}' && exit\n{trial}\n{otherwise}\n")
        .into_bytes()
}

#[test]
fn a_signed_program_takes_over_in_the_same_process_and_the_way_back_is_open() {
    let mut box_ = Installed::new();
    box_.start_alone();
    let first = box_.program();
    let file = box_.release(&second_build());
    let done = box_.update(&[file.to_str().unwrap()]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(text(&done.stdout).contains("is installed and serves"), "{}", text(&done.stdout));
    assert!(box_.program() == second_build());
    assert!(fs::read(box_.path("bin/footbridge.previous")).unwrap() == first);
    let server = box_.server.as_mut().unwrap();
    assert_eq!(server.try_wait().unwrap(), None, "the process has gone on");
    assert_eq!(box_.starts(), 2);
    box_.browser().sign_in(ADA);

    let done = box_.update(&["back"]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(box_.program() == first && box_.starts() == 3);
    assert!(fs::read(box_.path("bin/footbridge.previous")).unwrap() == second_build());
    box_.browser().sign_in(ADA);
}

#[test]
fn a_watched_over_one_is_updated_too() {
    let mut box_ = Installed::new();
    box_.start_watched_over();
    let file = box_.release(&second_build());
    let done = box_.update(&[file.to_str().unwrap()]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(box_.program() == second_build());
    box_.browser().sign_in(ADA);
}

#[test]
fn what_the_trusted_key_has_not_signed_changes_nothing() {
    let mut box_ = Installed::new();
    let mut browser = box_.start_alone();
    let whole = second_build();
    let file = box_.release(&whole);
    let signature = box_.path("release.sig");
    let good = fs::read(&signature).unwrap();

    fs::write(&signature, new_key().sign(&whole).as_ref()).unwrap();
    assert!(box_.refuses(&file).contains("another key signed it"));
    let mut bent = good.clone();
    bent[63] ^= 1;
    for bad in [&bent[..], &good[..63], &[], &[good.clone(), vec![0]].concat()] {
        fs::write(&signature, bad).unwrap();
        box_.refuses(&file);
    }
    fs::remove_file(&signature).unwrap();
    assert!(box_.refuses(&file).contains("release.sig"));

    fs::write(&signature, &good).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(box_.refuses(&file).contains("not what was signed"), "{length} bytes");
    }
    let mut changed = whole.clone();
    changed[4711] ^= 1;
    fs::write(&file, &changed).unwrap();
    box_.refuses(&file);
    fs::remove_file(&file).unwrap();
    box_.refuses(&file);
    assert!(browser.is_signed_in(), "nobody was disturbed");
}

#[test]
fn what_is_signed_but_older_or_unfit_changes_nothing() {
    let mut box_ = Installed::new();
    let mut browser = box_.start_alone();
    for (bytes, told) in [
        (script("0.0.9", "exit 1"), "version 0.0.9 is older"),
        (script("yesterday", "exit 1"), "its version is 'yesterday'"),
        (b"no program at all".to_vec(), "does not run on this machine"),
        (b"#!/bin/sh\nexit 0\n".to_vec(), "does not run on this machine"),
        (
            b"#!/bin/sh\n[ \"$1\" = version ] && echo footbridge 99.0.0\n".to_vec(),
            "does not serve, not even an empty box",
        ),
    ] {
        let file = box_.release(&bytes);
        let said = box_.refuses(&file);
        assert!(said.contains(told), "{said}");
    }
    assert!(browser.is_signed_in(), "nobody was disturbed");
}

/// The trial passes, and then the real data is too much for it: the case that only a look after the restart can find.
fn comes_back_after(otherwise: &str) {
    let mut box_ = Installed::new();
    box_.start_watched_over();
    let before = box_.program();
    let file = box_.release(&script("99.0.0", otherwise));
    let done = box_.update(&[file.to_str().unwrap(), "--wait", "5"]);
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{}{said}", text(&done.stdout));
    assert!(said.contains("does not serve") && said.contains("the previous one is back and serves"), "{said}");
    assert!(box_.program() == before);
    let last = box_.ending();
    assert!(
        last["installed"] == false && said.contains(last["told"].as_str().unwrap()),
        "the page says it too: {last}"
    );
}

#[test]
fn a_program_that_ends_on_the_real_data_is_rolled_back() {
    comes_back_after("exit 1");
}

#[test]
fn a_program_that_hangs_on_the_real_data_is_rolled_back() {
    comes_back_after("exec sleep 1000000");
}

#[test]
fn without_a_server_the_program_is_exchanged_all_the_same() {
    let box_ = Installed::new();
    let file = box_.release(&second_build());
    let done = box_.update(&[file.to_str().unwrap()]);
    assert!(text(&done.stdout).contains("no server runs"), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(box_.program() == second_build());
}

#[test]
fn a_key_that_is_none_is_said_to_be_none() {
    let box_ = Installed::new();
    let file = box_.release(&second_build());
    write_private(&box_.path("update.pem"), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let done = box_.update(&[file.to_str().unwrap()]);
    assert!(text(&done.stderr).contains("is not an Ed25519 public key"), "{}", text(&done.stderr));
    assert!(box_.program() != second_build());
}

/// What the page does: the file in pieces, then the word to install it.
fn send(browser: &mut Browser, bytes: &[u8], signature: &[u8]) -> Reply {
    let begun = json!({"bytes": bytes.len(), "signature": BASE64.encode(signature), "proof": ADA.1});
    let upload = browser.post("/api/update", begun).expect(201)["upload"].clone();
    let mut at = 0;
    loop {
        let piece = &bytes[at..bytes.len().min(at + 45_000)];
        let reply = browser.put("/api/update", json!({"upload": upload, "at": at, "data": BASE64.encode(piece)}));
        at += piece.len();
        if reply.status != 200 || at == bytes.len() {
            let whole = reply.status == 200 && reply.json()["whole"] == true;
            return if whole { browser.post("/api/update/install", json!({"upload": upload})) } else { reply };
        }
    }
}

impl Installed {
    /// How the box says that the update has ended, once it has.
    fn ending(&self) -> Value {
        until("the end of the update", || fs::read(self.path("data/update/ending")).ok());
        let mut browser = self.browser();
        browser.sign_in(ADA);
        browser.get("/api/update").expect(200)["last"].clone()
    }
}

#[test]
fn a_browser_brings_a_program_and_reads_how_it_went() {
    let mut box_ = Installed::new();
    let mut ada = box_.start_alone();
    let (first, second) = (box_.program(), second_build());
    assert_eq!(ada.get("/api/update").expect(200)["closed"], Value::Null);
    let signature = box_.key.sign(&second);
    assert_eq!(send(&mut ada, &second, signature.as_ref()).status, 202);
    until("the new program", || (box_.starts() == 2).then_some(()));
    let last = box_.ending();
    assert!(last["installed"] == true && last["told"].as_str().unwrap().contains("is installed and serves"), "{last}");
    assert!(box_.program() == second && fs::read(box_.path("bin/footbridge.previous")).unwrap() == first);
    assert_eq!(box_.server.as_mut().unwrap().try_wait().unwrap(), None, "the process has gone on");
    let left: Vec<_> =
        fs::read_dir(box_.path("data/update")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["ending"], "what was sent takes no room any more");
    let mut browser = box_.browser();
    browser.sign_in(ADA);
    let audit = browser.get("/api/audit?last=50").expect(200).to_string();
    for event in ["admin.update", "admin.update.install", "cli.restart", "cli.update"] {
        assert!(audit.contains(&format!("\"{event}\"")), "{event} is not in {audit}");
    }
}

#[test]
fn what_a_browser_brings_must_be_signed_and_proved_and_whole() {
    let mut box_ = Installed::new();
    let mut ada = box_.start_alone();
    let (before, second) = (box_.program(), second_build());
    let begun = |bytes: u64, signature: &[u8]| json!({"bytes": bytes, "signature": BASE64.encode(signature)});
    assert_eq!(ada.post("/api/update", begun(10, &[0; 64])).refusal(403), "proof_needed");
    for (bytes, signature) in [(0, &[0; 64][..]), (1 << 40, &[0; 64]), (10, &[0; 63]), (10, &[])] {
        assert_eq!(ada.post("/api/update", begun(bytes, signature)).refusal(422), "invalid");
    }
    let foreign = new_key().sign(&second);
    let told = send(&mut ada, &second, foreign.as_ref());
    assert!(text(&told.body).contains("another key signed it"), "{}", text(&told.body));
    assert_eq!(told.refusal(422), "invalid");
    let good = box_.key.sign(&second);
    let mut changed = second.clone();
    changed[4711] ^= 1;
    assert_eq!(send(&mut ada, &changed, good.as_ref()).refusal(422), "invalid");

    // A second sign-in of the same person goes on with nothing of the first one's.
    let body = json!({"bytes": 10, "signature": BASE64.encode(good.as_ref()), "proof": ADA.1});
    let upload = ada.post("/api/update", body).expect(201)["upload"].clone();
    let mut other = box_.browser();
    other.sign_in(ADA);
    let piece = json!({"upload": upload, "at": 0, "data": "AAAA"});
    assert_eq!(other.put("/api/update", piece.clone()).refusal(404), "not_found");
    assert_eq!(ada.put("/api/update", piece.clone()).expect(200)["have"], 3);
    assert_eq!(ada.put("/api/update", piece).refusal(409), "conflict");
    assert_eq!(ada.post("/api/update/install", json!({"upload": upload})).refusal(404), "not_found");

    assert_eq!(ada.delete("/api/update").status, 204);
    assert_eq!(ada.get("/api/update").expect(200)["upload"], Value::Null);
    assert_eq!(fs::read_dir(box_.path("data/update")).unwrap().count(), 0);
    assert!(box_.program() == before && box_.starts() == 1 && ada.is_signed_in());
}

#[test]
fn what_a_browser_brings_and_is_unfit_is_refused_in_words() {
    let mut box_ = Installed::new();
    let mut ada = box_.start_watched_over();
    let before = box_.program();
    let old = script("0.0.9", "exit 1");
    let signature = box_.key.sign(&old);
    assert_eq!(send(&mut ada, &old, signature.as_ref()).status, 202);
    let last = box_.ending();
    assert!(last["installed"] == false && last["told"].as_str().unwrap().contains("is older"), "{last}");
    assert!(box_.program() == before && ada.is_signed_in(), "nobody was disturbed");
}

/// The image, where only root can write to a slot: the program takes the file, and somebody else installs it and says how it went.
#[test]
fn where_a_service_installs_the_program_leaves_the_file_for_it_and_tells_what_it_says() {
    let mut box_ = Installed::new();
    let mut ada = box_.start("FOOTBRIDGE_UPDATE_HANDOVER=image exec bin/footbridge serve");
    let (before, image) = (box_.program(), b"not a program: a root file system".to_vec());
    let state = ada.get("/api/update").expect(200);
    assert_eq!((&state["kind"], &state["closed"]), (&json!("image"), &Value::Null));

    let foreign = new_key().sign(&image);
    assert_eq!(send(&mut ada, &image, foreign.as_ref()).refusal(422), "invalid");
    assert!(!box_.path("data/update/ready").exists());
    let signature = box_.key.sign(&image);
    assert_eq!(send(&mut ada, &image, signature.as_ref()).status, 202);
    let there = |name: &str| fs::read(box_.path(&format!("data/update/{name}"))).ok();
    assert!(there("ready").is_some() && there("program") == Some(image.clone()));
    assert_eq!(there("program.sig").as_deref(), Some(signature.as_ref()));

    let done = box_.update(&["ended", "kept", "The image was refused: it is older."]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let last = ada.get("/api/update").expect(200)["last"].clone();
    assert!(last["installed"] == false && last["told"] == "The image was refused: it is older.", "{last}");
    assert!(there("ready").is_none() && there("program").is_none(), "what was sent takes no room any more");
    assert!(ada.get("/api/audit?last=9").expect(200).to_string().contains("it is older"));
    assert!(box_.program() == before && ada.is_signed_in(), "nobody was disturbed");
}

/// A server that was taken over says of itself that it is another service: root restarts what the kernel says, and not what it says.
#[test]
fn what_a_server_says_of_its_unit_is_believed_only_with_the_kernel() {
    let box_ = Installed::new();
    let file = box_.release(&second_build());
    fs::create_dir(box_.path("data")).unwrap();
    fs::set_permissions(box_.path("data"), fs::Permissions::from_mode(0o700)).unwrap();
    let (restarted, tools) = (box_.path("restarted"), box_.path("tools"));
    fs::create_dir(&tools).unwrap();
    write_private(&tools.join("systemctl"), &format!("#!/bin/sh\necho \"$@\" >>{}\n", restarted.display()));
    fs::set_permissions(tools.join("systemctl"), fs::Permissions::from_mode(0o700)).unwrap();

    let liar = UnixListener::bind(box_.path("data/admin.sock")).unwrap();
    let program = box_.path("bin/footbridge");
    let mut command = Command::new(&program);
    box_.environment(&mut command);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut update = command.arg("update").arg(&file).env("PATH", path).stderr(Stdio::null()).spawn().unwrap();
    let said = json!({"instance": "0".repeat(32), "program": program, "unit": "debug-shell.service",
        "address": "127.0.0.1:1", "fingerprint": ""});
    let mut asked = String::new();
    while !asked.contains("restart") && !restarted.exists() {
        let (mut caller, _) = liar.accept().unwrap();
        asked.clear();
        BufReader::new(&caller).read_line(&mut asked).unwrap();
        caller.write_all(format!("{}\n", json!({"Done": said.to_string()})).as_bytes()).unwrap();
    }
    assert!(!restarted.exists(), "{}", fs::read_to_string(&restarted).unwrap());
    update.kill().unwrap();
    update.wait().unwrap();
}

#[test]
fn nobody_is_told_how_an_update_went_where_no_server_runs() {
    let box_ = Installed::new();
    let done = box_.update(&["ended", "installed", "well"]);
    assert!(!done.status.success() && text(&done.stderr).contains("server"), "{}", text(&done.stderr));
}

#[test]
fn a_box_without_a_key_for_updates_takes_none_and_says_why() {
    let (_box, mut ada) = claimed();
    let closed = ada.get("/api/update").expect(200)["closed"].as_str().unwrap().to_owned();
    assert!(closed.contains("built without a key for updates"), "{closed}");
    let body = json!({"bytes": 10, "signature": BASE64.encode([0; 64]), "proof": ADA.1});
    let reply = ada.post("/api/update", body);
    assert!(text(&reply.body).contains("built without a key"), "{}", text(&reply.body));
    assert_eq!(reply.refusal(409), "conflict");
}
