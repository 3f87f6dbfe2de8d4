//! docs/API.md is enough to write a client: tests/client.py, which was written from it alone, claims the box, adds a host, works in a
//! terminal, loses its connection and takes the terminal up again.

use crate::world::footbridge::{AS_SHIPPED, Footbridge, text};
use crate::world::ssh_server::{self, SshServer};
use std::path::Path;
use std::process::{Command, Output};

/// What a user of the module would write.
const STORY: &str = r#"
import sys
sys.path.insert(0, sys.argv[1])
from client import Footbridge, Refused, Ended, one_time_code
import time
url, fingerprint, code, port, host_key, host_password = sys.argv[2:]

box = Footbridge(url, fingerprint=fingerprint)
assert box.state()["claimed"] is False
user = box.claim(code, "ada", "a long bridge over cold water")
assert user["role"] == "administrator" and box.stage == "enrol"
try:
    box.hosts()
    raise SystemExit("the second factor was not required")
except Refused as refused:
    assert (refused.status, refused.code) == (403, "second_factor"), refused
key, codes = box.enrol()
enrolled = time.time() // 30
assert box.stage == "full" and len(codes) == 10
try:
    Footbridge(url, fingerprint=fingerprint).sign_in("ada", "not this one, surely")
    raise SystemExit("a wrong password was taken")
except Refused as refused:
    assert (refused.status, refused.code) == (401, "sign_in_failed"), refused

secret = box.add_password("the host's", host_password, "127.0.0.1", int(port))
host = box.add_host("127.0.0.1", int(port), "fbtest", "sshd", secret["id"])
assert [one["id"] for one in box.hosts()] == [host["id"]]

terminal = box.open(host_id=host["id"])
question = terminal.accept_host_key(host_key)
assert question["status"] == "unknown", question
terminal.until_live()
terminal.send(b"echo sum-$((40 + 2)); stty size\r")
terminal.expect(b"sum-42")
terminal.resize(120, 40)
terminal.send(b"sleep 0.5; stty size\r")
terminal.expect(b"40 120")

# The connection is lost in the middle of output; nothing of the output is.
terminal.send(b"for i in $(seq 1 3000); do echo line-$i; done; echo done-$((1 + 1))\r")
terminal.expect(b"line-100\r\n")
have = terminal.offset
unread = bytes(terminal.output)
terminal.socket.stream.close()
again = box.attach(terminal.session_id, have)
assert again.attached["offset"] == have and again.attached["lost"] == 0, again.attached
again.output[:0] = unread
rest = again.expect(b"done-2")
numbers = [int(line[5:]) for line in rest.decode().split() if line.startswith("line-")]
assert numbers == list(range(101, 3001)), (numbers[:3], numbers[-3:], len(numbers))

again.send(b"exit 7\r")
_, ended = again.until_ended()
assert (ended["reason"], ended["status"]) == ("exit", 7), ended
assert any(key["fingerprint"] == host_key for key in box.host_keys())
box.sign_out()
assert box.state()["user"] is None
# A code works once, so this is the next one; the box takes it a step early.
later = int(max(enrolled, time.time() // 30)) + 1
box.sign_in("ada", "a long bridge over cold water", code=lambda: one_time_code(key, later))
assert box.stage == "full" and len(box.hosts()) == 1
print("the story is told")
"#;

fn python(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new("timeout");
    command.arg("120").arg("python3").args(arguments).envs(environment.iter().copied());
    command.output().unwrap()
}

#[test]
fn the_module_can_do_what_a_person_does() {
    let host = SshServer::openssh();
    let box_ = Footbridge::start_with(&[("FOOTBRIDGE_SECOND_FACTOR", AS_SHIPPED)]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let url = format!("https://{}", box_.address());
    let told = python(
        &[
            "-c",
            STORY,
            folder.to_str().unwrap(),
            &url,
            box_.fingerprint(),
            box_.claim_code(),
            &host.port.to_string(),
            &host.fingerprint("ed25519"),
            ssh_server::PASSWORD,
        ],
        &[("PYTHONDONTWRITEBYTECODE", "1")],
    );
    assert!(told.status.success(), "{}{}", text(&told.stdout), text(&told.stderr));
    assert_eq!(text(&told.stdout).trim(), "the story is told");
}

#[test]
fn it_does_not_talk_to_a_box_with_another_certificate() {
    let box_ = Footbridge::start();
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client.py");
    let url = format!("https://{}", box_.address());
    let wrong = "0".repeat(64);
    let told = python(
        &[client.to_str().unwrap(), "--fingerprint", &wrong, &url, "claim", box_.claim_code(), "ada"],
        &[("FOOTBRIDGE_PASSWORD", "a long bridge over cold water"), ("PYTHONDONTWRITEBYTECODE", "1")],
    );
    assert!(!told.status.success());
    assert_eq!(box_.browser().get("/api/state").expect(200)["claimed"], false);
}
