//! Whatever changes who may do what, or tries to, leaves its line in the audit: what, who, whom it was done to, and from where (K1).
//!
//! Each list of events below is the story of one test, and together they are all that the program can write: one that is new, or that
//! nobody lets happen here, is noticed by the last test.

use crate::audit_log::written;
use crate::devices::{Device, trusted_by};
use crate::passkeys::{Authenticator, add_first, half_named, offer, proof, verify};
use crate::second_factor::{enrol, half, take};
use crate::world::browser::{Browser, Target};
use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::proxy::closed_port;
use crate::world::{ADA, claimed_with};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
const BOB: (&str, &str) = ("bob", "thirteen grey herons");
const NEW_PASSWORD: &str = "an even longer bridge over it";
const WRONG: &str = "not the password at all";
/// Failures are many here, and their limit is not what this is about.
const PATIENT: (&str, &str) = ("FOOTBRIDGE_LOGIN_FAILURES", "1000");

/// What a line says: the event, and some of its fields.
type Line = (&'static str, &'static [(&'static str, &'static str)]);

const ADA_HERE: &[(&str, &str)] = &[("user", "ada"), ("peer", "127.0.0.1")];
const EVE_HERE: &[(&str, &str)] = &[("user", "eve"), ("peer", "127.0.0.1")];
const TO_EVE: &[(&str, &str)] = &[("user", "ada"), ("target", "eve"), ("peer", "127.0.0.1")];
const OF_EVE: &[(&str, &str)] = &[("user", "eve")];
const NOBODY: &[(&str, &str)] = &[("peer", "127.0.0.1")];

/// All lines, once for each event that is wanted.
#[track_caller]
fn tells(box_: &Footbridge, wanted: &[Line]) {
    let told = box_.command(&["audit", "tail", "1000"], "");
    let lines: Vec<Value> = text(&told.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (event, fields) in wanted {
        let fits = |line: &Value| line["event"] == *event && fields.iter().all(|(name, value)| line[name] == *value);
        assert!(lines.iter().any(fits), "no {event} with {fields:?} in {lines:#?}");
    }
}

fn ordered(box_: &Footbridge, words: &[&str], stdin: &str) -> String {
    let done = box_.command(words, stdin);
    assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn account(ada: &mut Browser, name: &str) -> String {
    let users = ada.get("/api/users").expect(200);
    let user = users["users"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap().clone();
    format!("/api/users/{}", user["id"].as_str().unwrap())
}

fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap().into()
}

fn nowhere() -> Target<'static> {
    Target { address: "127.0.0.1", port: closed_port(), user: "root", credential: None }
}

const SIGN_INS: &[Line] = &[
    ("claim.failed", NOBODY),
    ("claim", ADA_HERE),
    ("signin", ADA_HERE),
    ("signin.revoke", ADA_HERE),
    ("signout", ADA_HERE),
    ("vault.lock", ADA_HERE),
    ("signin.failed", EVE_HERE),
    ("signin.failed", &[("user", "(unknown)"), ("peer", "127.0.0.1")]),
    ("account.locked", EVE_HERE),
    ("password.failed", ADA_HERE),
    ("stepup.failed", ADA_HERE),
    ("password.change", ADA_HERE),
];

#[test]
fn sign_ins() {
    let mut box_ = Footbridge::start_with(&[PATIENT]);
    let mut ada = box_.browser();
    ada.post("/api/claim", json!({"code": "AAAAA", "name": ADA.0, "password": ADA.1})).refusal(401);
    ada.claim(box_.claim_code(), ADA);
    let (mut second, mut third) = (box_.browser(), box_.browser());
    second.sign_in(ADA);
    third.sign_in(ADA);
    let logins = ada.get("/api/logins").expect(200);
    let other = logins["logins"].as_array().unwrap().iter().find(|login| login["current"] == false).unwrap();
    ada.delete(&format!("/api/logins/{}", id_of(other))).expect(204);
    let mut left = if second.is_signed_in() { second } else { third };
    left.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    box_.add_user(EVE.0, EVE.1);
    for name in ["eve", "eve", "eve", "eve", "eve", "nobody"] {
        box_.browser().try_sign_in(name, WRONG).refusal(401);
    }
    ada.post("/api/password", json!({"current": WRONG, "new": NEW_PASSWORD})).refusal(401);
    ada.post("/api/backup", json!({"passphrase": NEW_PASSWORD, "proof": WRONG})).refusal(401);
    ada.post("/api/password", json!({"current": ADA.1, "new": NEW_PASSWORD})).expect(200);
    let mut locks = box_.browser();
    locks.sign_in((ADA.0, NEW_PASSWORD));
    locks.post("/api/lock", json!({})).expect(204);
    tells(&box_, SIGN_INS);
}

const FACTORS: &[Line] = &[
    ("factor.enrol", ADA_HERE),
    ("signin.half", ADA_HERE),
    ("factor.failed", ADA_HERE),
    ("signin", ADA_HERE),
    ("recovery.renew", ADA_HERE),
    ("recovery.failed", ADA_HERE),
    ("recovery.used", ADA_HERE),
    ("stepup", &[("user", "ada"), ("what", "export backup"), ("peer", "127.0.0.1")]),
    ("admin.backup", &[("user", "ada"), ("target", "box"), ("peer", "127.0.0.1")]),
    ("factor.disable", ADA_HERE),
];

#[test]
fn the_second_factor() {
    let (box_, mut ada) = claimed_with(&[PATIENT]);
    let (phone, _) = enrol(&mut ada);
    let mut owing = half(&box_, ADA, "factor");
    owing.post("/api/factor/verify", json!({"code": "abcdef"})).refusal(401);
    let reply = owing.post("/api/factor/verify", json!({"code": phone.code(0)}));
    take(&mut owing, reply, 200, "full");
    let renewed = owing.post("/api/factor/codes", json!({"code": phone.code(1)})).expect(200);
    let mut lost = half(&box_, ADA, "factor");
    lost.post("/api/factor/recover", json!({"code": "AAAAA-AAAAA-AAAAA-AAAAA"})).refusal(401);
    let reply = lost.post("/api/factor/recover", json!({"code": renewed["recovery_codes"][0]}));
    take(&mut lost, reply, 200, "recovered");
    let (phone, _) = enrol(&mut lost);
    let backup = lost.post("/api/backup", json!({"passphrase": NEW_PASSWORD, "proof": phone.code(0)}));
    assert_eq!(backup.status, 200);
    let reply = lost.post("/api/factor/disable", json!({"code": phone.code(1)}));
    take(&mut lost, reply, 200, "full");
    tells(&box_, FACTORS);
}

const KEYS_OF_BROWSERS: &[Line] = &[
    ("passkey.add", &[("user", "ada"), ("label", "a key"), ("peer", "127.0.0.1")]),
    ("passkey.failed", ADA_HERE),
    ("signin", &[("user", "ada"), ("with", "passkey")]),
    ("passkey.remove", &[("user", "ada"), ("label", "a key"), ("peer", "127.0.0.1")]),
    ("device.trust", &[("user", "eve"), ("label", "laptop"), ("peer", "127.0.0.1")]),
    ("device.demand", EVE_HERE),
    ("device.code", EVE_HERE),
    ("device.failed", EVE_HERE),
    ("device.refused", EVE_HERE),
    ("device.release", EVE_HERE),
    ("device.remove", &[("user", "eve"), ("label", "laptop"), ("peer", "127.0.0.1")]),
    ("certificate.register", &[("user", "eve"), ("label", "laptop"), ("peer", "127.0.0.1")]),
    ("certificate.demand", EVE_HERE),
    ("certificate.refused", EVE_HERE),
    ("certificate.release", EVE_HERE),
    ("certificate.remove", &[("user", "eve"), ("label", "laptop"), ("peer", "127.0.0.1")]),
    ("cli.device.remove", OF_EVE),
];

#[test]
fn passkeys_devices_and_certificates() {
    let (mut box_, mut ada) = claimed_with(&[PATIENT, ("FOOTBRIDGE_CLIENT_CERTIFICATES", "ask")]);
    box_.add_user(EVE.0, EVE.1);
    ada.name = Some("localhost".into());
    let mut key = Authenticator::new(&ada);
    add_first(&mut ada, &mut key);
    let mut owing = half_named(&box_, ADA);
    let question = offer(&mut owing);
    let mut answer = key.answer(&question);
    answer["signature"] = json!("AA");
    verify(&mut owing, answer).refusal(401);
    let question = offer(&mut owing);
    let reply = verify(&mut owing, key.answer(&question));
    take(&mut owing, reply, 200, "full");
    // Another one, so that one may go.
    let code = proof(&mut ada, &mut key);
    let wish = ada.post("/api/factor/passkey/create", json!({"code": code})).expect(200);
    let mut other = Authenticator::new(&ada);
    let added = id_of(&ada.post("/api/passkeys", other.make(&wish)).expect(201));
    let code = proof(&mut ada, &mut key);
    ada.remove(&format!("/api/passkeys/{added}"), code.as_str().unwrap()).expect(204);

    let mut eve = half(&box_, EVE, "full");
    let device = trusted_by(&mut eve, EVE.1).id().to_owned();
    let wants =
        |what: &str, required: bool| (format!("/api/{what}/demand"), json!({"required": required, "proof": EVE.1}));
    let demand = |eve: &mut Browser, (path, body): (String, Value)| drop(eve.put(&path, body).expect(204));
    demand(&mut eve, wants("device", true));
    eve.post("/api/device/code", json!({"proof": EVE.1})).expect(200);
    let mut elsewhere = half(&box_, EVE, "device");
    let application = Device::new().application(&mut elsewhere);
    elsewhere.post("/api/devices", application).refusal(401);
    eve.start_session(&nowhere()).refusal(403);
    demand(&mut eve, wants("device", false));
    let (_, certificate) = crate::certificates::registered_by(&mut eve, EVE.1);
    demand(&mut eve, wants("certificate", true));
    box_.browser().try_sign_in(EVE.0, EVE.1).refusal(403);
    demand(&mut eve, wants("certificate", false));
    let second = trusted_by(&mut eve, EVE.1).id().to_owned();
    ordered(&box_, &["device", "remove", "eve", &device], "");
    eve.remove(&format!("/api/devices/{second}"), EVE.1).expect(204);
    let identity = eve.identity.clone();
    let mut eve = box_.browser();
    eve.show(identity.as_ref());
    eve.sign_in(EVE);
    eve.remove(&format!("/api/certificates/{certificate}"), EVE.1).expect(204);
    tells(&box_, KEYS_OF_BROWSERS);
}

const PEOPLE: &[Line] = &[
    ("admin.user.add", &[("user", "ada"), ("target", "eve"), ("role", "user"), ("peer", "127.0.0.1")]),
    ("admin.user.role", &[("user", "ada"), ("target", "eve"), ("role", "command-only"), ("peer", "127.0.0.1")]),
    ("admin.user.disable", TO_EVE),
    ("admin.user.enable", TO_EVE),
    ("admin.user.unlock", TO_EVE),
    ("admin.user.reset-mfa", TO_EVE),
    ("invite", &[("user", "ada"), ("role", "user"), ("peer", "127.0.0.1")]),
    ("invite.failed", NOBODY),
    ("invite.accept", &[("user", "bob"), ("invited_by", "ada"), ("peer", "127.0.0.1")]),
    ("admin.invite.back", &[("user", "ada"), ("peer", "127.0.0.1")]),
    ("reset.failed", NOBODY),
    ("reset.failed", EVE_HERE),
    ("reset.done", &[("user", "eve"), ("vault", "discarded"), ("peer", "127.0.0.1")]),
    ("admin.user.delete", TO_EVE),
];

#[test]
fn deeds_of_administrators() {
    let (box_, mut ada) = claimed_with(&[PATIENT]);
    ada.post("/api/users", json!({"name": EVE.0, "role": "user", "password": EVE.1})).expect(201);
    let path = account(&mut ada, "eve");
    ada.put(&path, json!({"role": "command-only"})).expect(200);
    ada.put(&path, json!({"disabled": true})).expect(200);
    ada.put(&path, json!({"disabled": false})).expect(200);
    ada.post(&format!("{path}/unlock"), json!({})).expect(204);
    ada.post(&format!("{path}/reset-factor"), json!({"proof": ADA.1})).expect(204);
    let invited = ada.post("/api/invites", json!({"role": "user"})).expect(201);
    let accept = |token: &Value| {
        box_.browser().post("/api/invite", json!({"token": token, "name": BOB.0, "password": BOB.1})).status
    };
    assert_eq!((accept(&json!("junk")), accept(&invited["token"])), (401, 201));
    ada.post("/api/invites", json!({"role": "user"})).expect(201);
    let left = id_of(&ada.get("/api/invites").expect(200)["invites"][0]);
    ada.delete(&format!("/api/invites/{left}")).expect(204);
    let told = ordered(&box_, &["user", "reset-password", "eve"], "");
    let token = told.lines().next().unwrap().strip_prefix("reset-token ").unwrap();
    let reset = |token: &str| {
        box_.browser().post("/api/reset", json!({"token": token, "password": NEW_PASSWORD, "discard": true})).status
    };
    let guessed = json!({"token": token, "password": NEW_PASSWORD, "recovery_code": "AAAAA-AAAAA-AAAAA-AAAAA"});
    box_.browser().post("/api/reset", guessed).refusal(401);
    assert_eq!((reset("junk"), reset(token)), (401, 204));
    ada.remove(&path, ADA.1).expect(204);
    tells(&box_, PEOPLE);
}

const WHAT_IS_KEPT: &[Line] = &[
    ("credential.add", &[("user", "ada"), ("kind", "password"), ("peer", "127.0.0.1")]),
    ("credential.remove", &[("user", "ada"), ("kind", "password"), ("peer", "127.0.0.1")]),
    ("hostkey.add", &[("user", "ada"), ("count", "1"), ("peer", "127.0.0.1")]),
    ("hostkey.remove", &[("user", "ada"), ("host", "192.0.2.7"), ("fingerprint", PIN), ("peer", "127.0.0.1")]),
];

const PIN: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn what_somebody_keeps() {
    let (box_, mut ada) = claimed_with(&[]);
    let credential = ada.add_password("the password of a router");
    ada.delete(&format!("/api/credentials/{credential}")).expect(204);
    ada.post("/api/hostkeys", json!({"address": "192.0.2.7", "port": 22, "fingerprint": PIN})).expect(201);
    let id = id_of(&ada.get("/api/hostkeys").expect(200)["host_keys"][0]);
    ada.remove(&format!("/api/hostkeys/{id}"), ADA.1).expect(204);
    tells(&box_, WHAT_IS_KEPT);
}

const COMMAND_LINE: &[Line] = &[
    ("serve.start", &[("version", env!("CARGO_PKG_VERSION"))]),
    ("cli.setup", &[]),
    ("cli.user.add", &[("user", "eve"), ("role", "user")]),
    ("cli.user.role", &[("user", "eve"), ("role", "command-only")]),
    ("cli.user.disable", OF_EVE),
    ("cli.user.enable", OF_EVE),
    ("cli.user.unlock", OF_EVE),
    ("cli.user.reset-password", OF_EVE),
    ("cli.user.reset-mfa", OF_EVE),
    ("cli.user.delete", OF_EVE),
    ("invite", &[("user", "(command line)"), ("role", "user")]),
    ("cli.hostkey.add", &[("count", "1")]),
    ("cli.hostkey.remove", &[("host", "192.0.2.9")]),
    ("cli.session.end", &[]),
    ("cli.backup.create", &[]),
    ("serve.stop", &[]),
];

#[test]
fn the_command_line_and_the_box_itself() {
    let mut box_ = Footbridge::start();
    let code = ordered(&box_, &["setup"], "").trim().strip_prefix("claim-code ").unwrap().to_owned();
    let mut ada = box_.browser();
    ada.claim(&code, ADA);
    box_.add_user(EVE.0, EVE.1);
    ordered(&box_, &["user", "role", "eve", "command-only"], "");
    for deed in ["disable", "enable", "unlock", "reset-password", "reset-mfa", "delete"] {
        ordered(&box_, &["user", deed, "eve"], "");
    }
    ordered(&box_, &["user", "invite"], "");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    ordered(&box_, &["hostkey", "add", "-"], &format!("192.0.2.9 {key}\n"));
    let listed = ordered(&box_, &["hostkey", "list"], "");
    ordered(&box_, &["hostkey", "remove", listed.split_whitespace().next().unwrap()], "");
    let session = ada.start_session(&nowhere()).expect(201)["session"].clone();
    ordered(&box_, &["session", "end", &id_of(&session)], "");
    let folder = tempfile::tempdir().unwrap();
    let (file, words) = (folder.path().join("box.backup"), folder.path().join("words"));
    write_private(&words, NEW_PASSWORD);
    let words = ["backup", "create", file.to_str().unwrap(), "--passphrase-file", words.to_str().unwrap()];
    ordered(&box_, &words, "");
    box_.signal("TERM");
    while box_.is_running() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    tells(&box_, COMMAND_LINE);
}

/// What other promises let happen, and look for in the audit.
const ELSEWHERE: &[(&str, &str)] = &[
    ("session.start", "audit_sessions::a_terminal_leaves_two_lines"),
    ("session.end", "audit_sessions::a_terminal_leaves_two_lines"),
    ("session.ask", "full_disk_routes::where_the_audit_is_required_a_full_disk_opens_no_new_terminal_and_ends_none"),
    ("claim.restore", "restore::a_backup_takes_the_place_of_a_box_that_nobody_has_claimed"),
    ("audit.gap", "full_disk_routes::where_it_is_not_a_full_disk_opens_terminals_and_the_gap_is_told_afterwards"),
    ("audit.left-out", "limited::many_networks_cannot_turn_the_audit_log_over"),
    ("signin.limited", "limited::whoever_is_refused_cannot_turn_the_audit_log_over"),
    ("signin.half.limited", "limited::who_only_knows_the_password_begins_so_many_and_keeps_no_trusted_device_out"),
    ("signin.strayed", "sessions_end::a_cookie_is_good_only_in_the_network_it_began_in"),
    ("hostkey.failed", "full_disk_people::that_a_host_key_could_not_be_kept_is_in_the_audit_or_counted_there"),
    ("hostkey.replace", "host_keys::a_changed_key_is_shown_beside_the_old_one_and_refused_unless_replaced"),
    ("admin.update", "update::a_browser_brings_a_program_and_reads_how_it_went"),
    ("admin.update.install", "update::a_browser_brings_a_program_and_reads_how_it_went"),
    ("device-key.rotate", "device_key::everything_opens_after_a_rotation_and_nothing_with_the_old_key"),
    ("cli.update", "update::a_browser_brings_a_program_and_reads_how_it_went"),
    ("cli.restart", "update::a_browser_brings_a_program_and_reads_how_it_went"),
];

/// The story: of sixty events, forty-five could have been left out of the program, and no test had noticed.
#[test]
fn no_event_is_without_a_test() {
    let told = [SIGN_INS, FACTORS, KEYS_OF_BROWSERS, PEOPLE, WHAT_IS_KEPT, COMMAND_LINE].concat();
    let here = told.iter().map(|(event, _)| *event);
    let tested: BTreeSet<String> = here.chain(ELSEWHERE.iter().map(|(event, _)| *event)).map(str::to_owned).collect();
    assert_eq!(written(), tested);
    for (event, test) in ELSEWHERE {
        let (module, name) = test.split_once("::").unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/{module}.rs"));
        let source = fs::read_to_string(file).unwrap();
        let body = source.split_once(&format!("fn {name}()")).and_then(|(_, rest)| rest.split_once("\n}\n"));
        assert!(body.is_some_and(|(body, _)| body.contains(event)), "{test} does not look for {event}");
    }
}
