//! Every answer, whatever it is, carries the hardening headers, a cache rule that fits, and no word about what serves it.

use crate::world::browser::{Browser, Reply, head, read_reply, read_some};
use crate::world::footbridge::{Footbridge, GIVES_BACK};
use crate::world::patience::PATIENCE;
use crate::world::proxy::closed_port;
use crate::world::{ADA, claimed, claimed_with, raw};
use serde_json::json;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

const EXACT: [(&str, &str); 8] = [
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("cache-control", ""),
];

fn check(what: &str, reply: &Reply) {
    for (name, value) in EXACT {
        let said: Vec<_> = reply.headers.iter().filter(|(known, _)| known == name).collect();
        assert_eq!(said.len(), 1, "{what}: {name} is there once: {reply:?}");
        assert!(value.is_empty() || said[0].1 == value, "{what}: {name} is {:?}", said[0].1);
    }
    let permissions = reply.header("permissions-policy").unwrap_or_else(|| panic!("{what}: {reply:?}"));
    assert!(permissions.contains("camera=()") && permissions.contains("geolocation=()"), "{what}");
    for telling in ["server", "x-powered-by", "via", "strict-transport-security", "access-control-allow-origin"] {
        assert_eq!(reply.header(telling), None, "{what}: {telling}");
    }
    if !reply.body.is_empty() {
        assert!(reply.header("content-type").is_some(), "{what}: a body has a type");
    }
}

fn check_dynamic(what: &str, status: u16, reply: &Reply) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    check(what, reply);
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
}

#[test]
fn every_kind_of_answer_is_hardened() {
    let (_box, mut browser) = claimed();
    let host = format!("Host: {}\r\n", browser.address);
    check_dynamic("200", 200, &browser.get("/api/state"));
    check_dynamic("200 head", 200, &browser.request("HEAD", "/api/state", None));
    check_dynamic("200 pem", 200, &browser.get("/ca.pem"));
    check_dynamic("200 health", 200, &browser.get("/health"));
    check_dynamic("200 list", 200, &browser.get("/api/hosts"));
    let made = browser.post("/api/hosts", json!({"address": "192.0.2.1", "user": "root"}));
    check_dynamic("201", 201, &made);
    check_dynamic("204", 204, &browser.delete(&format!("/api/hosts/{}", made.json()["id"].as_str().unwrap())));
    check_dynamic("400 json", 400, &browser.post("/api/hosts", json!([])));
    check_dynamic("400 upgrade", 400, &not_an_upgrade(&browser));
    check_dynamic("400 grammar", 400, &raw::ask(&browser, format!("GET / HTTP/1.1\n{host}\r\n\r\n").as_bytes()));
    check_dynamic("401 signed out", 401, &raw::request(&browser, "GET", "/api/hosts", &[], None));
    check_dynamic("401 wrong", 401, &browser.clone().try_sign_in("ada", "a long bridge over warm water"));
    check_dynamic("403", 403, &raw::request(&browser, "POST", "/api/login", &[], Some("{}")));
    check_dynamic("404 api", 404, &browser.get("/api/nothing"));
    check_dynamic("404 page", 404, &browser.get("/no/such/file.js"));
    check_dynamic("405", 405, &browser.request("PUT", "/api/state", None));
    check_dynamic("405 page", 405, &browser.request("DELETE", "/", None));
    let long = json!({"name": "ada", "password": "x".repeat(5000)});
    check_dynamic("413", 413, &browser.clone().post("/api/login", long));
    let line = format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(9000));
    check_dynamic("414", 414, &raw::ask(&browser, line.as_bytes()));
    let foreign = head("GET", "/", &[("Host".into(), "evil.example".into())], None);
    check_dynamic("421", 421, &raw::ask(&browser, &foreign));
    check_dynamic("422", 422, &browser.post("/api/hosts", json!({"address": "-o", "user": "root"})));
    let many = "X-A: b\r\n".repeat(100);
    check_dynamic("431", 431, &raw::ask(&browser, format!("GET / HTTP/1.1\r\n{host}{many}\r\n").as_bytes()));
    let chunked = format!("POST /api/login HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    check_dynamic("501", 501, &raw::ask(&browser, chunked.as_bytes()));
    check_dynamic("505", 505, &raw::ask(&browser, format!("GET / HTTP/2.0\r\n{host}\r\n").as_bytes()));
    for _ in 0..5 {
        browser.clone().try_sign_in("ada", "a long bridge over warm water");
    }
    check_dynamic("429", 429, &browser.clone().try_sign_in(ADA.0, ADA.1));
}

fn not_an_upgrade(browser: &Browser) -> Reply {
    let lines = [("Origin", browser.origin()), ("Cookie", browser.cookie.clone().unwrap())];
    let lines = lines.each_ref().map(|(name, value)| (*name, value.as_str()));
    raw::request(browser, "GET", "/api/sessions/x/attach", &lines, None)
}

/// Of the port that only sends people to the page, and of the page's own port to whoever forgot the s of https.
#[test]
fn what_is_said_over_plain_http_is_hardened_too() {
    let plain = closed_port();
    let box_ = Footbridge::start_with(&[("FOOTBRIDGE_HTTP_LISTEN", &format!("127.0.0.1:{plain}"))]);
    let page = box_.browser().address;
    let ask = |to: SocketAddr, host: &str| {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // In one piece: the page's port answers the first that comes.
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
        read_reply(&mut stream, false).unwrap()
    };
    let plain = SocketAddr::from(([127, 0, 0, 1], plain));
    let way = ask(plain, "localhost:80");
    check_dynamic("301", 301, &way);
    assert_eq!(way.header("location"), Some(format!("https://localhost:{}/", page.port()).as_str()));
    let foreign = ask(plain, "evil.example");
    check_dynamic("421", 421, &foreign);
    assert_eq!(foreign.header("location"), None);
    assert_eq!(foreign.refusal(421), "wrong_host");
    check_dynamic("400 plain", 400, &ask(page, "localhost"));
}

#[test]
fn an_upgrade_is_hardened_too() {
    let (_box, mut browser) = claimed();
    let started =
        browser.post("/api/sessions", json!({"address": "127.0.0.1", "port": closed_port(), "user": "x"})).expect(201);
    let (id, ticket) = (started["session"]["id"].as_str().unwrap(), started["ticket"].as_str().unwrap());
    let (origin, cookie) = (browser.origin(), browser.cookie.clone().unwrap());
    let path = format!("/api/sessions/{id}/attach?ticket={ticket}");
    let (reply, _stream) = browser.upgrade(&path, &[("Origin", &origin), ("Cookie", &cookie)]);
    check_dynamic("101", 101, &reply);
}

#[test]
fn what_has_its_hash_in_its_name_is_kept_for_ever_and_the_page_is_asked_for_again() {
    let (box_, _) = claimed();
    let mut browser = box_.browser();
    let page = browser.get("/");
    assert_eq!(page.status, 200);
    check("the page", &page);
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert_eq!(page.header("set-cookie"), None);

    let etag = page.header("etag").unwrap().to_string();
    let known = raw::request(&browser, "GET", "/", &[("If-None-Match", &etag)], None);
    assert_eq!((known.status, known.body.len()), (304, 0));
    check("304", &known);

    let text = String::from_utf8(page.body).unwrap();
    for file in files_named_in(&text) {
        let asset = browser.get(&file);
        assert_eq!(asset.status, 200, "{file}");
        check(&file, &asset);
        let rule = asset.header("cache-control").unwrap();
        assert!(rule == "no-cache" || rule == "public, max-age=31536000, immutable", "{file}: {rule}");
        if file.starts_with("/assets/") || file.ends_with(".js") || file.ends_with(".css") {
            assert!(rule.contains("immutable"), "{file}: {rule}");
        }
    }
}

/// The values of `src` and `href`. Without a built page there are none.
fn files_named_in(page: &str) -> Vec<String> {
    let named = |attribute: &str| {
        let pieces: Vec<String> =
            page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
        pieces
    };
    [named("src=\""), named("href=\"")].concat().into_iter().filter(|url| url.starts_with('/')).collect()
}

#[test]
fn the_page_has_no_inline_script_or_style_and_names_no_other_origin() {
    let (box_, _) = claimed();
    let page = String::from_utf8(box_.browser().get("/").body).unwrap();
    for forbidden in ["<script>", "<style", " style=", "javascript:", "http://", "https://", " onload=", " onclick="] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn the_page_comes_packed_to_whoever_takes_it_packed() {
    let (box_, _) = claimed();
    let browser = box_.browser();
    let plain = raw::request(&browser, "GET", "/", &[], None);
    assert_eq!(plain.header("content-encoding"), None);
    let packed = raw::request(&browser, "GET", "/", &[("Accept-Encoding", "gzip, br")], None);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("accept-encoding"));
    assert_eq!(packed.body[..2], [0x1f, 0x8b]);
}

/// The story: whoever did not take it packed had it unpacked for themselves, 640 KB for each connection of a stranger who need not read it.
#[test]
fn the_page_unpacked_does_not_take_the_box_s_memory() {
    let (box_, _) = claimed_with(&[GIVES_BACK]);
    let browser = box_.browser();
    let page = String::from_utf8(raw::request(&browser, "GET", "/", &[], None).body).unwrap();
    let script = page.split('"').find(|part| part.ends_with(".js") && part.contains("page-")).unwrap();
    let path = format!("/{}", script.trim_start_matches(['.', '/']));
    // The kernel's buffers take the first ones whole.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", browser.address).repeat(20);
    let before = box_.resident();
    let held: Vec<_> = (0..100)
        .map(|_| {
            let stream = raw::narrow_tcp_from(Ipv4Addr::LOCALHOST, browser.address).unwrap();
            let mut stream = raw::is_let_in(stream, &browser.fingerprint).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut line = [0; 12];
            line.iter_mut().for_each(|byte| read_some(&mut stream, std::slice::from_mut(byte)).map(drop).unwrap());
            assert_eq!(line, *b"HTTP/1.1 200");
            stream
        })
        .collect();
    let mib = box_.most_resident().saturating_sub(before) >> 20;
    assert!(mib < 40, "{} strangers who do not read hold {mib} MiB", held.len());
}
