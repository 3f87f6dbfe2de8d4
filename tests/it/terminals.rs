//! A terminal behaves as one on the host itself: its size, its kind, its bytes, its end; and what cannot be opened says why.

use crate::world::browser::{Browser, Target};
use crate::world::footbridge::Footbridge;
use crate::world::patience::until;
use crate::world::proxy::closed_port;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::terminal::Terminal;
use crate::world::{ADA, claimed, claimed_with};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

const BOB: (&str, &str) = ("bob", "thirteen grey herons");

struct Here {
    _box: Footbridge,
    host: SshServer,
    browser: Browser,
    credential: String,
}

impl Here {
    fn with(settings: &[(&str, &str)]) -> Here {
        let host = SshServer::openssh();
        let (box_, mut browser) = claimed_with(settings);
        browser.post("/api/hostkeys", json!({"known_hosts": host.known_hosts_line("ed25519")})).expect(201);
        let credential = browser.add_password_for(&host.target(None), PASSWORD);
        Here { _box: box_, host, browser, credential }
    }

    fn open(&mut self) -> Terminal {
        let mut terminal = self.browser.open(&self.host.target(Some(&self.credential)));
        terminal.until_prompt();
        terminal
    }

    fn start(&mut self) -> crate::world::browser::Reply {
        self.browser.start_session(&self.host.target(Some(&self.credential)))
    }
}

#[test]
fn the_shell_s_exit_status_is_told() {
    let mut here = Here::with(&[]);
    for status in [0, 1, 42, 255] {
        let mut terminal = here.open();
        terminal.send(format!("exit {status}\r").as_bytes());
        let ended = terminal.until_ended();
        assert_eq!((&ended["reason"], &ended["status"]), (&json!("exit"), &json!(status)), "{ended}");
        assert_eq!(ended["signal"], Value::Null);
        // Whoever was away learns it too, with the last words before it.
        let id = terminal.session.clone();
        assert_eq!(here.browser.get(&format!("/api/sessions/{id}")).expect(200)["state"], "ended");
        let mut late = here.browser.attach(&id, Some(0));
        late.expect("ready-42");
        assert_eq!(late.until_ended(), ended);
    }
}

#[test]
fn a_signal_that_ended_the_shell_is_told() {
    let mut here = Here::with(&[]);
    let mut terminal = here.open();
    terminal.send(b"kill -KILL $$\r");
    let ended = terminal.until_ended();
    assert_eq!((&ended["reason"], &ended["signal"]), (&json!("signal"), &json!("KILL")), "{ended}");
}

#[test]
fn a_host_that_hangs_up_is_told() {
    let mut here = Here::with(&[]);
    let mut terminal = here.open();
    // The shell's parent is sshd's own process for this connection; it runs as the same account.
    terminal.send(b"kill -KILL $PPID\r");
    assert_eq!(terminal.until_ended()["reason"], "closed");
}

#[test]
fn a_terminal_is_ended_by_message_and_by_request() {
    let mut here = Here::with(&[]);
    let mut terminal = here.open();
    terminal.say(json!({"type": "end"}));
    assert_eq!(terminal.until_ended()["reason"], "ended");
    let mut terminal = here.open();
    let path = format!("/api/sessions/{}", terminal.session);
    here.browser.delete(&path).expect(204);
    assert_eq!(terminal.until_ended()["reason"], "ended");
    until("no shell left behind", || (here.browser.get(&path).expect(200)["state"] == "ended").then_some(()));
}

#[test]
fn the_host_knows_the_terminal_s_kind_and_size() {
    let mut here = Here::with(&[]);
    let mut terminal = here.open();
    assert_eq!(terminal.run("echo $TERM"), "xterm-256color");
    assert_eq!(terminal.run("stty size"), "24 80");
    for (cols, rows) in [(120, 40), (1, 1), (1000, 1000), (80, 24)] {
        terminal.resize(cols, rows);
        // The size and the keys travel on one channel, in order.
        assert_eq!(terminal.run("stty size").lines().last(), Some(format!("{rows} {cols}").as_str()));
    }
    let session = here.browser.get(&format!("/api/sessions/{}", terminal.session)).expect(200);
    assert_eq!((&session["cols"], &session["rows"]), (&json!(80), &json!(24)));
}

#[test]
fn the_first_size_is_the_one_asked_for() {
    let mut here = Here::with(&[]);
    let body = json!({"address": "127.0.0.1", "port": here.host.port, "user": "fbtest",
        "credential_id": here.credential, "cols": 133, "rows": 43});
    let started = here.browser.post("/api/sessions", body).expect(201);
    let id = started["session"]["id"].as_str().unwrap();
    let mut terminal = here.browser.attach_with(id, started["ticket"].as_str().unwrap(), Some(0));
    terminal.until_prompt();
    assert_eq!(terminal.run("stty size"), "43 133");
}

#[test]
fn every_byte_passes_both_ways() {
    let mut here = Here::with(&[]);
    let mut terminal = here.open();
    // Raw: neither end's line discipline has a say.
    terminal
        .send(b"stty raw -echo; printf 'go%s' ' now'; head -c 256 | od -An -v -tx1 | tr -d ' \\n'; stty sane; echo\r");
    terminal.expect("go now");
    let all: Vec<u8> = (0..=255).collect();
    terminal.send(&all);
    terminal.expect(&all.iter().map(|byte| format!("{byte:02x}")).collect::<String>());

    terminal.until_prompt();
    terminal.send(
        b"stty raw; printf 'go%s' ' on'; for i in $(seq 0 255); do printf \"\\\\x$(printf %x $i)\"; done; stty sane\r",
    );
    terminal.expect("go on");
    assert_eq!(terminal.take_output(256)[..256], all);
}

#[test]
fn keys_typed_before_the_shell_runs_wait_for_it() {
    let mut here = Here::with(&[]);
    let mut terminal = here.browser.open(&here.host.target(None));
    terminal.send(b"echo typed-$((20+3))-early\r");
    let asked = terminal.until_question("prompts");
    terminal.answer(&asked, json!({"responses": [PASSWORD]}));
    terminal.expect("typed-23-early");
}

// ---- what cannot be opened ----

#[track_caller]
fn ends_with(browser: &mut Browser, target: &Target<'_>, reason: &str, word: &str) {
    let ended = browser.open(target).until_ended_unasked();
    assert_eq!(ended["reason"], reason, "{ended}");
    assert!(ended["message"].as_str().unwrap().contains(word), "{ended}");
    assert!(!ended["remedy"].as_str().unwrap().is_empty(), "it says what to do: {ended}");
    assert_eq!((&ended["status"], &ended["signal"]), (&Value::Null, &Value::Null));
}

fn nobody(address: &str, port: u16) -> Target<'_> {
    Target { address, port, user: "root", credential: None }
}

#[test]
fn a_place_that_cannot_be_reached_says_why() {
    let (_box, mut browser) = claimed();
    // .invalid is never given to anybody (RFC 2606).
    ends_with(&mut browser, &nobody("no-such-host.invalid", 22), "name", "no-such-host.invalid");
    let port = closed_port();
    ends_with(&mut browser, &nobody("127.0.0.1", port), "refused", &port.to_string());
}

#[test]
fn what_is_no_ssh_server_is_said_to_be_none() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut caller in listener.incoming().map_while(Result::ok) {
            let _ = caller.read(&mut [0; 100]);
            let _ = caller.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let (_box, mut browser) = claimed();
    ends_with(&mut browser, &nobody("127.0.0.1", port), "protocol", "");
}

#[test]
fn the_target_policy_holds_for_every_spelling_of_an_address() {
    let host = SshServer::openssh();
    let (_box, mut browser) = claimed_with(&[("FOOTBRIDGE_TARGETS_ALLOW", "")]);
    // The harness itself has knocked, to see that the server listens.
    let knocks = |host: &SshServer| host.log().matches("Connection from").count();
    let before = knocks(&host);
    for address in ["127.0.0.1", "localhost", "127.1.2.3", "0.0.0.0", "::1", "::ffff:127.0.0.1", "169.254.169.254"] {
        ends_with(&mut browser, &nobody(address, host.port), "denied", "");
    }
    assert_eq!(knocks(&host), before, "{}", host.log());
}

#[test]
fn what_the_owner_denies_is_denied_though_it_was_allowed() {
    let (host, other) = (SshServer::openssh(), SshServer::openssh());
    let deny = format!("127.0.0.1:{}", host.port);
    let (_box, mut browser) = claimed_with(&[("FOOTBRIDGE_TARGETS_DENY", &deny)]);
    ends_with(&mut browser, &nobody("127.0.0.1", host.port), "denied", "127.0.0.1");
    browser.open(&nobody("127.0.0.1", other.port)).until_question("host_key");
}

// ---- quotas ----

#[test]
fn a_user_has_so_many_terminals_and_an_ended_one_makes_room() {
    let mut here = Here::with(&[("FOOTBRIDGE_TERMINALS_PER_USER", "2")]);
    let (mut first, _second) = (here.open(), here.open());
    let refused = here.start();
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.refusal(429), "too_many");
    assert_eq!(here.browser.get("/api/state").expect(200)["limits"]["terminals_per_user"], 2);
    first.send(b"exit\r");
    first.until_ended();
    here.open();
}

#[test]
fn the_box_has_so_many_terminals_for_all() {
    let mut here = Here::with(&[("FOOTBRIDGE_TERMINALS_PER_BOX", "2")]);
    here._box.add_user(BOB.0, BOB.1);
    let mut bob = here._box.browser();
    bob.sign_in(BOB);
    let _both = (here.open(), here.open());
    let refused = bob.start_session(&here.host.target(None));
    assert_eq!(refused.refusal(429), "too_many");
}

#[test]
fn eight_terminals_work_at_once_and_do_not_mix() {
    let mut here = Here::with(&[]);
    let mut terminals: Vec<Terminal> = (0..8).map(|_| here.open()).collect();
    for (number, terminal) in terminals.iter_mut().enumerate() {
        terminal.send(
            format!("i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo t{number}-$i; done; echo fin\"\"ished\r")
                .as_bytes(),
        );
    }
    for (number, terminal) in terminals.iter_mut().enumerate() {
        let output = terminal.expect("finished");
        // The first line follows what the shell's line editor says to the terminal; the command's own echo has a `$`.
        let lines: Vec<&str> = output
            .lines()
            .filter(|line| !line.contains('$'))
            .filter_map(|line| line.find(&format!("t{number}-")).map(|at| &line[at..]))
            .collect();
        let expected: Vec<String> = (1..=500).map(|i| format!("t{number}-{i}")).collect();
        assert_eq!(lines, expected);
    }
    assert_eq!(here.start().refusal(429), "too_many", "the ninth");
}

#[test]
fn two_users_do_not_see_each_other_s_terminals() {
    let mut here = Here::with(&[]);
    here._box.add_user(BOB.0, BOB.1);
    let mut bob = here._box.browser();
    bob.sign_in(BOB);
    let mut terminal = here.open();
    assert_eq!(bob.get("/api/sessions").expect(200)["sessions"], json!([]));
    let id = terminal.session.clone();
    for reply in [
        bob.get(&format!("/api/sessions/{id}")),
        bob.delete(&format!("/api/sessions/{id}")),
        bob.post(&format!("/api/sessions/{id}/ticket"), json!({})),
        bob.post(
            "/api/sessions",
            json!({"address": "127.0.0.1", "port": here.host.port, "user": "fbtest", "credential_id": here.credential}),
        ),
    ] {
        assert!([404, 422].contains(&reply.status), "{reply:?}");
    }
    // Not with ada's own ticket either: it is bound to her sign-in.
    let ticket = here.browser.ticket(&id);
    let path = format!("/api/sessions/{id}/attach?ticket={ticket}");
    let cookie = bob.cookie.clone().unwrap();
    let (reply, _) = bob.upgrade(&path, &[("Origin", &bob.origin()), ("Cookie", &cookie)]);
    assert!([403, 404].contains(&reply.status), "{reply:?}");
    assert_eq!(terminal.run("echo still mine"), "still mine");
    let _ = ADA;
}
