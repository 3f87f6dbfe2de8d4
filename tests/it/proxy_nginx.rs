//! Behind Debian's nginx everything works as it does without: sign-in, limits and audit see the browser's own address, terminals open.

use crate::world::browser::{Browser, Target};
use crate::world::footbridge::{Footbridge, text};
use crate::world::proxy::closed_port;
use crate::world::ssh_server::{PASSWORD, SshServer, USER};
use crate::world::{ADA, claimed_with, patience};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The proxy speaks to the box from this address, browsers from another.
const PROXY: &str = "127.0.0.3";
/// As docs/OPERATING.md has them.
const HEADERS: &str =
    "proxy_set_header Host $http_host;\nproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n";
const UPGRADE: &str = "proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection $http_connection;\n";

struct Nginx {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
    fingerprint: String,
}

impl Nginx {
    /// With a certificate of its own before, and the box's CA verified behind.
    fn before(footbridge: &Footbridge, lines: &str) -> Nginx {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display().to_string();
        let fingerprint = make_certificate(folder.path());
        let ca = footbridge.browser().get("/ca.pem").body;
        fs::write(folder.path().join("ca.pem"), ca).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], closed_port()));
        let (box_, temporary) = (footbridge.address(), temporary_folders(&place));
        let config = format!(
            "pid {place}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             server {{\nlisten {address} ssl;\nssl_certificate {place}/cert.pem;\nssl_certificate_key {place}/key.pem;\n\
             location / {{\nproxy_pass https://{box_};\nproxy_http_version 1.1;\nproxy_bind {PROXY};\nproxy_ssl_verify on;\n\
             proxy_ssl_trusted_certificate {place}/ca.pem;\nproxy_ssl_name localhost;\n{lines}}}\n}}\n}}\n"
        );
        fs::write(folder.path().join("conf"), config).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new("/usr/sbin/nginx")
            .args(["-e", "stderr", "-g", "daemon off; master_process off;", "-c"])
            .arg(folder.path().join("conf"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut nginx = Nginx { folder, child, address, fingerprint };
        patience::until("nginx", || {
            assert!(nginx.child.try_wait().unwrap().is_none(), "{}", nginx.log());
            TcpStream::connect(address).ok()
        });
        nginx
    }

    fn browser(&self) -> Browser {
        Browser::new(self.address, &self.fingerprint)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- nginx's log ----\n{}", self.log());
        }
    }
}

fn temporary_folders(place: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.iter().map(|kind| format!("{kind}_temp_path {place}/{kind};\n")).collect()
}

/// Answers its fingerprint as Footbridge prints its own.
fn make_certificate(folder: &Path) -> String {
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout)
    };
    let curve = "ec_paramgen_curve:P-256";
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        curve,
        "-nodes",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=nginx",
        "-days",
        "2",
    ]);
    let line = openssl(&["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"]);
    line.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}

fn last_event(footbridge: &Footbridge) -> Value {
    serde_json::from_str(&text(&footbridge.command(&["audit", "tail", "1"], "").stdout)).unwrap()
}

fn trusting() -> (Footbridge, Browser) {
    claimed_with(&[("FOOTBRIDGE_TRUSTED_PROXIES", PROXY)])
}

#[test]
fn a_sign_in_through_it_is_the_browsers_and_not_the_proxys() {
    let (footbridge, _) = trusting();
    let nginx = Nginx::before(&footbridge, &format!("{HEADERS}{UPGRADE}"));
    let mut browser = nginx.browser();
    browser.sign_in(ADA);
    assert!(browser.is_signed_in());
    let event = last_event(&footbridge);
    assert_eq!((&event["event"], &event["peer"]), (&json!("signin"), &json!("127.0.0.1")));
    // What the browser itself claims to be stays behind what nginx has seen.
    let body = json!({"name": "ada", "password": "not the password at all"}).to_string();
    let head = format!(
        "POST /api/login HTTP/1.1\r\nHost: {0}\r\nOrigin: https://{0}\r\nX-Forwarded-For: 203.0.113.9\r\nContent-Type: application/json\r\n\
         Content-Length: {1}\r\n\r\n{body}",
        nginx.address,
        body.len()
    );
    assert_eq!(browser.exchange(head.as_bytes(), false).status, 401);
    assert_eq!(last_event(&footbridge)["peer"], "127.0.0.1");
}

#[test]
fn a_proxy_that_is_not_trusted_is_not_believed() {
    let (footbridge, _) = claimed_with(&[]);
    let nginx = Nginx::before(&footbridge, HEADERS);
    nginx.browser().sign_in(ADA);
    assert_eq!(last_event(&footbridge)["peer"], PROXY);
}

#[test]
fn a_terminal_opens_through_it() {
    let (footbridge, _) = trusting();
    let (nginx, host) = (Nginx::before(&footbridge, &format!("{HEADERS}{UPGRADE}")), SshServer::openssh());
    let mut browser = nginx.browser();
    browser.sign_in(ADA);
    let password = browser.add_password(PASSWORD);
    let target = host.target(Some(&password));
    let mut terminal = browser.open(&target);
    terminal.accept_host_key(false);
    terminal.until_prompt();
    assert_eq!(terminal.run("echo through"), "through");
}

#[test]
fn one_that_drops_the_upgrade_is_told_so() {
    let (footbridge, _) = trusting();
    let nginx = Nginx::before(&footbridge, HEADERS);
    let mut browser = nginx.browser();
    browser.sign_in(ADA);
    let target = Target { address: "127.0.0.1", port: closed_port(), user: USER, credential: None };
    let started = browser.start_session(&target).expect(201);
    let (session, ticket) = (started["session"]["id"].as_str().unwrap(), started["ticket"].as_str().unwrap());
    let cookie = browser.cookie.clone().unwrap();
    let path = format!("/api/sessions/{session}/attach?ticket={ticket}");
    let (reply, _) = browser.upgrade(&path, &[("Origin", &browser.origin()), ("Cookie", &cookie)]);
    let refused = reply.expect(400);
    assert_eq!(refused["error"], "bad_request");
    let remedy = refused["remedy"].as_str().unwrap();
    assert!(remedy.contains("proxy") && remedy.contains("Upgrade"), "{remedy}");
}

/// The story: everybody behind a proxy shared one address's places, and a stranger with as many tabs shut the others out.
#[test]
fn a_crowd_behind_it_is_not_one_address() {
    let few = [("FOOTBRIDGE_TRUSTED_PROXIES", PROXY), ("FOOTBRIDGE_CONNECTIONS_PER_ADDRESS", "4")];
    let (footbridge, _) = claimed_with(&few);
    let nginx = Nginx::before(&footbridge, &format!("{HEADERS}{UPGRADE}"));
    let host = SshServer::openssh();
    let mut browser = nginx.browser();
    browser.sign_in(ADA);
    let target = host.target(None);
    let started = browser.start_session(&target).expect(201);
    let session = started["session"]["id"].as_str().unwrap();
    // Each holds a connection between nginx and the box.
    let _terminals: Vec<_> = (0..6).map(|_| browser.attach(session, None)).collect();
    assert!(nginx.browser().get("/health").status == 200);
}
