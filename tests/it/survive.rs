//! A terminal outlives the network: whoever comes back with an offset gets every byte from there, once, in order, or learns how many
//! are gone.

use crate::world::browser::Browser;
use crate::world::footbridge::Footbridge;
use crate::world::ssh_server::{PASSWORD, SshServer};
use crate::world::terminal::{Event, Terminal};
use crate::world::{ADA, claimed_with};
use serde_json::json;
use std::time::Duration;

/// Lines with colour and with characters two cells wide, so that a cut falls into escape sequences and into UTF-8.
const PRINTER: &str =
    "i=0; while [ $i -lt COUNT ]; do i=$((i+1)); printf '\\033[3%dm%06d 橋を渡る ✓\\033[0m\\n' $((i%8)) $i; done";

fn printed(count: usize) -> Vec<u8> {
    (1..=count).flat_map(|i| format!("\x1b[3{}m{i:06} 橋を渡る ✓\x1b[0m\r\n", i % 8).into_bytes()).collect()
}

struct Here {
    box_: Footbridge,
    _host: SshServer,
    browser: Browser,
    terminal: Terminal,
}

fn open(ring_kib: &str) -> Here {
    let host = SshServer::openssh();
    let (box_, mut browser) = claimed_with(&[("FOOTBRIDGE_RING_KIB", ring_kib)]);
    browser.post("/api/hostkeys", json!({"known_hosts": host.known_hosts_line("ed25519")})).expect(201);
    let credential = browser.add_password(PASSWORD);
    let mut terminal = browser.open(&host.target(Some(&credential)));
    terminal.until_prompt();
    Here { box_, _host: host, browser, terminal }
}

impl Here {
    /// Starts the printer; answers the offset of its first byte.
    fn print(&mut self, count: usize) -> u64 {
        let printer = PRINTER.replace("COUNT", &count.to_string());
        self.terminal.send(format!("stty -echo; printf 'go%s' '-ahead'; {printer}; printf 'al%s' l-done\r").as_bytes());
        self.terminal.expect("go-ahead");
        self.terminal.offset - self.terminal.unread_len() as u64
    }

    /// The line is cut without a word, and taken up again at that offset.
    fn cut_and_return(&mut self, offset: u64) {
        let id = self.terminal.session.clone();
        let returned = self.browser.attach(&id, Some(offset));
        let old = std::mem::replace(&mut self.terminal, returned);
        // The box learns of the end only now, while the new one is at work already, as with a phone that changes networks.
        let _ = old.into_stream().sock.shutdown(std::net::Shutdown::Both);
    }
}

/// A small generator of its own, so that a red run can be repeated.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn first_difference(got: &[u8], wanted: &[u8]) -> Option<usize> {
    (0..got.len().max(wanted.len())).find(|at| got.get(*at) != wanted.get(*at))
}

#[track_caller]
fn assert_same(got: &[u8], wanted: &[u8]) {
    if let Some(at) = first_difference(got, wanted) {
        let around = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(40).min(bytes.len())..(at + 40).min(bytes.len())])
                .into_owned()
        };
        panic!("they differ at byte {at}: {:?}, not {:?}", around(got), around(wanted));
    }
}

#[test]
fn a_line_cut_at_any_moment_loses_and_doubles_nothing() {
    let mut here = open("16384");
    let count = 20_000;
    let wanted = printed(count);
    let mut random = 0x9e37_79b9_7f4a_7c15;
    let mut offset = here.print(count);
    let mut got = here.terminal.take_output(0);
    let mut cuts = 0;
    while got.len() < wanted.len() {
        let pause = next(&mut random) as usize % 40_000;
        got.extend(here.terminal.take_output(pause.min(wanted.len() - got.len())));
        // Now and then the browser has kept less than it was sent: the page was refreshed before it drew.
        let forgotten =
            if next(&mut random).is_multiple_of(3) { (next(&mut random) as usize % 5000).min(got.len()) } else { 0 };
        got.truncate(got.len() - forgotten);
        here.cut_and_return(offset + got.len() as u64);
        assert_eq!(here.terminal.attached["lost"], 0);
        assert_eq!(here.terminal.attached["offset"], offset + got.len() as u64);
        cuts += 1;
    }
    // What came beyond the last line is the shell's own.
    assert_same(&got[..wanted.len()], &wanted);
    assert!(cuts >= 20, "{cuts} cuts");
    offset += wanted.len() as u64;
    assert!(here.terminal.offset >= offset);
    // Input still works after all that.
    assert_eq!(here.terminal.run("echo alive"), "alive");
}

#[test]
fn a_terminal_goes_on_alone_and_tells_everything_later() {
    let mut here = open("16384");
    let count = 5000;
    let start = here.print(count);
    let id = here.terminal.session.clone();
    let path = format!("/api/sessions/{id}");
    let stand_in = here.browser.attach(&id, None);
    drop(std::mem::replace(&mut here.terminal, stand_in).into_stream());
    here.terminal.expect("all-done");
    let end = here.terminal.offset;

    // Signed out, and in again, on another device.
    here.browser.post("/api/logout", json!({"terminals": "keep"})).expect(204);
    let mut elsewhere = here.box_.browser();
    elsewhere.sign_in(ADA);
    let session = elsewhere.get(&path).expect(200);
    assert_eq!(session["state"], "live");
    assert!(session["end_offset"].as_u64().unwrap() >= end);
    let mut terminal = elsewhere.attach(&id, Some(start));
    assert_eq!(terminal.attached["lost"], 0);
    let wanted = printed(count);
    assert_same(&terminal.take_output(wanted.len())[..wanted.len()], &wanted);
    assert_eq!(terminal.run("echo alive"), "alive");
}

#[test]
fn what_has_left_the_ring_is_counted() {
    let mut here = open("16");
    let count = 5000;
    let start = here.print(count);
    here.terminal.expect("all-done");
    here.terminal.until_prompt();
    let wanted = printed(count);
    let end = here.terminal.offset - here.terminal.unread_len() as u64;
    here.cut_and_return(start);
    let lost = here.terminal.attached["lost"].as_u64().unwrap();
    assert_eq!(here.terminal.attached["offset"], start + lost, "the count fits the offset");
    assert!(lost > (wanted.len() - 16 * 1024) as u64 - 1024 && lost < wanted.len() as u64, "{lost}");
    let rest = here.terminal.take_output((end - start - lost) as usize);
    let known = &wanted[lost as usize..];
    assert_same(&rest[..known.len()], known);

    // Without an offset: the oldest byte that is left, and nothing counts as lost.
    let id = here.terminal.session.clone();
    let fresh = here.browser.attach(&id, None);
    assert_eq!(fresh.attached["lost"], 0);
    assert!(fresh.attached["offset"].as_u64().unwrap() >= start + lost);
    // Beyond the end: nobody has bytes that were never printed.
    let ahead = here.browser.attach(&id, Some(u64::MAX));
    assert_eq!(ahead.attached["lost"], 0);
    assert!(ahead.attached["offset"].as_u64().unwrap() <= here.terminal.offset + 1024);
}

#[test]
fn two_devices_see_the_same_and_both_may_type() {
    let mut here = open("16384");
    let id = here.terminal.session.clone();
    let mut phone = here.browser.attach(&id, Some(0));
    phone.expect("ready-42");
    let count = 3000;
    let start = here.print(count);
    let wanted = printed(count);
    let desk = here.terminal.take_output(wanted.len());
    assert_same(&desk[..wanted.len()], &wanted);
    phone.expect("go-ahead");
    assert_eq!(phone.offset - phone.unread_len() as u64, start);
    assert_same(&phone.take_output(wanted.len())[..wanted.len()], &wanted);

    phone.send(b"echo from-the-$((1))-phone\r");
    phone.expect("from-the-1-phone");
    here.terminal.expect("from-the-1-phone");
    here.terminal.send(b"echo from-the-$((1))-desk\r");
    phone.expect("from-the-1-desk");

    phone.resize(44, 22);
    let size = here.terminal.until_message("size");
    assert_eq!((&size["cols"], &size["rows"]), (&json!(44), &json!(22)));
    // One goes, the other stays.
    drop(phone.into_stream());
    here.terminal.expect("from-the-1-desk");
    here.terminal.send(b"stty size\r");
    here.terminal.expect("22 44");
}

#[test]
fn whoever_acknowledges_is_kept_every_byte_that_they_have_not() {
    let mut here = open("16");
    let count = 5000;
    here.terminal.say(json!({"type": "ack", "offset": here.terminal.offset}));
    let start = here.print(count);
    let wanted = printed(count);
    // Everything is read here and nothing acknowledged: the box stops at what its ring holds and lets nothing go.
    let mut got = here.terminal.take_output(0);
    while let Some(event) = here.terminal.next_within(Duration::from_secs(3)) {
        match event {
            Event::Output(bytes) => got.extend(bytes),
            Event::Message(message) => assert_ne!(message["type"], "lost"),
            Event::Closed(code) => panic!("closed with {code:?}"),
        }
    }
    assert!(got.len() < wanted.len() / 2, "the host was not held: {} bytes", got.len());
    assert_same(&got, &wanted[..got.len()]);
    // With acknowledgements it goes on to the end.
    while got.len() < wanted.len() {
        here.terminal.say(json!({"type": "ack", "offset": start + got.len() as u64}));
        got.extend(here.terminal.take_output(1));
    }
    assert_same(&got[..wanted.len()], &wanted);
}
