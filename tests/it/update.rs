//! An update is signed and serves, or nothing has changed: the program that runs stays, or comes back by itself.

use crate::world::ADA;
use crate::world::browser::Browser;
use crate::world::footbridge::{text, write_private};
use crate::world::patience::until;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fs::{self, File};
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
    box_.browser().sign_in(ADA);
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
