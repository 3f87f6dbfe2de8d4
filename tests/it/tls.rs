//! TLS 1.2 and 1.3 and nothing older; the box's own CA vouches for it, or the owner's certificate does, which is changed without
//! dropping anybody; a plain port, if there is one, only points to the page.

use crate::world::footbridge::{Footbridge, text, write_private};
use crate::world::patience::until;
use crate::world::ssh_server::{self, SshServer, free_port};
use crate::world::{ADA, claimed, claimed_with, raw};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// `openssl s_client`, which is nobody's code of ours.
fn openssl(box_: &Footbridge, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("timeout")
        .args(["60", "openssl", "s_client", "-connect", &box_.address().to_string(), "-brief"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn two_versions_are_spoken_and_no_older_one() {
    let (box_, mut browser) = claimed();
    let (good, said) = openssl(&box_, &["-tls1_3"]);
    assert!(good && said.contains("TLSv1.3"), "{said}");
    let (good, said) = openssl(&box_, &["-tls1_2"]);
    assert!(good && said.contains("TLSv1.2"), "{said}");
    for old in ["-tls1_1", "-tls1"] {
        let (good, said) = openssl(&box_, &[old, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(!good, "{old}: {said}");
        // OpenSSL must have tried, or this shows nothing.
        assert!(
            said.contains("alert") || said.contains("unexpected eof") || said.contains("handshake"),
            "{old}: {said}"
        );
    }
    for weak in ["AES128-SHA", "AES256-GCM-SHA384", "DHE-RSA-AES128-SHA", "NULL"] {
        let (good, said) = openssl(&box_, &["-tls1_2", "-cipher", &format!("{weak}:@SECLEVEL=0")]);
        assert!(!good, "{weak}: {said}");
    }
    assert_eq!(browser.get("/health").status, 200);
}

#[test]
fn only_http_1_1_is_offered() {
    let (box_, _) = claimed();
    let output = Command::new("timeout")
        .args(["60", "openssl", "s_client", "-connect", &box_.address().to_string(), "-alpn", "h2,http/1.1"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(text(&output.stdout).contains("ALPN protocol: http/1.1"), "{}", text(&output.stdout));
}

#[test]
fn the_box_s_own_ca_vouches_for_its_names_and_addresses() {
    let (mut box_, mut browser) = claimed();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let reply = browser.get("/ca.pem");
    assert_eq!(reply.header("content-type"), Some("application/x-pem-file"));
    let pem = text(&reply.body);
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("PRIVATE"));
    fs::write(&file, &pem).unwrap();
    let ca = file.to_str().unwrap();
    for name in [["-verify_ip", "127.0.0.1"], ["-verify_hostname", "localhost"], ["-verify_ip", "::1"]] {
        let (good, said) = openssl(&box_, &["-CAfile", ca, "-verify_return_error", name[0], name[1]]);
        assert!(good && said.contains("Verification: OK"), "{name:?}: {said}");
    }
    let (good, said) = openssl(&box_, &["-CAfile", ca, "-verify_return_error", "-verify_hostname", "evil.example"]);
    assert!(!good, "{said}");
    let (good, said) = openssl(&box_, &["-verify_return_error", "-CAfile", "/dev/null"]);
    assert!(!good, "nobody else vouches for it: {said}");

    // The CA is installed once: it outlives restarts.
    box_.kill();
    box_.start_again();
    let (good, said) = openssl(&box_, &["-CAfile", ca, "-verify_return_error", "-verify_ip", "127.0.0.1"]);
    assert!(good, "{said}");
    assert_eq!(text(&box_.browser().get("/ca.pem").body), pem);
}

fn x509(pem: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(["x509", "-noout", "-in"]).arg(pem).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_certificates_are_of_the_right_kind_and_length() {
    let (box_, mut browser) = claimed_with(&[("FOOTBRIDGE_NAMES", "box.example")]);
    let folder = tempfile::tempdir().unwrap();
    let (ca, leaf) = (folder.path().join("ca.pem"), folder.path().join("leaf.pem"));
    fs::write(&ca, browser.get("/ca.pem").body).unwrap();
    let shown = Command::new("timeout")
        .args(["60", "openssl", "s_client", "-connect", &box_.address().to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = text(&shown.stdout);
    let from = shown.find("-----BEGIN CERTIFICATE").unwrap();
    let to = shown.find("-----END CERTIFICATE-----").unwrap() + 26;
    fs::write(&leaf, &shown[from..to]).unwrap();

    let printed = x509(&leaf, &["-fingerprint", "-sha256"]).to_lowercase().replace(':', "");
    assert!(printed.contains(box_.fingerprint()), "the console shows {}, openssl {printed}", box_.fingerprint());
    let about = x509(&leaf, &["-text"]);
    for part in ["IP Address:127.0.0.1", "DNS:localhost", "DNS:box.example", ".local", "TLS Web Server Authentication"]
    {
        assert!(about.contains(part), "{part}: {about}");
    }
    assert!(!about.contains("CA:TRUE"), "{about}");
    let about = x509(&ca, &["-text"]);
    assert!(about.contains("CA:TRUE") && about.contains("Certificate Sign"), "{about}");
    let ends_within = |pem: &Path, days: u64| {
        let seconds = (days * 86_400).to_string();
        let status = Command::new("openssl").args(["x509", "-noout", "-checkend", &seconds, "-in"]).arg(pem).output();
        !status.unwrap().status.success()
    };
    assert!(ends_within(&leaf, 398) && !ends_within(&leaf, 90), "browsers refuse more than 398 days");
    assert!(!ends_within(&ca, 365 * 9) && ends_within(&ca, 365 * 11), "the CA lives ten years");
}

/// An owner's certificate for these names, and its key.
fn own_certificate(folder: &Path, name: &str) -> (String, String, String) {
    let (chain, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
        ])
        .arg(format!("/CN={name}.example"))
        .arg("-addext")
        .arg(format!("subjectAltName=DNS:{name}.example,IP:127.0.0.1"))
        .arg("-out")
        .arg(&chain)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    write_private(&key, &fs::read_to_string(&key).unwrap());
    let printed = x509(&chain, &["-fingerprint", "-sha256"]).to_lowercase().replace(':', "");
    let fingerprint = printed.trim().rsplit('=').next().unwrap().to_string();
    (chain.to_str().unwrap().into(), key.to_str().unwrap().into(), fingerprint)
}

#[test]
fn an_owner_s_certificate_is_served_and_changed_without_dropping_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let host = SshServer::openssh();
    let (chain, key, first) = own_certificate(folder.path(), "first");
    let (other_chain, other_key, second) = own_certificate(folder.path(), "second");
    let settings = [("FOOTBRIDGE_CERTIFICATE", chain.as_str()), ("FOOTBRIDGE_PRIVATE_KEY", key.as_str())];
    let (box_, mut browser) = claimed_with(&settings);
    assert_eq!(box_.fingerprint(), first);
    assert_eq!(browser.get("/ca.pem").refusal(404), "not_found");
    let reply = browser.get("/api/state");
    assert!(reply.header("strict-transport-security").is_some_and(|value| value.starts_with("max-age=")), "{reply:?}");

    let credential = browser.add_password(ssh_server::PASSWORD);
    let mut terminal = browser.open_accepting(&host.target(Some(&credential)));
    let mut open = raw::say(&browser, b"");
    let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", browser.address);
    let mut ask = || {
        open.write_all(request.as_bytes()).unwrap();
        crate::world::browser::read_reply(&mut open, false).unwrap().status
    };
    assert_eq!(ask(), 200);

    // First something that is no certificate: the old one stays.
    fs::copy(&other_key, &chain).unwrap();
    box_.signal("HUP");
    until("a word about the bad certificate", || box_.log().contains("kept as it was").then_some(()));
    assert_eq!(raw::request(&browser, "GET", "/health", &[], None).status, 200);
    // Then one whose key is another's.
    fs::copy(&other_chain, &chain).unwrap();
    box_.signal("HUP");
    until("another word", || (box_.log().matches("kept as it was").count() >= 2).then_some(()));
    assert_eq!(raw::request(&browser, "GET", "/health", &[], None).status, 200);

    fs::copy(&other_key, &key).unwrap();
    box_.signal("HUP");
    let mut fresh = browser.clone();
    fresh.fingerprint = second;
    until("the new certificate", || box_.log().contains("read again").then_some(()));
    assert_eq!(raw::request(&fresh, "GET", "/health", &[], None).status, 200);
    assert_eq!(ask(), 200, "a connection that was there goes on");
    assert_eq!(terminal.run("echo still-$((40+2))"), "still-42");
    fresh.sign_in(ADA);
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut box_, _) = claimed();
    box_.kill();
    let (chain, key, _) = own_certificate(folder.path(), "one");
    let (_, other_key, _) = own_certificate(folder.path(), "two");
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    for (chain, key) in [
        (chain.as_str(), other_key.as_str()),
        (key.as_str(), chain.as_str()),
        (empty.to_str().unwrap(), key.as_str()),
        ("/nowhere/chain.pem", key.as_str()),
    ] {
        let output = box_.command(&["serve", "--certificate", chain, "--private-key", key], "");
        let said = text(&output.stderr);
        let told: Vec<_> = said.lines().filter(|line| line.starts_with("footbridge: ")).collect();
        assert!(!output.status.success() && told.len() == 1, "{chain} {key}: {said}");
    }
}

#[test]
fn the_plain_port_only_points_to_the_page() {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let (box_, _) = claimed_with(&[("FOOTBRIDGE_HTTP_LISTEN", &listen)]);
    let page = format!("https://127.0.0.1:{}/", box_.address().port());
    let ask = |bytes: &str| {
        let mut stream = TcpStream::connect(&listen).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    };
    for request in [
        format!("GET / HTTP/1.1\r\nHost: {listen}\r\n\r\n"),
        format!("GET /api/state?next=https://evil.example HTTP/1.1\r\nHost: {listen}\r\n\r\n"),
        format!("POST /api/login HTTP/1.1\r\nHost: {listen}\r\nContent-Length: 2\r\n\r\n{{}}"),
        format!("GET / HTTP/1.0\r\nHost: {listen}\r\n\r\n"),
    ] {
        let said = ask(&request);
        assert!(said.starts_with("HTTP/1.1 301 "), "{said}");
        let location = said.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        assert_eq!(location, page, "{request}");
        assert!(said.to_lowercase().contains("connection: close") && !said.to_lowercase().contains("set-cookie"));
    }
    for (lines, status) in [
        ("Host: evil.example\r\n", 421),
        ("Host: localhost.evil.example:80\r\n", 421),
        ("Host: evil.example/path\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: x\u{7f}\r\n", 400),
        ("Host: \"\r\n", 400),
        ("Host: a@b\r\n", 400),
        ("", 400),
    ] {
        let said = ask(&format!("GET / HTTP/1.1\r\n{lines}\r\n"));
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")) && !said.contains("location:"), "{lines}: {said}");
    }
}
