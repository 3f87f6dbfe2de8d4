//! A browser whose sign-in has ended is told why, and nobody else is. That one which ran out is told so is seen by
//! `sessions_end::polling_does_not_keep_a_session_alive`, which waits for it.

use crate::certificates::registered_by;
use crate::devices::trusted_by;
use crate::second_factor::{enrol, half};
use crate::sessions_end::{FAR, get_from};
use crate::world::browser::{Browser, Reply};
use crate::world::footbridge::Footbridge;
use crate::world::{ADA, claimed, claimed_with};
use footbridge::limits;
use serde_json::{Value, json};

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
const NEW_PASSWORD: &str = "an even longer bridge over it";

/// By what it asks for when it hears that nobody is signed in. Once, for then it has no cookie any more.
#[track_caller]
pub fn is_told(browser: &mut Browser, why: &str) {
    let cookie = browser.cookie.clone();
    assert!(cookie.is_some());
    assert_eq!(browser.get("/api/hosts").refusal(401), "not_signed_in");
    assert_eq!(browser.cookie, cookie, "it is needed for the question why");
    let state = browser.get("/api/state").expect(200);
    assert_eq!((&state["ended"], &state["user"]), (&json!(why), &Value::Null));
    assert!(browser.cookie.is_none() && browser.get("/api/state").expect(200)["ended"].is_null());
}

/// As to junk.
#[track_caller]
fn is_told_nothing(ask: impl Fn(&str) -> Reply) {
    let is_cleared = |reply: &Reply| reply.header("set-cookie").is_some_and(|line| line.contains("Max-Age=0"));
    let (refused, state) = (ask("/api/hosts"), ask("/api/state"));
    assert!(is_cleared(&refused) && is_cleared(&state), "{refused:?} {state:?}");
    assert_eq!((refused.refusal(401).as_str(), &state.expect(200)["ended"]), ("not_signed_in", &Value::Null));
}

fn signed_in(box_: &Footbridge, who: (&str, &str)) -> Browser {
    half(box_, who, "full")
}

#[test]
fn newer_sign_ins() {
    let (box_, mut ada) = claimed();
    (0..limits::LOGINS_PER_USER).for_each(|_| drop(signed_in(&box_, ADA)));
    is_told(&mut ada, "pushed");
    enrol(&mut signed_in(&box_, ADA));
    let mut owing = half(&box_, ADA, "factor");
    (0..limits::HALF_LOGINS_PER_USER).for_each(|_| drop(half(&box_, ADA, "factor")));
    is_told(&mut owing, "pushed");
}

#[test]
fn a_change_of_the_account() {
    let (mut box_, mut ada) = claimed();
    box_.add_user(EVE.0, EVE.1);
    let users = ada.get("/api/users").expect(200);
    let eve = users["users"].as_array().unwrap().iter().find(|user| user["name"] == "eve").unwrap();
    let path = format!("/api/users/{}", eve["id"].as_str().unwrap());
    type Deed<'a> = &'a mut dyn FnMut(&mut Browser);
    let deeds: [Deed; 4] = [
        &mut |_| drop(ada.put(&path, json!({"role": "command-only"})).expect(200)),
        &mut |_| drop(box_.command(&["user", "reset-mfa", "eve"], "")),
        &mut |eve| drop(eve.post("/api/password", json!({"current": EVE.1, "new": NEW_PASSWORD})).expect(200)),
        &mut |eve| drop(enrol(eve)),
    ];
    let mut password = EVE.1;
    for (n, deed) in deeds.into_iter().enumerate() {
        let (mut here, mut there) = (signed_in(&box_, (EVE.0, password)), signed_in(&box_, (EVE.0, password)));
        deed(&mut here);
        is_told(&mut there, "account");
        if n >= 2 {
            assert!(here.is_signed_in(), "whoever did it goes on");
            password = NEW_PASSWORD;
        }
    }
    // One that is half as well.
    for deed in [json!({"disabled": true}), Value::Null] {
        ada.put(&path, json!({"disabled": false})).expect(200);
        let mut eve = half(&box_, (EVE.0, NEW_PASSWORD), "factor");
        match deed {
            Value::Null => drop(ada.remove(&path, ADA.1).expect(204)),
            deed => drop(ada.put(&path, deed).expect(200)),
        }
        is_told(&mut eve, "account");
    }
}

#[test]
fn a_device_that_was_removed_or_is_demanded() {
    let (box_, mut ada) = claimed();
    let mut there = signed_in(&box_, ADA);
    let device = trusted_by(&mut there, ADA.1);
    trusted_by(&mut ada, ADA.1);
    ada.remove(&format!("/api/devices/{}", device.id()), ADA.1).expect(204);
    is_told(&mut there, "device");
    let mut there = signed_in(&box_, ADA);
    ada.put("/api/device/demand", json!({"required": true, "proof": ADA.1})).expect(204);
    is_told(&mut there, "device");
}

#[test]
fn another_browser_and_who_signs_out_is_told_nothing() {
    let (box_, mut ada) = claimed();
    let mut there = signed_in(&box_, ADA);
    let logins = ada.get("/api/logins").expect(200);
    let other = logins["logins"].as_array().unwrap().iter().find(|login| login["current"] == false).unwrap();
    ada.delete(&format!("/api/logins/{}", other["id"].as_str().unwrap())).expect(204);
    is_told(&mut there, "ended");
    let mut there = signed_in(&box_, ADA);
    let locks = ada.clone();
    ada.post("/api/lock", json!({})).expect(204);
    is_told(&mut there, "ended");
    let mut leaves = signed_in(&box_, ADA);
    let left = leaves.clone();
    leaves.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    for gone in [locks, left] {
        is_told_nothing(|path| gone.clone().get(path));
    }
}

/// R2: a cookie is good with its certificate only, and so is the word about it.
#[test]
fn without_its_certificate_nothing_is_told() {
    let (box_, mut ada) = claimed_with(&[("FOOTBRIDGE_CLIENT_CERTIFICATES", "ask")]);
    let mut there = signed_in(&box_, ADA);
    let (_, id) = registered_by(&mut there, ADA.1);
    let mut thief = there.clone();
    thief.show(None);
    ada.remove(&format!("/api/certificates/{id}"), ADA.1).expect(204);
    is_told_nothing(|path| thief.clone().get(path));
    is_told(&mut there, "device");
}

/// Who has stolen a cookie learns by nothing whether its owner is still there.
#[test]
fn elsewhere_nothing_is_told() {
    let (box_, mut ada) = claimed();
    let mut there = signed_in(&box_, ADA);
    let ask = |path: &str| get_from(&box_, &there, FAR, path);
    is_told_nothing(ask);
    assert!(there.clone().is_signed_in());
    ada.post("/api/lock", json!({})).expect(204);
    let ask = |path: &str| get_from(&box_, &there, FAR, path);
    is_told_nothing(ask);
    is_told(&mut there, "ended");
    let mut junk = there.clone();
    junk.cookie = Some(format!("__Host-footbridge={}", "A".repeat(43)));
    is_told_nothing(|path| junk.clone().get(path));
}
