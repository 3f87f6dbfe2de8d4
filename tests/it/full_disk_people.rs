//! The routes of sign-in, second factors and host keys on a disk that takes nothing: refused in the disk's own words, not counted as
//! somebody's mistake, nothing changed; and the same things done once the disk takes them. Each on a disk that its kernel has made
//! read-only, and where no file takes a byte for want of room. (A really full disk has room for a small change now and then; whether a
//! change is whole or refused there is tried in `full_disk_routes`.)

use crate::devices::{Device, trusted_by};
use crate::full_disk::limit_files;
use crate::full_disk_routes::Disk;
use crate::passkeys::{self, Authenticator, half_named, named, offer};
use crate::second_factor::{begin, enrol, half, take};
use crate::world::browser::{Browser, Reply};
use crate::world::footbridge::{Footbridge, text};
use crate::world::patience::until;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::{ADA, claimed_with};
use footbridge::limits;
use serde_json::{Value, json};

const RIVER: &str = "a quiet river under the bridge";
const BOB: (&str, &str) = ("bob", RIVER);
const EVE: (&str, &str) = ("eve", RIVER);
const FAY: (&str, &str) = ("fay", RIVER);
/// More than any row of the table of limits lets through, if a refusal counted.
const OFTEN: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Trouble {
    ReadOnly,
    Full,
}

use Trouble::{Full, ReadOnly};

impl Trouble {
    fn strikes(self, disk: &Disk, box_: &Footbridge) {
        match self {
            ReadOnly => disk.become_read_only(),
            Full => limit_files(box_, "0"),
        }
    }

    #[track_caller]
    fn refused(self, reply: Reply) {
        assert_eq!(reply.refusal(507), if let Full = self { "disk_full" } else { "disk_read_only" });
    }

    /// The disk takes things again: a full one while the server runs.
    fn ends(self, disk: &Disk, box_: &mut Footbridge) {
        match self {
            ReadOnly => {
                box_.kill();
                disk.mount_anew();
                box_.start_again();
            }
            Full => limit_files(box_, "unlimited"),
        }
    }
}

fn on(disk: &Disk, more: &[(&str, &str)]) -> (Footbridge, Browser) {
    let data = disk.data();
    claimed_with(&[&[("FOOTBRIDGE_DATA", data.to_str().unwrap())], more].concat())
}

fn id_of(ada: &mut Browser, name: &str) -> String {
    let users = ada.get("/api/users").expect(200);
    let user = users["users"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap();
    user["id"].as_str().unwrap().into()
}

#[test]
fn an_app_is_set_up_replaced_and_given_up_only_where_it_can_be_written_down() {
    for trouble in [ReadOnly, Full] {
        let disk = Disk::new();
        let (mut box_, _ada) = on(&disk, &[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
        box_.add_user(BOB.0, BOB.1);
        box_.add_user(EVE.0, EVE.1);
        let mut bob = half(&box_, BOB, "full");
        let secret = begin(&mut bob, "/api/factor/begin")["secret"].as_str().unwrap().to_owned();
        let phone = crate::second_factor::Phone::scan(&secret);
        let mut eve = half(&box_, EVE, "full");
        let (hers, _) = enrol(&mut eve);
        trouble.strikes(&disk, &box_);
        for _ in 0..OFTEN {
            trouble.refused(bob.post("/api/factor/finish", json!({"code": phone.code(0)})));
            trouble.refused(eve.post("/api/factor/disable", json!({"code": hers.code(0)})));
            trouble.refused(eve.post("/api/factor/begin", json!({"code": hers.code(0)})));
        }
        assert_eq!(bob.get("/api/factor").expect(200)["enrolled"], false);
        assert_eq!(eve.get("/api/factor").expect(200)["enrolled"], true);
        trouble.ends(&disk, &mut box_);
        let mut bob = half(&box_, BOB, "full");
        enrol(&mut bob);
        half(&box_, BOB, "factor");
        let mut eve = half(&box_, EVE, "factor");
        let reply = eve.post("/api/factor/verify", json!({"code": hers.code(0)}));
        take(&mut eve, reply, 200, "full");
        let reply = eve.post("/api/factor/disable", json!({"code": hers.code(1)}));
        take(&mut eve, reply, 200, "full");
        half(&box_, EVE, "full");
    }
}

#[test]
fn a_passkey_that_cannot_be_noted_opens_nothing_and_is_not_counted() {
    for trouble in [ReadOnly, Full] {
        let disk = Disk::new();
        let (mut box_, _ada) = on(&disk, &[]);
        for (name, password) in [BOB, EVE] {
            box_.add_user(name, password);
        }
        let mut bob = named(half(&box_, BOB, "full"));
        let mut new = Authenticator::new(&bob);
        let wish = begin(&mut bob, "/api/factor/passkey/create");
        let mut eve = named(half(&box_, EVE, "full"));
        let mut key = Authenticator::new(&eve);
        passkeys::add_first(&mut eve, &mut key);
        let spare = spare_key(&mut eve, &mut key);
        let code = passkeys::proof(&mut eve, &mut key);
        let mut half_eve = half_named(&box_, EVE);
        trouble.strikes(&disk, &box_);
        for _ in 0..OFTEN {
            let question = offer(&mut half_eve);
            trouble.refused(passkeys::verify(&mut half_eve, key.answer(&question)));
            let question = offer(&mut eve);
            trouble.refused(eve.post("/api/factor/passkey/prove", key.answer(&question)));
        }
        trouble.refused(bob.post("/api/passkeys", new.make(&wish)));
        trouble.refused(eve.remove(&format!("/api/passkeys/{spare}"), code.as_str().unwrap()));
        assert_eq!(half_eve.get("/api/hosts").refusal(403), "second_factor");
        assert_eq!(bob.get("/api/factor").expect(200)["enrolled"], false);
        assert_eq!(eve.get("/api/passkeys").expect(200)["passkeys"].as_array().unwrap().len(), 2);
        trouble.ends(&disk, &mut box_);
        let mut eve = half_named(&box_, EVE);
        key.origin = eve.origin();
        let question = offer(&mut eve);
        let reply = passkeys::verify(&mut eve, key.answer(&question));
        take(&mut eve, reply, 200, "full");
        let code = passkeys::proof(&mut eve, &mut key);
        eve.remove(&format!("/api/passkeys/{spare}"), code.as_str().unwrap()).expect(204);
        let mut bob = named(half(&box_, BOB, "full"));
        new.origin = bob.origin();
        passkeys::add_first(&mut bob, &mut new);
    }
}

/// A second one, so that there is one that may be removed. Its id.
fn spare_key(browser: &mut Browser, key: &mut Authenticator) -> String {
    let question = offer(browser);
    let code = browser.post("/api/factor/passkey/prove", key.answer(&question)).expect(200)["code"].clone();
    let wish = browser.post("/api/factor/passkey/create", json!({"code": code})).expect(200);
    let mut spare = Authenticator::new(browser);
    browser.post("/api/passkeys", spare.make(&wish)).expect(201)["id"].as_str().unwrap().into()
}

/// Somebody with an app and a passkey: the code that would begin another passkey cannot be written down.
#[test]
fn another_passkey_is_not_begun_with_a_code_that_cannot_be_spent() {
    for trouble in [ReadOnly, Full] {
        let disk = Disk::new();
        let (box_, ada) = on(&disk, &[]);
        let mut ada = named(ada);
        let (phone, _) = enrol(&mut ada);
        trouble.strikes(&disk, &box_);
        let code = json!({"code": phone.code(1)});
        for _ in 0..OFTEN {
            trouble.refused(ada.post("/api/factor/passkey/create", code.clone()));
        }
    }
}

#[test]
fn a_code_for_a_device_is_not_used_up_where_the_device_cannot_be_kept() {
    for trouble in [ReadOnly, Full] {
        let disk = Disk::new();
        let (mut box_, _ada) = on(&disk, &[]);
        box_.add_user(EVE.0, EVE.1);
        let mut eve = half(&box_, EVE, "full");
        trusted_by(&mut eve, EVE.1);
        eve.put("/api/device/demand", json!({"required": true, "proof": EVE.1})).expect(204);
        let code = eve.post("/api/device/code", json!({"proof": EVE.1})).expect(200)["code"].clone();
        let mut elsewhere = half(&box_, EVE, "device");
        trouble.strikes(&disk, &box_);
        let with_code = |browser: &mut Browser| {
            let mut body = Device::new().application(browser);
            body["code"] = code.clone();
            browser.post("/api/devices", body)
        };
        for _ in 0..OFTEN {
            trouble.refused(with_code(&mut elsewhere));
        }
        assert_eq!(elsewhere.get("/api/hosts").refusal(403), "second_factor");
        trouble.ends(&disk, &mut box_);
        let mut elsewhere = half(&box_, EVE, "device");
        let reply = with_code(&mut elsewhere);
        take(&mut elsewhere, reply, 201, "full");
    }
}

#[test]
fn a_lock_that_cannot_be_lifted_for_good_is_not_lifted() {
    for trouble in [ReadOnly, Full] {
        let disk = Disk::new();
        let (mut box_, mut ada) = on(&disk, &[("FOOTBRIDGE_LOGIN_FAILURES", "1000")]);
        box_.add_user(FAY.0, FAY.1);
        for _ in 0..5 {
            assert_eq!(box_.browser().try_sign_in(FAY.0, "not the right one").status, 401);
        }
        assert_eq!(box_.browser().try_sign_in(FAY.0, FAY.1).status, 401, "locked");
        let path = format!("/api/users/{}/unlock", id_of(&mut ada, FAY.0));
        trouble.strikes(&disk, &box_);
        trouble.refused(ada.post(&path, json!({})));
        assert_eq!(box_.browser().try_sign_in(FAY.0, FAY.1).status, 401, "still locked");
        trouble.ends(&disk, &mut box_);
        let mut ada = half(&box_, ADA, "full");
        assert_eq!(ada.post(&path, json!({})).status, 204);
        half(&box_, FAY, "full");
    }
}

/// Nobody is left to guess why: not the host's key is bad, but the disk.
#[test]
fn a_host_key_that_cannot_be_remembered_is_not_trusted_and_the_terminal_says_why() {
    for trouble in [ReadOnly, Full] {
        let disk = Disk::new();
        let (mut box_, mut ada) = on(&disk, &[]);
        let (host, changed) = (SshServer::openssh(), SshServer::openssh());
        let credential = ada.add_password(PASSWORD);
        // Trusted before, and another one by now: there, and at this port, is a host with a key of its own.
        let old = json!({"address": "127.0.0.1", "port": changed.address().port(), "fingerprint": host.fingerprint("ed25519")});
        ada.post("/api/hostkeys", old).expect(201);
        trouble.strikes(&disk, &box_);
        let before = ada.get("/api/hostkeys").expect(200);
        let mut terminal = ada.open(&host.target(Some(&credential)));
        terminal.accept_host_key(true);
        says_so(&terminal.until_ended(), trouble);
        let mut terminal = ada.open(&changed.target(Some(&credential)));
        let asked = terminal.until_question("host_key");
        assert_eq!(asked["status"], "changed");
        let body = json!({"question": asked["id"], "fingerprint": changed.fingerprint("ed25519"), "remember": true, "proof": ADA.1});
        let said = ada.post(&format!("/api/sessions/{}/hostkey", terminal.session), body);
        assert_eq!(said.status, 204, "the yes was heard");
        says_so(&terminal.until_ended(), trouble);
        assert_eq!(ada.get("/api/hostkeys").expect(200), before, "nothing is trusted that is not kept");
        // For this once it needs no disk.
        let mut terminal = ada.open(&host.target(Some(&credential)));
        terminal.accept_host_key(false);
        terminal.until_prompt();
        trouble.ends(&disk, &mut box_);
        let mut ada = half(&box_, ADA, "full");
        ada.open_accepting(&host.target(Some(&credential)));
        let mut terminal = ada.open(&changed.target(Some(&credential)));
        let asked = terminal.until_question("host_key");
        let body = json!({"question": asked["id"], "fingerprint": changed.fingerprint("ed25519"), "remember": true, "proof": ADA.1});
        assert_eq!(ada.post(&format!("/api/sessions/{}/hostkey", terminal.session), body).status, 204);
        terminal.until_prompt();
    }
}

/// Where the database takes nothing the audit seldom takes anything either. A user who has as many host keys as there is place for
/// meets the one without the other; and where the disk takes neither, the audit counts what it lost.
#[test]
fn that_a_host_key_could_not_be_kept_is_in_the_audit_or_counted_there() {
    let (host, full) = (SshServer::openssh(), limits::HOST_KEYS_PER_USER);
    let (box_, mut ada) = claimed_with(&[]);
    let events = |event: &str| -> Vec<Value> {
        let told = text(&box_.command(&["audit", "tail", "200"], "").stdout);
        let all = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|line| line["event"] == event).collect()
    };
    let open = |ada: &mut Browser| {
        let mut terminal = ada.open(&host.target(None));
        let asked = terminal.accept_host_key(true);
        let ended = terminal.until_ended();
        until("the end of the terminal", || {
            (ada.get(&format!("/api/sessions/{}", terminal.session)).expect(200)["state"] == "ended").then_some(())
        });
        (asked, ended)
    };
    let key = key_line();
    let lines: String = (0..full).map(|n| format!("h{n} {key}\n")).collect();
    for piece in lines.lines().collect::<Vec<_>>().chunks(500) {
        ada.post("/api/hostkeys", json!({"known_hosts": piece.join("\n")})).expect(201);
    }
    let (asked, ended) = open(&mut ada);
    assert_eq!(ended["reason"], "host_key", "{ended}");
    let failed = events("hostkey.failed");
    assert_eq!(failed.len(), 1, "{failed:?}");
    let line = &failed[0];
    assert_eq!(
        (&line["user"], &line["host"], &line["fingerprint"]),
        (&json!("ada"), &json!("127.0.0.1"), &asked["fingerprint"])
    );

    // Nothing is written now: the start, the key, the end. Then there is room again.
    limit_files(&box_, "0");
    open(&mut ada);
    limit_files(&box_, "unlimited");
    let before = events("audit.gap").len();
    box_.browser().try_sign_in(ADA.0, "not the password at all").refusal(401);
    let gaps = events("audit.gap");
    assert_eq!((gaps.len(), &gaps[before]["lost"]), (before + 1, &json!("3")));
    assert_eq!(events("hostkey.failed").len(), 1);
}

/// Any key, as known_hosts has it.
fn key_line() -> &'static str {
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
}

fn says_so(ended: &Value, trouble: Trouble) {
    assert_eq!(ended["reason"], "host_key", "{ended}");
    let message = ended["message"].as_str().unwrap();
    let why = if let Full = trouble { "disk is full" } else { "read-only" };
    assert!(message.contains("could not be written down") && message.contains(why), "{ended}");
}

#[test]
fn a_claim_is_refused_and_the_box_stays_unclaimed() {
    for trouble in [ReadOnly, Full] {
        let disk = Disk::new();
        let data = disk.data();
        let mut box_ = Footbridge::start_with(&[("FOOTBRIDGE_DATA", data.to_str().unwrap())]);
        let code = box_.claim_code().to_owned();
        trouble.strikes(&disk, &box_);
        for _ in 0..OFTEN {
            let body = json!({"code": code, "name": ADA.0, "password": ADA.1});
            trouble.refused(box_.browser().post("/api/claim", body));
        }
        assert_eq!(box_.browser().get("/api/state").expect(200)["claimed"], false);
        if let ReadOnly = trouble {
            box_.kill();
            disk.mount_anew();
            box_.start_again_unclaimed();
        } else {
            trouble.ends(&disk, &mut box_);
        }
        box_.browser().claim(box_.claim_code(), ADA);
        half(&box_, ADA, "full");
    }
}
