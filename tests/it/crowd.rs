//! However many come, the box lets in what it can serve: so many in all, from one address and of strangers; and when it runs out of
//! file descriptors or threads it waits and goes on.

use crate::world::browser::{Browser, read_reply};
use crate::world::footbridge::{Footbridge, text};
use crate::world::patience::until;
use crate::world::tls::Tls;
use crate::world::{ADA, claimed_with, raw};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn neighbour(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 7, number)
}

fn enters(browser: &Browser, number: u8) -> Option<Tls> {
    raw::is_let_in(raw::tcp_from(neighbour(number), browser.address).ok()?, &browser.fingerprint)
}

/// A place is given back when the thread behind it notices, not at the very moment of the close.
fn enters_soon(browser: &Browser, number: u8) -> Tls {
    until("a free place", || enters(browser, number))
}

fn answers(stream: &mut Tls, browser: &Browser, cookie: Option<&str>) -> u16 {
    let cookie = cookie.map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
    let request = format!("GET /api/state HTTP/1.1\r\nHost: {}\r\n{cookie}\r\n", browser.address);
    stream.write_all(request.as_bytes()).unwrap();
    read_reply(stream, false).unwrap().status
}

#[test]
fn one_address_takes_only_its_share() {
    let (_box, browser) = claimed_with(&[("FOOTBRIDGE_CONNECTIONS_PER_ADDRESS", "4")]);
    let mut mine: Vec<Tls> = (0..4).map(|_| enters_soon(&browser, 1)).collect();
    assert!(enters(&browser, 1).is_none(), "the fifth of one address");
    let mut other = enters(&browser, 2).expect("another address is let in");
    assert_eq!(answers(&mut other, &browser, None), 200);
    for stream in &mut mine {
        assert_eq!(answers(stream, &browser, None), 200, "those inside are served");
    }
    mine.pop();
    enters_soon(&browser, 1);
}

#[test]
fn in_all_there_are_so_many_places() {
    let settings = [("FOOTBRIDGE_CONNECTIONS", "8"), ("FOOTBRIDGE_CONNECTIONS_ANONYMOUS", "8")];
    let (_box, browser) = claimed_with(&settings);
    // The claiming browser's own connection would be the ninth.
    let browser = {
        let without_connection = browser.clone();
        drop(browser);
        without_connection
    };
    let mut all: Vec<Tls> = (0..8).map(|number| enters_soon(&browser, number)).collect();
    assert!(enters(&browser, 20).is_none(), "the ninth");
    assert_eq!(answers(&mut all[0], &browser, None), 200);
    all.truncate(5);
    let mut late = enters_soon(&browser, 21);
    assert_eq!(answers(&mut late, &browser, None), 200);
}

#[test]
fn strangers_never_take_the_last_places_from_users() {
    let settings = [
        ("FOOTBRIDGE_CONNECTIONS", "12"),
        ("FOOTBRIDGE_CONNECTIONS_ANONYMOUS", "4"),
        ("FOOTBRIDGE_LOGIN_NETWORK", "off"),
    ];
    let (_box, user) = claimed_with(&settings);
    let cookie = user.cookie.clone();
    // Each signed-in connection gives the stranger's place back, so more users than strangers fit.
    let mut users: Vec<Tls> = (0..7)
        .map(|number| enters_soon(&user, number))
        .map(|mut stream| {
            assert_eq!(answers(&mut stream, &user, cookie.as_deref()), 200);
            stream
        })
        .collect();
    let mut strangers: Vec<Tls> = (0..8).map(|number| enters_soon(&user, 100 + number)).collect();
    let inside = strangers.iter_mut().filter_map(|stream| still_answers(stream, &user)).count();
    assert!((3..=4).contains(&inside), "{inside} strangers are in");
    let mut another = enters_soon(&user, 50);
    assert_eq!(answers(&mut another, &user, cookie.as_deref()), 200, "a user still finds a place");
    for stream in &mut users {
        assert_eq!(answers(stream, &user, cookie.as_deref()), 200);
    }
}

/// None: the box has ended this connection.
fn still_answers(stream: &mut Tls, browser: &Browser) -> Option<u16> {
    let request = format!("GET /api/state HTTP/1.1\r\nHost: {}\r\n\r\n", browser.address);
    stream.write_all(request.as_bytes()).ok()?;
    read_reply(stream, false).ok().map(|reply| reply.status)
}

/// As many as there are places for strangers, as it ships. They hold their places by saying nothing; nobody waits for the clock that
/// would end them, and whoever wants in gets in.
#[test]
fn newcomers_get_in_beside_as_many_strangers_as_there_are_places() {
    const PLACES: usize = 256;
    let (box_, mut inside) = claimed_with(&[]);
    let held: Vec<TcpStream> = (0..PLACES)
        .map(|number| {
            let place = Ipv4Addr::new(127, 0, 20 + (number / 100) as u8, 1 + (number % 100) as u8);
            raw::tcp_from(place, inside.address).unwrap()
        })
        .collect();
    let strangers = || {
        let told = text(&box_.command(&["metrics"], "").stdout);
        told.lines()
            .find_map(|line| line.strip_prefix("footbridge_connections{who=\"strangers\"} "))
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    until("the crowd to be inside", || (strangers() == PLACES).then_some(()));
    for _ in 0..3 {
        box_.browser().sign_in(ADA);
    }
    assert_eq!(inside.get("/api/hosts").status, 200, "whoever is inside is served");
    let ended = held.iter().filter(|stranger| has_ended(stranger)).count();
    assert!((1..20).contains(&ended), "{ended} of the strangers made room; the others hold their places still");
    assert!(strangers() <= PLACES);
    let threads = fs::read_dir(format!("/proc/{}/task", box_.process())).unwrap().count();
    assert!(threads < PLACES + 50, "{threads} threads");
}

/// Nothing more to read, and not for lack of patience.
fn has_ended(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    !matches!(stream.read(&mut [0; 16]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn descriptors(box_: &Footbridge) -> usize {
    fs::read_dir(format!("/proc/{}/fd", box_.process())).unwrap().count()
}

#[test]
fn without_file_descriptors_it_waits_and_goes_on() {
    goes_on_with_few_descriptors(12);
}

/// The story: a connection took two descriptors, and where the second was not to be had, it was dropped without a word and the next one
/// taken: with an odd number left, everybody who came was turned away and nothing was said.
#[test]
fn with_an_odd_number_of_them_left_too() {
    goes_on_with_few_descriptors(13);
}

fn goes_on_with_few_descriptors(spare: usize) {
    let (mut box_, mut browser) = claimed_with(&[("FOOTBRIDGE_CONNECTIONS_ANONYMOUS", "500")]);
    let most = descriptors(&box_) + spare;
    let limited = Command::new("prlimit")
        .args(["--pid", &box_.process().to_string(), &format!("--nofile={most}:{most}")])
        .status()
        .unwrap();
    assert!(limited.success());
    // The kernel takes these connections; the program finds no descriptor for them.
    let crowd: Vec<TcpStream> =
        (0..60).map(|number| raw::tcp_from(neighbour(number), browser.address).unwrap()).collect();
    until("the program to run out of descriptors", || {
        box_.log().contains("no connection can be taken now").then_some(())
    });
    assert!(box_.is_running());
    assert_eq!(browser.get("/api/hosts").status, 200, "whoever is inside is served");
    let lines = box_.log().matches("no connection can be taken now").count();
    assert!(lines < 200, "it complains {lines} times, which is a busy loop");
    drop(crowd);
    until("a free descriptor", || {
        let stream = raw::tcp_from(neighbour(99), browser.address).ok()?;
        raw::is_let_in(stream, &browser.fingerprint)
    });
    box_.browser().sign_in(ADA);
    assert!(!box_.log().contains("panicked"), "{}", box_.log());
}

#[test]
fn without_threads_it_turns_away_and_goes_on() {
    // Nobody else has this number: what the kernel counts is this box's.
    const NOBODY_ELSE: u32 = 54_321;
    let mut box_ = Footbridge::start_unprivileged(NOBODY_ELSE);
    let mut browser = box_.browser();
    browser.claim(box_.claim_code(), ADA);
    let threads = fs::read_dir(format!("/proc/{}/task", box_.process())).unwrap().count();
    let limited = Command::new("prlimit")
        .args(["--pid", &box_.process().to_string(), &format!("--nproc={most}:{most}", most = threads + 2)])
        .uid(NOBODY_ELSE)
        .gid(NOBODY_ELSE)
        .status()
        .unwrap();
    assert!(limited.success());
    let crowd: Vec<Option<Tls>> = (0..8).map(|number| enters(&browser, number)).collect();
    assert!(crowd.iter().any(Option::is_none), "nobody was turned away");
    assert!(box_.log().contains("no thread for a connection"), "{}", box_.log());
    assert!(box_.is_running());
    assert_eq!(browser.get("/api/hosts").status, 200, "whoever is inside is served");
    let host = json!({"address": "127.0.0.1", "port": 1, "user": "nobody", "cols": 80, "rows": 24});
    let inside: Vec<&Tls> = crowd.iter().flatten().collect();
    assert!(!inside.is_empty(), "nobody was let in");
    let reply = browser.post("/api/sessions", host);
    assert_eq!(reply.status, 503, "a terminal needs a thread, too: {reply:?}");
    drop(crowd);
    until("a free thread", || enters(&browser, 99));
    assert!(!box_.log().contains("panicked"), "{}", box_.log());
}
