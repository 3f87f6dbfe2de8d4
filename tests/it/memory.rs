//! Secrets do not lie about in memory: once a request has been answered, nothing of what it brought is found in the process.

use crate::second_factor::enrol;
use crate::world::footbridge::{Footbridge, text};
use crate::world::ssh_server::{self, SshServer};
use crate::world::{ADA, claimed, patience};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use footbridge::api::{Method, ROUTES};
use footbridge::store::{self, Store};
use footbridge::vault::{DeviceKey, derive, open_bytes};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

/// How often `needle` is found in the memory that the process can write.
fn found(footbridge: &Footbridge, needle: &[u8]) -> usize {
    let process = footbridge.process();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let writable = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|modes| modes.starts_with("rw")));
    let count = |line: &str| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; (to - from) as usize];
        // A mapping may go while we look.
        let read = memory.read_exact_at(&mut bytes, from).is_ok();
        if read { bytes.windows(needle.len()).filter(|window| *window == needle).count() } else { 0 }
    };
    writable.map(count).sum()
}

fn until_wiped(footbridge: &Footbridge, secrets: &[&[u8]]) {
    for secret in secrets {
        patience::until("a secret to be wiped", || (found(footbridge, secret) == 0).then_some(()));
    }
}

/// The story: the TLS library decrypts into buffers of its own, and JSON with an escape in it is put together in another. Both were
/// freed as they were, and every password ever sent could be read from a dump of the process.
#[test]
fn what_a_request_brought_is_wiped_with_its_connection() {
    let (footbridge, mut browser) = claimed();
    assert!(found(&footbridge, b"footbridge.redb") > 0, "this test sees nothing");
    browser.sign_in(ADA);
    browser.add_password("what opens the host\n has an escape");
    let key = tempfile::tempdir().unwrap();
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "key"]).current_dir(&key).status();
    assert!(made.unwrap().success());
    let text = fs::read_to_string(key.path().join("key")).unwrap();
    browser.add_key(&text, None);
    drop(browser);
    let line = text.lines().nth(2).unwrap();
    let texts = [ADA.1, "what opens the host", " has an escape", line];
    until_wiped(&footbridge, &texts.map(str::as_bytes));
}

/// The key of a signed-in user's secrets is in memory, and what it opened was; once they are signed out, nothing of either is.
#[test]
fn after_sign_out_no_secret_of_the_user_is_left() {
    let host = SshServer::openssh();
    let (footbridge, mut browser) = claimed();
    let (phone, codes) = enrol(&mut browser);
    let credential = browser.add_password_for(&host.target(None), ssh_server::PASSWORD);
    let mut terminal = browser.open(&host.target(Some(&credential)));
    terminal.accept_host_key(false);
    terminal.until_prompt();
    let data_key = data_key(&footbridge, ADA);
    assert!(found(&footbridge, &data_key) > 0, "this test sees nothing: the user is signed in");
    let proof = json!({"passphrase": "seven lanterns by the weir", "proof": phone.code(0)});
    assert_eq!(browser.post("/api/backup", proof).status, 200);
    let cookie = browser.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    browser.post("/api/logout", json!({"terminals": "end"})).expect(204);
    drop((browser, terminal));
    let plain = codes[0].replace('-', "");
    let texts = [ADA.1, ssh_server::PASSWORD, "seven lanterns by the weir", &cookie, &codes[0], &plain];
    until_wiped(&footbridge, &texts.map(str::as_bytes));
    until_wiped(&footbridge, &[phone.secret(), &data_key]);
}

/// The user's data key, as docs/FORMAT.md says it is kept: what only the password and the device key open.
fn data_key(footbridge: &Footbridge, (name, password): (&str, &str)) -> Vec<u8> {
    let copy = tempfile::tempdir().unwrap();
    fs::copy(footbridge.data().join(store::FILE), copy.path().join(store::FILE)).unwrap();
    let device = DeviceKey::load_or_make(&footbridge.data()).unwrap();
    let user = Store::open(copy.path(), device.derive("store")).unwrap().user_by_name(name).unwrap().unwrap();
    let [_, _, _, cost, salt, _]: [&str; 6] = user.verifier.split('$').collect::<Vec<_>>().try_into().unwrap();
    let [kib, passes, lanes] = [0, 1, 2].map(|at| cost.split(',').nth(at).unwrap()[2..].parse().unwrap());
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(kib, passes, lanes, Some(64)).unwrap());
    let mut root = [0; 64];
    argon.hash_password_into(password.as_bytes(), &BASE64.decode(salt).unwrap(), &mut root).unwrap();
    let both = [&derive(&root, "kek").expose()[..], &device.derive("wrap").expose()[..]].concat();
    let (slot, sealed) = user.wrapped.iter().find(|(slot, _)| slot == "password").unwrap();
    let sealed = BASE64.decode(serde_json::to_value(sealed).unwrap().as_str().unwrap()).unwrap();
    let place = [&user.id.as_bytes()[..], slot.as_bytes()].concat();
    open_bytes(&derive(&both, "wrapping key"), &place, sealed).unwrap().to_vec()
}

/// The terminals that go on need no key: what they were signed in with, and the key that opened it, are nowhere any more.
#[test]
fn after_lock_now_no_key_and_no_credential_is_left_although_terminals_go_on() {
    let host = SshServer::openssh();
    let (footbridge, mut browser) = claimed();
    browser.post("/api/hostkeys", json!({"known_hosts": host.known_hosts_line("ed25519")})).expect(201);
    let text = host.authorized_key(&["-t", "ed25519", "-N", ""]);
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let line = body[body.len() / 2..body.len() / 2 + 40].to_owned();
    let seed = seed_of(&body);
    let [password, key] =
        [browser.add_password_for(&host.target(None), ssh_server::PASSWORD), browser.add_key(&text, None)];
    let mut terminals = [password.as_str(), &key].map(|credential| browser.open(&host.target(Some(credential))));
    terminals.iter_mut().for_each(|terminal| terminal.until_prompt());
    // One that waits for a yes has what it would sign in with opened.
    let unknown = SshServer::openssh();
    let mut waiting = browser.open(&unknown.target(Some(&key)));
    waiting.until_question("host_key");
    let data_key = data_key(&footbridge, ADA);
    assert!(found(&footbridge, &data_key) > 0, "this test sees nothing: the user is signed in");
    assert!(found(&footbridge, line.as_bytes()) > 0, "this test sees nothing: a key is open");
    browser.post("/api/lock", json!({})).expect(204);
    let ids: Vec<String> = terminals.iter().map(|terminal| terminal.session.clone()).collect();
    drop((browser, terminals, waiting));
    let kept = [&data_key, line.as_bytes(), &seed, ADA.1.as_bytes(), ssh_server::PASSWORD.as_bytes()];
    for (what, secret) in ["data key", "text of a key", "key", "password", "password of a host"].iter().zip(kept) {
        patience::until(&format!("the {what} to be wiped"), || (found(&footbridge, secret) == 0).then_some(()));
    }

    let mut back = footbridge.browser();
    back.sign_in(ADA);
    for id in ids {
        assert_eq!(back.get(&format!("/api/sessions/{id}")).expect(200)["state"], "live");
        assert_eq!(back.attach(&id, None).run("whoami"), "fbtest");
    }
}

/// Of an unencrypted ed25519 key in OpenSSH's form: the 32 bytes before the second copy of the public half within its private part.
fn seed_of(body: &str) -> Vec<u8> {
    let bytes = BASE64.decode(body.trim_end_matches('=')).unwrap();
    let length = [0, 0, 0, 64];
    let at = bytes.windows(4).position(|window| window == length).unwrap();
    bytes[at + 4..at + 36].to_vec()
}

/// The thief has everything: the whole data directory, device key included, a box to run it on, and an administrator's session there. What
/// somebody stored who is signed out is still under their password: no route, no command and no memory gives it.
#[test]
fn a_whole_copy_and_an_administrator_s_session_yield_no_credential_of_somebody_signed_out() {
    const EVE: (&str, &str) = ("eve", "a quiet river under the bridge");
    const HERS: &str = "Zq7-canary-that-only-eve-knows";
    let host = SshServer::openssh();
    let (mut box_, _) = claimed();
    box_.add_user(EVE.0, EVE.1);
    let mut eve = box_.browser();
    eve.sign_in(EVE);
    let key = host.authorized_key(&["-t", "ed25519", "-N", ""]);
    let [password, key_id] = [eve.add_password(HERS), eve.add_key(&key, None)];
    // Decoded: whatever form it is kept in, this would be there.
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let line = body[body.len() / 2..body.len() / 2 + 40].to_owned();
    eve.post("/api/logout", json!({"terminals": "end"})).expect(204);
    drop(eve);
    box_.kill();

    let (mut thief, _) = claimed();
    thief.kill();
    fs::remove_dir_all(thief.data()).unwrap();
    let copied = Command::new("cp").arg("-a").args([box_.data(), thief.data()]).status().unwrap();
    assert!(copied.success());
    thief.start_again();
    let mut ada = thief.browser();
    ada.sign_in(ADA);
    let users = ada.get("/api/users").expect(200);
    let id = users["users"].as_array().unwrap().iter().find(|user| user["name"] == "eve").unwrap()["id"].clone();
    let id = id.as_str().unwrap().to_owned();

    for stolen in [&password, &key_id] {
        let opened = ada.start_session(&host.target(Some(stolen)));
        assert_eq!(opened.refusal(422), "invalid", "an administrator uses it no more than reads it");
    }
    let reads = ROUTES.iter().filter(|route| route.method == Method::Get && !route.path.contains("attach"));
    let mut seen = 0;
    for route in reads {
        for id in [&id, &password, &key_id] {
            let reply = ada.get(&route.path.replace("{id}", id));
            let told = String::from_utf8_lossy(&reply.body).into_owned();
            assert!(!told.contains(HERS) && !told.contains(&line), "{}", route.path);
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
    // The strongest that an administrator and the command line can do: a new password for her. It opens nothing that was stored.
    let told = text(&thief.command(&["user", "reset-password", "eve"], "").stdout);
    let token = told.lines().find_map(|line| line.strip_prefix("reset-token ")).unwrap().to_owned();
    const NEW: &str = "seven lanterns by the weir";
    let reset = json!({"token": token, "password": NEW, "discard": true});
    assert_eq!(thief.browser().post("/api/reset", reset).status, 204);
    let mut as_eve = thief.browser();
    as_eve.sign_in((EVE.0, NEW));
    assert_eq!(as_eve.get("/api/credentials").expect(200)["credentials"], json!([]), "deleted, not opened");
    for canary in [HERS, &line] {
        assert_eq!(found(&thief, canary.as_bytes()), 0, "in the memory of the box that runs the copy");
    }
    assert!(found(&thief, b"footbridge.redb") > 0, "this test sees nothing");
}
