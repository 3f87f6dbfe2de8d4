//! What belongs to somebody else looks exactly like what does not exist: every id of one user, tried by another on every route there is.
//!
//! Nothing here names a route. They come from the program's table, bodies from docs/openapi.json, ids from the lists of whoever owns
//! them; so a new route is tried as soon as it is there, and fails here if nobody has anything for it to hide.

use crate::certificates::registered_by;
use crate::devices::trusted_by;
use crate::passkeys::give_one;
use crate::world::browser::{Browser, Reply, Target};
use crate::world::proxy::closed_port;
use crate::world::{ADA, claimed, claimed_with};
use footbridge::api::{Access, Method, ROUTES, Route};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
const NONE: &str = "0123456789abcdef0123456789abcdef";

fn seen(reply: Reply) -> (u16, Vec<(String, String)>, String) {
    (reply.status, reply.headers, String::from_utf8(reply.body).unwrap())
}

/// One of everything that has an id.
fn fill(user: &mut Browser, password: &str) {
    let target = Target { address: "127.0.0.1", port: closed_port(), user: "root", credential: None };
    let pin = json!({"address": "192.0.2.7", "port": 22, "fingerprint": "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"});
    user.post("/api/hostkeys", pin).expect(201);
    user.start_session(&target).expect(201);
    user.add_host(&target);
    user.add_password("the password of a router");
    trusted_by(user, password);
    registered_by(user, password);
    give_one(user);
}

/// `/api/hosts/{id}/…`: what kind of thing the id is of.
fn noun(route: &Route) -> Option<&'static str> {
    route.path.strip_prefix("/api/")?.split_once("/{id}").map(|(noun, _)| noun)
}

pub fn method(route: &Route) -> &'static str {
    match route.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    }
}

/// Of every noun that a route with an id is about: the ids that its list shows to `user`, whose own name is none of them.
fn ids_of(user: &mut Browser, skip: &[String], is_administrator: bool) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    let theirs = |route: &&Route| is_administrator || route.access != Access::Administrator;
    for noun in ROUTES.iter().filter(theirs).filter_map(noun) {
        let list = user.get(&format!("/api/{noun}")).expect(200);
        let list = list.as_object().unwrap().values().find_map(Value::as_array).unwrap();
        let ids: Vec<String> = list.iter().map(|thing| thing["id"].as_str().unwrap().to_owned()).collect();
        let ids: Vec<String> = ids.into_iter().filter(|id| !skip.contains(id)).collect();
        assert!(!ids.is_empty(), "there are no {noun}: `fill` must make one, or nobody knows whether it is hidden");
        all.insert(noun, ids);
    }
    all
}

fn openapi() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The properties that a route's body may have, and the names of those it must have (of the first form, where there are several).
fn fields(document: &Value, route: &Route) -> (Map<String, Value>, Vec<String>) {
    let operation = &document["paths"][route.path][method(route).to_lowercase()];
    let (mut known, mut required) = (Map::new(), Vec::new());
    gather(document, &operation["requestBody"]["content"]["application/json"]["schema"], &mut known, &mut required);
    (known, required)
}

fn gather(document: &Value, schema: &Value, known: &mut Map<String, Value>, required: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let named = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
        return gather(document, named, known, required);
    }
    let names = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned());
    if required.is_empty() {
        required.extend(names);
    }
    known.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    for form in ["allOf", "oneOf", "anyOf"].iter().flat_map(|several| schema[several].as_array().into_iter().flatten())
    {
        gather(document, form, known, required);
    }
}

/// A body that would do, were the id one's own.
fn body(document: &Value, route: &Route) -> Option<Value> {
    let (known, required) = fields(document, route);
    let example = |name: &String| match known[name]["type"].as_str() {
        _ if known[name]["enum"].is_array() => known[name]["enum"][0].clone(),
        Some("integer") => json!(1),
        Some("boolean") => json!(true),
        _ => json!("192.0.2.1"),
    };
    let changes = matches!(route.method, Method::Post | Method::Put);
    changes.then(|| required.iter().map(|name| (name.clone(), example(name))).collect::<Map<_, _>>().into())
}

fn try_id(
    browser: &mut Browser,
    document: &Value,
    route: &Route,
    id: &str,
    ticket: &str,
) -> (u16, Vec<(String, String)>, String) {
    let path = route.path.replace("{id}", id);
    if route.access == Access::Upgrade {
        let (origin, cookie) = (browser.origin(), browser.cookie.clone().unwrap());
        return seen(
            browser.upgrade(&format!("{path}?ticket={ticket}"), &[("Origin", &origin), ("Cookie", &cookie)]).0,
        );
    }
    seen(browser.request(method(route), &path, body(document, route)))
}

/// What `browser` gets for each of these ids is what it gets for an id of nothing, and for a text that is no id.
fn looks_like_nothing(
    browser: &mut Browser,
    ids: &BTreeMap<&'static str, Vec<String>>,
    ticket: &str,
    reaches: impl Fn(&Route) -> u16,
) -> usize {
    let (document, mut tried) = (openapi(), 0);
    for route in ROUTES.iter().filter(|route| noun(route).is_some()) {
        let status = reaches(route);
        let missing = try_id(browser, &document, route, NONE, ticket);
        assert_eq!(missing.0, status, "{} {}: {missing:?}", method(route), route.path);
        assert_eq!(try_id(browser, &document, route, "not-an-id", ticket), missing, "{} {}", method(route), route.path);
        for (noun, id) in ids.iter().flat_map(|(noun, ids)| ids.iter().map(move |id| (noun, id))) {
            let foreign = try_id(browser, &document, route, id, ticket);
            assert_eq!(foreign, missing, "{} {} with an id of {noun}", method(route), route.path);
            tried += 1;
        }
    }
    tried
}

/// Nor can it be used from within another thing: every `…_id` that a body may hold.
fn hides_in_no_body(browser: &mut Browser, ids: &BTreeMap<&'static str, Vec<String>>) -> usize {
    let (document, mut tried) = (openapi(), 0);
    for route in
        ROUTES.iter().filter(|route| matches!(route.method, Method::Post | Method::Put) && noun(route).is_none())
    {
        let (known, _) = fields(&document, route);
        for field in known.keys().filter(|name| name.ends_with("_id")) {
            let with = |id: &str| {
                let alone = json!({field.as_str(): id});
                let beside = json!({"address": "192.0.2.1", "user": "root", field.as_str(): id});
                if field == "host_id" { alone } else { beside }
            };
            let missing = seen(browser.post(route.path, with(NONE)));
            assert!([404, 422].contains(&missing.0), "{} {field}: {missing:?}", route.path);
            for id in ids.values().flatten() {
                assert_eq!(seen(browser.post(route.path, with(id))), missing, "{} {field}", route.path);
                tried += 1;
            }
        }
    }
    tried
}

/// Everything that `user` is shown: every route that reads and needs no id.
fn everything(user: &mut Browser) -> BTreeMap<&'static str, String> {
    let reads =
        |route: &&Route| route.method == Method::Get && route.access == Access::User && !route.path.contains("{id}");
    ROUTES.iter().filter(reads).map(|route| (route.path, user.get(route.path).expect(200).to_string())).collect()
}

#[test]
fn foreign_ids_look_like_missing_ones_on_every_route() {
    let (mut box_, mut ada) = claimed_with(&[("FOOTBRIDGE_CLIENT_CERTIFICATES", "ask")]);
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    let eves_own = eve.get("/api/state").expect(200)["user"]["id"].as_str().unwrap().to_owned();
    fill(&mut ada, ADA.1);
    ada.post("/api/invites", json!({"role": "user"})).expect(201);
    let adas = ids_of(&mut ada, &[eves_own], true);
    let ticket = ada.ticket(&adas["sessions"][0]);
    let before = everything(&mut ada);

    // A user without anything, against an administrator's.
    let administrators = |route: &Route| if route.access == Access::Administrator { 403 } else { 404 };
    let tried = looks_like_nothing(&mut eve, &adas, &ticket, administrators);
    assert!(tried > 100, "{tried}");
    assert!(hides_in_no_body(&mut eve, &adas) > 10);
    for (path, shown) in everything(&mut eve) {
        for id in adas.values().flatten() {
            assert!(!shown.contains(id), "{path} shows an id of somebody else: {shown}");
        }
    }
    let changed: Vec<_> = everything(&mut ada).into_iter().filter(|(path, shown)| before[path] != *shown).collect();
    // Looking at her sign-ins is a use of them.
    assert!(changed.iter().all(|(path, _)| ["/api/logins", "/api/activity"].contains(path)), "{changed:?}");
    assert_eq!(ada.get("/api/logins").expect(200)["logins"].as_array().unwrap().len(), 1);

    // And the other way: an administrator manages accounts, and reads nobody's things.
    fill(&mut eve, EVE.1);
    let mut eves = ids_of(&mut eve, &[], false);
    eves.insert("logins", vec![eve.get("/api/logins").expect(200)["logins"][0]["id"].as_str().unwrap().into()]);
    let ticket = eve.ticket(&eves["sessions"][0]);
    // Administrators' routes lead to accounts and invitations, which are theirs to manage; an id of anything else is nothing there.
    looks_like_nothing(&mut ada, &eves, &ticket, |_| 404);
    assert!(hides_in_no_body(&mut ada, &eves) > 10);
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
