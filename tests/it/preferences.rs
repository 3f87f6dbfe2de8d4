//! What the page remembers for a user is theirs, comes back as it was on any device, and has a bound.

use crate::world::{ADA, claimed};
use serde_json::json;

#[test]
fn they_come_back_as_they_were_after_a_restart_too() {
    let (mut box_, mut browser) = claimed();
    assert_eq!(browser.get("/api/preferences").expect(200), json!({"preferences": {}}));
    let mine = json!({"preferences": {"theme": "dark", "keys": {"Ctrl+K": "<b>\u{1f309}\u{0}"}, "tabs": [1, 2.5, null, true]}});
    browser.put("/api/preferences", mine.clone()).expect(204);
    assert_eq!(browser.get("/api/preferences").expect(200), mine);
    box_.kill();
    box_.start_again();
    let mut elsewhere = box_.browser();
    elsewhere.sign_in(ADA);
    assert_eq!(elsewhere.get("/api/preferences").expect(200), mine);
    elsewhere.put("/api/preferences", json!({"preferences": {}})).expect(204);
    assert_eq!(elsewhere.get("/api/preferences").expect(200), json!({"preferences": {}}));
}

#[test]
fn they_are_of_one_user() {
    let (mut box_, mut ada) = claimed();
    box_.add_user("eve", "a quiet river under the bridge");
    let mut eve = box_.browser();
    eve.sign_in(("eve", "a quiet river under the bridge"));
    ada.put("/api/preferences", json!({"preferences": {"theme": "dark"}})).expect(204);
    assert_eq!(eve.get("/api/preferences").expect(200), json!({"preferences": {}}));
}

#[test]
fn what_is_no_object_or_too_long_changes_nothing() {
    let (_box, mut browser) = claimed();
    let good = json!({"preferences": {"a": 1}});
    browser.put("/api/preferences", good.clone()).expect(204);
    for bad in
        [json!({}), json!([]), json!({"preferences": []}), json!({"preferences": "x"}), json!({"preferences": null})]
    {
        assert_eq!(browser.put("/api/preferences", bad.clone()).refusal(400), "bad_request", "{bad}");
    }
    let more = json!({"preferences": {}, "theme": "dark"});
    assert_eq!(browser.put("/api/preferences", more).refusal(400), "bad_request");
    let long = json!({"preferences": {"a": "x".repeat(33 * 1024)}});
    assert_eq!(browser.put("/api/preferences", long).expect(422)["field"], "preferences");
    let longer = json!({"preferences": {"a": "x".repeat(70 * 1024)}});
    assert_eq!(browser.put("/api/preferences", longer).refusal(413), "too_large");
    assert_eq!(browser.get("/api/preferences").expect(200), good);
    let most = json!({"preferences": {"a": "x".repeat(32 * 1024 - 30)}});
    browser.put("/api/preferences", most).expect(204);
}
