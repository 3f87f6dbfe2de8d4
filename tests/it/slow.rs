//! Five hundred slow strangers of five kinds cost nobody a key press: a terminal answers all the while, people can still sign in, and
//! the clock ends every one of the five hundred.

use crate::world::browser::Browser;
use crate::world::footbridge::Footbridge;
use crate::world::patience::until;
use crate::world::ssh_server::{self, SshServer};
use crate::world::tls::{self, Tls};
use crate::world::{ADA, claimed_with, raw};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const OF_EACH: usize = 110;
/// These cost a megabyte of the kernel's each.
const UNREAD: usize = 60;

#[test]
fn a_terminal_answers_among_five_hundred_slow_connections() {
    let host = SshServer::openssh();
    let settings = [("FOOTBRIDGE_CONNECTIONS", "1024"), ("FOOTBRIDGE_CONNECTIONS_ANONYMOUS", "1000")];
    let (mut box_, mut browser) = claimed_with(&settings);
    let credential = browser.add_password(ssh_server::PASSWORD);
    let mut terminal = browser.open_accepting(&host.target(Some(&credential)));
    let (calm, memory) = (connections(&box_), box_.resident());

    let over = Arc::new(AtomicBool::new(false));
    let crowd = slow_crowd(&browser, &over);
    until("the crowd to be inside", || (connections(&box_) > calm + 300).then_some(()));
    for round in 0..40 {
        assert_eq!(terminal.run(&format!("echo round-$(({round}+0))")), format!("round-{round}"));
    }
    let mut somebody = box_.browser();
    somebody.sign_in(ADA);
    assert_eq!(somebody.get("/api/hosts").status, 200);
    let grown = box_.resident().saturating_sub(memory);
    assert!(grown < 160 << 20, "500 slow connections took {grown} bytes");

    // They go on as long as they can; the box ends them all.
    until("the end of every slow connection", || (connections(&box_) <= calm + 4).then_some(()));
    assert_eq!(terminal.run("echo after-$((1+1))"), "after-2");
    over.store(true, Ordering::SeqCst);
    crowd.into_iter().for_each(|part| part.join().unwrap());
    assert!(box_.is_running() && !box_.log().contains("panicked"), "{}", box_.log());
}

/// Sockets the program holds.
fn connections(box_: &Footbridge) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", box_.process())).unwrap().flatten();
    files.filter(|file| fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))).count()
}

fn from(kind: u8, number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 10 + kind, 1 + (number % 250) as u8)
}

/// Each kind has one thread that keeps its connections as long as the box does.
fn slow_crowd(browser: &Browser, over: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    let kinds: [fn(Browser, Arc<AtomicBool>); 5] = [silent, half_a_handshake, dripping_head, dripping_body, unread];
    kinds
        .into_iter()
        .map(|kind| {
            let (browser, over) = (browser.clone(), over.clone());
            thread::spawn(move || kind(browser, over))
        })
        .collect()
}

fn wait(over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(100));
    }
}

fn silent(browser: Browser, over: Arc<AtomicBool>) {
    let _all: Vec<TcpStream> =
        (0..OF_EACH).filter_map(|number| raw::tcp_from(from(0, number), browser.address).ok()).collect();
    wait(&over);
}

fn half_a_handshake(browser: Browser, over: Arc<AtomicBool>) {
    let config = tls::config(&browser.fingerprint);
    let begin = |number| {
        let mut stream = raw::tcp_from(from(1, number), browser.address).ok()?;
        let name = ServerName::IpAddress(browser.address.ip().into());
        let mut hello = Vec::new();
        ClientConnection::new(config.clone(), name).unwrap().write_tls(&mut hello).unwrap();
        let length = if number % 2 == 0 { hello.len() } else { hello.len() / 2 };
        stream.write_all(&hello[..length]).ok().map(|()| stream)
    };
    let _all: Vec<TcpStream> = (0..OF_EACH).filter_map(begin).collect();
    wait(&over);
}

fn dripping_head(browser: Browser, over: Arc<AtomicBool>) {
    let head = format!("GET /health HTTP/1.1\r\nHost: {}\r\nX-Drip: ", browser.address);
    drip(&browser, 2, &head, &over);
}

fn dripping_body(browser: Browser, over: Arc<AtomicBool>) {
    let head = format!(
        "POST /api/login HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n",
        browser.address,
        browser.origin()
    );
    drip(&browser, 3, &head, &over);
}

/// One byte a second on each, for as long as the box takes them.
fn drip(browser: &Browser, kind: u8, head: &str, over: &AtomicBool) {
    let begin = |number| {
        let stream = raw::tcp_from(from(kind, number), browser.address).ok()?;
        let mut tls: Tls = raw::is_let_in(stream, &browser.fingerprint)?;
        tls.write_all(head.as_bytes()).ok().map(|()| tls)
    };
    let mut all: Vec<Tls> = (0..OF_EACH).filter_map(begin).collect();
    while !over.load(Ordering::SeqCst) {
        all.retain_mut(|stream| stream.write_all(b" ").and_then(|()| stream.flush()).is_ok());
        thread::sleep(Duration::from_secs(1));
    }
}

/// Asks for more and more and reads nothing of it.
fn unread(browser: Browser, over: Arc<AtomicBool>) {
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", browser.address).repeat(20);
    let begin = |number| {
        let stream = raw::narrow_tcp_from(from(4, number), browser.address).ok()?;
        let tls = raw::is_let_in(stream, &browser.fingerprint)?;
        tls.sock.set_nonblocking(true).ok().map(|()| tls)
    };
    let mut all: Vec<Tls> = (0..UNREAD).filter_map(begin).collect();
    while !over.load(Ordering::SeqCst) {
        // Full buffers are what this is about; only a connection that is gone is let go.
        all.retain_mut(|stream| {
            !matches!(push(stream, request.as_bytes()), Err(error) if error.kind() != std::io::ErrorKind::WouldBlock)
        });
        thread::sleep(Duration::from_millis(20));
    }
}

/// Never keeps more than one piece in our own buffers.
fn push(stream: &mut Tls, bytes: &[u8]) -> std::io::Result<()> {
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    stream.conn.writer().write_all(bytes)?;
    stream.conn.write_tls(&mut stream.sock).map(drop)
}
