//! A browser's TLS certificate, by its fingerprint (R2): a sign-in that began with one is good only on connections that prove its key, and
//! where an account demands one, nothing begins without, on localhost as anywhere (R4).

use crate::second_factor::{enrol, half, take};
use crate::why_ended::is_told;
use crate::world::browser::{Browser, Reply, Target, head, read_reply};
use crate::world::footbridge::{Footbridge, text};
use crate::world::proxy::closed_port;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::terminal::Event;
use crate::world::tls::{self, Identity, Tls};
use crate::world::{ADA, claimed, claimed_with};
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SignatureScheme, SupportedProtocolVersion};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ASK: (&str, &str) = ("FOOTBRIDGE_CLIENT_CERTIFICATES", "ask");

const OTHER_PASSWORD: &str = "another bridge over warm sand";
const THIRD_PASSWORD: &str = "a third bridge over a lake";

fn asking() -> (Footbridge, Browser) {
    claimed_with(&[ASK])
}

fn register(browser: &mut Browser, password: &str) -> Reply {
    browser.post("/api/certificates", json!({"label": "laptop", "proof": password}))
}

/// The browser gets a certificate, shows it from now on, and its user registers it.
pub fn registered_by(browser: &mut Browser, password: &str) -> (Arc<Identity>, String) {
    let identity = Identity::fresh("laptop");
    browser.show(Some(&identity));
    let id = register(browser, password).expect(201)["id"].as_str().unwrap().into();
    (identity, id)
}

/// Another one, by its fingerprint, without showing it.
fn registered_by_hand(browser: &mut Browser) -> (Arc<Identity>, String) {
    let identity = Identity::fresh("phone");
    let body = json!({"label": "phone", "proof": ADA.1, "fingerprint": identity.fingerprint().to_uppercase()});
    let id = browser.post("/api/certificates", body).expect(201)["id"].as_str().unwrap().into();
    (identity, id)
}

fn demand(browser: &mut Browser, required: bool) -> Reply {
    browser.put("/api/certificate/demand", json!({"required": required, "proof": ADA.1}))
}

/// A box whose ada demands her certificate.
fn demanded() -> (Footbridge, Browser, Arc<Identity>, String) {
    let (box_, mut ada) = asking();
    let (identity, id) = registered_by(&mut ada, ADA.1);
    demand(&mut ada, true).expect(204);
    (box_, ada, identity, id)
}

fn sign_in_showing(box_: &Footbridge, identity: Option<&Arc<Identity>>) -> (Browser, Reply) {
    let mut browser = box_.browser();
    browser.show(identity);
    let reply = browser.try_sign_in(ADA.0, ADA.1);
    (browser, reply)
}

fn seen(browser: &mut Browser) -> String {
    browser.get("/api/certificates").expect(200)["seen"].as_str().unwrap().into()
}

/// A session to nowhere, and an upgrade to it by a ticket of `owner`'s, on a connection of `thief`'s.
fn attach(owner: &mut Browser, thief: &Browser) -> Reply {
    let nowhere = Target { address: "127.0.0.1", port: closed_port(), user: "root", credential: None };
    let id = owner.start_session(&nowhere).expect(201)["session"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/sessions/{id}/attach?ticket={}", owner.ticket(&id));
    let (origin, cookie) = (owner.origin(), owner.cookie.clone().unwrap());
    thief.upgrade(&path, &[("Origin", &origin), ("Cookie", &cookie)]).0
}

// ---- clients that are not as they should be ----

/// Shows `shown`, signs with the key of `signs`, and remembers whether it was asked at all.
#[derive(Debug)]
struct Odd {
    shown: Arc<Identity>,
    signs: Arc<Identity>,
    asked: AtomicBool,
}

impl ResolvesClientCert for Odd {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::SeqCst);
        let key = any_supported_type(&self.signs.key).unwrap();
        Some(Arc::new(CertifiedKey::new(vec![self.shown.certificate.clone()], key)))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn odd(box_: &Footbridge, odd: &Arc<Odd>, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    Arc::new(tls::pinned(box_.fingerprint(), &[version]).with_client_cert_resolver(odd.clone()))
}

/// A request of this browser's, over a connection of another kind: the answer, and how the connection came to be.
fn get_by(
    browser: &Browser,
    path: &str,
    config: &Arc<ClientConfig>,
) -> std::io::Result<(Reply, Option<HandshakeKind>)> {
    let mut stream: Tls = tls::connect(browser.address, config.clone())?;
    let cookie = browser.cookie.clone().unwrap_or_default();
    let headers = [("Host".to_string(), browser.address.to_string()), ("Cookie".into(), cookie)];
    stream.write_all(&head("GET", path, &headers, None))?;
    stream.flush()?;
    let reply = read_reply(&mut stream, false)?;
    Ok((reply, stream.conn.handshake_kind()))
}

// ---- the promises ----

#[test]
fn browsers_are_asked_only_where_the_owner_says_so() {
    for (box_, asks) in [(claimed(), false), (asking(), true)] {
        let (box_, mut ada) = box_;
        for version in [&TLS12, &TLS13] {
            let me = Identity::fresh("laptop");
            let client = Arc::new(Odd { shown: me.clone(), signs: me, asked: AtomicBool::new(false) });
            let (reply, _) = get_by(&ada, "/health", &odd(&box_, &client, version)).unwrap();
            assert_eq!((reply.status, client.asked.load(Ordering::SeqCst)), (200, asks), "{version:?}");
        }
        // Who has none comes in all the same.
        assert_eq!(seen(&mut ada), if asks { "none" } else { "off" });
        assert_eq!(register(&mut ada, ADA.1).refusal(409), "conflict", "there is nothing to register");
        ada.show(Some(&Identity::fresh("laptop")));
        assert_eq!(seen(&mut ada), if asks { "shown" } else { "off" });
    }
}

#[test]
fn where_it_is_demanded_nothing_opens_without_it_on_localhost_too() {
    // Without the certificate a right password counts like a wrong one.
    let (box_, mut ada) = claimed_with(&[ASK, ("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
    assert_eq!(demand(&mut ada, true).refusal(409), "conflict", "nobody shuts themselves out");
    ada.show(Some(&Identity::fresh("not registered")));
    assert_eq!(demand(&mut ada, true).refusal(409), "conflict", "nor with a certificate that is not theirs");
    let (mine, _) = registered_by(&mut ada, ADA.1);
    let mut elsewhere = half(&box_, ADA, "full");
    demand(&mut ada, true).expect(204);
    is_told(&mut elsewhere, "device");
    let other = Identity::fresh("laptop");
    for name in [None, Some("localhost".to_string())] {
        for (shows, status) in [(None, 403), (Some(&other), 403), (Some(&mine), 200)] {
            let mut browser = box_.browser();
            browser.name.clone_from(&name);
            browser.show(shows);
            let reply = browser.try_sign_in(ADA.0, ADA.1);
            if status == 403 {
                assert_eq!(reply.refusal(403), "certificate_needed");
                assert!(browser.cookie.is_none());
                // Nothing is said to who does not know the password.
                assert_eq!(browser.try_sign_in(ADA.0, "not the password of ada").refusal(401), "sign_in_failed");
            } else {
                take(&mut browser, reply, 200, "full");
                browser.get("/api/hosts").expect(200);
            }
        }
    }
    assert_eq!(demand(&mut ada, false).status, 204);
    half(&box_, ADA, "full");
}

#[test]
fn a_stolen_cookie_opens_nothing_without_the_certificate() {
    let (box_, mut ada, mine, _) = demanded();
    let (mut bob, reply) = sign_in_showing(&box_, Some(&mine));
    take(&mut bob, reply, 200, "full");
    for shows in [None, Some(&Identity::fresh("laptop"))] {
        let mut thief = bob.clone();
        thief.show(shows);
        for path in ["/api/hosts", "/api/sessions", "/api/certificates", "/api/logins"] {
            assert_eq!(thief.get(path).refusal(401), "not_signed_in", "{path}");
        }
        assert!(thief.get("/api/state").expect(200)["user"].is_null());
        thief.cookie.clone_from(&bob.cookie);
        assert_eq!(thief.post("/api/password", json!({"current": ADA.1, "new": "x"})).refusal(401), "not_signed_in");
        assert_eq!(attach(&mut ada, &thief).refusal(401), "not_signed_in", "a good ticket and cookie are not enough");
    }
    let with_it = ada.clone();
    assert_eq!(attach(&mut ada, &with_it).status, 101);
    bob.get("/api/hosts").expect(200);
    let audit = text(&box_.command(&["audit", "tail", "100"], "").stdout);
    assert!(audit.contains("certificate.refused"), "{audit}");
}

/// Also where none is demanded: who has registered one is protected from then on.
#[test]
fn a_sign_in_is_bound_to_the_certificate_that_it_began_with() {
    let (box_, mut ada) = asking();
    let (first, _) = registered_by(&mut ada, ADA.1);
    let (second, _) = registered_by_hand(&mut ada);
    ada.get("/api/hosts").expect(200);
    assert_eq!(register(&mut ada, ADA.1).refusal(409), "conflict", "it is hers already");
    let (mut other, reply) = sign_in_showing(&box_, Some(&first));
    take(&mut other, reply, 200, "full");
    other.get("/api/hosts").expect(200);
    let mut moved = other.clone();
    moved.show(Some(&second));
    assert_eq!(moved.get("/api/hosts").refusal(401), "not_signed_in", "one's own other certificate is another");
    other.get("/api/hosts").expect(200);
    half(&box_, ADA, "full").get("/api/hosts").expect(200);
}

#[test]
fn a_certificate_without_its_key_is_refused_in_the_handshake() {
    let (box_, ada, mine, _) = demanded();
    let (forger, copy) = (Identity::fresh("forger"), mine);
    for version in [&TLS12, &TLS13] {
        let client = |signs: &Arc<Identity>| {
            Arc::new(Odd { shown: copy.clone(), signs: signs.clone(), asked: AtomicBool::new(false) })
        };
        let forged = client(&forger);
        assert!(get_by(&ada, "/api/hosts", &odd(&box_, &forged, version)).is_err(), "{version:?}");
        assert!(forged.asked.load(Ordering::SeqCst));
        // The same client with the right key comes in: it is the signature that was refused.
        assert_eq!(get_by(&ada, "/api/hosts", &odd(&box_, &client(&copy), version)).unwrap().0.status, 200);
    }
    assert!(!box_.log().contains("panicked"));
}

#[test]
fn a_resumed_connection_keeps_the_fingerprint_and_loses_it_with_the_certificate() {
    for version in [&TLS12, &TLS13] {
        let (box_, mut ada) = asking();
        let (mine, id) = registered_by(&mut ada, ADA.1);
        let odd_client = Arc::new(Odd { shown: mine.clone(), signs: mine.clone(), asked: AtomicBool::new(false) });
        let config = odd(&box_, &odd_client, version);
        let (reply, kind) = get_by(&ada, "/api/certificates", &config).unwrap();
        assert_eq!((reply.status, kind), (200, Some(HandshakeKind::Full)), "{version:?}");
        odd_client.asked.store(false, Ordering::SeqCst);
        let (reply, kind) = get_by(&ada, "/api/certificates", &config).unwrap();
        assert_eq!(kind, Some(HandshakeKind::Resumed), "{version:?}");
        assert!(!odd_client.asked.load(Ordering::SeqCst), "nothing was signed anew");
        assert_eq!(reply.expect(200)["shown"], mine.fingerprint().as_str());
        ada.remove(&format!("/api/certificates/{id}"), ADA.1).expect(204);
        let (reply, kind) = get_by(&ada, "/api/hosts", &config).unwrap();
        assert_eq!(kind, Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(reply.refusal(401), "not_signed_in", "its sign-ins have ended");
    }
}

#[test]
fn a_certificate_that_is_removed_ends_its_sign_ins() {
    let (box_, mut ada, first, last) = demanded();
    assert_eq!(ada.remove(&format!("/api/certificates/{last}"), ADA.1).refusal(409), "conflict", "the last one stays");
    let (second, id) = registered_by_hand(&mut ada);
    let (mut there, reply) = sign_in_showing(&box_, Some(&second));
    take(&mut there, reply, 200, "full");
    let host = SshServer::openssh();
    let credential = there.add_password(PASSWORD);
    let mut terminal = there.open_accepting(&host.target(Some(&credential)));
    ada.remove(&format!("/api/certificates/{id}"), ADA.1).expect(204);
    let code = loop {
        if let Event::Closed(code) = terminal.next() {
            break code;
        }
    };
    assert_eq!(code, Some(1008), "whoever looks at a terminal with it lets go");
    assert_eq!(there.get("/api/hosts").refusal(401), "not_signed_in", "who is removed is out");
    assert_eq!(sign_in_showing(&box_, Some(&second)).1.refusal(403), "certificate_needed");
    let (mut here, reply) = sign_in_showing(&box_, Some(&first));
    take(&mut here, reply, 200, "full");
    here.get("/api/hosts").expect(200);
}

/// A session that may be resumed keeps what was shown, and anybody may show anything.
#[test]
fn one_that_is_too_long_is_refused_in_the_handshake() {
    let (box_, mut ada) = asking();
    let long = Identity::long();
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(Odd { shown: long.clone(), signs: long.clone(), asked: AtomicBool::new(false) });
        assert!(get_by(&ada, "/health", &odd(&box_, &client, version)).is_err(), "{version:?}");
    }
    assert_eq!(ada.get("/health").status, 200);
}

/// Every step of a sign-in begins a session anew; none may lose what the first was bound to.
#[test]
fn no_later_step_loses_the_certificate() {
    let (box_, mut ada, mine, _) = demanded();
    let stolen = |browser: &Browser| {
        let mut thief = browser.clone();
        thief.show(None);
        thief
    };
    let body = ada.post("/api/password", json!({"current": ADA.1, "new": OTHER_PASSWORD})).expect(200);
    ada.csrf = Some(body["csrf"].as_str().unwrap().into());
    ada.password = Some(OTHER_PASSWORD.into());
    ada.get("/api/hosts").expect(200);
    assert_eq!(stolen(&ada).get("/api/hosts").refusal(401), "not_signed_in", "after a change of password");
    let (phone, codes) = enrol(&mut ada);
    ada.get("/api/hosts").expect(200);
    assert_eq!(stolen(&ada).get("/api/hosts").refusal(401), "not_signed_in", "after a new factor");
    for (path, code) in [("/api/factor/verify", phone.code(0)), ("/api/factor/recover", codes[0].clone())] {
        let mut owing = box_.browser();
        owing.show(Some(&mine));
        let reply = owing.try_sign_in(ADA.0, OTHER_PASSWORD);
        take(&mut owing, reply, 200, "factor");
        assert_eq!(stolen(&owing).post(path, json!({"code": code})).refusal(401), "not_signed_in", "{path}");
        owing.post(path, json!({"code": code})).expect(200);
        assert!(stolen(&owing).get("/api/state").expect(200)["user"].is_null(), "{path}");
    }
    // A password that the command line has reset signs nobody in by itself.
    let told = text(&box_.command(&["user", "reset-password", ADA.0], "").stdout);
    let token = told.lines().next().unwrap().strip_prefix("reset-token ").unwrap().to_owned();
    let body = json!({"token": token, "password": THIRD_PASSWORD, "discard": true});
    box_.browser().post("/api/reset", body).expect(204);
    assert_eq!(box_.browser().try_sign_in(ADA.0, THIRD_PASSWORD).refusal(403), "certificate_needed");
}

#[test]
fn registering_and_demanding_want_a_proof() {
    let (_box, mut ada) = asking();
    ada.show(Some(&Identity::fresh("laptop")));
    assert_eq!(ada.post("/api/certificates", json!({"label": "x"})).refusal(403), "proof_needed");
    assert_eq!(ada.put("/api/certificate/demand", json!({"required": true})).refusal(403), "proof_needed");
    assert_eq!(register(&mut ada, "not the password of ada").refusal(401), "wrong_code");
    let junk = json!({"label": "x", "proof": ADA.1, "fingerprint": "junk"});
    assert_eq!(ada.post("/api/certificates", junk).refusal(422), "invalid");
    assert_eq!(ada.get("/api/certificates").expect(200)["certificates"], json!([]));
}

/// The proxy's connection may show a certificate too, its own: it is nobody's.
#[test]
fn behind_a_proxy_the_box_says_that_it_sees_none() {
    let (mut box_, mut ada) = claimed_with(&[ASK, ("FOOTBRIDGE_TRUSTED_PROXIES", "127.0.0.0/8")]);
    assert_eq!(seen(&mut ada), "proxy");
    ada.show(Some(&Identity::fresh("proxy")));
    let shown = ada.get("/api/certificates").expect(200);
    assert_eq!((&shown["seen"], &shown["shown"]), (&json!("proxy"), &json!(null)));
    let refused = register(&mut ada, ADA.1).expect(409);
    assert!(refused["message"].as_str().unwrap().contains("proxy"), "{refused}");
    box_.kill();
    let doctor = text(&box_.command(&["doctor"], "").stdout);
    assert!(doctor.contains("trusted_proxies cannot show one"), "{doctor}");
}

/// One who demands a certificate is kept out where it cannot be seen, and told so; nothing is let through.
#[test]
fn what_the_box_cannot_see_it_does_not_believe() {
    let (mut box_, _ada, mine, _) = demanded();
    box_.kill();
    let mut seen = Vec::new();
    for setting in [("FOOTBRIDGE_CLIENT_CERTIFICATES", "off"), ("FOOTBRIDGE_TRUSTED_PROXIES", "127.0.0.0/8")] {
        box_.set(setting);
        box_.start_again();
        let reply = sign_in_showing(&box_, Some(&mine)).1.expect(403);
        assert_eq!(reply["error"], "certificate_needed");
        seen.push(reply["message"].as_str().unwrap().to_owned());
        box_.kill();
        box_.set(ASK);
    }
    assert!(seen[0].contains("client_certificates is off") && seen[1].contains("proxy"), "{seen:?}");
}

#[test]
fn the_command_line_lists_and_revokes() {
    let (mut box_, mut ada, mine, id) = demanded();
    let device = crate::devices::trusted_by(&mut ada, ADA.1).id().to_owned();
    let list = |box_: &Footbridge| text(&box_.command(&["device", "list", "Ada"], "").stdout);
    let shown = list(&box_);
    for part in [id.as_str(), device.as_str(), &mine.fingerprint(), "laptop", "ada demands a certificate"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    box_.add_user("eve", "a quiet river under the bridge");
    for wrong in [["device", "remove", "eve", &id], ["device", "remove", "ada", &"0".repeat(32)]] {
        let output = box_.command(&wrong, "");
        assert!(!output.status.success() && text(&output.stderr).contains("no such device"), "{output:?}");
    }
    assert!(box_.command(&["device", "remove", "ada", &device], "").status.success());
    assert!(!list(&box_).contains(&device));
    // That sign-in was the device's too; a new one, and then the last certificate goes.
    assert_eq!(ada.get("/api/hosts").refusal(401), "not_signed_in");
    let (mut again, reply) = sign_in_showing(&box_, Some(&mine));
    take(&mut again, reply, 200, "full");
    let output = box_.command(&["device", "remove", "ada", &id], "");
    assert!(text(&output.stdout).contains("it was the last"), "{output:?}");
    assert_eq!(again.get("/api/hosts").refusal(401), "not_signed_in");
    half(&box_, ADA, "full").get("/api/hosts").expect(200);
    assert_eq!(list(&box_), "");
    // And where no server runs.
    box_.kill();
    assert!(box_.command(&["device", "list", "ada"], "").status.success());
}

/// As docs/OPERATING.md says it, with what people have.
#[test]
fn one_made_with_openssl_is_taken_by_curl() {
    let (box_, mut ada) = asking();
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"])
        .args(["-subj", "/CN=ada", "-keyout", "ada.key", "-out", "ada.pem"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let bundled = Command::new("openssl")
        .args(["pkcs12", "-export", "-in", "ada.pem", "-inkey", "ada.key", "-out", "ada.p12", "-passout", "pass:x"])
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(bundled.success());
    let ask = |more: &[&str]| {
        let output = Command::new("curl")
            .args(["-sk", "--max-time", "60", "-H", &format!("Cookie: {}", ada.cookie.clone().unwrap())])
            .args(more)
            .arg(format!("https://{}/api/certificates", box_.address()))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        text(&output.stdout)
    };
    let printed = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", "ada.pem"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let fingerprint = text(&printed.stdout).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    let said = ask(&["--cert", "ada.pem", "--key", "ada.key"]);
    assert!(said.contains(&fingerprint), "{fingerprint}: {said}");
    assert!(ask(&[]).contains(r#""seen":"none""#));
    assert_eq!(seen(&mut ada), "none");
}

#[test]
fn a_start_without_asking_names_who_is_shut_out() {
    let (mut box_, _, _, _) = demanded();
    let told = "and these demand a certificate and cannot sign in: ada";
    assert!(!box_.log().contains(told));
    box_.kill();
    box_.set(("FOOTBRIDGE_CLIENT_CERTIFICATES", "off"));
    box_.start_again();
    assert!(box_.log().contains(told), "{}", box_.log());
}

#[test]
fn a_certificate_is_removed_only_with_a_proof() {
    let (_box, mut ada) = asking();
    let (_, id) = registered_by_hand(&mut ada);
    let path = format!("/api/certificates/{id}");
    assert_eq!(ada.delete(&path).refusal(403), "proof_needed");
    assert_eq!(ada.remove(&path, "not this one, surely").refusal(401), "wrong_code");
    assert_eq!(ada.get("/api/certificates").expect(200)["certificates"].as_array().unwrap().len(), 1);
    ada.remove(&path, ADA.1).expect(204);
}
