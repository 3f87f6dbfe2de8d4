//! What the box keeps belongs to its owner alone, and whoever copies all of it finds no secret.

use crate::second_factor::{Phone, begin, half, take};
use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::ssh_server::{self, SshServer, key_text, secret_pieces};
use crate::world::{ADA, claimed};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const CANARY: &str = "Zq7-canary-password-of-a-router";
const PASSPHRASE: &str = "Qx9-canary-passphrase";

fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => all.extend(everything_below(&entry.path())),
            false => all.push(entry.path()),
        }
    }
    all
}

#[test]
fn everything_is_closed_to_others_after_use_too() {
    let host = SshServer::openssh();
    let (mut box_, mut browser) = claimed();
    box_.add_user("eve", "a quiet river under the bridge");
    let credential = browser.add_password(ssh_server::PASSWORD);
    let _terminal = browser.open_accepting(&host.target(Some(&credential)));
    check_modes(&box_.data(), true);
    box_.kill();
    check_modes(&box_.data(), true);
    box_.start_again();
    check_modes(&box_.data(), true);
}

fn check_modes(data: &Path, socket: bool) {
    let all = everything_below(data);
    assert!(all.len() > 4, "{all:?}");
    for path in &all {
        let entry = fs::symlink_metadata(path).unwrap();
        let wanted = if entry.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(entry.mode() & 0o7777, wanted, "{} has {:o}", path.display(), entry.mode());
    }
    assert_eq!(all.iter().any(|path| path.ends_with("admin.sock")), socket);
}

/// `serve` as it ends by itself: its first line on stderr. A server that goes on running is ended after a while.
fn refusal(box_: &Footbridge, arguments: &[&str]) -> String {
    let output = box_.command(arguments, "");
    assert!(!output.status.success(), "{arguments:?} went well: {}", text(&output.stdout));
    assert!(text(&output.stdout).is_empty(), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    let told: Vec<&str> = said.lines().filter(|line| line.starts_with("footbridge: ")).collect();
    assert_eq!(told.len(), 1, "one clear line: {said}");
    assert!(!said.contains("panicked"), "{said}");
    told[0].to_string()
}

#[test]
fn a_directory_that_others_can_read_is_refused_and_the_remedy_said() {
    let (mut box_, _) = claimed();
    box_.kill();
    let data = box_.data();
    for mode in [0o755, 0o750, 0o770, 0o701] {
        fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
        for command in ["serve", "setup"] {
            let told = refusal(&box_, &[command]);
            assert!(told.contains("chmod 700") && told.contains(&format!("{mode:o}")), "{told}");
        }
        assert!(!box_.command(&["doctor"], "").status.success());
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let file = everything_below(&data).into_iter().find(|path| path.is_file()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let told = refusal(&box_, &["serve"]);
    assert!(told.contains("chmod 600") && told.contains(file.to_str().unwrap()), "{told}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    box_.start_again();
    box_.browser().sign_in(ADA);
}

/// Whoever owns a file may open it to others, and whoever made a link leads where they like.
#[test]
fn what_belongs_to_somebody_else_is_refused() {
    const SOMEBODY: u32 = 12345;
    let (mut box_, _) = claimed();
    box_.kill();
    let file = box_.data().join("audit.log");
    chown(&file, Some(SOMEBODY), None).unwrap();
    let told = refusal(&box_, &["user", "list"]);
    assert!(told.contains("audit.log belongs to user 12345"), "{told}");
    chown(&file, Some(0), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("data");
    symlink(box_.data(), &link).unwrap();
    let list = |box_: &Footbridge| box_.command(&["user", "list", "--data", link.to_str().unwrap()], "");
    assert!(list(&box_).status.success());
    lchown(&link, Some(SOMEBODY), None).unwrap();
    let refused = list(&box_);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("a link that user 12345 has made"),
        "{refused:?}"
    );
    box_.start_again();
}

/// A mount of a directory onto itself, read-only; gone with its value.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn of(folder: &Path) -> ReadOnly {
        let mount = |words: &[&str]| {
            let done = Command::new("mount").args(words).arg(folder).output().unwrap();
            assert!(done.status.success(), "{}", text(&done.stderr));
        };
        mount(&["--bind", folder.to_str().unwrap()]);
        let mounted = ReadOnly(folder.to_owned());
        mount(&["-o", "remount,ro,bind"]);
        mounted
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// As after an error of a card, when the kernel lets nobody write. `doctor` had found nothing wrong with it.
#[test]
fn a_read_only_directory_is_refused_and_the_remedy_said() {
    let (mut box_, _) = claimed();
    box_.kill();
    let read_only = ReadOnly::of(&box_.data());
    for command in [&["serve"][..], &["user", "list"]] {
        let told = refusal(&box_, command);
        assert!(told.contains("read-only file system") && told.contains("mount it read-write"), "{told}");
    }
    let told = box_.command(&["doctor"], "");
    assert!(!told.status.success());
    assert!(text(&told.stdout).contains("BAD   space: "), "{}", text(&told.stdout));
    drop(read_only);
    box_.start_again();
    box_.browser().sign_in(ADA);
}

#[test]
fn an_empty_directory_of_ours_is_closed_and_used() {
    let (mut box_, _) = claimed();
    box_.kill();
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("data");
    fs::create_dir(&empty).unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)).unwrap();
    let done = box_.command(&["user", "list", "--data", empty.to_str().unwrap()], "");
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(fs::metadata(&empty).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let (mut box_, mut browser) = claimed();
    let told = refusal(&box_, &["serve"]);
    assert!(told.contains("running") || told.contains("use") || told.contains("lock"), "{told}");
    assert!(box_.is_running());
    assert!(browser.is_signed_in());
    assert_eq!(text(&box_.command(&["user", "list"], "").stdout).lines().count(), 1, "its command line still works");
}

#[test]
fn no_secret_is_in_any_file_log_or_process_list() {
    let host = SshServer::openssh();
    let (mut box_, mut browser) = claimed();
    let code = box_.claim_code().to_string();
    let mut everything = Everything::default();
    let plain = host.authorized_key(&["-t", "ed25519", "-N", ""]);
    let key_id = browser.add_key(&plain, None);
    let locked = key_text(&["-t", "ed25519", "-N", PASSPHRASE]);
    browser.add_key(&locked, Some(PASSPHRASE));
    let public = browser.get("/api/credentials").expect(200).to_string();
    let canary = browser.add_password(CANARY);
    let good = browser.add_password(ssh_server::PASSWORD);
    let mut wrong = box_.browser();
    wrong.try_sign_in("ada", "a-mistyped-canary-password").refusal(401);
    wrong.try_sign_in("a-canary-password-typed-as-name", "x").refusal(401);
    box_.add_user("eve", "a-canary-password-of-eve");

    for credential in [&key_id, &good] {
        let target = host.target(Some(credential));
        let mut terminal = browser.open(&target);
        terminal.accept_host_key(false);
        terminal.until_prompt();
        terminal.run("echo canary-in-the-terminal");
        everything.add_process(box_.process());
        everything.add_files(&box_.data());
        terminal.say(json!({"type": "end"}));
        terminal.until_ended();
    }
    browser.delete(&format!("/api/credentials/{canary}")).expect(204);
    everything.add_files(&box_.data());
    box_.kill();
    everything.add_files(&box_.data());
    everything.add("the log", box_.log().into_bytes());

    for secret in [
        ADA.1,
        CANARY,
        PASSPHRASE,
        ssh_server::PASSWORD,
        "a-mistyped-canary-password",
        "a-canary-password-typed-as-name",
        "a-canary-password-of-eve",
        "canary-in-the-terminal",
        code.as_str(),
        code.replace('-', "").as_str(),
        browser.cookie.as_deref().unwrap().split_once('=').unwrap().1,
        browser.csrf.as_deref().unwrap(),
    ] {
        everything.lacks(secret.as_bytes());
    }
    for text in [&plain, &locked] {
        secret_pieces(text, &public).iter().for_each(|piece| everything.lacks(piece.as_bytes()));
    }
    everything.lacks(&inner_secret(&plain));
}

/// The seed of an ed25519 key: it stands before the public half, the comment and the padding. Whatever form a key is written in, it
/// would be there.
fn inner_secret(key: &str) -> Vec<u8> {
    let text: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut command = std::process::Command::new("base64");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    write_private(&file, &text);
    let bytes = command.arg("-d").arg(&file).output().unwrap().stdout;
    let comment = bytes.windows(5).rposition(|five| five == b"root@").expect("ssh-keygen writes user@host") - 4;
    bytes[comment - 64..comment - 32].to_vec()
}

/// What proves who somebody is: second factor, recovery codes, tokens of links and forms. All of it is shown once, and none of it is kept
/// as it is: not in the database, the audit, the log, a backup, or the process's arguments.
#[test]
fn proofs_are_nowhere_as_they_are() {
    let (mut box_, mut ada) = claimed();
    box_.add_user("eve", "a quiet river under the bridge");
    let begun = begin(&mut ada, "/api/factor/begin");
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let phone = Phone::scan(&secret);
    let reply = ada.post("/api/factor/finish", json!({"code": phone.code(-1)}));
    let body = take(&mut ada, reply, 200, "full");
    let codes: Vec<String> =
        body["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().into()).collect();
    let invite = ada.post("/api/invites", json!({"role": "user"})).expect(201)["token"].as_str().unwrap().to_owned();
    let form = ada.form();
    let told = text(&box_.command(&["user", "reset-password", "eve"], "").stdout);
    let reset = told.lines().next().unwrap().strip_prefix("reset-token ").unwrap().to_owned();
    let mut owing = half(&box_, ADA, "factor");
    let reply = owing.post("/api/factor/recover", json!({"code": codes[0]}));
    take(&mut owing, reply, 200, "recovered");
    owing.post("/api/factor/verify", json!({"code": "a-mistyped-canary-code"})).refusal(409);
    let passphrase = "seven lanterns by the weir";
    let export = json!({"passphrase": passphrase, "proof": phone.code(0)});
    let backup = ada.post("/api/backup", export);
    assert_eq!(backup.status, 200);

    let mut everything = Everything::default();
    everything.add("the backup", backup.body);
    everything.add("the log", box_.log().into_bytes());
    everything.add_files(&box_.data());
    everything.add_process(box_.process());
    let cookie = ada.cookie.as_deref().unwrap().split_once('=').unwrap().1.to_owned();
    let texts = [&secret, &invite, &form, &reset, &cookie].map(String::as_str);
    texts.iter().for_each(|text| everything.lacks(text.as_bytes()));
    [passphrase, "a-mistyped-canary-code"].iter().for_each(|text| everything.lacks(text.as_bytes()));
    everything.lacks(phone.secret());
    for code in &codes {
        everything.lacks(code.as_bytes());
        everything.lacks(code.replace('-', "").as_bytes());
    }
}

#[derive(Default)]
struct Everything(Vec<(String, Vec<u8>)>);

impl Everything {
    fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.push((name.into(), bytes));
    }

    fn add_files(&mut self, folder: &Path) {
        for path in everything_below(folder).into_iter().filter(|path| path.is_file()) {
            let bytes = fs::read(&path).unwrap();
            self.add(&path.display().to_string(), bytes);
        }
    }

    fn add_process(&mut self, process: u32) {
        for name in ["cmdline", "environ"] {
            let path = format!("/proc/{process}/{name}");
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.is_empty());
            self.add(&path, bytes);
        }
    }

    fn lacks(&self, secret: &[u8]) {
        assert!(secret.len() >= 12, "a short secret may be anywhere by chance");
        for (name, bytes) in &self.0 {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{name} holds {:?}", String::from_utf8_lossy(secret));
        }
    }
}

#[test]
fn memory_leaves_no_core_file_and_is_closed_to_others() {
    let (box_, _) = claimed();
    let limits = fs::read_to_string(format!("/proc/{}/limits", box_.process())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // What is not dumpable belongs to root in /proc, and its owner cannot attach a debugger.
    let status = fs::metadata(format!("/proc/{}/mem", box_.process())).unwrap();
    assert_eq!(status.uid(), 0);
}

#[test]
fn a_copied_database_without_its_device_key_opens_nothing() {
    let (mut box_, _) = claimed();
    box_.kill();
    let data = box_.data();
    let device: Vec<_> = everything_below(&data)
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("device")))
        .collect();
    assert_eq!(device.len(), 1, "{device:?}");
    let kept = fs::read(&device[0]).unwrap();
    fs::remove_file(&device[0]).unwrap();
    let told = refusal(&box_, &["user", "list"]);
    assert!(!told.contains("ada"), "{told}");
    // Whatever that did, the true key opens everything again.
    write_private(&device[0], "");
    fs::write(&device[0], kept).unwrap();
    box_.start_again();
    box_.browser().sign_in(ADA);
}
