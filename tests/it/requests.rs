//! Bytes that two programs could read differently, and more of them than fit, get a clear status and the end of their connection; the
//! next request of anybody else is answered as ever.

use crate::world::browser::{Browser, Reply, read_reply};
use crate::world::{ADA, claimed, raw};
use rustls::ClientConnection;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

/// The status, after seeing that the connection ends behind the answer and that nothing else was said on it.
fn status_and_end(browser: &Browser, bytes: &[u8]) -> u16 {
    let mut stream = raw::say(browser, bytes);
    let mut ear = raw::Ear(&mut stream);
    let reply = read_reply(&mut ear, false).unwrap_or_else(|error| panic!("no answer: {error}"));
    assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
    let more = raw::rest(&mut ear);
    assert!(more.is_empty(), "after {}: {:?}", reply.status, String::from_utf8_lossy(&more));
    reply.status
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let (_box, mut browser) = claimed();
    let h = format!("Host: {}\r\n", browser.address);
    let cases: Vec<(&str, String, u16)> = vec![
        ("bare LF", format!("GET /health HTTP/1.1\nHost: {}\n\n", browser.address), 400),
        ("bare LF in the middle", format!("GET /health HTTP/1.1\r\n{h}A: b\nC: d\r\n\r\n"), 400),
        ("bare LF at the end", format!("GET /health HTTP/1.1\r\n{h}\n"), 400),
        ("bare CR", format!("GET /health HTTP/1.1\r\n{h}A: b\rC: d\r\n\r\n"), 400),
        ("no Host", "GET /health HTTP/1.1\r\n\r\n".into(), 400),
        ("an empty Host", "GET /health HTTP/1.1\r\nHost: \r\n\r\n".into(), 400),
        ("two Hosts", format!("GET /health HTTP/1.1\r\n{h}{h}\r\n"), 400),
        ("two Hosts that differ", format!("GET /health HTTP/1.1\r\n{h}Host: evil.example\r\n\r\n"), 400),
        ("a Host with a path", "GET /health HTTP/1.1\r\nHost: 127.0.0.1/x\r\n\r\n".into(), 400),
        ("a Host with a user", "GET /health HTTP/1.1\r\nHost: x@127.0.0.1\r\n\r\n".into(), 400),
        (
            "two lengths",
            format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}"),
            400,
        ),
        ("lengths in a list", format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: 2, 2\r\n\r\n{{}}"), 400),
        ("a signed length", format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: +2\r\n\r\n{{}}"), 400),
        ("a negative length", format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: -2\r\n\r\n{{}}"), 400),
        ("a hexadecimal length", format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: 0x2\r\n\r\n{{}}"), 400),
        (
            "a length behind a space of Unicode's",
            format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: \u{a0}2\r\n\r\n{{}}"),
            400,
        ),
        ("a length before one", format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: 2\u{3000}\r\n\r\n{{}}"), 400),
        ("an empty length", format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: \r\n\r\n{{}}"), 400),
        (
            "length and chunks",
            format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        ("chunks", format!("POST /api/login HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 501),
        ("identity", format!("POST /api/login HTTP/1.1\r\n{h}Transfer-Encoding: identity\r\n\r\n"), 501),
        ("a folded line", format!("GET /health HTTP/1.1\r\n{h}A: b\r\n c\r\n\r\n"), 400),
        ("a space before the colon", format!("GET /health HTTP/1.1\r\n{h}A : b\r\n\r\n"), 400),
        ("a space before the name", format!("GET /health HTTP/1.1\r\n A: b\r\n{h}\r\n"), 400),
        ("a line without a colon", format!("GET /health HTTP/1.1\r\n{h}nonsense\r\n\r\n"), 400),
        ("an empty name", format!("GET /health HTTP/1.1\r\n{h}: b\r\n\r\n"), 400),
        ("NUL in a value", format!("GET /health HTTP/1.1\r\n{h}A: b\0c\r\n\r\n"), 400),
        ("NUL in the path", format!("GET /hea\0lth HTTP/1.1\r\n{h}\r\n"), 400),
        ("NUL first", format!("\0GET /health HTTP/1.1\r\n{h}\r\n"), 400),
        ("an empty line first", format!("\r\nGET /health HTTP/1.1\r\n{h}\r\n"), 400),
        ("two spaces", format!("GET  /health HTTP/1.1\r\n{h}\r\n"), 400),
        ("no version", format!("GET /health\r\n{h}\r\n"), 400),
        ("a lower-case method", format!("get /health HTTP/1.1\r\n{h}\r\n"), 400),
        ("a whole address", format!("GET https://{0}/health HTTP/1.1\r\n{h}\r\n", browser.address), 400),
        ("a fragment", format!("GET /health#x HTTP/1.1\r\n{h}\r\n"), 400),
        ("an asterisk", format!("OPTIONS * HTTP/1.1\r\n{h}\r\n"), 400),
        ("CONNECT", format!("CONNECT {0} HTTP/1.1\r\n{h}\r\n", browser.address), 400),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".into(), 505),
        ("HTTP/0.9", format!("GET /health HTTP/0.9\r\n{h}\r\n"), 505),
        (
            "an unknown expectation",
            format!("POST /api/login HTTP/1.1\r\n{h}Expect: a-pony\r\nContent-Length: 2\r\n\r\n"),
            417,
        ),
    ];
    for (what, text, status) in cases {
        assert_eq!(status_and_end(&browser, text.as_bytes()), status, "{what}");
        assert_eq!(browser.get("/health").status, 200, "the next request, after: {what}");
    }
}

#[test]
fn another_protocol_is_no_request() {
    let (_box, mut browser) = claimed();
    let line = "A".repeat(70_000);
    for strange in
        [&b"SSH-2.0-OpenSSH_9.6\r\n\r\n"[..], b"EHLO box\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", line.as_bytes()]
    {
        let status = status_and_end(&browser, strange);
        assert!((400..=505).contains(&status), "{status}");
    }
    // Not even TLS.
    for strange in [&[0; 300][..], &[0xff; 300], b"\x16\x03\x01\xff\xff\x02"] {
        let mut plain = TcpStream::connect(browser.address).unwrap();
        let _ = plain.write_all(strange).and_then(|()| plain.shutdown(Shutdown::Write));
        let said = raw::rest(&mut plain);
        assert!(said.len() < 64 && !said.starts_with(b"HTTP"), "{said:?}");
    }
    // Whoever forgets the s of https is told so.
    let mut plain = TcpStream::connect(browser.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let said = String::from_utf8(raw::rest(&mut plain)).unwrap();
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("https"), "{said}");
    assert_eq!(browser.get("/health").status, 200);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_kept() {
    let (box_, mut browser) = claimed();
    let h = format!("Host: {}\r\n", browser.address);
    let get = |lines: &str| format!("GET /health HTTP/1.1\r\n{h}{lines}\r\n");
    let before = box_.resident();
    for (what, text, status) in [
        ("a path of 9 KB", format!("GET /{} HTTP/1.1\r\n{h}\r\n", "x".repeat(9_000)), 414),
        ("a query of 9 KB", format!("GET /?{} HTTP/1.1\r\n{h}\r\n", "x".repeat(9_000)), 414),
        ("a line without an end", "G".repeat(2_000_000), 414),
        ("one header of 17 KB", get(&format!("A: {}\r\n", "x".repeat(17_000))), 431),
        ("a header without an end", format!("GET / HTTP/1.1\r\n{h}A: {}", "x".repeat(8_000_000)), 431),
        ("80 headers", get(&"A: b\r\n".repeat(80)), 431),
        ("a million headers", get(&"A: b\r\n".repeat(1_000_000)), 431),
        ("a body of 65 KiB", format!("POST /api/hosts HTTP/1.1\r\n{h}Content-Length: 66561\r\n\r\n"), 401),
        ("a sign-in of 5 KB", sign_in_of(&browser, 5_000), 413),
        ("a sign-in of 900 TB", sign_in_of(&browser, 900_000_000_000_000), 413),
        (
            "a length beyond numbers",
            format!("POST /api/login HTTP/1.1\r\n{h}Content-Length: {}\r\n\r\n", "9".repeat(40)),
            413,
        ),
        ("a body behind a GET", format!("GET /health HTTP/1.1\r\n{h}Content-Length: 5\r\n\r\nhello"), 413),
        ("a body behind the page", format!("GET / HTTP/1.1\r\n{h}Content-Length: 5\r\n\r\nhello"), 413),
    ] {
        assert_eq!(status_and_end(&browser, text.as_bytes()), status, "{what}");
        assert_eq!(browser.get("/health").status, 200, "the next request, after: {what}");
    }
    let long = json!({"address": "a", "user": "b", "notes": "x".repeat(70_000)});
    assert_eq!(browser.post("/api/hosts", long).refusal(413), "too_large");
    let grown = box_.resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes were kept");
}

fn sign_in_of(browser: &Browser, length: u64) -> String {
    let (address, origin) = (browser.address, browser.origin());
    format!(
        "POST /api/login HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

#[test]
fn what_just_fits_is_taken() {
    let (_box, browser) = claimed();
    let h = format!("Host: {}\r\n", browser.address);
    let line = format!("GET /health?{} HTTP/1.1\r\n{h}\r\n", "x".repeat(8_000));
    assert_eq!(raw::ask(&browser, line.as_bytes()).status, 200);
    let header = format!("GET /health HTTP/1.1\r\n{h}A: {}\r\n\r\n", "x".repeat(15_000));
    assert_eq!(raw::ask(&browser, header.as_bytes()).status, 200);
    let many = format!("GET /health HTTP/1.1\r\n{h}{}\r\n", "A: b\r\n".repeat(63));
    assert_eq!(raw::ask(&browser, many.as_bytes()).status, 200);
}

#[test]
fn the_host_must_be_the_box_s_own() {
    let (_box, browser) = claimed();
    let ask = |host: &str| raw::ask(&browser, format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    for foreign in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8443", "box"] {
        assert_eq!(ask(foreign).refusal(421), "wrong_host", "{foreign}");
    }
    for own in ["localhost", "127.0.0.1", "[::1]:8443", "192.0.2.1", "LOCALHOST"] {
        assert_eq!(ask(own).status, 200, "{own}");
    }
}

#[test]
fn a_name_of_the_owner_s_is_the_box_s_own_too() {
    let (box_, _) = crate::world::claimed_with(&[("FOOTBRIDGE_NAMES", "box.example, Terminal.Example")]);
    let browser = box_.browser();
    for name in ["box.example", "terminal.example:443"] {
        let request = format!("GET /health HTTP/1.1\r\nHost: {name}\r\n\r\n");
        assert_eq!(raw::ask(&browser, request.as_bytes()).status, 200, "{name}");
    }
}

/// What a neighbour on the same host name left behind must not shut anybody out.
#[test]
fn a_junk_cookie_that_is_not_utf_8_is_a_clean_page() {
    let (_box, browser) = claimed();
    let ours = browser.cookie.clone().unwrap().into_bytes();
    for (cookie, is_user) in [
        (&b"theme=caf\xe9"[..], false),
        (b"__Host-footbridge=\xff\xfe", false),
        (b"\xff__Host-footbridge=x", false),
        (&[b"theme=caf\xe9; ", ours.as_slice()].concat(), true),
    ] {
        for path in ["/", "/api/state"] {
            let start = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: ", browser.address);
            let reply = raw::ask(&browser, &[start.as_bytes(), cookie, b"\r\n\r\n"].concat());
            assert_eq!(reply.status, 200, "{path} {:?}", String::from_utf8_lossy(cookie));
            assert!(
                path == "/" || reply.json()["user"].is_object() == is_user,
                "{:?}",
                String::from_utf8_lossy(cookie)
            );
        }
    }
}

#[test]
fn requests_in_one_go_are_answered_in_their_order() {
    let (_box, browser) = claimed();
    let h = format!("Host: {}\r\n", browser.address);
    let three = format!(
        "GET /health HTTP/1.1\r\n{h}\r\nGET /nothing HTTP/1.1\r\n{h}\r\nHEAD /health HTTP/1.1\r\n{h}\r\n\
         GET /api/hosts HTTP/1.1\r\n{h}Connection: close\r\n\r\nGET /health HTTP/1.1\r\n{h}\r\n"
    );
    let mut stream = raw::say(&browser, three.as_bytes());
    let mut next = |is_head| read_reply(&mut stream, is_head).unwrap().status;
    assert_eq!([next(false), next(false), next(true), next(false)], [200, 404, 200, 401]);
    assert!(raw::rest(&mut stream).is_empty(), "nothing is answered after a close");
}

#[test]
fn a_refused_body_is_not_read_as_the_next_request() {
    let (_box, browser) = claimed();
    let hidden = format!("GET /api/state HTTP/1.1\r\nHost: {}\r\n\r\n", browser.address);
    for path in ["/api/hosts", "/api/login", "/nothing", "/", "/health", "/api/claim"] {
        let outer = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{hidden}",
            browser.address,
            hidden.len()
        );
        let status = status_and_end(&browser, outer.as_bytes());
        assert!((400..500).contains(&status), "{path}: {status}");
    }
}

#[test]
fn pieces_of_any_size_make_a_request() {
    let (_box, browser) = claimed();
    let body = json!({"name": ADA.0, "password": ADA.1}).to_string();
    let text = sign_in_of(&browser, body.len() as u64) + &body;
    let mut stream = raw::say(&browser, b"");
    for byte in text.bytes() {
        stream.write_all(&[byte]).unwrap();
        stream.flush().unwrap();
    }
    assert_eq!(read_reply(&mut stream, false).unwrap().status, 200);
}

#[test]
fn an_expected_continue_is_given() {
    let (_box, browser) = claimed();
    let body = json!({"name": ADA.0, "password": ADA.1}).to_string();
    let head = sign_in_of(&browser, body.len() as u64).replace("Content-Type", "Expect: 100-continue\r\nContent-Type");
    let mut stream = raw::say(&browser, head.as_bytes());
    assert_eq!(read_reply(&mut stream, false).unwrap().status, 100);
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(read_reply(&mut stream, false).unwrap().status, 200);
}

#[test]
fn a_head_that_drips_is_ended_by_the_clock() {
    let (_box, mut browser) = claimed();
    let mut stream = raw::say(&browser, b"GET /health HTTP/1.1\r\nX-Drip: ");
    let reply: Reply = loop {
        let gone = stream.write_all(b"x").and_then(|()| stream.flush()).is_err();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let mut peeked = [0];
        stream.sock.set_nonblocking(true).unwrap();
        let came = stream.sock.peek(&mut peeked).is_ok();
        stream.sock.set_nonblocking(false).unwrap();
        if came || gone {
            break read_reply(&mut stream, false).unwrap();
        }
    };
    assert_eq!(reply.status, 408);
    assert!(raw::rest(&mut stream).is_empty());
    assert_eq!(browser.get("/health").status, 200);
}

#[test]
fn a_body_that_is_not_the_json_described_is_a_bad_request() {
    let (_box, mut browser) = claimed();
    let (origin, cookie, csrf) = (browser.origin(), browser.cookie.clone().unwrap(), browser.csrf.clone().unwrap());
    let lines = [("Origin", origin.as_str()), ("Cookie", cookie.as_str()), ("X-Footbridge-Csrf", csrf.as_str())];
    let deep = "[".repeat(60_000);
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"text\"",
        "{\"address\": \"a\"}",
        "{\"address\": \"a\", \"user\": \"b\", \"evil\": 1}",
        "{\"address\": \"a\", \"user\": \"b\", \"user\": \"c\"}",
        "{\"address\": \"a\", \"user\": \"b\", \"port\": \"22\"}",
        "{\"address\": \"a\", \"user\": \"b\", \"port\": 65536}",
        "{\"address\": \"a\", \"user\": \"b\", \"port\": -1}",
        "{\"address\": \"a\", \"user\": \"b\", \"port\": 2.5}",
        "{\"address\": \"a\", \"user\": \"b\"} x",
        deep.as_str(),
    ] {
        let reply = raw::request(&browser, "POST", "/api/hosts", &lines, Some(body));
        assert_eq!(reply.refusal(400), "bad_request", "{}", &body[..body.len().min(60)]);
    }
    // Another type than JSON is what a foreign form could send.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let text = "{\"address\": \"a\", \"user\": \"b\"}";
        let head = format!(
            "POST /api/hosts HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\nX-Footbridge-Csrf: {csrf}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}",
            browser.address,
            text.len()
        );
        assert_eq!(raw::ask(&browser, head.as_bytes()).refusal(400), "bad_request", "{kind}");
    }
    assert_eq!(browser.get("/api/hosts").expect(200)["hosts"], json!([]));
}

#[test]
fn a_client_that_leaves_in_the_middle_is_nobody_s_trouble() {
    let (mut box_, mut browser) = claimed();
    let body = json!({"name": ADA.0, "password": ADA.1}).to_string();
    let whole = sign_in_of(&browser, body.len() as u64) + &body;
    for cut in [1, 10, whole.len() / 2, whole.len() - 1, whole.len()] {
        drop(raw::say(&browser, &whole.as_bytes()[..cut]));
    }
    for _ in 0..20 {
        drop(TcpStream::connect(browser.address).unwrap());
    }
    half_a_handshake(&browser);
    assert_eq!(browser.get("/health").status, 200);
    assert!(box_.is_running());
}

fn half_a_handshake(browser: &Browser) {
    let mut stream = TcpStream::connect(browser.address).unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(browser.address.ip().into());
    let config = crate::world::tls::config(&browser.fingerprint);
    let mut session = ClientConnection::new(config, name).unwrap();
    session.write_tls(&mut stream).unwrap();
    let mut some = [0; 20];
    stream.read_exact(&mut some).unwrap();
}
