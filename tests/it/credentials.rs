//! A secret goes in and never comes out: keys and passwords are kept, named, counted and deleted, and no answer holds one.

use crate::world::browser::Browser;
use crate::world::footbridge::{GIVES_BACK, text};
use crate::world::patience::until;
use crate::world::ssh_server::{PASSWORD, SshServer, key_text, secret_pieces};
use crate::world::{ADA, claimed, claimed_with};
use footbridge::limits::Counted;
use serde_json::{Value, json};

const CANARY: &str = "Zq7-canary-password-of-a-router";

fn add(browser: &mut crate::world::browser::Browser, body: Value) -> Value {
    browser.post("/api/credentials", body).expect(201)
}

#[test]
fn every_kind_of_key_comes_in_and_shows_only_its_public_half() {
    let (_box, mut browser) = claimed();
    let kinds: [(&[&str], &str); 7] = [
        (&["-t", "ed25519", "-N", ""], "ssh-ed25519"),
        (&["-t", "ecdsa", "-b", "256", "-N", ""], "ecdsa-sha2-nistp256"),
        (&["-t", "ecdsa", "-b", "384", "-N", ""], "ecdsa-sha2-nistp384"),
        (&["-t", "ecdsa", "-b", "521", "-N", ""], "ecdsa-sha2-nistp521"),
        (&["-t", "rsa", "-b", "2048", "-N", ""], "ssh-rsa"),
        (&["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""], "ssh-rsa"),
        (&["-t", "ecdsa", "-m", "PKCS8", "-N", ""], "ecdsa-sha2-nistp256"),
    ];
    for (arguments, algorithm) in kinds {
        let text = key_text(arguments);
        let made = add(&mut browser, json!({"label": "k", "kind": "key", "private_key": text}));
        assert_eq!((&made["kind"], &made["algorithm"]), (&json!("key"), &json!(algorithm)), "{arguments:?}");
        assert!(made["public_key"].as_str().unwrap().starts_with(algorithm));
        assert!(made["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
        let everything = browser.get("/api/credentials").expect(200).to_string() + &made.to_string();
        for piece in secret_pieces(&text, made["public_key"].as_str().unwrap()) {
            assert!(!everything.contains(&piece), "a line of a private key is in an answer: {arguments:?}");
        }
    }
}

#[test]
fn the_fingerprint_is_what_ssh_keygen_prints() {
    let (_box, mut browser) = claimed();
    let made = add(&mut browser, json!({"label": "made here", "kind": "generate"}));
    assert_eq!(made["algorithm"], "ssh-ed25519");
    assert!(made["public_key"].as_str().unwrap().ends_with(" ada@footbridge"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pub");
    std::fs::write(&file, made["public_key"].as_str().unwrap()).unwrap();
    let printed = std::process::Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains(made["fingerprint"].as_str().unwrap()), "{printed}");
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let (_box, mut browser) = claimed();
    for arguments in [
        &["-t", "ed25519", "-N", "open sesame"][..],
        &["-t", "rsa", "-b", "2048", "-N", "open sesame"],
        &["-t", "ecdsa", "-m", "PKCS8", "-N", "open sesame"],
    ] {
        let text = key_text(arguments);
        for wrong in [json!(null), json!("open sesam"), json!("")] {
            let body = json!({"label": "k", "kind": "key", "private_key": text, "passphrase": wrong});
            let told = browser.post("/api/credentials", body).expect(422);
            assert_eq!(
                (&told["error"], &told["field"]),
                (&json!("invalid"), &json!("passphrase")),
                "{arguments:?} {wrong}"
            );
        }
        add(&mut browser, json!({"label": "k", "kind": "key", "private_key": text, "passphrase": "open sesame"}));
    }
}

/// The story: scrypt may take 32 MiB for one key, and 48 that one user brought at once took 1292.
#[test]
fn keys_that_are_brought_at_once_do_not_take_the_box_s_memory() {
    let (box_, browser) = claimed_with(&[GIVES_BACK]);
    let key = sealed_with_scrypt(&key_text(&["-t", "ecdsa", "-m", "PKCS8", "-N", ""]));
    let before = box_.resident();
    let body = json!({"label": "k", "kind": "key", "private_key": key, "passphrase": "wrong"});
    let all: Vec<_> = (0..48)
        .map(|_| {
            let (mut browser, body) = (browser.clone(), body.clone());
            std::thread::spawn(move || browser.post("/api/credentials", body).status)
        })
        .collect();
    let statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap()).collect();
    let mib = box_.most_resident().saturating_sub(before) >> 20;
    assert!(mib < 80, "48 imports took {mib} MiB: {statuses:?}");
    let with = |status| statuses.iter().filter(|one| **one == status).count();
    let most = Counted::Key.limit().most as usize;
    // Opened, and the passphrase was wrong; no turn in time; too many of this user's.
    assert!(with(422) > 0 && with(422) + with(503) == most && with(429) == 48 - most, "{statuses:?}");
}

/// As dear as openssl makes it.
fn sealed_with_scrypt(key: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, key).unwrap();
    let done = std::process::Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:open sesame", "-scrypt", "-scrypt_N", "32768", "-scrypt_r", "7"])
        .args(["-scrypt_p", "1", "-in"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    text(&done.stdout)
}

#[test]
fn keys_that_are_weak_or_no_keys_are_refused() {
    let (_box, mut browser) = claimed();
    let good = key_text(&["-t", "ed25519", "-N", ""]);
    let weak = std::process::Command::new("openssl").args(["genrsa", "1024"]).output().unwrap();
    let dsa = "-----BEGIN DSA PRIVATE KEY-----\nMIIBugIBAAKBgQD\n-----END DSA PRIVATE KEY-----\n";
    let cut = &good[..good.len() / 2];
    let public = add(&mut browser, json!({"label": "x", "kind": "generate"}))["public_key"].clone();
    for bad in
        ["", "hello", cut, dsa, &String::from_utf8(weak.stdout).unwrap(), public.as_str().unwrap(), &"A".repeat(40_000)]
    {
        let told =
            browser.post("/api/credentials", json!({"label": "k", "kind": "key", "private_key": bad})).expect(422);
        let shown = &bad[..bad.len().min(40)];
        assert_eq!((&told["error"], &told["field"]), (&json!("invalid"), &json!("private_key")), "{shown}");
        assert!(bad.len() < 50 || !told.to_string().contains(&bad[30..50]), "the refusal repeats the key: {told}");
    }
    assert_eq!(browser.get("/api/credentials").expect(200)["credentials"].as_array().unwrap().len(), 1);
}

#[test]
fn bodies_that_mix_the_forms_are_refused() {
    let (_box, mut browser) = claimed();
    let key = key_text(&["-t", "ed25519", "-N", ""]);
    for (body, status) in [
        (json!({"label": "x", "kind": "password"}), 400),
        (json!({"label": "x", "kind": "password", "password": CANARY, "private_key": key}), 400),
        (json!({"label": "x", "kind": "generate", "password": CANARY}), 400),
        (json!({"label": "x", "kind": "key", "password": CANARY}), 400),
        (json!({"label": "x", "kind": "totp", "password": CANARY}), 400),
        (json!({"kind": "password", "password": CANARY}), 400),
        (json!({"label": "x", "kind": "password", "password": CANARY, "port": 22}), 400),
        (json!({"label": "x", "kind": "generate", "address": "box"}), 400),
        (json!({"label": "x", "kind": "key", "private_key": key, "address": "box"}), 400),
        (json!({"label": "x", "kind": "password", "password": CANARY, "address": "-box"}), 422),
        (json!({"label": "x", "kind": "password", "password": CANARY, "address": "box", "port": 0}), 422),
        (json!({"label": "x", "kind": "password", "password": ""}), 422),
        (json!({"label": "x", "kind": "password", "password": "x".repeat(1025)}), 422),
        (json!({"label": "a\nb", "kind": "password", "password": CANARY}), 422),
        (json!({"label": "x".repeat(101), "kind": "password", "password": CANARY}), 422),
    ] {
        let reply = browser.post("/api/credentials", body.clone());
        assert_eq!(reply.status, status, "{body}");
        assert!(!String::from_utf8_lossy(&reply.body).contains(CANARY), "a refusal repeats the secret");
    }
    assert_eq!(browser.get("/api/credentials").expect(200)["credentials"], json!([]));
}

#[test]
fn no_answer_ever_holds_a_secret() {
    let (_box, mut browser) = claimed();
    let key = key_text(&["-t", "ed25519", "-N", ""]);
    let password = browser.add_password(CANARY);
    let key_id = browser.add_key(&key, None);
    let public = browser.get("/api/credentials").expect(200).to_string();
    let pieces = secret_pieces(&key, &public);
    let host =
        browser.post("/api/hosts", json!({"address": "box", "user": "root", "credential_id": password})).expect(201);
    let host = host["id"].as_str().unwrap();
    for path in [
        "/api/state".into(),
        "/api/credentials".into(),
        "/api/hosts".into(),
        format!("/api/hosts/{host}"),
        "/api/hostkeys".into(),
        "/api/sessions".into(),
        "/api/preferences".into(),
        "/api/log".into(),
        format!("/api/credentials/{password}"),
        format!("/api/credentials/{key_id}"),
        format!("/api/credentials/{password}/secret"),
        format!("/api/credentials/{password}?reveal=1"),
        "/api/credentials?export=1".into(),
    ] {
        let text = String::from_utf8(browser.get(&path).body).unwrap();
        assert!(!text.contains(CANARY), "{path}");
        assert!(!pieces.iter().any(|piece| text.contains(piece.as_str())), "{path}");
    }
    let renamed = browser.put(&format!("/api/credentials/{password}"), json!({"label": "new"})).expect(200);
    assert!(!renamed.to_string().contains(CANARY));
    let fields: Vec<_> = renamed.as_object().unwrap().keys().map(String::as_str).collect();
    let known =
        ["algorithm", "created", "fingerprint", "id", "kind", "label", "last_used", "public_key", "sent_to", "used_by"];
    assert_eq!(fields, known, "a new field of a credential is shown; is it no secret?");
    assert!(renamed["public_key"].is_null() && renamed["fingerprint"].is_null() && renamed["algorithm"].is_null());
}

#[test]
fn a_credential_is_renamed_counted_and_deleted() {
    let (_box, mut browser) = claimed();
    let id = browser.add_password(CANARY);
    let path = format!("/api/credentials/{id}");
    for label in ["", "<script>alert(1)</script>", "laptop"] {
        assert_eq!(browser.put(&path, json!({"label": label})).expect(200)["label"], label);
    }
    assert_eq!(browser.put(&path, json!({"label": "a\u{1b}b"})).expect(422)["field"], "label");
    assert_eq!(browser.put(&path, json!({"label": "x", "password": "y"})).refusal(400), "bad_request");

    let host = |browser: &mut crate::world::browser::Browser| {
        let body = json!({"address": "box", "user": "root", "credential_id": id});
        browser.post("/api/hosts", body).expect(201)["id"].as_str().unwrap().to_string()
    };
    let hosts = [host(&mut browser), host(&mut browser)];
    let list = browser.get("/api/credentials").expect(200);
    assert_eq!((&list["credentials"][0]["used_by"], &list["credentials"][0]["label"]), (&json!(2), &json!("laptop")));

    browser.delete(&path).expect(204);
    for host in hosts {
        assert!(
            browser.get(&format!("/api/hosts/{host}")).expect(200)["credential_id"].is_null(),
            "it asks every time now"
        );
    }
    assert_eq!(browser.delete(&path).refusal(404), "not_found");
    assert_eq!(browser.put(&path, json!({"label": "x"})).refusal(404), "not_found");
}

#[test]
fn two_hundred_credentials_are_the_most() {
    let (_box, mut browser) = claimed();
    for _ in 0..200 {
        browser.add_password(CANARY);
    }
    let body = json!({"label": "one more", "kind": "password", "password": CANARY});
    assert_eq!(browser.post("/api/credentials", body).refusal(429), "too_many");
}

fn last_used(browser: &mut Browser, id: &str) -> Value {
    let all = browser.get("/api/credentials").expect(200);
    let one = all["credentials"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    one["last_used"].clone()
}

/// F9. A use is a sign-in that a host let in by it: what was only shown to one, or only unlocked, was not used.
#[test]
fn the_last_use_is_when_a_host_took_it() {
    let host = SshServer::openssh();
    let (mut box_, mut ada) = claimed();
    let [good, wrong, other] = [PASSWORD, "incorrect horse battery", PASSWORD].map(|text| ada.add_password(text));
    let key = ada.add_key(&host.authorized_key(&["-t", "ed25519", "-N", ""]), None);
    let foreign = ada.add_key(&key_text(&["-t", "ed25519", "-N", ""]), None);
    for id in [&good, &wrong, &other, &key, &foreign] {
        assert_eq!(last_used(&mut ada, id), json!(null));
    }
    // Unlocked for a terminal that comes no further than the question for the host's key.
    let mut asked = ada.open(&host.target(Some(&good)));
    asked.until_question("host_key");
    asked.say(json!({"type": "end"}));
    asked.until_ended_unasked();
    assert_eq!(last_used(&mut ada, &good), json!(null), "nobody was shown it");

    let begun = ada.get("/api/state").expect(200)["time"].as_i64().unwrap();
    let mut first = ada.open(&host.target(Some(&good)));
    first.accept_host_key(true);
    first.until_prompt();
    ada.open(&host.target(Some(&key))).until_prompt();
    ada.open(&host.target(Some(&foreign))).until_ended();
    let asking = SshServer::openssh_with(&["ed25519"], "PasswordAuthentication no");
    ada.post("/api/hostkeys", json!({"known_hosts": asking.known_hosts_line("ed25519")})).expect(201);
    let mut refused = ada.open(&asking.target(Some(&wrong)));
    // It was shown; what the host takes is what a person types after it.
    let question = refused.until_question("prompts");
    refused.answer(&question, json!({"responses": [PASSWORD]}));
    refused.until_prompt();
    for used in [&good, &key] {
        assert!(last_used(&mut ada, used).as_i64().unwrap() >= begun, "{used}");
    }
    for unused in [&wrong, &other, &foreign] {
        assert_eq!(last_used(&mut ada, unused), json!(null), "{unused}");
    }
    let before = last_used(&mut ada, &good);
    box_.kill();
    box_.start_again();
    let mut ada = box_.browser();
    ada.sign_in(ADA);
    assert_eq!(last_used(&mut ada, &good), before, "it is on the disk");
    // The host's own last use and that of what it took are noted together.
    let saved = ada.add_host(&host.target(Some(&other)));
    let proof = json!({"host_id": saved, "address": "127.0.0.1", "port": host.port, "proof": ADA.1});
    let started = ada.post("/api/sessions", proof).expect(201);
    let id = started["session"]["id"].as_str().unwrap().to_owned();
    until("a terminal", || (ada.get(&format!("/api/sessions/{id}")).expect(200)["state"] == "live").then_some(()));
    let hosts = ada.get("/api/hosts").expect(200);
    assert_eq!(hosts["hosts"][0]["last_used"], last_used(&mut ada, &other));
    assert!(hosts["hosts"][0]["last_used"].is_number());
}

/// PAM asks instead of taking a password: the stored one answers, and that is a use of it.
#[test]
fn a_password_that_answered_a_question_was_used() {
    for (lines, key_first) in [("PasswordAuthentication no", false), ("AuthenticationMethods publickey,password", true)]
    {
        let host = SshServer::openssh_with(&["ed25519"], lines);
        let (_box, mut ada) = claimed();
        ada.post("/api/hostkeys", json!({"known_hosts": host.known_hosts_line("ed25519")})).expect(201);
        let stored = match key_first {
            true => ada.add_key(&host.authorized_key(&["-t", "ed25519", "-N", ""]), None),
            false => ada.add_password(PASSWORD),
        };
        let mut terminal = ada.open(&host.target(Some(&stored)));
        if key_first {
            let question = terminal.until_question("prompts");
            assert_eq!(last_used(&mut ada, &stored), json!(null), "it is not in yet");
            terminal.answer(&question, json!({"responses": [PASSWORD]}));
        }
        terminal.until_prompt();
        assert!(last_used(&mut ada, &stored).is_number(), "{lines}");
    }
}
