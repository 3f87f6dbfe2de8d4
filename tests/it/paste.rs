//! A long paste arrives whole, in order, and takes no memory to speak of, however slowly the host takes it.

use crate::world::at_a_prompt;
use crate::world::terminal::Terminal;
use crate::world::tls::hex;
use serde_json::json;
use sha2::{Digest, Sha256};

const MIB: usize = 1 << 20;
/// What a client may put into one message.
const MESSAGE: usize = 64 * 1024;
/// The input queue, a message and what allocators keep; far from the ten that are pasted.
const MEMORY: u64 = 4 * MIB as u64;

/// Bytes that repeat nowhere soon, so that a piece that is lost, doubled or moved changes the sum.
fn letter(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}

fn paste(terminal: &mut Terminal, reader: &str, text: &[u8]) {
    terminal.send(
        format!("stty raw -echo; printf 'go%s' '-ahead'; {reader}; stty sane; echo; echo al\"\"l-done\r").as_bytes(),
    );
    terminal.expect("go-ahead");
    text.chunks(MESSAGE).for_each(|piece| terminal.send(piece));
}

#[test]
fn ten_megabytes_arrive_whole() {
    let (_host, box_, _browser, _credential, mut terminal) = at_a_prompt();
    let before = box_.resident();

    let text = letter(10 * MIB);
    paste(&mut terminal, &format!("head -c {} | sha256sum", text.len()), &text);
    terminal.expect(&hex(&Sha256::digest(&text)));
    terminal.expect("all-done");
    let grown = box_.resident().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} bytes more");
}

#[test]
fn a_host_that_does_not_read_holds_the_browser_and_not_the_box() {
    let (host, box_, mut browser, credential, mut terminal) = at_a_prompt();
    let mut other = browser.open(&host.target(Some(&credential)));
    other.until_prompt();
    let before = box_.resident();

    // The reader waits for a file that the other terminal makes.
    let text = letter(10 * MIB);
    let sum = hex(&Sha256::digest(&text));
    let flag = format!("/tmp/footbridge-paste-{}", terminal.session);
    let reader = format!("while [ ! -e {flag} ]; do sleep 0.1; done; head -c {} | sha256sum", text.len());
    let pasting = std::thread::spawn(move || {
        paste(&mut terminal, &reader, &text);
        terminal
    });
    std::thread::sleep(std::time::Duration::from_secs(3));
    let grown = box_.resident().saturating_sub(before);
    assert!(!pasting.is_finished(), "ten megabytes went somewhere, and not to the host");
    assert!(grown < MEMORY, "{grown} bytes more");
    assert_eq!(other.run(&format!("touch {flag}; echo made")), "made");
    let mut terminal = pasting.join().unwrap();
    terminal.expect(&sum);
    other.run(&format!("rm {flag}"));
}

#[test]
fn a_message_beyond_the_bound_ends_that_browser_and_not_the_terminal() {
    let (_host, _box, mut browser, _credential, mut terminal) = at_a_prompt();
    let (id, offset) = (terminal.session.clone(), terminal.offset);
    // The box may hang up on its first bytes; what it says then must still arrive.
    let _ = terminal.try_push(tungstenite::Message::binary(vec![b'#'; MESSAGE + 1]));
    let code = loop {
        if let crate::world::terminal::Event::Closed(code) = terminal.next() {
            break code;
        }
    };
    assert_eq!(code, Some(1009));
    let mut again = browser.attach(&id, Some(offset));
    assert_eq!(again.run("echo alive"), "alive");
    again.say(json!({"type": "end"}));
}
