//! A host is believed by its key: nothing is sent to one that nobody said yes to, and a key that changed is never waved through.

use crate::world::browser::{Browser, Reply};
use crate::world::footbridge::GIVES_BACK;
use crate::world::proxy::Proxy;
use crate::world::ssh_server::{self, SshServer};
use crate::world::terminal::Terminal;
use crate::world::{ADA, at_a_prompt, claimed, claimed_with, patience};
use serde_json::{Value, json};
use std::time::Duration;

const BOB: (&str, &str) = ("bob", "thirteen grey herons");

/// What sshd's own log calls a sign-in: the first packet that names a user.
const SIGN_IN: &str = "userauth-request for user";

fn host_keys(browser: &mut Browser) -> Vec<Value> {
    browser.get("/api/hostkeys").expect(200)["host_keys"].as_array().unwrap().clone()
}

fn pin_lines(browser: &mut Browser, lines: &str) {
    let answer = browser.post("/api/hostkeys", json!({"known_hosts": lines})).expect(201);
    assert_eq!(answer["skipped"], json!([]), "{answer}");
}

fn pin(port: u16, fingerprint: &str, proof: Option<&str>) -> Value {
    let mut body = json!({"address": "127.0.0.1", "port": port, "fingerprint": fingerprint});
    proof.into_iter().for_each(|proof| body["proof"] = proof.into());
    body
}

fn forget(browser: &mut Browser, id: &str, proof: Option<&str>) -> Reply {
    browser.request("DELETE", &format!("/api/hostkeys/{id}"), proof.map(|proof| json!({"proof": proof})))
}

/// Refused without a proof and with a wrong one, and nothing is changed by that.
#[track_caller]
fn wants_a_proof(browser: &mut Browser, body: &Value) {
    let before = host_keys(browser);
    assert_eq!(browser.post("/api/hostkeys", body.clone()).refusal(403), "proof_needed", "{body}");
    let mut wrong = body.clone();
    wrong["proof"] = "not the password".into();
    assert_eq!(browser.post("/api/hostkeys", wrong).refusal(401), "wrong_code", "{body}");
    assert_eq!(host_keys(browser), before);
}

/// The host is believed without a word: its shell is there.
#[track_caller]
fn goes_straight_in(browser: &mut Browser, host: &SshServer, credential: &str) {
    let mut terminal = browser.open(&host.target(Some(credential)));
    // A question would go unanswered, and the prompt would never come.
    terminal.until_prompt();
    terminal.say(json!({"type": "end"}));
    terminal.until_ended();
}

/// Refused without asking anybody.
#[track_caller]
fn is_turned_away(browser: &mut Browser, host: &SshServer, credential: &str) {
    let mut terminal = browser.open(&host.target(Some(credential)));
    assert_eq!(terminal.until_ended_unasked()["reason"], "host_key");
    assert!(!host.log().contains(SIGN_IN), "a sign-in was begun");
}

fn answer(terminal: &mut Terminal, asked: &Value, accept: bool, remember: bool) {
    terminal.answer(asked, json!({"accept": accept, "remember": remember}));
}

#[test]
fn nothing_is_sent_before_the_yes() {
    let host = SshServer::openssh();
    let cable = Proxy::to(host.address());
    let (_box, mut browser) = claimed();
    let credential = browser.add_password(ssh_server::PASSWORD);
    let mut target = host.target(Some(&credential));
    target.port = cable.port;

    let mut terminal = browser.open(&target);
    let asked = terminal.until_question("host_key");
    assert_eq!(asked["status"], "unknown");
    assert_eq!(asked["algorithm"], "ssh-ed25519");
    assert_eq!(asked["fingerprint"], host.fingerprint("ed25519"), "as ssh-keygen -lf prints it");
    assert_eq!(
        (&asked["host"], &asked["port"], &asked["known"]),
        (&json!("127.0.0.1"), &json!(cable.port), &json!([]))
    );

    // While the person compares, not one byte more goes to the host, and it has not heard of a user.
    let sent = cable.sent_to_host();
    assert!(sent > 0);
    assert!(terminal.next_within(Duration::from_secs(2)).is_none());
    assert_eq!(cable.sent_to_host(), sent);
    assert!(!host.log().contains(SIGN_IN));

    answer(&mut terminal, &asked, false, true);
    let ended = terminal.until_ended();
    assert_eq!(ended["reason"], "host_key");
    assert!(ended["remedy"].as_str().unwrap().contains("ssh-keygen"));
    assert!(!host.log().contains(SIGN_IN) && !host.log().contains(ssh_server::USER), "{}", host.log());
    assert!(host_keys(&mut browser).is_empty(), "a no is not remembered as a yes");

    // And with a yes there is a sign-in: the log would have shown one.
    let mut terminal = browser.open(&target);
    terminal.accept_host_key(false);
    terminal.until_prompt();
    assert!(host.log().contains(SIGN_IN));
}

#[test]
fn a_yes_holds_as_long_as_it_was_given_for() {
    let host = SshServer::openssh();
    let (mut box_, mut browser) = claimed();
    let credential = browser.add_password(ssh_server::PASSWORD);
    for remember in [false, true] {
        let mut terminal = browser.open(&host.target(Some(&credential)));
        terminal.accept_host_key(remember);
        terminal.until_prompt();
    }
    goes_straight_in(&mut browser, &host, &credential);
    let keys = host_keys(&mut browser);
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["fingerprint"], host.fingerprint("ed25519"));
    assert_eq!((&keys[0]["port"], &keys[0]["global"]), (&json!(host.port), &json!(false)));

    box_.kill();
    box_.start_again();
    let mut browser = box_.browser();
    browser.sign_in(crate::world::ADA);
    goes_straight_in(&mut browser, &host, &credential);

    let id = keys[0]["id"].as_str().unwrap();
    forget(&mut browser, id, Some(ADA.1)).expect(204);
    browser.open(&host.target(Some(&credential))).until_question("host_key");
}

#[test]
fn a_changed_key_is_shown_beside_the_old_one_and_refused_unless_replaced() {
    let (host, _box, mut browser, credential, _terminal) = at_a_prompt();
    let (port, old) = (host.port, host.fingerprint("ed25519"));
    drop(host);

    let host = SshServer::openssh_at(port, &["ed25519"], "");
    let new = host.fingerprint("ed25519");
    let mut terminal = browser.open(&host.target(Some(&credential)));
    let asked = terminal.until_question("host_key");
    assert_eq!((&asked["status"], &asked["fingerprint"]), (&json!("changed"), &json!(new)));
    assert_eq!(asked["known"][0]["fingerprint"], old);
    assert_eq!(asked["known"][0]["algorithm"], "ssh-ed25519");
    terminal.answer(&asked, json!({"cancel": true}));
    assert_eq!(terminal.until_ended()["reason"], "host_key");
    assert!(!host.log().contains(SIGN_IN));
    assert_eq!(host_keys(&mut browser)[0]["fingerprint"], old, "the old key stands");

    // Once, and the old key stands; for good, and the new one does.
    for remember in [false, true] {
        let mut terminal = browser.open(&host.target(Some(&credential)));
        let asked = terminal.until_question("host_key");
        assert_eq!(asked["status"], "changed");
        // Not by the terminal's own way: whoever holds a stolen session would say yes too (B8).
        answer(&mut terminal, &asked, true, remember);
        let session = format!("/api/sessions/{}", terminal.session);
        let path = format!("{session}/hostkey");
        // What is said after it was heard after it.
        terminal.resize(99, 33);
        let heard = |browser: &mut Browser| browser.get(&session).expect(200)["cols"] == 99;
        patience::until("the resize", || heard(&mut browser).then_some(()));
        assert_eq!(browser.get(&session).expect(200)["state"], "asking", "a yes without a proof");
        let with = |proof: Option<&str>, fingerprint: &str| json!({"question": asked["id"], "fingerprint": fingerprint, "remember": remember, "proof": proof});
        assert_eq!(browser.post(&path, with(None, &new)).refusal(403), "proof_needed");
        assert_eq!(browser.post(&path, with(Some("not the password"), &new)).refusal(401), "wrong_code");
        assert_eq!(
            browser.post(&path, with(Some(ADA.1), &old)).refusal(409),
            "conflict",
            "another key than is asked about"
        );
        browser.post(&path, with(Some(ADA.1), &new)).expect(204);
        terminal.until_prompt();
        assert_eq!(browser.post(&path, with(Some(ADA.1), &new)).refusal(409), "conflict", "once");
    }
    let keys = host_keys(&mut browser);
    assert_eq!(keys.len(), 1, "replaced, not added: {keys:?}");
    assert_eq!(keys[0]["fingerprint"], new);
    goes_straight_in(&mut browser, &host, &credential);
    let told = browser.get("/api/audit?event=hostkey.replace").expect(200)["events"].clone();
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!(
        (&told[0]["user"], &told[0]["host"], &told[0]["fingerprint"]),
        (&json!(ADA.0), &json!("127.0.0.1"), &json!(new))
    );
}

#[test]
fn pins_are_pasted_as_lines_or_as_fingerprints() {
    let (one, two, three) = (SshServer::openssh(), SshServer::openssh(), SshServer::openssh());
    let (_box, mut browser) = claimed();
    let credential = browser.add_password(ssh_server::PASSWORD);
    let lines = format!("# the first floor\n{}\n", one.known_hosts_line("ed25519"));
    pin_lines(&mut browser, &lines);
    browser.post("/api/hostkeys", pin(two.port, &two.fingerprint("ed25519"), None)).expect(201);
    goes_straight_in(&mut browser, &one, &credential);
    goes_straight_in(&mut browser, &two, &credential);

    // The pin of another key.
    browser.post("/api/hostkeys", pin(three.port, &two.fingerprint("ed25519"), None)).expect(201);
    let asked = browser.open(&three.target(Some(&credential))).until_question("host_key");
    assert_eq!(asked["status"], "changed");
    assert_eq!(asked["known"][0]["fingerprint"], two.fingerprint("ed25519"));
    assert!(!three.log().contains(SIGN_IN));
}

#[test]
fn what_cannot_be_pinned_is_said_by_its_line() {
    let host = SshServer::openssh();
    let (_box, mut browser) = claimed();
    let good = host.known_hosts_line("ed25519");
    let key = good.split_once(' ').unwrap().1;
    let lines = format!("{good}\n|1|abcdefgh=|ijklmnop= {key}\n@revoked * {key}\n*.example {key}\nnonsense\n");
    let answer = browser.post("/api/hostkeys", json!({"known_hosts": lines})).expect(201);
    assert_eq!(answer["added"], 1);
    let skipped: Vec<u64> =
        answer["skipped"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(skipped, [2, 3, 4, 5]);
    let twice = browser.post("/api/hostkeys", json!({"known_hosts": good})).expect(201);
    assert_eq!(host_keys(&mut browser).len(), 1, "{twice}");
}

#[test]
fn the_pinned_policy_asks_nobody() {
    let (known, stranger) = (SshServer::openssh(), SshServer::openssh());
    let (_box, mut browser) = claimed_with(&[("FOOTBRIDGE_HOST_KEY_POLICY", "pinned")]);
    let credential = browser.add_password(ssh_server::PASSWORD);
    pin_lines(&mut browser, &known.known_hosts_line("ed25519"));
    goes_straight_in(&mut browser, &known, &credential);
    is_turned_away(&mut browser, &stranger, &credential);
}

#[test]
fn the_tofu_policy_believes_the_first_key_and_no_second() {
    let host = SshServer::openssh();
    let (_box, mut browser) = claimed_with(&[("FOOTBRIDGE_HOST_KEY_POLICY", "tofu")]);
    let credential = browser.add_password(ssh_server::PASSWORD);
    goes_straight_in(&mut browser, &host, &credential);
    let port = host.port;
    drop(host);
    let host = SshServer::openssh_at(port, &["ed25519"], "");
    let asked = browser.open(&host.target(Some(&credential))).until_question("host_key");
    assert_eq!(asked["status"], "changed");
    assert!(!host.log().contains(SIGN_IN));
}

#[test]
fn trust_is_each_user_s_own_and_an_administrator_s_pin_is_everybody_s() {
    let (host, pinned) = (SshServer::openssh(), SshServer::openssh());
    let (mut box_, mut ada) = claimed();
    box_.add_user(BOB.0, BOB.1);
    let mut bob = box_.browser();
    bob.sign_in(BOB);
    let of_ada = ada.add_password(ssh_server::PASSWORD);
    let of_bob = bob.add_password(ssh_server::PASSWORD);
    let mut terminal = ada.open(&host.target(Some(&of_ada)));
    terminal.accept_host_key(true);
    terminal.until_prompt();
    let asked = bob.open(&host.target(Some(&of_bob))).until_question("host_key");
    assert_eq!((&asked["status"], &asked["known"]), (&json!("unknown"), &json!([])), "what ada trusts is hers");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pinned.known_hosts_line("ed25519") + "\n").unwrap();
    let done = box_.command(&["hostkey", "add", file.path().to_str().unwrap()], "");
    assert!(done.status.success(), "{done:?}");
    goes_straight_in(&mut ada, &pinned, &of_ada);
    goes_straight_in(&mut bob, &pinned, &of_bob);
    let global = host_keys(&mut bob).into_iter().find(|key| key["global"] == true).unwrap();
    let refusal = forget(&mut bob, global["id"].as_str().unwrap(), Some(BOB.1));
    assert_eq!(refusal.refusal(404), "not_found");
    goes_straight_in(&mut bob, &pinned, &of_bob);

    // Nobody is offered a way around it.
    let port = pinned.port;
    drop(pinned);
    let impostor = SshServer::openssh_at(port, &["ed25519"], "");
    is_turned_away(&mut bob, &impostor, &of_bob);
    is_turned_away(&mut ada, &impostor, &of_ada);
}

#[test]
fn a_new_algorithm_is_not_a_changed_key() {
    let both = SshServer::openssh_with(&["ed25519", "rsa"], "");
    let (_box, mut browser) = claimed();
    let credential = browser.add_password(ssh_server::PASSWORD);
    pin_lines(&mut browser, &both.known_hosts_line("rsa"));
    // A host that has both is asked for the one that can be compared.
    goes_straight_in(&mut browser, &both, &credential);

    let port = both.port;
    drop(both);
    let other = SshServer::openssh_at(port, &["ecdsa"], "");
    let mut terminal = browser.open(&other.target(Some(&credential)));
    let asked = terminal.until_question("host_key");
    assert_eq!((&asked["status"], &asked["algorithm"]), (&json!("unknown"), &json!("ecdsa-sha2-nistp256")));
    assert_eq!(asked["known"][0]["algorithm"], "ssh-rsa");
    answer(&mut terminal, &asked, true, true);
    terminal.until_prompt();
    assert_eq!(host_keys(&mut browser).len(), 2, "added beside the other");
}

/// B8: a pin that says yes to a changed key beforehand wants what the yes itself wants.
#[test]
fn a_pin_against_a_trusted_key_needs_a_proof() {
    let (old, other) = (SshServer::openssh_with(&["ed25519", "rsa"], ""), SshServer::openssh());
    let (_box, mut browser) = claimed();
    let credential = browser.add_password(ssh_server::PASSWORD);
    let port = old.port;
    let new = other.known_hosts_line("ed25519").replace(&other.port.to_string(), &port.to_string());
    let print = other.fingerprint("ed25519");

    // The first pin of a host needs none, nor does a key that is trusted already, nor another algorithm's.
    pin_lines(&mut browser, &old.known_hosts_line("ed25519"));
    browser.post("/api/hostkeys", pin(port, &old.fingerprint("ed25519"), None)).expect(201);
    forget_bare(&mut browser);
    pin_lines(&mut browser, &old.known_hosts_line("ed25519"));
    pin_lines(&mut browser, &old.known_hosts_line("rsa"));

    // By a line, also among lines that need none; by a bare fingerprint.
    wants_a_proof(&mut browser, &json!({"known_hosts": new}));
    wants_a_proof(&mut browser, &json!({"known_hosts": format!("{}\n{new}\n", other.known_hosts_line("ed25519"))}));
    wants_a_proof(&mut browser, &pin(port, &print, None));
    drop(old);
    let host = SshServer::openssh_at(port, &["ed25519"], "");
    let asked = browser.open(&host.target(Some(&credential))).until_question("host_key");
    assert_eq!(asked["status"], "changed");

    // And with one they are taken.
    browser.post("/api/hostkeys", pin(port, &host.fingerprint("ed25519"), Some(ADA.1))).expect(201);
    goes_straight_in(&mut browser, &host, &credential);
    browser.post("/api/hostkeys", json!({"known_hosts": new, "proof": ADA.1})).expect(201);
    assert!(host_keys(&mut browser).iter().any(|key| key["fingerprint"] == print && key["algorithm"] == "ssh-ed25519"));
}

/// The bare fingerprint goes, so that what follows is about keys of an algorithm.
fn forget_bare(browser: &mut Browser) {
    let bare = host_keys(browser).into_iter().find(|key| key["algorithm"].is_null()).unwrap();
    forget(browser, bare["id"].as_str().unwrap(), Some(ADA.1)).expect(204);
}

/// Where one key of another algorithm is all that is known, a bare fingerprint may be of that algorithm.
#[test]
fn a_bare_fingerprint_beside_any_other_key_needs_a_proof() {
    let host = SshServer::openssh_with(&["ed25519", "rsa"], "");
    let (_box, mut browser) = claimed();
    pin_lines(&mut browser, &host.known_hosts_line("rsa"));
    wants_a_proof(&mut browser, &pin(host.port, &host.fingerprint("ed25519"), None));
    browser.post("/api/hostkeys", pin(host.port, &host.fingerprint("ed25519"), Some(ADA.1))).expect(201);
    assert_eq!(host_keys(&mut browser).len(), 2);
}

#[test]
fn a_key_is_forgotten_only_with_a_proof() {
    let host = SshServer::openssh();
    let (_box, mut browser) = claimed();
    pin_lines(&mut browser, &host.known_hosts_line("ed25519"));
    let id = host_keys(&mut browser)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(forget(&mut browser, &id, None).refusal(403), "proof_needed");
    assert_eq!(forget(&mut browser, &id, Some("not the password")).refusal(401), "wrong_code");
    assert_eq!(host_keys(&mut browser).len(), 1);
    forget(&mut browser, &id, Some(ADA.1)).expect(204);
    assert!(host_keys(&mut browser).is_empty());
    assert_eq!(forget(&mut browser, &id, Some(ADA.1)).refusal(404), "not_found", "once");
}

/// A pin of everybody's holds, also for who has proven that they are there.
#[test]
fn a_pin_of_one_s_own_does_not_override_an_administrator_s() {
    let host = SshServer::openssh();
    let port = host.port;
    let (box_, mut browser) = claimed();
    let credential = browser.add_password(ssh_server::PASSWORD);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), host.known_hosts_line("ed25519") + "\n").unwrap();
    let done = box_.command(&["hostkey", "add", file.path().to_str().unwrap()], "");
    assert!(done.status.success(), "{done:?}");
    drop(host);
    let impostor = SshServer::openssh_at(port, &["ed25519"], "");
    wants_a_proof(&mut browser, &pin(port, &impostor.fingerprint("ed25519"), None));
    browser.post("/api/hostkeys", pin(port, &impostor.fingerprint("ed25519"), Some(ADA.1))).expect(201);
    is_turned_away(&mut browser, &impostor, &credential);
}

/// The story: a line of two bytes that is skipped is told in sixty, and took ten times as many on the way there.
#[test]
fn what_is_skipped_of_a_paste_does_not_take_the_box_s_memory() {
    let (box_, browser) = claimed_with(&[GIVES_BACK]);
    let before = box_.resident();
    let all: Vec<_> = (0..48)
        .map(|_| {
            let mut browser = browser.clone();
            let body = json!({"known_hosts": "x\n".repeat(20_000)});
            std::thread::spawn(move || browser.post("/api/hostkeys", body).status)
        })
        .collect();
    let statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap()).collect();
    let mib = box_.most_resident().saturating_sub(before) >> 20;
    assert!(mib < 64, "{mib} MiB for {statuses:?}");
    assert!(statuses.iter().all(|status| [201, 503].contains(status)), "{statuses:?}");
}
