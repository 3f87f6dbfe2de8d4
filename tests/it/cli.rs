//! The command line is the owner's hand: it explains itself, names what is mistyped, and works while the server runs and while it does
//! not.

use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::ssh_server::SshServer;
use crate::world::{ADA, claimed, claimed_with};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
const PIN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn good(output: Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// One line on stderr, nothing on stdout, and a status that scripts notice.
fn bad(output: &Output) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!output.status.success(), "{out}");
    assert!(out.is_empty(), "{out}");
    assert!(err.starts_with("footbridge: ") && err.trim_end().lines().count() == 1, "{err}");
    err
}

/// Without any server or data directory of ours.
fn alone(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footbridge"));
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("FOOTBRIDGE_")) {
        command.env_remove(key);
    }
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn help_and_version_need_nothing() {
    for words in [&["help"][..], &["--help"], &["-h"], &["user", "--help"], &["help", "serve"]] {
        let said = good(alone(words, &[]));
        for command in ["serve", "setup", "doctor", "user add", "hostkey add", "session list", "cert show"] {
            assert!(said.contains(command), "{words:?} lacks {command}");
        }
    }
    for words in ["version", "--version", "-V"] {
        assert_eq!(good(alone(&[words], &[])), format!("footbridge {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn what_is_mistyped_is_named_with_the_nearest_right_word() {
    for (words, told) in [
        (&["sevre"][..], "did you mean 'serve'"),
        (&["docter"], "did you mean 'doctor'"),
        (&["fly"], "no command 'fly'"),
        (&["user", "ad", "x"], "help"),
        (&["serve", "now"], "help"),
        (&["serve", "--listem", "127.0.0.1:0"], "did you mean 'listen'"),
        (&["serve", "--listen"], "needs a value"),
        (&["serve", "--listen", "8443"], "not an address and port"),
        (&["serve", "--ring-kib", "1"], "16 to 16384"),
        (&["serve", "--config", "/nowhere/at/all.toml"], "/nowhere/at/all.toml"),
        (&["serve", "--certificate", "/x"], "go together"),
        (&["hostkey", "remove", "nonsense"], "nonsense"),
    ] {
        let said = bad(&alone(words, &[("FOOTBRIDGE_DATA", "/nowhere")]));
        assert!(said.contains(told), "{words:?}: {said}");
    }
}

#[test]
fn the_file_is_read_then_the_environment_then_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("footbridge.toml");
    fs::write(&file, "listen = '127.0.0.1:1'\nring_kib = 64\nnames = ['a', 'b']\nlog = 'warn'\n").unwrap();
    let file = file.to_str().unwrap();
    let environment =
        [("FOOTBRIDGE_CONFIG", file), ("FOOTBRIDGE_LISTEN", "127.0.0.1:2"), ("FOOTBRIDGE_RING_KIB", "128")];
    let shown = good(alone(&["config", "--listen", "127.0.0.1:3"], &environment));
    for line in ["listen = \"127.0.0.1:3\"", "ring_kib = 128", "names = [\"a\", \"b\"]", "log = \"warn\""] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    // A file on the command line wins over the one in the environment, and what `config` prints is itself a file.
    let copy = folder.path().join("copy.toml");
    fs::write(&copy, &shown).unwrap();
    let again = good(alone(&["config", "--config", copy.to_str().unwrap()], &[("FOOTBRIDGE_CONFIG", file)]));
    assert_eq!(shown, again);

    fs::write(&copy, "listenn = '127.0.0.1:1'\n").unwrap();
    let said = bad(&alone(&["config", "--config", copy.to_str().unwrap()], &[]));
    assert!(said.contains("did you mean 'listen'") && said.contains("copy.toml"), "{said}");
}

#[test]
fn an_unknown_variable_is_said_and_a_bad_one_refused() {
    let shown = alone(&["config"], &[("FOOTBRIDGE_LISTEM", "127.0.0.1:1")]);
    assert!(shown.status.success());
    let said = text(&shown.stderr);
    assert!(said.contains("FOOTBRIDGE_LISTEM") && said.contains("did you mean 'listen'"), "{said}");
    let said = bad(&alone(&["config"], &[("FOOTBRIDGE_LOG", "loud")]));
    assert!(said.contains("FOOTBRIDGE_LOG"), "{said}");
}

#[test]
fn users_are_added_and_listed_with_and_without_a_server() {
    let (mut box_, _) = claimed();
    assert!(good(box_.command(&["user", "list"], "")).contains("  ada  administrator"));
    box_.add_user(EVE.0, EVE.1);
    box_.browser().sign_in(EVE);
    box_.kill();
    // The same, with nobody behind the socket that the killed server left.
    good(box_.command(&["user", "add", "bob", "--role", "command-only"], "a boat below the bridge\n"));
    let listed = good(box_.command(&["user", "list"], ""));
    for line in ["  ada  administrator", "  bob  command-only", "  eve  user"] {
        assert!(listed.lines().any(|listed| listed.ends_with(line)), "{line}: {listed}");
    }
    box_.start_again();
    box_.browser().sign_in(("bob", "a boat below the bridge"));
}

#[test]
fn a_user_that_cannot_be_is_refused_with_the_reason() {
    let (box_, _) = claimed();
    for (name, password, why) in [
        ("ada", EVE.1, "taken"),
        ("ADA", EVE.1, "taken"),
        ("a b", EVE.1, "32 characters"),
        ("footbridge", EVE.1, "reserved"),
        ("eve", "short", "12"),
        ("eve", "passwordpassword", ""),
    ] {
        let said = bad(&box_.command(&["user", "add", name], &format!("{password}\n")));
        assert!(said.contains(why), "{name} {password}: {said}");
    }
    // A password among the arguments is not taken, and a file that others can read neither.
    bad(&box_.command(&["user", "add", "eve", EVE.1], ""));
    bad(&box_.command(&["user", "add", "eve", "--password", EVE.1], "\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    write_private(&file, EVE.1);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let said = bad(&box_.command(&["user", "add", "eve", "--password-file", file.to_str().unwrap()], ""));
    assert!(said.contains("chmod 600"), "{said}");
    assert_eq!(good(box_.command(&["user", "list"], "")).lines().count(), 1);
}

#[test]
fn an_administrator_may_be_made_here_instead_of_by_a_claim() {
    let mut box_ = Footbridge::start();
    good(box_.command(&["user", "add", "root.of.all", "--role", "administrator"], &format!("{}\n", ADA.1)));
    let mut browser = box_.browser();
    assert_eq!(browser.get("/api/state").expect(200)["claimed"], true);
    let body = serde_json::json!({"code": box_.claim_code(), "name": "eve", "password": EVE.1});
    assert_eq!(browser.post("/api/claim", body).refusal(404), "not_found");
    box_.kill();
    box_.start_again();
    assert!(!box_.prints_a_claim_code());
    box_.browser().sign_in(("root.of.all", ADA.1));
}

fn pins(box_: &Footbridge, running: bool) {
    let file = "192.0.2.1 PIN\n[192.0.2.2]:2222 PIN\n# a comment\n|1|hashed|x PIN\n*.example PIN\nnonsense\n"
        .replace("PIN", PIN);
    let output = box_.command(&["hostkey", "add", "-"], &file);
    let said = good(output);
    assert!(said.contains('2'), "{said}");
    let listed = good(box_.command(&["hostkey", "list"], ""));
    let mine: Vec<&str> = listed.lines().filter(|line| line.contains("192.0.2.")).collect();
    assert_eq!(mine.len(), 2, "running {running}: {listed}");
    assert!(mine.iter().all(|line| line.contains("SHA256:") && line.contains("everybody")), "{listed}");
    for line in mine {
        let id = line.split_whitespace().next().unwrap();
        good(box_.command(&["hostkey", "remove", id], ""));
        bad(&box_.command(&["hostkey", "remove", id], ""));
    }
    assert!(!good(box_.command(&["hostkey", "list"], "")).contains("192.0.2."));
}

#[test]
fn host_keys_are_pinned_for_everybody_with_and_without_a_server() {
    let (mut box_, mut browser) = claimed();
    pins(&box_, true);
    box_.kill();
    pins(&box_, false);
    let file = format!("192.0.2.9 {PIN}\n");
    good(box_.command(&["hostkey", "add", "-"], &file));
    box_.start_again();
    browser = {
        let mut fresh = box_.browser();
        fresh.sign_in(ADA);
        drop(browser);
        fresh
    };
    let keys = browser.get("/api/hostkeys").expect(200);
    let key = &keys["host_keys"][0];
    assert_eq!((&key["address"], &key["global"]), (&serde_json::json!("192.0.2.9"), &serde_json::json!(true)));
    let id = key["id"].as_str().unwrap();
    let refused = browser.delete(&format!("/api/hostkeys/{id}")).status;
    assert!((400..500).contains(&refused), "an administrator's pin is not removed by the page: {refused}");
}

/// The story: what lay beyond half a mebibyte was dropped, and the answer sounded as if all were pinned.
#[test]
fn a_file_of_host_keys_is_taken_as_a_whole_or_not_at_all() {
    const MOST: usize = 512 * 1024;
    let (mut box_, _) = claimed();
    box_.kill();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    let name = path.to_str().unwrap();
    let mut lines = format!("192.0.2.1 {PIN}\n");
    lines += &format!("#{}\n", "x".repeat(MOST - lines.len() - 2));
    // What is too much begins with the first half of a letter.
    fs::write(&path, lines.clone() + "\u{e4}").unwrap();
    let said = bad(&box_.command(&["hostkey", "add", name], ""));
    assert!(said.contains(&format!("{name} is larger than {MOST} bytes; add it in pieces")), "{said}");
    assert!(!good(box_.command(&["hostkey", "list"], "")).contains("192.0.2.1"));
    fs::write(&path, &lines).unwrap();
    assert!(good(box_.command(&["hostkey", "add", name], "")).contains("1 host keys pinned"));
}

#[test]
fn sessions_are_listed_and_ended_only_while_a_server_runs() {
    let host = SshServer::openssh();
    let (mut box_, mut browser) = claimed();
    // It waits for its person's word about the host's key.
    let mut terminal = browser.open(&host.target(None));
    terminal.until_question("host_key");
    let id = terminal.session.clone();
    let listed = good(box_.command(&["session", "list"], ""));
    assert!(listed.starts_with(&id) && listed.contains("@127.0.0.1"), "{listed}");
    good(box_.command(&["session", "end", &id], ""));
    assert_eq!(terminal.until_ended()["reason"], "ended");
    bad(&box_.command(&["session", "end", &"0".repeat(32)], ""));
    let shown = good(box_.command(&["cert", "show"], ""));
    assert!(shown.contains(box_.fingerprint()) && shown.contains("BEGIN CERTIFICATE"), "{shown}");
    box_.kill();
    assert!(bad(&box_.command(&["session", "list"], "")).contains("no server runs"));
    assert!(bad(&box_.command(&["cert", "show"], "")).contains("no server runs"));
}

#[test]
fn doctor_says_what_is_wrong_by_its_exit_status() {
    let (mut box_, _) = claimed();
    for _ in 0..2 {
        let said = good(box_.command(&["doctor"], ""));
        assert!(said.lines().all(|line| line.starts_with("ok ") || line.starts_with("note ")), "{said}");
        for word in ["modes", "clock", "entropy", "space", "certificate", "configuration", "passwords"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        if box_.is_running() {
            box_.kill();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("no.pem");
    fs::write(&pem, "nothing").unwrap();
    let pem = pem.to_str().unwrap();
    let output = box_.command(&["doctor", "--certificate", pem, "--private-key", pem], "");
    assert!(!output.status.success() && text(&output.stdout).contains("BAD   certificate"), "{}", text(&output.stdout));
    fs::set_permissions(box_.data(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = box_.command(&["doctor"], "");
    assert!(!output.status.success() && text(&output.stdout).contains("BAD   modes"), "{}", text(&output.stdout));
}

#[test]
fn a_port_that_is_taken_is_said_in_one_line() {
    let (box_, _) = claimed();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = box_.address().to_string();
    let output = box_.command(&["serve", "--data", data.to_str().unwrap(), "--listen", &taken], "");
    let said = text(&output.stderr);
    let told: Vec<_> = said.lines().filter(|line| line.starts_with("footbridge: ")).collect();
    assert!(!output.status.success() && told.len() == 1 && told[0].contains(&taken), "{said}");
}

#[test]
fn the_admin_socket_minds_no_nonsense() {
    use std::io::{Read, Write};
    let (box_, mut browser) = claimed_with(&[]);
    let socket = box_.data().join("admin.sock");
    for nonsense in [&b"\n"[..], b"{}\n", b"\xff\xfe\n", b"{\"order\":\"reboot\"}\n", &[b'x'; 100_000]] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let _ = stream.write_all(nonsense).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        assert!(!said.contains("Done"), "{said}");
    }
    assert!(good(box_.command(&["user", "list"], "")).contains("ada"));
    assert!(browser.is_signed_in());
}
