//! Accounts: who may do what to whom, and that it holds at once.

use crate::second_factor::{enrol, half, take};
use crate::world::browser::{Browser, Target, head, read_reply};
use crate::world::footbridge::{Footbridge, text};
use crate::world::patience::until;
use crate::world::proxy::closed_port;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::{ADA, claimed, claimed_with, raw};
use footbridge::api::{Access, ROUTES};
use footbridge::store::{self, Store};
use footbridge::vault::DeviceKey;
use serde_json::{Value, json};
use std::io::Write;

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
const NEW_PASSWORD: &str = "an even longer bridge over it";

fn with_eve() -> (Footbridge, Browser, Browser) {
    let (mut box_, ada) = claimed();
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    (box_, ada, eve)
}

fn account(ada: &mut Browser, name: &str) -> Value {
    let users = ada.get("/api/users").expect(200);
    users["users"].as_array().unwrap().iter().find(|user| user["name"] == name).cloned().unwrap_or(Value::Null)
}

fn path_of(ada: &mut Browser, name: &str) -> String {
    format!("/api/users/{}", account(ada, name)["id"].as_str().unwrap())
}

fn change(ada: &mut Browser, name: &str, change: Value) {
    let path = path_of(ada, name);
    ada.put(&path, change).expect(200);
}

fn a_terminal(browser: &mut Browser) -> String {
    let target = Target { address: "127.0.0.1", port: closed_port(), user: "root", credential: None };
    browser.start_session(&target).expect(201)["session"]["id"].as_str().unwrap().into()
}

#[test]
fn administrators_only() {
    let (_box, mut ada, mut eve) = with_eve();
    let path = path_of(&mut ada, "ada");
    for reply in [
        eve.get("/api/users"),
        eve.post("/api/users", json!({"name": "mal", "role": "user", "password": NEW_PASSWORD})),
        eve.put(&path, json!({"disabled": true})),
        eve.delete(&path),
        eve.post(&format!("{path}/unlock"), json!({})),
        eve.post(&format!("{path}/reset-factor"), json!({"proof": EVE.1})),
        eve.get("/api/invites"),
        eve.post("/api/invites", json!({"role": "administrator", "proof": EVE.1})),
        eve.get("/api/audit"),
        eve.get("/api/log"),
    ] {
        assert_eq!(reply.refusal(403), "forbidden");
    }
}

#[test]
fn who_is_disabled_or_deleted_is_out() {
    let (box_, mut ada, mut eve) = with_eve();
    a_terminal(&mut eve);
    let path = path_of(&mut ada, "eve");
    assert_eq!(ada.put(&path, json!({"disabled": true})).expect(200)["disabled"], true);
    assert_eq!(eve.get("/api/hosts").refusal(401), "not_signed_in");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while account(&mut ada, "eve")["terminals"] != 0 {
        assert!(std::time::Instant::now() < until, "the terminal of a disabled user goes on");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    box_.browser().try_sign_in(EVE.0, EVE.1).refusal(401);
    ada.put(&path, json!({"disabled": false})).expect(200);
    eve.sign_in(EVE);
    ada.put(&path, json!({"role": "command-only"})).expect(200);
    eve.sign_in(EVE);
    assert_eq!(eve.post("/api/sessions", json!({"address": "127.0.0.1", "user": "root"})).refusal(403), "forbidden");
    // What cannot be undone, a browser that stands open does not do.
    assert_eq!(ada.delete(&path).refusal(403), "proof_needed");
    assert_eq!(ada.remove(&path, EVE.1).refusal(401), "wrong_code");
    assert!(eve.is_signed_in());
    ada.remove(&path, ADA.1).expect(204);
    assert_eq!(eve.get("/api/hosts").refusal(401), "not_signed_in");
    assert_eq!(ada.delete(&path).refusal(404), "not_found");
    let own = path_of(&mut ada, "ada");
    assert_eq!(ada.put(&own, json!({"role": "user"})).refusal(409), "conflict", "the last administrator stays one");
    assert_eq!(ada.remove(&own, ADA.1).refusal(409), "conflict");
}

/// The story: the terminal of the test above leads nowhere and ends by itself. That those of a disabled user are ended, and of a deleted
/// one, and of one who may have none any more, was seen by nobody.
#[test]
fn who_may_have_no_terminals_any_more_loses_those_that_run() {
    type Deed = fn(&Footbridge, &mut Browser, &str);
    let deeds: [(&str, Deed); 6] = [
        ("page-disabled", |_, ada, name| change(ada, name, json!({"disabled": true}))),
        ("page-command-only", |_, ada, name| change(ada, name, json!({"role": "command-only"}))),
        ("page-deleted", |_, ada, name| {
            let path = path_of(ada, name);
            ada.remove(&path, ADA.1).expect(204);
        }),
        ("cli-disabled", |box_, _, name| drop(ordered(box_, &["user", "disable", name]))),
        ("cli-command-only", |box_, _, name| drop(ordered(box_, &["user", "role", name, "command-only"]))),
        ("cli-deleted", |box_, _, name| drop(ordered(box_, &["user", "delete", name]))),
    ];
    let host = SshServer::openssh();
    let (mut box_, mut ada) = claimed_with(&[("FOOTBRIDGE_TERMINALS_PER_BOX", "8")]);
    for (name, deed) in deeds {
        box_.add_user(name, EVE.1);
        let mut user = box_.browser();
        user.sign_in((name, EVE.1));
        let credential = user.add_password(PASSWORD);
        let terminal = user.open_accepting(&host.target(Some(&credential)));
        // Another role alone ends none.
        ordered(&box_, &["user", "role", name, "administrator"]);
        assert_eq!(account(&mut ada, name)["terminals"], 1, "{name}");
        deed(&box_, &mut ada, name);
        until(&format!("the end of the terminal of {name}"), || {
            let told = ada.get(&format!("/api/audit?last=9&event=session.end&user={name}")).expect(200);
            told["events"].as_array().unwrap().iter().find(|event| event["reason"] == "ended").map(drop)
        });
        drop(terminal);
    }
}

/// The story: who asks was looked up when the head of the request had come, and its body may take twenty seconds. An administrator who was
/// put out in between lifted a lock, took back an invitation, saved a host: whatever was not asked once more.
#[test]
fn whoever_is_put_out_while_their_request_is_on_its_way_does_nothing_more() {
    let (mut box_, _) = claimed();
    box_.add_user(EVE.0, EVE.1);
    ordered(&box_, &["user", "role", "eve", "administrator"]);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    let mut waiting = Vec::new();
    let theirs = |access| matches!(access, Access::Half | Access::User | Access::Administrator);
    for route in ROUTES.iter().filter(|route| theirs(route.access) && route.body_bytes > 0) {
        let (form, path) = (eve.form(), route.path.replace("{id}", "00000000000000000000000000000000"));
        let lines = [
            ("Host", eve.address.to_string()),
            ("Origin", eve.origin()),
            ("Cookie", eve.cookie.clone().unwrap()),
            ("X-Footbridge-Csrf", eve.csrf.clone().unwrap()),
            ("X-Footbridge-Form", form),
            ("Content-Type", "application/json".into()),
            ("Expect", "100-continue".into()),
        ];
        let lines = lines.map(|(name, value)| (name.to_owned(), value));
        let whole = head(crate::foreign::method(route), &path, &lines, Some(b"{}"));
        let mut stream = raw::say(&eve, &whole[..whole.len() - 2]);
        assert_eq!(read_reply(&mut stream, false).unwrap().status, 100, "{path}: let in, and its body is awaited");
        waiting.push((path, stream));
    }
    assert!(waiting.len() > 30, "{}", waiting.len());
    ordered(&box_, &["user", "disable", "eve"]);
    for (path, mut stream) in waiting {
        stream.write_all(b"{}").and_then(|()| stream.flush()).unwrap();
        let reply = read_reply(&mut stream, false).unwrap();
        assert_eq!((reply.status, reply.json()["error"].clone()), (401, json!("not_signed_in")), "{path}");
    }
}

#[test]
fn a_new_administrator_needs_a_proof() {
    let (box_, mut ada, _) = with_eve();
    let path = path_of(&mut ada, "eve");
    let new = json!({"name": "bob", "role": "administrator", "password": NEW_PASSWORD});
    assert_eq!(ada.post("/api/users", new.clone()).refusal(403), "proof_needed");
    assert_eq!(ada.put(&path, json!({"role": "administrator"})).refusal(403), "proof_needed");
    assert_eq!(ada.post("/api/invites", json!({"role": "administrator"})).refusal(403), "proof_needed");
    assert_eq!(ada.put(&path, json!({"role": "administrator", "proof": EVE.1})).refusal(401), "wrong_code");
    assert_eq!(account(&mut ada, "eve")["role"], "user");
    ada.put(&path, json!({"role": "administrator", "proof": ADA.1})).expect(200);
    // Once there is a second factor, the password is proof no more.
    let (phone, _) = enrol(&mut ada);
    let with = |proof: &str| json!({"name": "bob", "role": "administrator", "password": NEW_PASSWORD, "proof": proof});
    assert_eq!(ada.post("/api/users", with(ADA.1)).refusal(401), "wrong_code");
    let code = phone.code(0);
    ada.post("/api/users", with(&code)).expect(201);
    let reset = ada.post(&format!("{path}/reset-factor"), json!({"proof": code}));
    assert_eq!(reset.refusal(401), "wrong_code", "a code is proof of one deed");
    box_.browser().sign_in(("bob", NEW_PASSWORD));
}

/// The story: who was made administrator needed a proof, and a dismissed one was let back in without, from any open browser.
#[test]
fn a_disabled_administrator_comes_back_only_with_a_proof() {
    let (box_, mut ada, _) = with_eve();
    let path = path_of(&mut ada, "eve");
    ordered(&box_, &["user", "role", "eve", "administrator"]);
    ordered(&box_, &["user", "disable", "eve"]);
    for role in [Value::Null, json!("administrator")] {
        let enable = |proof: Value| json!({"role": role, "disabled": false, "proof": proof});
        assert_eq!(ada.put(&path, enable(Value::Null)).refusal(403), "proof_needed");
        assert_eq!(ada.put(&path, enable(json!(EVE.1))).refusal(401), "wrong_code");
    }
    assert_eq!(account(&mut ada, "eve")["disabled"], true);
    // As an administrator no more, or to be one disabled, they need none.
    ada.put(&path, json!({"role": "user", "disabled": false})).expect(200);
    ordered(&box_, &["user", "role", "eve", "administrator"]);
    ada.put(&path, json!({"disabled": true})).expect(200);
    ada.put(&path, json!({"disabled": false, "proof": ADA.1})).expect(200);
    half(&box_, EVE, "full").get("/api/users").expect(200);
}

#[test]
fn a_lost_factor_is_taken_off_and_its_owner_told() {
    let (box_, mut ada, mut eve) = with_eve();
    enrol(&mut eve);
    let path = path_of(&mut ada, "eve");
    assert_eq!(account(&mut ada, "eve")["factor"], true);
    assert_eq!(ada.post(&format!("{path}/reset-factor"), json!({})).refusal(403), "proof_needed");
    ada.post(&format!("{path}/reset-factor"), json!({"proof": ADA.1})).expect(204);
    assert_eq!(eve.get("/api/hosts").refusal(401), "not_signed_in");
    let mut eve = half(&box_, EVE, "full");
    assert_eq!(eve.get("/api/notices").expect(200)["notices"][0]["what"], "factor-reset");
}

#[test]
fn an_invitation_makes_one_user() {
    let (box_, mut ada) = claimed();
    let token = ada.post("/api/invites", json!({"role": "user"})).expect(201)["token"].clone();
    let back = ada.post("/api/invites", json!({"role": "user"})).expect(201)["token"].clone();
    let listed = ada.get("/api/invites").expect(200);
    assert_eq!(listed["invites"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(token.as_str().unwrap()), "shown once");
    let accept = |token: &Value, name: &str| {
        let mut browser = box_.browser();
        let reply = browser.post("/api/invite", json!({"token": token, "name": name, "password": NEW_PASSWORD}));
        (browser, reply)
    };
    assert_eq!(accept(&token, "ada").1.refusal(409), "conflict");
    let (mut bob, reply) = accept(&token, "bob");
    assert_eq!(take(&mut bob, reply, 201, "full")["user"]["role"], "user");
    bob.get("/api/hosts").expect(200);
    assert_eq!(accept(&token, "mal").1.refusal(401), "wrong_token");
    let left = ada.get("/api/invites").expect(200)["invites"][0]["id"].clone();
    let path = format!("/api/invites/{}", left.as_str().unwrap());
    ada.delete(&path).expect(204);
    assert_eq!(ada.delete(&path).refusal(404), "not_found");
    assert_eq!(accept(&back, "mal").1.refusal(401), "wrong_token");
}

/// The story: an administrator who was thrown out came back by a link that they had made for themselves before.
#[test]
fn an_invitation_of_an_administrator_who_is_none_any_more_is_good_no_more() {
    let (mut box_, mut ada) = claimed_with(&[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    box_.add_user("bob", EVE.1);
    let new = json!({"name": "bob", "role": "administrator", "password": EVE.1, "proof": ADA.1});
    let [demote, disable] = [json!({"role": "user"}), json!({"disabled": true})];
    for deed in [Some(demote), Some(disable), None] {
        let path = path_of(&mut ada, "bob");
        ada.put(&path, json!({"role": "administrator", "disabled": false, "proof": ADA.1})).expect(200);
        let mut bob = box_.browser();
        bob.sign_in(("bob", EVE.1));
        let invited = bob.post("/api/invites", json!({"role": "administrator", "proof": EVE.1})).expect(201);
        let body = json!({"token": invited["token"], "name": "mal", "password": NEW_PASSWORD});
        match &deed {
            Some(change) => drop(ada.put(&path, change.clone()).expect(200)),
            None => drop(ada.remove(&path, ADA.1).expect(204)),
        }
        assert_eq!(box_.browser().post("/api/invite", body.clone()).refusal(401), "wrong_token", "{deed:?}");
        assert_eq!(ada.get("/api/invites").expect(200)["invites"], json!([]));
        // Nor if somebody of that name is an administrator later.
        match &deed {
            Some(_) => {
                drop(ada.put(&path, json!({"role": "administrator", "disabled": false, "proof": ADA.1})).expect(200))
            }
            None => drop(ada.post("/api/users", new.clone()).expect(201)),
        }
        assert_eq!(box_.browser().post("/api/invite", body).refusal(401), "wrong_token", "{deed:?}, and back");
    }
    assert!(account(&mut ada, "mal").is_null());
}

#[test]
fn own_sign_ins_are_listed_and_ended_and_nobody_else_s() {
    let (box_, mut ada, mut eve) = with_eve();
    let mut second = box_.browser();
    second.sign_in(ADA);
    let logins = ada.get("/api/logins").expect(200);
    let logins = logins["logins"].as_array().unwrap().clone();
    assert_eq!(logins.len(), 2);
    assert_eq!(logins.iter().filter(|login| login["current"] == true).count(), 1);
    let other = logins.iter().find(|login| login["current"] == false).unwrap();
    let path = format!("/api/logins/{}", other["id"].as_str().unwrap());
    assert_eq!(eve.delete(&path).refusal(404), "not_found");
    assert!(second.is_signed_in());
    ada.delete(&path).expect(204);
    assert!(!second.is_signed_in() && ada.is_signed_in());
    let events = eve.get("/api/activity").expect(200);
    let events = events["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["event"] == "signin"));
    assert!(events.iter().all(|event| event["user"] == "eve"), "{events:?}");
    let audit = ada.get("/api/audit?last=1&event=signin&user=eve").expect(200);
    assert_eq!(audit["events"].as_array().unwrap().len(), 1);
    let encoded = ada.get("/api/audit?last=%31&e%76ent=sign%69n&user=%65ve").expect(200);
    assert_eq!(encoded, audit, "as a form writes it");
    assert_eq!(ada.get("/api/audit?user=e%2Ave%00").expect(200)["events"], json!([]));
    for bad in ["last=100000", "until=yesterday", "before=", "before=1"] {
        assert_eq!(ada.get(&format!("/api/audit?{bad}")).refusal(400), "bad_request", "{bad}");
    }
    let mut back = Vec::new();
    let mut older = String::new();
    loop {
        let page = ada.get(&format!("/api/audit?last=2{older}")).expect(200);
        back.splice(..0, page["events"].as_array().unwrap().clone());
        let Some(mark) = page["older"].as_str() else { break };
        older = format!("&before={mark}");
    }
    let all = ada.get("/api/audit").expect(200);
    assert_eq!((json!(back), &all["older"]), (all["events"].clone(), &Value::Null), "by twos, and all at once");
    assert_eq!(ada.get("/api/audit?until=1").expect(200)["events"], json!([]));
}

/// C6: by what it says of itself and when it was there last, a person knows which one is a stranger's.
#[test]
fn a_sign_in_is_told_by_its_device_and_its_last_use() {
    let (_box, mut ada) = claimed();
    let (origin, body) = (ada.origin(), json!({"name": ADA.0, "password": ADA.1}).to_string());
    let headers = [("Origin", origin.as_str()), ("User-Agent", "Ada's telephone")];
    assert_eq!(raw::request(&ada, "POST", "/api/login", &headers, Some(&body)).status, 200);
    let waited = 3;
    std::thread::sleep(std::time::Duration::from_secs(waited));
    let time = ada.get("/api/state").expect(200)["time"].as_u64().unwrap();
    let logins = ada.get("/api/logins").expect(200)["logins"].as_array().unwrap().clone();
    let other = logins.iter().find(|login| login["current"] == false).unwrap();
    assert_eq!((&other["user_agent"], &other["address"]), (&json!("Ada's telephone"), &json!("127.0.0.1")));
    assert!(other["last_use"].as_u64().unwrap() < time, "{other} at {time}");
}

#[test]
fn a_deed_is_one_line_and_the_other_one_reads_it_too() {
    let (box_, mut ada, mut eve) = with_eve();
    let path = path_of(&mut ada, "eve");
    let last = |browser: &mut Browser, path: &str| {
        let events = browser.get(path).expect(200)["events"].as_array().unwrap().clone();
        events.into_iter().filter(|event| event["event"].as_str().unwrap().contains("user.")).collect::<Vec<_>>()
    };
    ada.put(&path, json!({"disabled": true})).expect(200);
    ordered(&box_, &["user", "enable", "eve"]);
    for whose in ["", "&user=eve"] {
        let lines = last(&mut ada, &format!("/api/audit?last=100{whose}"));
        let told: Vec<_> = lines.iter().map(|line| (&line["event"], &line["user"], &line["target"])).collect();
        let null = Value::Null;
        assert_eq!(told.len(), 3, "{lines:?}");
        assert_eq!(told[1], (&json!("admin.user.disable"), &json!("ada"), &json!("eve")));
        assert_eq!(told[2], (&json!("cli.user.enable"), &json!("eve"), &null));
    }
    eve.sign_in(EVE);
    let own = last(&mut eve, "/api/activity");
    assert_eq!(own[1]["event"], "admin.user.disable");
    assert_eq!(own[1]["user"], "eve");
    assert_eq!(own[1].as_object().unwrap().len(), 3, "not who did it, nor from where: {own:?}");
}

fn ordered(box_: &Footbridge, words: &[&str]) -> String {
    let done = box_.command(words, "");
    assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

#[test]
fn the_command_line_does_the_same() {
    let (box_, mut ada, mut eve) = with_eve();
    ordered(&box_, &["user", "disable", "eve"]);
    assert_eq!(eve.get("/api/hosts").refusal(401), "not_signed_in");
    box_.browser().try_sign_in(EVE.0, EVE.1).refusal(401);
    ordered(&box_, &["user", "enable", "eve"]);
    ordered(&box_, &["user", "unlock", "eve"]);
    ordered(&box_, &["user", "role", "eve", "administrator"]);
    eve.sign_in(EVE);
    eve.get("/api/users").expect(200);
    enrol(&mut eve);
    ordered(&box_, &["user", "reset-mfa", "eve"]);
    half(&box_, EVE, "full");
    ordered(&box_, &["user", "delete", "eve"]);
    assert!(account(&mut ada, "eve").is_null());
    let last = box_.command(&["user", "delete", "ada"], "");
    assert!(!last.status.success() && text(&last.stderr).contains("only administrator"));
    let told = ordered(&box_, &["user", "invite", "--role", "command-only"]);
    let token = told.lines().next().unwrap().strip_prefix("invite-token ").unwrap();
    let mut bob = box_.browser();
    let reply = bob.post("/api/invite", json!({"token": token, "name": "bob", "password": NEW_PASSWORD}));
    assert_eq!(take(&mut bob, reply, 201, "full")["user"]["role"], "command-only");
}

#[test]
fn a_forgotten_password() {
    let (box_, _, mut eve) = with_eve();
    let (_, codes) = enrol(&mut eve);
    eve.add_password("the password of a router");
    let token = || {
        let told = ordered(&box_, &["user", "reset-password", "eve"]);
        told.lines().next().unwrap().strip_prefix("reset-token ").unwrap().to_owned()
    };
    let first = token();
    assert!(eve.is_signed_in(), "the token alone changes nothing");
    let reset = |body: Value| box_.browser().post("/api/reset", body);
    let plain = json!({"token": first, "password": NEW_PASSWORD});
    assert_eq!(reset(plain).refusal(400), "bad_request", "nothing is discarded by leaving something out");
    let both = json!({"token": first, "password": NEW_PASSWORD, "recovery_code": codes[0], "discard": true});
    assert_eq!(reset(both).refusal(400), "bad_request");
    let junk = json!({"token": "junk", "password": NEW_PASSWORD, "discard": true});
    assert_eq!(reset(junk).refusal(401), "wrong_token");
    reset(json!({"token": first, "password": NEW_PASSWORD, "recovery_code": codes[0]})).expect(204);
    assert_eq!(eve.get("/api/hosts").refusal(401), "not_signed_in");
    let mut owing = half(&box_, (EVE.0, NEW_PASSWORD), "factor");
    let reply = owing.post("/api/factor/recover", json!({"code": codes[1]}));
    take(&mut owing, reply, 200, "recovered");
    enrol(&mut owing);
    let kept = owing.get("/api/credentials").expect(200);
    assert_eq!(kept["credentials"].as_array().unwrap().len(), 1, "a recovery code keeps the vault");

    reset(json!({"token": token(), "password": "a third bridge over a lake", "discard": true})).expect(204);
    let mut eve = half(&box_, (EVE.0, "a third bridge over a lake"), "full");
    assert_eq!(eve.get("/api/credentials").expect(200)["credentials"], json!([]));
}

#[test]
fn what_is_stored_waits_for_a_disabled_user_and_goes_with_a_deleted_one() {
    let host = SshServer::openssh();
    let (box_, mut ada, mut eve) = with_eve();
    let credential = eve.add_password_for(&host.target(None), PASSWORD);
    eve.open_accepting(&host.target(Some(&credential)));
    let id = account(&mut ada, "eve")["id"].as_str().unwrap().to_owned();
    let path = path_of(&mut ada, "eve");
    // As it is on the disk: a copy that nobody has open.
    let stored = || {
        let (copy, device) = (tempfile::tempdir().unwrap(), DeviceKey::load_or_make(&box_.data()).unwrap());
        std::fs::copy(box_.data().join(store::FILE), copy.path().join(store::FILE)).unwrap();
        Store::open(copy.path(), device.derive("store")).unwrap().credentials(id.parse().unwrap()).unwrap().len()
    };
    ada.put(&path, json!({"disabled": true})).expect(200);
    assert_eq!(eve.get("/api/credentials").refusal(401), "not_signed_in");
    assert_eq!(stored(), 1);
    ada.put(&path, json!({"disabled": false})).expect(200);
    assert_eq!(eve.get("/api/credentials").refusal(401), "not_signed_in", "nobody but her own password brings it back");
    eve.sign_in(EVE);
    eve.open(&host.target(Some(&credential))).until_prompt();
    ada.remove(&path, ADA.1).expect(204);
    assert_eq!(stored(), 0);
}

/// The story: names are what the audit knows people by, and a new user read where a deleted one of the same name had been.
#[test]
fn a_new_user_reads_nothing_of_a_deleted_one_with_the_same_name() {
    let (mut box_, mut ada, mut eve) = with_eve();
    let events = |browser: &mut Browser| {
        let events = browser.get("/api/activity").expect(200)["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(events(&mut eve), ["cli.user.add", "signin"]);
    let path = path_of(&mut ada, "eve");
    ada.put(&path, json!({"role": "command-only"})).expect(200);
    ada.remove(&path, ADA.1).expect(204);
    box_.browser().try_sign_in(EVE.0, EVE.1).refusal(401);
    box_.add_user(EVE.0, NEW_PASSWORD);
    let mut new = box_.browser();
    new.sign_in((EVE.0, NEW_PASSWORD));
    assert_eq!(events(&mut new), ["cli.user.add", "signin"]);
    let all = ada.get("/api/audit?last=100&user=eve").expect(200).to_string();
    assert!(all.contains("admin.user.delete"), "an administrator reads everything: {all}");
}
