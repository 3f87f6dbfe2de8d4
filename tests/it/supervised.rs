//! Under a supervisor: systemd hears when the box is ready, that it lives and that it goes, and may open its ports for it.

use crate::world::browser::Browser;
use crate::world::footbridge::Footbridge;
use crate::world::patience::{PATIENCE, until};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Command, Stdio};

fn next_word(socket: &UnixDatagram) -> String {
    let mut word = [0; 64];
    let length = socket.recv(&mut word).expect("the box says nothing");
    String::from_utf8(word[..length].to_vec()).unwrap()
}

fn hears_everything(socket: &UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut box_ = Footbridge::start_with(&[("NOTIFY_SOCKET", name), ("WATCHDOG_USEC", "300000")]);
    assert_eq!(next_word(socket), "READY=1");
    for _ in 0..3 {
        assert_eq!(next_word(socket), "WATCHDOG=1");
    }
    box_.signal("TERM");
    let last = std::iter::repeat_with(|| next_word(socket)).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert_eq!(until("the end of the process", || box_.ended()).code(), Some(0));
    assert!(!box_.log().contains("WARN"), "{}", box_.log());
}

#[test]
fn a_socket_with_a_path_hears_ready_the_signs_of_life_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    hears_everything(&UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap());
}

#[test]
fn so_does_one_without_a_file() {
    let name = format!("footbridge-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    hears_everything(&UnixDatagram::bind_addr(&address).unwrap(), &format!("@{name}"));
}

#[test]
fn a_watchdog_of_another_process_hears_no_sign_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let settings = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "300000"), ("WATCHDOG_PID", "1")];
    let box_ = Footbridge::start_with(&settings);
    assert_eq!(next_word(&socket), "READY=1");
    box_.signal("TERM");
    assert_eq!(next_word(&socket), "STOPPING=1");
}

#[test]
fn a_supervisor_that_went_away_does_no_harm() {
    let box_ = Footbridge::start_with(&[("NOTIFY_SOCKET", "/nowhere/at/all"), ("WATCHDOG_USEC", "100000")]);
    assert!(!box_.browser().is_signed_in());
}

/// A child that is killed when the test ends, however it ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `serve` with listeners at descriptors 3 and up, as systemd hands them over: a shell moves them there and knows the process's number.
fn activated(folder: &std::path::Path, names: &str, page: TcpListener, redirect: Option<TcpListener>) -> Ended {
    let descriptors = if redirect.is_some() { "3<&0 4<&1" } else { "3<&0" };
    let count = 1 + usize::from(redirect.is_some());
    let script = format!(
        "exec {descriptors} </dev/null >out 2>log; LISTEN_FDS={count} LISTEN_PID=$$ LISTEN_FDNAMES={names} exec \"$0\" serve"
    );
    let mut command = Command::new("sh");
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("FOOTBRIDGE_")) {
        command.env_remove(key);
    }
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_footbridge")])
        .env("FOOTBRIDGE_DATA", folder.join("data"))
        // An address that nobody has: the box must not even try to listen there.
        .env("FOOTBRIDGE_LISTEN", "192.0.2.1:8443")
        .env("FOOTBRIDGE_HTTP_LISTEN", if redirect.is_some() { "192.0.2.1:8080" } else { "" })
        .current_dir(folder)
        .stdin(Stdio::from(OwnedFd::from(page)))
        .stdout(redirect.map_or_else(Stdio::null, |listener| Stdio::from(OwnedFd::from(listener))));
    Ended(command.spawn().unwrap())
}

fn announced(folder: &std::path::Path, child: &mut Ended, word: &str) -> String {
    let found = until("what serve announces", || {
        let out = fs::read_to_string(folder.join("out")).unwrap_or_default();
        let line = out.lines().find_map(|line| line.strip_prefix(word)).map(str::to_owned);
        // Only the last line, the code, is surely whole.
        if out.contains("claim-code ")
            && out.ends_with('\n')
            && let Some(line) = line
        {
            return Some(Ok(line));
        }
        let gone = child.0.try_wait().unwrap().is_some();
        gone.then(|| Err(fs::read_to_string(folder.join("log")).unwrap_or_default()))
    });
    found.unwrap_or_else(|log| panic!("serve ended: {log}"))
}

#[test]
fn ports_that_the_supervisor_opened_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let listeners = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [page, plain] = [0, 1].map(|index| listeners[index].local_addr().unwrap());
    let [for_page, for_plain] = listeners;
    // Before anybody serves there, a browser may knock: it waits and is answered.
    let mut early = TcpStream::connect(plain).unwrap();
    let mut child = activated(folder.path(), "https:http", for_page, Some(for_plain));

    assert_eq!(announced(folder.path(), &mut child, "listening "), format!("https://{page}"));
    let fingerprint = announced(folder.path(), &mut child, "certificate sha256:");
    assert!(!Browser::new(page, &fingerprint).is_signed_in());
    let redirect = {
        use std::io::{Read, Write};
        write!(early, "GET / HTTP/1.1\r\nHost: {plain}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        early.set_read_timeout(Some(PATIENCE)).unwrap();
        early.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(redirect.contains(&format!("https://127.0.0.1:{}/", page.port())), "{redirect}");
}

#[test]
fn two_ports_for_the_page_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut child = activated(folder.path(), "https:https", one, Some(two));
    let status = until("the end of the process", || child.0.try_wait().unwrap());
    assert!(!status.success());
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("more than one listener for https"), "{log}");
}
