//! A stored password goes only where it was typed for, or where its owner has proven that they want it: whoever has stolen a cookie
//! cannot have it sent to an address of their own, where the key is what they say it is.

use crate::second_factor::enrol;
use crate::world::browser::{Browser, Reply, Target};
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::{ADA, claimed, claimed_with};
use footbridge::limits::Counted;
use serde_json::{Value, json};

/// A browser with the same cookie and token, whose user knows no password and has no phone.
fn thief(owner: &Browser) -> Browser {
    let mut thief = owner.clone();
    thief.password = None;
    thief
}

fn to(target: &Target<'_>) -> Value {
    json!({"address": target.address, "port": target.port, "user": target.user, "credential_id": target.credential})
}

/// Without the second try of [`Browser::start_session`].
fn start(browser: &mut Browser, target: &Target<'_>, proof: Option<&str>) -> Reply {
    let mut body = to(target);
    body["proof"] = json!(proof);
    browser.post("/api/sessions", body)
}

fn host(browser: &mut Browser, id: &str) -> Reply {
    browser.post("/api/sessions", json!({"host_id": id}))
}

fn is_called(host: &SshServer) -> bool {
    host.log().contains("remote software version")
}

fn sent_to(browser: &mut Browser) -> Value {
    browser.get("/api/credentials").expect(200)["credentials"][0]["sent_to"].clone()
}

/// The first key of a host is believed, so that nothing else holds a password back.
const TOFU: (&str, &str) = ("FOOTBRIDGE_HOST_KEY_POLICY", "tofu");

#[test]
fn a_stolen_cookie_sends_it_to_no_address_of_its_own() {
    let (hers, his) = (SshServer::openssh(), SshServer::openssh());
    let (_box, mut ada) = claimed_with(&[TOFU]);
    let password = ada.add_password(PASSWORD);
    let (home, trap) = (hers.target(Some(&password)), his.target(Some(&password)));
    ada.open(&home).until_prompt();
    let saved = ada.add_host(&home);

    let mut thief = thief(&ada);
    assert_eq!(start(&mut thief, &trap, None).refusal(403), "proof_needed");
    assert_eq!(start(&mut thief, &trap, Some("not the password at all")).refusal(401), "wrong_code");
    let own = thief.add_host(&trap);
    assert_eq!(host(&mut thief, &own).refusal(403), "proof_needed", "a host of the thief's own");
    // Another spelling may be another machine by tomorrow.
    let spelled = Target { address: "localhost", ..hers.target(Some(&password)) };
    for elsewhere in [trap, spelled] {
        thief.put(&format!("/api/hosts/{saved}"), to(&elsewhere)).expect(200);
        assert_eq!(host(&mut thief, &saved).refusal(403), "proof_needed", "{}:{}", elsewhere.address, elsewhere.port);
    }
    // Nor does it help to know the key there.
    let known = thief.post("/api/hostkeys", json!({"known_hosts": his.known_hosts_line("ed25519")})).expect(201);
    assert_eq!(known["added"], 1);
    assert_eq!(host(&mut thief, &own).refusal(403), "proof_needed");
    // A change of the password's own entry adds no place.
    let more = json!({"label": "mine", "sent_to": [{"address": "127.0.0.1", "port": his.port}]});
    assert_eq!(thief.put(&format!("/api/credentials/{password}"), more).expect(200)["sent_to"], json!([]));
    assert_eq!(start(&mut thief, &his.target(Some(&password)), None).refusal(403), "proof_needed");

    assert!(is_called(&hers) && !is_called(&his), "{}", his.log());
    assert_eq!(ada.get("/api/sessions").expect(200)["sessions"].as_array().unwrap().len(), 1);
    // A key only signs, and needs no proof.
    let key = ada.post("/api/credentials", json!({"label": "key", "kind": "generate"})).expect(201);
    start(&mut ada, &his.target(key["id"].as_str()), None).expect(201);
}

#[test]
fn its_owner_proves_it_once_and_again_when_the_place_was_taken_off() {
    let server = SshServer::openssh();
    let (_box, mut ada) = claimed_with(&[TOFU]);
    let password = ada.add_password(PASSWORD);
    let target = server.target(Some(&password));
    let saved = ada.add_host(&target);
    assert_eq!(host(&mut ada, &saved).refusal(403), "proof_needed");
    let mut body = json!({"host_id": saved, "proof": ADA.1});
    assert_eq!(ada.post("/api/sessions", body.clone()).refusal(403), "proof_needed", "a proof of what?");
    body["address"] = json!("127.0.0.1");
    assert_eq!(ada.post("/api/sessions", body.clone()).refusal(409), "conflict", "at port 22");
    body["port"] = json!(server.port);
    ada.post("/api/sessions", body).expect(201);
    let place = json!([{"address": "127.0.0.1", "port": server.port}]);
    assert_eq!(sent_to(&mut ada), place);
    // From then on without one: from the saved host, a quick connect, another host of the same place.
    host(&mut ada, &saved).expect(201);
    ada.delete(&format!("/api/hosts/{saved}")).expect(204);
    let again = ada.add_host(&target);
    host(&mut ada, &again).expect(201);
    thief(&ada).open(&target).until_prompt();

    let path = format!("/api/credentials/{password}");
    ada.put(&path, json!({"label": "renamed"})).expect(200);
    assert_eq!(sent_to(&mut ada), place, "a new name takes no place off");
    ada.put(&path, json!({"label": "renamed", "sent_to": []})).expect(200);
    assert_eq!(sent_to(&mut ada), json!([]));
    assert_eq!(host(&mut ada, &again).refusal(403), "proof_needed");
    start(&mut ada, &target, Some(ADA.1)).expect(201);
    assert_eq!(sent_to(&mut ada), place);
}

/// The owner was shown where the host led, and it was changed before they had found their phone.
#[test]
fn a_proof_is_for_the_place_that_was_shown() {
    let (hers, his) = (SshServer::openssh(), SshServer::openssh());
    let (_box, mut ada) = claimed_with(&[TOFU]);
    let password = ada.add_password(PASSWORD);
    let saved = ada.add_host(&hers.target(Some(&password)));
    thief(&ada).put(&format!("/api/hosts/{saved}"), to(&his.target(Some(&password)))).expect(200);
    let body = json!({"host_id": saved, "address": "127.0.0.1", "port": hers.port, "proof": ADA.1});
    assert_eq!(ada.post("/api/sessions", body).refusal(409), "conflict");
    assert_eq!(sent_to(&mut ada), json!([]));
    assert!(!is_called(&hers) && !is_called(&his));
}

#[test]
fn what_was_typed_for_a_host_goes_there_and_nowhere_else() {
    let server = SshServer::openssh();
    let (_box, mut ada) = claimed_with(&[TOFU]);
    let password = ada.add_password_for(&server.target(None), PASSWORD);
    assert_eq!(sent_to(&mut ada), json!([{"address": "127.0.0.1", "port": server.port}]));
    let target = server.target(Some(&password));
    let mut anybody = thief(&ada);
    anybody.open(&target).until_prompt();
    assert_eq!(start(&mut ada, &Target { port: 22, ..target }, None).refusal(403), "proof_needed");
    // Port 22 where none is said, and capitals are the same host.
    let fields = json!({"label": "", "kind": "password", "password": PASSWORD, "address": "Router.Example"});
    let made = ada.post("/api/credentials", fields).expect(201);
    assert_eq!(made["sent_to"], json!([{"address": "router.example", "port": 22}]));
    let target = Target { address: "ROUTER.example", port: 22, user: "root", credential: made["id"].as_str() };
    start(&mut ada, &target, None).expect(201);
}

#[test]
fn another_user_s_place_is_no_help() {
    let server = SshServer::openssh();
    let (mut box_, mut ada) = claimed_with(&[TOFU]);
    box_.add_user("eve", "a quiet river under the bridge");
    let mut eve = box_.browser();
    eve.sign_in(("eve", "a quiet river under the bridge"));
    let (hers, eves) = (ada.add_password(PASSWORD), eve.add_password(PASSWORD));
    eve.open(&server.target(Some(&eves))).until_prompt();
    assert_eq!(start(&mut ada, &server.target(Some(&hers)), None).refusal(403), "proof_needed");
    assert_eq!(start(&mut eve, &server.target(Some(&hers)), Some("x")).refusal(422), "invalid", "not hers to send");
    let take_off = json!({"label": "x", "sent_to": []});
    assert_eq!(ada.put(&format!("/api/credentials/{eves}"), take_off).refusal(404), "not_found");
    // And of two passwords of one user each has its own.
    let second = eve.add_password("another password");
    assert_eq!(start(&mut eve, &server.target(Some(&second)), None).refusal(403), "proof_needed");
}

#[test]
fn a_second_factor_proves_it_and_the_password_does_not() {
    let (_box, mut ada) = claimed();
    let (phone, _) = enrol(&mut ada);
    let password = ada.add_password(PASSWORD);
    let target = |address| Target { address, port: 22, user: "root", credential: Some(&password) };
    assert_eq!(start(&mut ada, &target("192.0.2.7"), Some(ADA.1)).refusal(401), "wrong_code");
    let code = phone.code(1);
    start(&mut ada, &target("192.0.2.7"), Some(&code)).expect(201);
    assert_eq!(start(&mut ada, &target("192.0.2.8"), Some(&code)).refusal(401), "wrong_code", "a code works once");
    start(&mut ada, &target("192.0.2.7"), None).expect(201);
}

/// Whoever proves it comes twice, and opens one terminal.
#[test]
fn a_new_place_costs_one_terminal_and_a_wrong_proof_another() {
    let host = SshServer::openssh();
    let (_box, mut ada) = claimed_with(&[TOFU, ("FOOTBRIDGE_CONNECTS_PER_MINUTE", "2")]);
    let password = ada.add_password(PASSWORD);
    let place = host.target(Some(&password));
    assert_eq!(start(&mut ada, &place, None).refusal(403), "proof_needed");
    assert_eq!(start(&mut ada, &place, Some("not the password at all")).refusal(401), "wrong_code");
    assert_eq!(start(&mut ada, &place, None).refusal(403), "proof_needed");
    start(&mut ada, &place, Some(ADA.1)).expect(201);
    assert_eq!(start(&mut ada, &place, None).refusal(429), "too_many");
}

/// Nor is it a way to ask without end: what is more than a person can want counts as if it were a terminal.
#[test]
fn to_ask_without_a_proof_has_an_end() {
    let (_box, mut ada) = claimed_with(&[("FOOTBRIDGE_CONNECTS_PER_MINUTE", "2")]);
    let password = ada.add_password(PASSWORD);
    for port in 1..=Counted::Unproven.limit().most as u16 + 2 {
        let place = Target { address: "127.0.0.1", port, user: "root", credential: Some(&password) };
        assert_eq!(start(&mut ada, &place, None).refusal(403), "proof_needed", "{port}");
    }
    let place = Target { address: "127.0.0.1", port: 1, user: "root", credential: Some(&password) };
    assert_eq!(start(&mut ada, &place, None).refusal(429), "too_many");
}
