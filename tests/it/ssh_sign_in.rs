//! Every way in that a host offers leads in: a stored password, PAM's questions, each kind of key; and a refusal says what was refused.

use crate::world::browser::Browser;
use crate::world::claimed;
use crate::world::footbridge::Footbridge;
use crate::world::ssh_server::{PASSWORD, SshServer, key_text};
use crate::world::terminal::Terminal;
use serde_json::{Value, json};

/// A box whose user trusts this host already.
fn trusting(host: &SshServer) -> (Footbridge, Browser) {
    let (box_, mut browser) = claimed();
    browser.post("/api/hostkeys", json!({"known_hosts": host.known_hosts_line("ed25519")})).expect(201);
    (box_, browser)
}

#[track_caller]
fn is_in(terminal: &mut Terminal) {
    terminal.until_prompt();
    assert_eq!(terminal.run("whoami"), "fbtest");
}

/// The one prompt that is asked for.
#[track_caller]
fn prompt(terminal: &mut Terminal) -> (Value, String, u64) {
    let asked = terminal.until_question("prompts");
    assert_eq!(asked["prompts"].as_array().unwrap().len(), 1, "{asked}");
    assert_eq!(asked["prompts"][0]["echo"], false);
    let (text, attempt) =
        (asked["prompts"][0]["text"].as_str().unwrap().to_owned(), asked["attempt"].as_u64().unwrap());
    (asked, text, attempt)
}

#[track_caller]
fn is_refused(terminal: &mut Terminal) {
    let ended = terminal.until_ended();
    assert_eq!(ended["reason"], "authentication", "{ended}");
    assert!(!ended["remedy"].as_str().unwrap().is_empty());
    assert!(!ended.to_string().contains(PASSWORD));
}

const ONLY_QUESTIONS: &str = "PasswordAuthentication no";
const ONLY_PASSWORDS: &str = "KbdInteractiveAuthentication no";

#[test]
fn a_stored_password_is_taken_in_either_form() {
    for lines in [ONLY_PASSWORDS, ONLY_QUESTIONS, ""] {
        let host = SshServer::openssh_with(&["ed25519"], lines);
        let (_box, mut browser) = trusting(&host);
        let credential = browser.add_password(PASSWORD);
        let mut terminal = browser.open(&host.target(Some(&credential)));
        is_in(&mut terminal);
    }
}

#[test]
fn a_wrong_stored_password_is_refused_and_says_so() {
    let host = SshServer::openssh_with(&["ed25519"], ONLY_PASSWORDS);
    let (_box, mut browser) = trusting(&host);
    let credential = browser.add_password("incorrect horse battery");
    is_refused(&mut browser.open(&host.target(Some(&credential))));
}

#[test]
fn nothing_stored_means_that_the_person_is_asked() {
    for (lines, shown) in [(ONLY_PASSWORDS, "fbtest"), (ONLY_QUESTIONS, "assword")] {
        let host = SshServer::openssh_with(&["ed25519"], lines);
        let (_box, mut browser) = trusting(&host);
        let mut terminal = browser.open(&host.target(None));
        let (asked, text, attempt) = prompt(&mut terminal);
        assert!(text.contains(shown), "{text}");
        assert_eq!(attempt, 1);
        terminal.answer(&asked, json!({"responses": ["incorrect horse battery"]}));
        let (asked, _, attempt) = prompt(&mut terminal);
        assert_eq!(attempt, 2);
        // As many answers as questions, or it is no answer.
        terminal.answer(&asked, json!({"responses": []}));
        terminal.answer(&asked, json!({"responses": [PASSWORD]}));
        is_in(&mut terminal);
    }
}

#[test]
fn a_second_device_may_answer() {
    let host = SshServer::openssh();
    let (_box, mut browser) = trusting(&host);
    let mut first = browser.open(&host.target(None));
    let (asked, _, _) = prompt(&mut first);
    let id = first.session.clone();
    assert_eq!(browser.get(&format!("/api/sessions/{id}")).expect(200)["state"], "asking");
    let mut second = browser.attach(&id, Some(0));
    let again = second.until_question("prompts");
    assert_eq!(again["id"], asked["id"]);
    second.answer(&again, json!({"responses": [PASSWORD]}));
    assert_eq!(first.until_message("answered")["id"], asked["id"]);
    is_in(&mut first);
}

#[test]
fn giving_up_and_guessing_end_it() {
    let host = SshServer::openssh();
    let (_box, mut browser) = trusting(&host);
    let mut terminal = browser.open(&host.target(None));
    let (asked, _, _) = prompt(&mut terminal);
    terminal.answer(&asked, json!({"cancel": true}));
    is_refused(&mut terminal);

    let mut terminal = browser.open(&host.target(None));
    for expected in 1..=3 {
        let (asked, _, attempt) = prompt(&mut terminal);
        assert_eq!(attempt, expected);
        terminal.answer(&asked, json!({"responses": ["incorrect horse battery"]}));
    }
    is_refused(&mut terminal);
}

#[test]
fn every_kind_of_key_signs_in() {
    let host = SshServer::openssh_with(&["ed25519"], "PasswordAuthentication no\nKbdInteractiveAuthentication no");
    let (_box, mut browser) = trusting(&host);
    let kinds: [&[&str]; 7] = [
        &["-t", "ed25519"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "rsa", "-b", "4096", "-m", "PEM"],
        &["-t", "ecdsa", "-b", "256", "-m", "PKCS8"],
    ];
    for kind in kinds {
        for passphrase in [None, Some("open sesame")] {
            // ssh-keygen's encrypted PEM is the old kind, which is refused with a remedy (credentials).
            if passphrase.is_some() && kind.contains(&"PEM") {
                continue;
            }
            let text = host.authorized_key(&[kind, &["-N", passphrase.unwrap_or_default()]].concat());
            let key = browser.add_key(&text, passphrase);
            let mut terminal = browser.open(&host.target(Some(&key)));
            is_in(&mut terminal);
            terminal.say(json!({"type": "end"}));
            terminal.until_ended();
        }
    }
}

#[test]
fn a_key_made_on_the_box_signs_in_with_its_public_line() {
    let host = SshServer::openssh();
    let (_box, mut browser) = trusting(&host);
    let made = browser.post("/api/credentials", json!({"label": "box", "kind": "generate"})).expect(201);
    host.authorize(made["public_key"].as_str().unwrap());
    let mut terminal = browser.open(&host.target(made["id"].as_str()));
    is_in(&mut terminal);
}

#[test]
fn a_key_that_the_host_does_not_know_is_not_taken_for_a_sign_in() {
    let host = SshServer::openssh();
    let (_box, mut browser) = trusting(&host);
    let key = browser.add_key(&key_text(&["-t", "ed25519", "-N", ""]), None);
    is_refused(&mut browser.open(&host.target(Some(&key))));
}

#[test]
fn a_key_and_then_a_question() {
    let host = SshServer::openssh_with(&["ed25519"], "AuthenticationMethods publickey,keyboard-interactive");
    let (_box, mut browser) = trusting(&host);
    let key = browser.add_key(&host.authorized_key(&["-t", "ed25519", "-N", ""]), None);
    let mut terminal = browser.open(&host.target(Some(&key)));
    let (asked, _, _) = prompt(&mut terminal);
    terminal.answer(&asked, json!({"responses": [PASSWORD]}));
    is_in(&mut terminal);
}

#[test]
fn a_host_without_a_way_in_says_which_ways_it_has() {
    let host = SshServer::openssh_with(&["ed25519"], "PasswordAuthentication no\nKbdInteractiveAuthentication no");
    let (_box, mut browser) = trusting(&host);
    let mut terminal = browser.open(&host.target(None));
    let ended = terminal.until_ended();
    assert_eq!(ended["reason"], "authentication");
    assert!(ended["message"].as_str().unwrap().contains("publickey"), "{ended}");
}

#[test]
fn dropbear_lets_in_too() {
    let host = SshServer::dropbear();
    let (_box, mut browser) = claimed();
    let credential = browser.add_password(PASSWORD);
    let mut terminal = browser.open(&host.target(Some(&credential)));
    assert_eq!(terminal.accept_host_key(true)["algorithm"], "ssh-ed25519");
    is_in(&mut terminal);
    let mut asking = browser.open(&host.target(None));
    let (asked, _, _) = prompt(&mut asking);
    asking.answer(&asked, json!({"responses": [PASSWORD]}));
    is_in(&mut asking);
}
