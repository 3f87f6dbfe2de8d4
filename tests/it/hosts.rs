//! A user's list of hosts keeps what it is given, refuses what could be misread, and gives every text back as text.

use crate::world::browser::{Browser, head, read_some};
use crate::world::footbridge::GIVES_BACK;
use crate::world::tls::Tls;
use crate::world::{claimed, claimed_with, raw};
use serde_json::{Value, json};

#[test]
fn a_host_is_made_read_changed_and_deleted() {
    let (mut box_, mut browser) = claimed();
    let made = browser.post("/api/hosts", json!({"address": "192.168.1.1", "user": "root"})).expect(201);
    let id = made["id"].as_str().unwrap().to_string();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()), "{id}");
    let wanted = json!({"id": id, "label": "", "address": "192.168.1.1", "port": 22, "user": "root", "credential_id": null,
        "created": made["created"], "last_used": null, "tags": [], "favourite": false, "colour": "", "notes": "", "osc52": false});
    assert_eq!(made, wanted, "what is left out has its default");
    let path = format!("/api/hosts/{id}");
    assert_eq!(browser.get(&path).expect(200), made);

    let full = json!({"label": "router", "address": "fe80::1%eth0", "port": 2222, "user": "jürgen", "credential_id": null,
        "tags": ["home", "münchen"], "favourite": true, "colour": "teal", "notes": "line\nline\ttab", "osc52": true});
    let changed = browser.put(&path, full.clone()).expect(200);
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(&changed[field], value, "{field}");
    }
    assert_eq!((&changed["id"], &changed["created"]), (&made["id"], &made["created"]));
    let back = browser.put(&path, json!({"address": "a", "user": "b"})).expect(200);
    assert_eq!(
        (&back["label"], &back["tags"], &back["port"]),
        (&json!(""), &json!([]), &json!(22)),
        "a PUT replaces all"
    );

    box_.kill();
    box_.start_again();
    let mut again = box_.browser();
    again.sign_in(crate::world::ADA);
    assert_eq!(again.get(&path).expect(200), back, "what was said to be saved is there after a kill");
    again.delete(&path).expect(204);
    assert_eq!(again.get(&path).refusal(404), "not_found");
    assert_eq!(again.delete(&path).refusal(404), "not_found");
    assert_eq!(again.put(&path, json!({"address": "a", "user": "b"})).refusal(404), "not_found");
    assert_eq!(again.get("/api/hosts").expect(200)["hosts"], json!([]));
}

#[test]
fn a_field_that_could_be_misread_is_refused_by_its_name() {
    let (_box, mut browser) = claimed();
    let good = json!({"address": "box", "user": "root"});
    let long = |count: usize| "x".repeat(count);
    let cases: Vec<(&str, Value)> = vec![
        ("address", json!("")),
        ("address", json!("-oProxyCommand=reboot")),
        ("address", json!("a b")),
        ("address", json!("a;b")),
        ("address", json!("[::1]")),
        ("address", json!("a\nb")),
        ("address", json!("user@host")),
        ("address", json!("host/path")),
        ("address", json!("bücher.example")),
        ("address", json!(long(254))),
        ("user", json!("")),
        ("user", json!("-l")),
        ("user", json!("a b")),
        ("user", json!("a\u{1b}[31m")),
        ("user", json!("a\u{a0}b")),
        ("user", json!(long(65))),
        ("port", json!(0)),
        ("label", json!(long(101))),
        ("label", json!("a\u{7}b")),
        ("label", json!("a\nb")),
        ("tags", json!(["a,b"])),
        ("tags", json!([""])),
        ("tags", json!([long(33)])),
        ("tags", json!(vec!["x"; 17])),
        ("colour", json!("url(x)")),
        ("colour", json!("Red")),
        ("notes", json!("\u{1b}]0;x")),
        ("notes", json!(long(4097))),
        ("credential_id", json!("0".repeat(32))),
    ];
    let kept = browser.post("/api/hosts", good.clone()).expect(201);
    let path = format!("/api/hosts/{}", kept["id"].as_str().unwrap());
    for (field, value) in cases {
        let mut body = good.clone();
        body[field] = value.clone();
        for refused in [browser.post("/api/hosts", body.clone()), browser.put(&path, body.clone())] {
            let told = refused.expect(422);
            assert_eq!((&told["error"], &told["field"]), (&json!("invalid"), &json!(field)), "{value}");
            assert!(!told["message"].as_str().unwrap().is_empty());
        }
    }
    assert_eq!(browser.get("/api/hosts").expect(200)["hosts"], json!([kept]), "nothing of it was kept");
}

#[test]
fn hostile_texts_come_back_as_the_text_they_are() {
    let (_box, mut browser) = claimed();
    for label in
        ["<img src=x onerror=alert(1)>", "\"'><script>", "{{7*7}}", "${x}", "\u{202e}gnp", "日本語 \u{1f309}", "a\\\"b"]
    {
        let body = json!({"label": label, "address": "box", "user": "root", "notes": label, "tags": [label]});
        let reply = browser.post("/api/hosts", body);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let made = reply.expect(201);
        assert_eq!((&made["label"], &made["notes"], &made["tags"][0]), (&json!(label), &json!(label), &json!(label)));
    }
    for user in ["DOMAIN\\ada", "<b>", "$(reboot)", "a;b", "'", "\u{202e}x"] {
        let made = browser.post("/api/hosts", json!({"address": "box", "user": user})).expect(201);
        assert_eq!(made["user"], json!(user));
    }
}

#[test]
fn the_list_is_in_order_of_label_and_address() {
    let (_box, mut browser) = claimed();
    for (label, address) in [("b", "1"), ("a", "2"), ("", "z"), ("a", "1"), ("", "c")] {
        browser.post("/api/hosts", json!({"label": label, "address": address, "user": "root"})).expect(201);
    }
    let hosts = browser.get("/api/hosts").expect(200);
    let order: Vec<String> = hosts["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| format!("{}{}", host["label"].as_str().unwrap(), host["address"].as_str().unwrap()))
        .collect();
    assert_eq!(order, ["c", "z", "a1", "a2", "b1"]);
}

#[test]
fn a_thousand_hosts_are_the_most() {
    let (_box, mut browser) = claimed();
    let body = json!({"address": "box", "user": "root"});
    for _ in 0..1000 {
        browser.post("/api/hosts", body.clone()).expect(201);
    }
    let refused = browser.post("/api/hosts", body.clone());
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(refused.refusal(429), "too_many");
    let hosts = browser.get("/api/hosts").expect(200);
    let first = hosts["hosts"][0]["id"].as_str().unwrap();
    browser.put(&format!("/api/hosts/{first}"), body.clone()).expect(200);
    browser.delete(&format!("/api/hosts/{first}")).expect(204);
    browser.post("/api/hosts", body).expect(201);
}

/// Asks for the list, and does not read it.
fn ask_only(browser: &Browser) -> Tls {
    let lines = [("Host", browser.address.to_string()), ("Cookie", browser.cookie.clone().unwrap())];
    let lines = lines.map(|(name, value)| (name.to_string(), value));
    raw::say(browser, &head("GET", "/api/hosts", &lines, None))
}

fn status(stream: &mut Tls) -> u16 {
    let mut line = [0; 12];
    line.iter_mut().for_each(|byte| read_some(stream, std::slice::from_mut(byte)).map(drop).unwrap());
    String::from_utf8_lossy(&line[9..]).parse().unwrap()
}

/// The story: a thousand hosts with full notes are a list of 8 MB, and each of sixty connections that did not read it held two copies.
#[test]
fn lists_that_nobody_reads_do_not_take_the_box_s_memory() {
    const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
    let (mut box_, mut ada) = claimed_with(&[GIVES_BACK]);
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    let full = |n: usize| json!({"address": format!("h{n}"), "user": "u", "notes": "\"".repeat(4096)});
    for n in 0..1000 {
        eve.post("/api/hosts", full(n)).expect(201);
    }
    for n in 0..200 {
        ada.post("/api/hosts", full(n)).expect(201);
    }
    let before = box_.resident();
    let mut held: Vec<Tls> = (0..60).map(|_| ask_only(&eve)).collect();
    // Somebody else's tabs have their lists meanwhile.
    let tabs: Vec<_> = (0..6)
        .map(|_| {
            let mut tab = ada.clone();
            std::thread::spawn(move || tab.get("/api/hosts").expect(200)["hosts"].as_array().unwrap().len())
        })
        .collect();
    tabs.into_iter().for_each(|tab| assert_eq!(tab.join().unwrap(), 200));
    let statuses: Vec<u16> = held.iter_mut().map(status).collect();
    let mib = box_.most_resident().saturating_sub(before) >> 20;
    assert!(mib < 64, "{mib} MiB for {statuses:?}");
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    // Who hangs up gives back what they held.
    drop(held);
    assert_eq!(eve.get("/api/hosts").expect(200)["hosts"].as_array().unwrap().len(), 1000);
}
