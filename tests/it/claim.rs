//! The first administrator is made with a printed code, once; after that the way in is gone for good.

use crate::world::footbridge::{Footbridge, text};
use crate::world::{ADA, claimed};
use serde_json::{Value, json};

fn attempt(code: &str) -> Value {
    json!({"code": code, "name": ADA.0, "password": ADA.1})
}

fn printed_code(output: &std::process::Output) -> String {
    let said = text(&output.stdout);
    said.trim().strip_prefix("claim-code ").unwrap_or_else(|| panic!("{said} {}", text(&output.stderr))).into()
}

#[test]
fn the_code_is_good_once_and_the_path_is_gone_after_it() {
    let mut box_ = Footbridge::start();
    let mut browser = box_.browser();
    assert_eq!(browser.get("/api/state").expect(200)["claimed"], false);

    let typed = box_.claim_code().to_lowercase().replace('-', " ");
    let reply = browser.post("/api/claim", attempt(&typed));
    assert!(browser.cookie.is_some());
    let body = reply.expect(201);
    assert_eq!(body["user"]["name"], "ada");
    assert_eq!(body["user"]["role"], "administrator");
    assert_eq!(browser.get("/api/state").expect(200)["claimed"], true);

    let code = box_.claim_code().to_string();
    let second = json!({"code": code, "name": "eve", "password": "another long pass phrase"});
    assert_eq!(box_.browser().post("/api/claim", second.clone()).refusal(404), "not_found");
    assert!(!box_.data().join("claim").exists(), "nothing of the code is kept");

    box_.kill();
    box_.start_again();
    assert!(!box_.prints_a_claim_code());
    assert_eq!(box_.browser().post("/api/claim", second).refusal(404), "not_found");
    box_.browser().sign_in(ADA);
}

#[test]
fn setup_prints_a_fresh_code_and_only_the_last_one_counts() {
    let box_ = Footbridge::start();
    let old = box_.claim_code().to_string();
    let fresh = printed_code(&box_.command(&["setup"], ""));
    assert_ne!(old, fresh);
    let mut browser = box_.browser();
    assert_eq!(browser.post("/api/claim", attempt(&old)).refusal(401), "sign_in_failed");
    browser.post("/api/claim", attempt(&fresh)).expect(201);

    let too_late = box_.command(&["setup"], "");
    assert!(!too_late.status.success());
    assert!(text(&too_late.stdout).is_empty() && text(&too_late.stderr).contains("administrator already"));
}

#[test]
fn a_code_survives_a_restart_only_as_a_fresh_one() {
    let mut box_ = Footbridge::start();
    let old = box_.claim_code().to_string();
    box_.kill();
    let fresh = printed_code(&box_.command(&["setup"], ""));
    box_.start_again_unclaimed();
    for stale in [&old, &fresh] {
        assert_eq!(box_.browser().post("/api/claim", attempt(stale)).refusal(401), "sign_in_failed");
    }
    box_.browser().claim(box_.claim_code(), ADA);
}

#[test]
fn guessing_the_code_is_limited() {
    let box_ = Footbridge::start();
    let mut browser = box_.browser();
    for guess in ["", "AAAAA-AAAAA-AAAAA-AAAAA", &box_.claim_code()[1..], "x", "' or 1=1"] {
        assert_eq!(browser.post("/api/claim", attempt(guess)).refusal(401), "sign_in_failed");
    }
    let refused = browser.post("/api/claim", attempt(box_.claim_code()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(refused.refusal(429), "too_many");
    assert_eq!(browser.get("/api/state").expect(200)["claimed"], false);
}

#[test]
fn a_name_or_password_that_cannot_be_leaves_the_code_good() {
    let box_ = Footbridge::start();
    let mut browser = box_.browser();
    let code = box_.claim_code();
    let long = "x".repeat(1025);
    for (name, password, field) in [
        ("ada", "short", "password"),
        ("ada", long.as_str(), "password"),
        ("ada", "passwordpassword", "password"),
        ("adalovelace42", "adalovelace42", "password"),
        ("", "a long bridge over cold water", "name"),
        ("a b", "a long bridge over cold water", "name"),
        ("footbridge", "a long bridge over cold water", "name"),
        ("deleted", "a long bridge over cold water", "name"),
        ("<script>", "a long bridge over cold water", "name"),
    ] {
        let refused = browser.post("/api/claim", json!({"code": code, "name": name, "password": password}));
        let body = refused.expect(422);
        assert_eq!(
            (body["error"].as_str(), body["field"].as_str()),
            (Some("invalid"), Some(field)),
            "{name} {password}"
        );
    }
    browser.claim(code, ADA);
}

#[test]
fn of_two_who_claim_at_once_one_is_the_administrator() {
    let box_ = Footbridge::start();
    let claim = |name: &'static str| {
        let mut browser = box_.browser();
        let body = json!({"code": box_.claim_code(), "name": name, "password": ADA.1});
        move || browser.post("/api/claim", body).status
    };
    let racers = ["ada", "bob", "eve", "joe"].map(|name| std::thread::spawn(claim(name)));
    let mut statuses = racers.map(|racer| racer.join().unwrap());
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201, "{statuses:?}");
    assert!(statuses[1..].iter().all(|status| [401, 404].contains(status)), "{statuses:?}");
    let users = text(&box_.command(&["user", "list"], "").stdout);
    assert_eq!(users.lines().count(), 1, "{users}");
}

#[test]
fn a_claimed_box_needs_no_code_and_has_no_default_account() {
    let (box_, _) = claimed();
    for name in ["admin", "root", "Admin", "user", "footbridge", "administrator"] {
        let mut browser = box_.browser();
        let status = browser.try_sign_in(name, name).status;
        assert!([401, 429].contains(&status), "{name}: {status}");
    }
}
