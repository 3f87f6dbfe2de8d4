//! What belongs to somebody else looks exactly like what does not exist.

use crate::world::browser::{Browser, Reply, Target};
use crate::world::proxy::closed_port;
use crate::world::{ADA, claimed};
use serde_json::{Value, json};

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");

fn seen(reply: Reply) -> (u16, Vec<(String, String)>, String) {
    (reply.status, reply.headers, String::from_utf8(reply.body).unwrap())
}

struct Belongings {
    host: String,
    credential: String,
    host_key: String,
    session: String,
}

fn fill(ada: &mut Browser) -> Belongings {
    let target = Target { address: "127.0.0.1", port: closed_port(), user: "root", credential: None };
    let pin = json!({"address": "192.0.2.7", "port": 22, "fingerprint": "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"});
    ada.post("/api/hostkeys", pin).expect(201);
    let keys = ada.get("/api/hostkeys").expect(200);
    let session = ada.start_session(&target).expect(201)["session"]["id"].as_str().unwrap().to_string();
    Belongings {
        host: ada.add_host(&target),
        credential: ada.add_password("the password of a router"),
        host_key: keys["host_keys"][0]["id"].as_str().unwrap().into(),
        session,
    }
}

#[test]
fn foreign_ids_look_like_missing_ones() {
    let (mut box_, mut ada) = claimed();
    box_.add_user(EVE.0, EVE.1);
    let mine = fill(&mut ada);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    let none = "0123456789abcdef0123456789abcdef";
    let host = json!({"address": "192.0.2.1", "user": "root"});
    let label = json!({"label": "mine now"});
    let cases: [(&str, String, Option<Value>, &str); 10] = [
        ("GET", "/api/hosts/{}".into(), None, &mine.host),
        ("PUT", "/api/hosts/{}".into(), Some(host.clone()), &mine.host),
        ("DELETE", "/api/hosts/{}".into(), None, &mine.host),
        ("PUT", "/api/credentials/{}".into(), Some(label), &mine.credential),
        ("DELETE", "/api/credentials/{}".into(), None, &mine.credential),
        ("DELETE", "/api/hostkeys/{}".into(), None, &mine.host_key),
        ("GET", "/api/sessions/{}".into(), None, &mine.session),
        ("POST", "/api/sessions/{}/ticket".into(), Some(json!({})), &mine.session),
        ("DELETE", "/api/sessions/{}".into(), None, &mine.session),
        ("GET", "/api/hosts/{}".into(), None, &mine.credential),
    ];
    for (method, path, body, id) in cases {
        let foreign = seen(eve.request(method, &path.replace("{}", id), body.clone()));
        let missing = seen(eve.request(method, &path.replace("{}", none), body.clone()));
        let junk = seen(eve.request(method, &path.replace("{}", "not-an-id"), body));
        assert_eq!(foreign.0, 404, "{method} {path}: {foreign:?}");
        assert_eq!(foreign, missing, "{method} {path}");
        assert_eq!(foreign, junk, "{method} {path}");
    }
    // Nor can it be used from within another thing.
    for (foreign, missing) in [(
        json!({"address": "a", "user": "b", "credential_id": mine.credential}),
        json!({"address": "a", "user": "b", "credential_id": none}),
    )] {
        for path in ["/api/hosts", "/api/sessions"] {
            let (one, other) = (seen(eve.post(path, foreign.clone())), seen(eve.post(path, missing.clone())));
            assert!(one.0 >= 400, "{path}: {one:?}");
            assert_eq!(one, other, "{path}");
        }
    }
    let (one, other) = (
        seen(eve.post("/api/sessions", json!({"host_id": mine.host}))),
        seen(eve.post("/api/sessions", json!({"host_id": none}))),
    );
    assert_eq!((one.0 >= 400, &one), (true, &other));

    // Everything of Ada's is as it was, and Eve's lists are empty.
    assert_eq!(ada.get(&format!("/api/hosts/{}", mine.host)).expect(200)["address"], "127.0.0.1");
    assert_eq!(ada.get("/api/credentials").expect(200)["credentials"].as_array().unwrap().len(), 1);
    assert_eq!(ada.get(&format!("/api/sessions/{}", mine.session)).status, 200);
    for (path, list) in [
        ("/api/hosts", "hosts"),
        ("/api/credentials", "credentials"),
        ("/api/hostkeys", "host_keys"),
        ("/api/sessions", "sessions"),
    ] {
        assert_eq!(eve.get(path).expect(200)[list], json!([]), "{path}");
    }
    assert_eq!(eve.get("/api/preferences").expect(200)["preferences"], json!({}));
}

#[test]
fn a_user_is_no_administrator_and_an_administrator_no_user_s_reader() {
    let (mut box_, mut ada) = claimed();
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    assert_eq!(eve.get("/api/state").expect(200)["user"]["role"], "user");
    let hers = eve.add_password("what only eve knows");
    assert_eq!(ada.get("/api/state").expect(200)["user"]["name"], ADA.0);
    assert_eq!(ada.put(&format!("/api/credentials/{hers}"), json!({"label": "x"})).refusal(404), "not_found");
    assert_eq!(ada.delete(&format!("/api/credentials/{hers}")).refusal(404), "not_found");
    eve.delete(&format!("/api/credentials/{hers}")).expect(204);
}
