//! Every route that writes, on a disk that is really full, and on one that its kernel has made read-only under the running server: a plain
//! error, nothing half done, and everything else goes on.
//!
//! The disk is ext4 in a file. With files open for writing, `mount -o remount,ro` is refused (EBUSY). What happens to a worn card is
//! that the kernel meets an error and makes the file system read-only by itself: `trigger_fs_error` does exactly that, with
//! `errors=remount-ro`; every write fails with EROFS from then on, through open files too, until it is mounted anew.

use crate::devices::{Device, trusted_by};
use crate::foreign::method;
use crate::second_factor::{enrol, half};
use crate::world::browser::{Browser, Reply, Target};
use crate::world::footbridge::{Footbridge, text};
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::terminal::Terminal;
use crate::world::{ADA, claimed_with};
use footbridge::api::{Access, Method, ROUTES, Route};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

fn run(program: &str, words: &[&str]) -> String {
    let done = Command::new(program).args(words).output().unwrap();
    assert!(done.status.success(), "{program} {words:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

/// `image` in a folder, mounted at `disk` beside it; gone with its value.
pub struct Disk(TempDir);

impl Disk {
    pub fn new() -> Disk {
        let disk = Disk(tempfile::tempdir().unwrap());
        File::create(disk.image()).unwrap().set_len(24 << 20).unwrap();
        fs::create_dir(disk.place()).unwrap();
        run("mkfs.ext4", &["-q", "-F", "-m", "0", disk.image().to_str().unwrap()]);
        disk.mount();
        disk
    }

    fn image(&self) -> PathBuf {
        self.0.path().join("image")
    }

    fn place(&self) -> PathBuf {
        self.0.path().join("disk")
    }

    pub fn data(&self) -> PathBuf {
        self.place().join("data")
    }

    fn mount(&self) {
        let (image, place) = (self.image(), self.place());
        run("mount", &["-o", "loop,errors=remount-ro", image.to_str().unwrap(), place.to_str().unwrap()]);
    }

    pub fn fill(&self) {
        let mut filler = File::create(self.place().join("filler")).unwrap();
        let full = io::copy(&mut io::repeat(1), &mut filler).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    pub fn make_room(&self) {
        fs::remove_file(self.place().join("filler")).unwrap();
    }

    /// As the kernel does it after an error of the card.
    pub fn become_read_only(&self) {
        let source = run("findmnt", &["-no", "SOURCE", self.place().to_str().unwrap()]);
        let name = source.trim().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
        let refused = File::create(self.place().join("probe")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
    }

    /// After the server has ended.
    pub fn mount_anew(&self) {
        run("umount", &[self.place().to_str().unwrap()]);
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.place()).status();
    }
}

/// Routes that write nothing to the disk but a line of the audit, or whose write may fail without harm.
const WRITES_NOTHING: &[(&str, &str)] = &[
    ("POST /api/login", "a right password signs in; what is noted beside it may be lost"),
    ("POST /api/logout", "sign-ins are in memory"),
    ("POST /api/lock", "sign-ins are in memory"),
    ("DELETE /api/logins/{id}", "sign-ins are in memory"),
    ("POST /api/form", "tokens of forms are in memory"),
    ("POST /api/device/challenge", "challenges are known by their MAC"),
    ("POST /api/factor/passkey/begin", "a challenge, in memory"),
    ("POST /api/restore", "it is kept in memory until it is whole"),
    ("PUT /api/restore", "it is kept in memory until it is whole"),
    ("POST /api/backup", "it is read, and given to the browser"),
    ("POST /api/sessions", "a terminal starts; the host's last use, and where a password goes, may be lost"),
    ("DELETE /api/sessions/{id}", "terminals are in memory"),
    ("POST /api/sessions/{id}/ticket", "tickets are in memory"),
];

/// Routes that write, and are tried elsewhere, for each wants a scene of its own.
const TRIED_ELSEWHERE: &[(&str, &str)] = &[
    ("POST /api/claim", "full_disk_people"),
    ("POST /api/restore/finish", "restore"),
    ("POST /api/factor/begin", "writes nothing but by a code, and codes are tried in full_disk_people"),
    ("POST /api/factor/verify", "below"),
    ("POST /api/factor/recover", "below"),
    ("POST /api/factor/codes", "below"),
    ("POST /api/factor/finish", "full_disk_people"),
    ("POST /api/factor/disable", "full_disk_people"),
    ("POST /api/factor/passkey/verify", "full_disk_people"),
    ("POST /api/factor/passkey/prove", "full_disk_people"),
    ("POST /api/factor/passkey/create", "full_disk_people"),
    ("POST /api/passkeys", "full_disk_people"),
    ("DELETE /api/passkeys/{id}", "full_disk_people"),
    ("POST /api/users/{id}/unlock", "full_disk_people"),
    ("POST /api/sessions/{id}/hostkey", "full_disk_people"),
    ("POST /api/update", "files of its own, below"),
    ("PUT /api/update", "files of its own, below"),
    ("DELETE /api/update", "files of its own, below"),
    ("POST /api/update/install", "files of its own, below"),
];

fn line(route: &Route) -> String {
    format!("{} {}", method(route), route.path)
}

/// A box on a small disk, with something for every route to change.
struct Scene {
    footbridge: Footbridge,
    ada: Browser,
    /// Hers, at the moment.
    password: String,
    ids: BTreeMap<&'static str, String>,
    invite: String,
    reset: String,
    terminal: Terminal,
    _host: SshServer,
}

const OTHERS: [&str; 4] = ["bob", "carl", "dora", "gus"];
const RIVER: &str = "a quiet river under the bridge";

impl Scene {
    fn on(disk: &Disk) -> Scene {
        Scene::with(disk, &[])
    }

    fn with(disk: &Disk, more: &[(&str, &str)]) -> Scene {
        let data = disk.data();
        let settings = [
            ("FOOTBRIDGE_DATA", data.to_str().unwrap()),
            ("FOOTBRIDGE_LOGIN_FAILURES", "1000"),
            ("FOOTBRIDGE_CLIENT_CERTIFICATES", "ask"),
        ];
        let settings = [&settings[..], more].concat();
        let (mut footbridge, mut ada) = claimed_with(&settings);
        OTHERS.iter().for_each(|name| footbridge.add_user(name, RIVER));
        let mut ids = BTreeMap::new();
        let users = ada.get("/api/users").expect(200);
        for name in OTHERS {
            let user = users["users"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap();
            ids.insert(name, user["id"].as_str().unwrap().to_owned());
        }
        let host = SshServer::openssh();
        let credential = ada.add_password(PASSWORD);
        let terminal = ada.open_accepting(&host.target(Some(&credential)));
        ids.insert("credentials", credential);
        ids.insert("hosts", ada.add_host(&host.target(None)));
        ids.insert("devices", trusted_by(&mut ada, ADA.1).id().to_owned());
        let body = json!({"label": "one", "proof": ADA.1, "fingerprint": "0a".repeat(32)});
        ids.insert("certificates", id(&ada.post("/api/certificates", body).expect(201)));
        ada.post("/api/hostkeys", pin("192.0.2.7")).expect(201);
        let keys = ada.get("/api/hostkeys").expect(200);
        let key = keys["host_keys"].as_array().unwrap().iter().find(|key| key["address"] == "192.0.2.7").unwrap();
        ids.insert("hostkeys", id(key));
        let invite = ada.post("/api/invites", json!({"role": "user"})).expect(201)["token"].as_str().unwrap().into();
        let used = id(&ada.get("/api/invites").expect(200)["invites"][0]);
        ada.post("/api/invites", json!({"role": "user"})).expect(201);
        let invites = ada.get("/api/invites").expect(200);
        let other = invites["invites"].as_array().unwrap().iter().map(id).find(|other| *other != used);
        ids.insert("invites", other.unwrap());
        let told = text(&footbridge.command(&["user", "reset-password", "gus"], "").stdout);
        let reset = told.lines().find_map(|line| line.strip_prefix("reset-token ")).unwrap().to_owned();
        let password = ADA.1.to_owned();
        Scene { footbridge, ada, password, ids, invite, reset, terminal, _host: host }
    }

    /// A request that does something, were there room. None: this route is in neither list.
    fn request(&mut self, route: &Route) -> Option<(String, Option<Value>)> {
        let proof = self.password.clone();
        let device = |ada: &mut Browser| {
            let mut body = Device::new().application(ada);
            body["proof"] = json!(proof);
            body
        };
        let line = line(route);
        let (whose, body) = match line.as_str() {
            "POST /api/invite" => ("", json!({"token": self.invite, "name": "ida", "password": RIVER})),
            "POST /api/reset" => {
                ("", json!({"token": self.reset, "password": "seven lanterns by the weir", "discard": true}))
            }
            "POST /api/devices" => ("", device(&mut self.ada)),
            "DELETE /api/devices/{id}" => ("devices", json!({"proof": proof})),
            "POST /api/device/code" => ("", json!({"proof": proof})),
            "PUT /api/device/demand" => ("", json!({"required": false, "proof": proof})),
            "POST /api/certificates" => ("", json!({"label": "two", "proof": proof, "fingerprint": "0b".repeat(32)})),
            "PUT /api/certificate/demand" => ("", json!({"required": false, "proof": proof})),
            "DELETE /api/certificates/{id}" => ("certificates", json!({"proof": proof})),
            "POST /api/notices/dismiss" => ("", json!({"count": 1})),
            "POST /api/users" => ("", json!({"name": "hal", "role": "user", "password": RIVER})),
            // Both, or neither.
            "PUT /api/users/{id}" => ("bob", json!({"role": "command-only", "disabled": true})),
            "DELETE /api/users/{id}" => ("carl", json!({"proof": proof})),
            "POST /api/users/{id}/reset-factor" => ("dora", json!({"proof": proof})),
            "POST /api/invites" => ("", json!({"role": "user"})),
            "DELETE /api/invites/{id}" => ("invites", Value::Null),
            "POST /api/password" => ("", json!({"current": proof, "new": "an even longer bridge over it"})),
            "PUT /api/preferences" => ("", json!({"preferences": {"long": "y".repeat(9000)}})),
            "POST /api/hosts" => ("", json!({"label": "", "address": "h", "user": "u"})),
            "PUT /api/hosts/{id}" => ("hosts", json!({"label": "new", "address": "h", "user": "u"})),
            "DELETE /api/hosts/{id}" => ("hosts", Value::Null),
            "POST /api/credentials" => ("", json!({"label": "", "kind": "password", "password": "x"})),
            "PUT /api/credentials/{id}" => ("credentials", json!({"label": "new"})),
            "DELETE /api/credentials/{id}" => ("credentials", Value::Null),
            "POST /api/hostkeys" => ("", pin("192.0.2.8")),
            "DELETE /api/hostkeys/{id}" => ("hostkeys", json!({"proof": proof})),
            _ => return None,
        };
        let path = route.path.replace("{id}", self.ids.get(whose).map_or("", String::as_str));
        Some((path, (!body.is_null()).then_some(body)))
    }

    fn send(&mut self, route: &Route) -> Reply {
        let (path, body) = self.request(route).unwrap();
        let reply = match route.access {
            Access::Stranger => self.footbridge.browser().request(method(route), &path, body),
            _ => self.ada.request(method(route), &path, body),
        };
        if route.path == "/api/password" && reply.status < 300 {
            self.password = "an even longer bridge over it".into();
            self.ada.csrf = Some(reply.json()["csrf"].as_str().unwrap().into());
        }
        reply
    }

    /// What is stored, as its owner sees it.
    fn stored(&mut self) -> BTreeMap<&'static str, String> {
        let changes_by_itself = ["/api/logins", "/api/activity", "/api/audit", "/api/log", "/api/sessions"];
        let reads = |route: &&Route| {
            let whose = matches!(route.access, Access::User | Access::Administrator);
            route.method == Method::Get && whose && !route.path.contains("{id}")
        };
        let routes = ROUTES.iter().filter(reads).filter(|route| !changes_by_itself.contains(&route.path));
        routes.map(|route| (route.path, without_the_moment(self.ada.get(route.path).expect(200)).to_string())).collect()
    }

    fn everything_goes_well(&mut self, done: &[String]) {
        for route in tried().into_iter().filter(|route| !done.contains(&line(route))) {
            let (name, reply) = (line(route), self.send(route));
            assert!(reply.status < 300, "{name}: {} {}", reply.status, String::from_utf8_lossy(&reply.body));
        }
    }

    fn the_terminal_goes_on(&mut self) {
        assert_eq!(self.terminal.run("echo still-$((20+3))"), "still-23");
    }

    /// It was proven for this terminal; that it goes there cannot be written down.
    fn a_password_is_sent_to_a_new_place_for_once(&mut self) {
        let place = Target { address: "192.0.2.9", port: 22, user: "u", credential: Some(&self.ids["credentials"]) };
        let mut unproven = self.ada.clone();
        unproven.password = None;
        self.ada.start_session(&place).expect(201);
        assert_eq!(unproven.start_session(&place).refusal(403), "proof_needed");
    }

    fn is_consistent(&mut self) {
        let verified = self.footbridge.command(&["audit", "verify"], "");
        assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
    }
}

/// The last free pages inside the database's own file are used up too.
fn use_up_the_file(browser: &mut Browser) {
    for notes in [4000, 400, 0] {
        let body = json!({"label": "", "address": "h", "user": "u", "notes": "x".repeat(notes)});
        let full = (0..2000).find_map(|_| Some(browser.post("/api/hosts", body.clone())).filter(|r| r.status != 201));
        assert_eq!(full.expect("the disk never gets full").refusal(507), "disk_full");
    }
}

/// What is in memory only.
fn without_the_moment(mut shown: Value) -> Value {
    for thing in shown.as_object_mut().unwrap().values_mut().filter_map(Value::as_array_mut).flatten() {
        let fields = thing.as_object_mut().unwrap();
        ["terminals", "sign_ins", "current"].iter().for_each(|field| drop(fields.remove(*field)));
    }
    shown
}

fn id(of: &Value) -> String {
    of["id"].as_str().unwrap().into()
}

fn pin(address: &str) -> Value {
    json!({"address": address, "port": 22, "fingerprint": "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"})
}

/// Those that are tried here.
fn tried() -> Vec<&'static Route> {
    let listed = |route: &Route| WRITES_NOTHING.iter().chain(TRIED_ELSEWHERE).any(|(known, _)| *known == line(route));
    ROUTES.iter().filter(|route| route.method != Method::Get && !listed(route)).collect()
}

#[test]
fn every_list_names_routes_that_there_are() {
    let all: Vec<String> = ROUTES.iter().map(line).collect();
    for (known, why) in WRITES_NOTHING.iter().chain(TRIED_ELSEWHERE) {
        assert!(all.iter().any(|line| line == known), "{known} ({why}) is no route");
    }
}

/// Whoever makes a client from it learns which answers there may be.
#[test]
fn openapi_says_which_routes_a_disk_may_refuse() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    for route in ROUTES {
        let (line, method) = (line(route), method(route).to_lowercase());
        let says = document["paths"][route.path][&method]["responses"]["507"].is_object();
        let writes = route.method != Method::Get && WRITES_NOTHING.iter().all(|(known, _)| *known != line);
        // It writes nothing, but may be told not to begin unnoted.
        assert_eq!(says, writes || line == "POST /api/sessions", "{line}");
    }
}

#[test]
fn on_a_full_disk_every_write_is_whole_or_refused_and_goes_well_once_there_is_room() {
    let disk = Disk::new();
    let mut scene = Scene::on(&disk);
    disk.fill();
    use_up_the_file(&mut scene.ada);
    let (mut before, mut done, mut refused) = (scene.stored(), Vec::new(), 0);
    for route in tried() {
        let name = line(route);
        assert!(scene.request(route).is_some(), "{name} is in no list: does it write?");
        let reply = scene.send(route);
        if reply.status < 300 {
            // Small enough for what the file had left; whole, as the comparison after the restart sees.
            before = scene.stored();
            done.push(name);
            continue;
        }
        assert_eq!(reply.status, 507, "{name}: {}", String::from_utf8_lossy(&reply.body));
        let told = reply.json();
        assert_eq!(told["error"], "disk_full", "{name}");
        assert!(told["message"].as_str().unwrap().contains("disk is full"), "{told}");
        assert_eq!(scene.stored(), before, "{name} was refused, and left something");
        refused += 1;
    }
    assert!(refused > done.len(), "{refused} refused, and done were {done:?}");
    scene.the_terminal_goes_on();
    scene.footbridge.browser().sign_in((ADA.0, &scene.password));
    disk.make_room();
    scene.the_terminal_goes_on();
    scene.everything_goes_well(&done);
    start_again_and_compare(scene);
}

#[test]
fn on_a_disk_that_turned_read_only_every_write_is_refused_and_reads_and_terminals_go_on() {
    let disk = Disk::new();
    let mut scene = Scene::on(&disk);
    let before = scene.stored();
    disk.become_read_only();
    for route in tried() {
        let (name, reply) = (line(route), scene.send(route));
        assert_eq!(reply.status, 507, "{name}: {}", String::from_utf8_lossy(&reply.body));
        let told = reply.json();
        assert_eq!(told["error"], "disk_read_only", "{name}");
        assert!(told["message"].as_str().unwrap().contains("read-only"), "{told}");
        assert_eq!(scene.stored(), before, "{name} was refused, and left something");
    }
    assert_eq!(scene.footbridge.browser().get("/ready").status, 200);
    scene.footbridge.browser().sign_in((ADA.0, ADA.1));
    scene.the_terminal_goes_on();
    scene.a_password_is_sent_to_a_new_place_for_once();
    scene.footbridge.kill();
    disk.mount_anew();
    scene.start_again();
    assert_eq!(scene.stored(), before);
    scene.everything_goes_well(&[]);
    scene.is_consistent();
}

impl Scene {
    fn start_again(&mut self) {
        self.footbridge.start_again();
        self.ada = self.footbridge.browser();
        self.ada.sign_in((ADA.0, &self.password));
    }
}

fn audit_of(scene: &Scene) -> String {
    text(&scene.footbridge.command(&["audit", "tail", "200"], "").stdout)
}

/// The audit's file has blocks of its own, and the rest of the last one is still free: it is used up too. Where a line finds no room, the
/// shorter one that says so may still, so that two must go missing.
fn use_up_the_audit(disk: &Disk, scene: &mut Scene) {
    let log = disk.data().join("audit.log");
    let (size, mut missed) = (|| fs::metadata(&log).unwrap().len(), 0);
    for n in 0..4000 {
        let before = size();
        let mut nobody = scene.footbridge.browser();
        assert_eq!(nobody.try_sign_in(&format!("nobody{n}"), "short").status, 401);
        missed = if size() == before { missed + 1 } else { 0 };
        if missed == 2 {
            assert!(scene.footbridge.log().contains("the audit log cannot be written"));
            return;
        }
    }
    panic!("the audit log never gets full");
}

#[test]
fn where_the_audit_is_required_a_full_disk_opens_no_new_terminal_and_ends_none() {
    let disk = Disk::new();
    let mut scene = Scene::with(&disk, &[("FOOTBRIDGE_AUDIT_REQUIRED", "on")]);
    disk.fill();
    use_up_the_audit(&disk, &mut scene);
    let host = scene.ids["hosts"].clone();
    let refused = scene.ada.post("/api/sessions", json!({"host_id": host})).expect(507);
    assert_eq!(refused["error"], "audit_unwritable");
    assert!(refused["message"].as_str().unwrap().contains("audit log cannot be written"), "{refused}");
    assert_eq!(scene.ada.get("/api/sessions").expect(200)["sessions"].as_array().unwrap().len(), 1);
    scene.the_terminal_goes_on();
    disk.make_room();
    scene.ada.post("/api/sessions", json!({"host_id": host})).expect(201);
    let told = audit_of(&scene);
    assert!(told.contains("audit.gap") && told.contains("session.ask"), "{told}");
    scene.is_consistent();
}

#[test]
fn where_it_is_not_a_full_disk_opens_terminals_and_the_gap_is_told_afterwards() {
    let disk = Disk::new();
    let mut scene = Scene::on(&disk);
    disk.fill();
    use_up_the_audit(&disk, &mut scene);
    let before = audit_of(&scene).matches("audit.gap").count();
    let host = scene.ids["hosts"].clone();
    scene.ada.post("/api/sessions", json!({"host_id": host})).expect(201);
    scene.the_terminal_goes_on();
    let gaps = |scene: &Scene| audit_of(scene).matches("audit.gap").count();
    assert_eq!(gaps(&scene), before);
    let in_trouble = |scene: &Scene| {
        text(&scene.footbridge.command(&["metrics"], "").stdout).contains("\nfootbridge_audit_trouble 1\n")
    };
    assert!(in_trouble(&scene), "whoever watches the numbers sees it");
    let doctor = scene.footbridge.command(&["doctor"], "");
    assert!(!doctor.status.success() && text(&doctor.stdout).contains("BAD   space: only "), "{doctor:?}");
    disk.make_room();
    scene.footbridge.browser().sign_in((ADA.0, ADA.1));
    assert_eq!(gaps(&scene), before + 1);
    assert!(!in_trouble(&scene));
    scene.is_consistent();
}

/// A code that cannot be written down opens nothing, and does not count as a wrong one: five of those make an account wait.
#[test]
fn a_second_factor_s_code_that_cannot_be_written_down_is_refused_and_not_counted() {
    let disk = Disk::new();
    let data = disk.data();
    let (footbridge, mut ada) = claimed_with(&[("FOOTBRIDGE_DATA", data.to_str().unwrap())]);
    let (phone, recovery) = enrol(&mut ada);
    disk.become_read_only();
    let mut browser = half(&footbridge, ADA, "factor");
    let code = json!({"code": phone.code(0)});
    for _ in 0..6 {
        assert_eq!(browser.post("/api/factor/verify", code.clone()).refusal(507), "disk_read_only");
        assert_eq!(ada.post("/api/factor/codes", code.clone()).refusal(507), "disk_read_only");
    }
    for _ in 0..6 {
        let reply = browser.post("/api/factor/recover", json!({"code": recovery[0]}));
        assert_eq!(reply.refusal(507), "disk_read_only");
    }
    assert_eq!(browser.get("/api/hosts").refusal(403), "second_factor");
    assert_eq!(ada.get("/api/factor").expect(200)["recovery_left"], 10);
}

/// Through the running server. What it prints of a refusal says why.
#[test]
fn the_command_line_says_it_too_and_leaves_nothing_half_done() {
    let disk = Disk::new();
    let mut scene = Scene::on(&disk);
    let known_hosts = disk.0.path().join("known_hosts");
    fs::write(&known_hosts, scene._host.known_hosts_line("ed25519")).unwrap();
    let password = disk.0.path().join("password");
    crate::world::footbridge::write_private(&password, RIVER);
    let (known_hosts, password) = (known_hosts.to_str().unwrap(), password.to_str().unwrap());
    let (device, key) = (scene.ids["devices"].clone(), scene.ids["hostkeys"].clone());
    let commands: [&[&str]; 10] = [
        &["user", "add", "hal", "--role", "user", "--password-file", password],
        &["user", "role", "bob", "command-only"],
        &["user", "invite"],
        &["user", "disable", "bob"],
        &["user", "reset-password", "dora"],
        &["user", "reset-mfa", "dora"],
        &["user", "delete", "carl"],
        &["device", "remove", "ada", &device],
        &["hostkey", "add", known_hosts],
        &["hostkey", "remove", &key],
    ];
    let refused = |scene: &mut Scene, why: &str| {
        let before = scene.stored();
        for words in commands {
            let told = scene.footbridge.command(words, "");
            assert!(!told.status.success() && told.stdout.is_empty(), "{words:?}: {}", text(&told.stdout));
            assert!(text(&told.stderr).contains(why), "{words:?}: {}", text(&told.stderr));
            assert_eq!(scene.stored(), before, "{words:?} was refused, and left something");
        }
    };
    disk.fill();
    use_up_the_file(&mut scene.ada);
    refused(&mut scene, "disk is full");
    disk.make_room();
    let done = scene.footbridge.command(&["user", "enable", "bob"], "");
    assert!(done.status.success(), "{}", text(&done.stderr));
    disk.become_read_only();
    refused(&mut scene, "read-only");
    // Without a server each opens the data directory itself.
    scene.footbridge.kill();
    for words in commands {
        let told = scene.footbridge.command(words, "");
        assert!(!told.status.success() && told.stdout.is_empty(), "{words:?}: {}", text(&told.stdout));
        assert!(text(&told.stderr).contains("ead-only"), "{words:?}: {}", text(&told.stderr));
    }
    let file = disk.place().join("box.backup");
    let told = scene.footbridge.command(&["backup", "create", file.to_str().unwrap()], "eleven lamps along the quay\n");
    assert!(!told.status.success() && text(&told.stderr).contains("ead-only"), "{}", text(&told.stderr));
    disk.mount_anew();
    scene.start_again();
    scene.is_consistent();
}

/// The rest of the command line: a code for the claim, a lock lifted, a restore; and everything without a server.
#[test]
fn without_a_server_a_full_disk_is_said_in_words_and_a_restore_is_whole_or_not_there() {
    let disk = Disk::new();
    let mut scene = Scene::on(&disk);
    for _ in 0..5 {
        scene.footbridge.browser().try_sign_in("bob", "not the right one");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("box.backup");
    let (file, passphrase) = (file.to_str().unwrap(), "eleven lamps along the quay\n");
    let made = scene.footbridge.command(&["backup", "create", file], passphrase);
    assert!(made.status.success(), "{}", text(&made.stderr));
    disk.fill();
    use_up_the_file(&mut scene.ada);
    let said = |scene: &Scene, words: &[&str], why: &str| {
        let told = scene.footbridge.command(words, passphrase);
        assert!(!told.status.success() && told.stdout.is_empty(), "{words:?}: {}", text(&told.stdout));
        assert!(text(&told.stderr).contains(why), "{words:?}: {}", text(&told.stderr));
    };
    scene.footbridge.kill();
    let password = elsewhere.path().join("password");
    crate::world::footbridge::write_private(&password, RIVER);
    let place = disk.place().join("another");
    let place = place.to_str().unwrap();
    // A program that has just opened the database may find a page that the server had not: then it is done, and done wholly.
    let add = ["user", "add", "hal", "--role", "user", "--password-file", password.to_str().unwrap()];
    let told = scene.footbridge.command(&add, "");
    let added = told.status.success();
    assert!(added || text(&told.stderr).contains("disk is full"), "{}", text(&told.stderr));
    said(&scene, &["backup", "restore", file, "--data", place], "No space left");
    disk.make_room();
    scene.start_again();
    assert_eq!(
        scene.ada.get("/api/users").expect(200)["users"].as_array().unwrap().len(),
        1 + OTHERS.len() + usize::from(added)
    );
    let done = scene.footbridge.command(&["backup", "restore", file, "--data", place], passphrase);
    assert!(done.status.success(), "what the full disk left is not in the way: {}", text(&done.stderr));
    disk.become_read_only();
    said(&scene, &["user", "unlock", "bob"], "read-only");
    scene.footbridge.kill();
    said(&scene, &["user", "unlock", "bob"], "ead-only");
    let third = disk.place().join("third");
    said(&scene, &["backup", "restore", file, "--data", third.to_str().unwrap()], "ead-only");
    disk.mount_anew();
    scene.start_again();
    let done = scene.footbridge.command(&["user", "unlock", "bob"], "");
    assert!(done.status.success(), "{}", text(&done.stderr));
    scene.footbridge.browser().sign_in(("bob", RIVER));
}

/// A code that cannot be kept is not printed: it would open nothing.
#[test]
fn setup_prints_no_code_that_the_disk_has_not_taken() {
    let disk = Disk::new();
    let data = disk.data();
    let mut box_ = Footbridge::start_with(&[("FOOTBRIDGE_DATA", data.to_str().unwrap())]);
    let told = |box_: &Footbridge, why: &str| {
        let told = box_.command(&["setup"], "");
        assert!(!told.status.success() && told.stdout.is_empty(), "{}", text(&told.stdout));
        assert!(text(&told.stderr).contains(why), "{}", text(&told.stderr));
    };
    disk.become_read_only();
    told(&box_, "ead-only");
    box_.kill();
    told(&box_, "ead-only");
    disk.mount_anew();
    box_.start_again_unclaimed();
    let code = text(&box_.command(&["setup"], "").stdout);
    let code = code.lines().find_map(|line| line.strip_prefix("claim-code ")).unwrap().to_owned();
    box_.browser().claim(&code, ADA);
}

fn start_again_and_compare(mut scene: Scene) {
    let before = scene.stored();
    scene.is_consistent();
    scene.footbridge.kill();
    scene.start_again();
    assert_eq!(scene.stored(), before);
    scene.is_consistent();
}

#[test]
fn a_program_that_the_disk_cannot_take_is_refused_and_leaves_nothing() {
    let (disk, key) = (Disk::new(), tempfile::NamedTempFile::new().unwrap());
    // RFC 8410, section 10.1.
    fs::write(key.path(), "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
    let data = disk.data();
    let settings =
        [("FOOTBRIDGE_DATA", data.to_str().unwrap()), ("FOOTBRIDGE_UPDATE_KEY", key.path().to_str().unwrap())];
    let (mut footbridge, mut ada) = claimed_with(&settings);
    let begin = json!({"bytes": 60 << 20, "signature": format!("{}==", "A".repeat(86)), "proof": ADA.1});
    let upload = ada.post("/api/update", begin.clone()).expect(201)["upload"].clone();
    let piece = |at: u64| json!({"upload": upload, "at": at, "data": "AAAA".repeat(15_000)});
    // 60 MiB do not fit into 24.
    let refused = (0..1400).find_map(|n| Some(ada.put("/api/update", piece(n * 45_000))).filter(|r| r.status != 200));
    assert_eq!(refused.expect("the disk never gets full").refusal(507), "disk_full");
    assert_eq!(ada.get("/api/update").expect(200)["upload"], Value::Null);
    assert_eq!(fs::read_dir(data.join("update")).unwrap().count(), 0, "it takes no room any more");
    let host = json!({"label": "", "address": "h", "user": "u"});
    assert_eq!(ada.post("/api/hosts", host).status, 201, "others can write again");
    disk.become_read_only();
    assert_eq!(ada.post("/api/update", begin).refusal(507), "disk_read_only");
    assert!(footbridge.is_running());
    footbridge.kill();
}
