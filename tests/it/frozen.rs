//! A browser that stops reading costs nothing: the host is held back, memory stays flat, and nobody else notices.

use crate::world::at_a_prompt;
use crate::world::terminal::{Event, Terminal};
use serde_json::json;
use std::time::{Duration, Instant};

/// The ring of the frozen terminal, the window of its channel, and what allocators keep. Without back-pressure `yes` makes hundreds.
const MEMORY: u64 = 4 << 20;

#[test]
fn a_frozen_browser_under_a_flood_holds_the_host() {
    let (host, box_, mut browser, credential, mut frozen) = at_a_prompt();
    let mut other = browser.open(&host.target(Some(&credential)));
    other.until_prompt();

    frozen.send(b"yes 0123456789abcdef\r");
    frozen.expect("0123456789abcdef\r\n0123456789abcdef\r\n");
    let path = format!("/api/sessions/{}", frozen.session);
    let before = box_.resident();
    let mut most = before;
    let end = Instant::now() + Duration::from_secs(20);
    let mut rounds = 0;
    while Instant::now() < end {
        rounds += 1;
        assert_eq!(other.run(&format!("echo round-{rounds}")), format!("round-{rounds}"));
        most = most.max(box_.resident());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(most - before < MEMORY, "{} bytes more", most - before);
    // The flood stands: the session prints nothing that nobody takes.
    let printed =
        |browser: &mut crate::world::browser::Browser| browser.get(&path).expect(200)["end_offset"].as_u64().unwrap();
    let held = printed(&mut browser);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(printed(&mut browser), held);

    // It thaws, reads on where it stood, and Ctrl+C gets through.
    let stood = frozen.offset;
    frozen.take_output(1 << 20);
    assert!(frozen.offset > stood);
    frozen.send(b"\x03");
    frozen.send(b"echo thawed-$((6*7))\r");
    frozen.expect("thawed-42");
    assert!(box_.resident().saturating_sub(before) < MEMORY);
}

#[test]
fn a_flood_with_nobody_looking_takes_no_memory_either() {
    let (_host, box_, mut browser, _credential, mut terminal) = at_a_prompt();
    terminal.send(b"yes 0123456789abcdef\r");
    terminal.expect("0123456789abcdef\r\n0123456789abcdef\r\n");
    let (id, offset) = (terminal.session.clone(), terminal.offset);
    let before = box_.resident();
    drop(terminal.into_stream());
    let path = format!("/api/sessions/{id}");
    // Detached, it runs on: whoever started a build and closed the lid wants it built.
    crate::world::patience::until("ten megabytes more", || {
        (browser.get(&path).expect(200)["end_offset"].as_u64().unwrap() > offset + (10 << 20)).then_some(())
    });
    let grown = box_.resident().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} bytes more");
    let mut back = browser.attach(&id, Some(offset));
    assert!(back.attached["lost"].as_u64().unwrap() > 0);
    back.send(b"\x03");
    back.send(b"echo back-$((6*7))\r");
    back.expect("back-42");
}

#[test]
fn a_watcher_that_is_too_slow_is_told_what_it_missed() {
    let (_host, _box, mut browser, _credential, mut owner) = at_a_prompt();
    let mut watcher = browser.attach(&owner.session.clone(), Some(0));
    watcher.expect("ready-42");
    // Whoever typed last sets the pace; the watcher does not read at all while 20 MB pass.
    owner.send(b"yes 0123456789abcdef | head -c 20000000; echo flood-$((1+1))\r");
    read_past(&mut owner, b"flood-2");
    let mut at = watcher.offset;
    let lost = loop {
        match watcher.next() {
            Event::Message(message) if message["type"] == "lost" => break message,
            Event::Output(bytes) => at += bytes.len() as u64,
            Event::Message(_) => {}
            Event::Closed(code) => panic!("closed with {code:?}"),
        }
    };
    assert_eq!(lost["offset"].as_u64().unwrap(), at + lost["bytes"].as_u64().unwrap(), "the count fits the offset");
    watcher.say(json!({"type": "resize", "cols": 80, "rows": 24}));
    read_past(&mut watcher, b"flood-2");
}

/// Reads on until this was printed, and keeps nothing of what was before it.
fn read_past(terminal: &mut Terminal, word: &[u8]) {
    let mut tail = Vec::new();
    while !tail.windows(word.len()).any(|window| window == word) {
        match terminal.next() {
            Event::Output(bytes) => {
                tail.drain(..tail.len().saturating_sub(word.len()));
                tail.extend(bytes);
            }
            Event::Message(_) => {}
            Event::Closed(code) => panic!("closed with {code:?}"),
        }
    }
}
