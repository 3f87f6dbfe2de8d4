//! Told to stop, the box says goodbye: terminals hear that it goes, and the process ends well and soon.

use crate::world::patience::until;
use crate::world::terminal::Event;
use crate::world::{ADA, at_a_prompt};

fn stops_cleanly_on(signal: &str) {
    let (_host, mut box_, _browser, _credential, mut terminal) = at_a_prompt();
    let mut idle = box_.browser();
    assert!(!idle.is_signed_in());

    box_.signal(signal);
    let mut heard = Vec::new();
    let code = loop {
        match terminal.next() {
            Event::Closed(code) => break code,
            event => heard.push(event),
        }
    };
    assert_eq!(code, Some(1001), "{heard:?}");
    let status = until("the end of the process", || box_.ended());
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(!box_.data().join("admin.sock").exists());
    assert!(!box_.log().contains("panicked"), "{}", box_.log());

    box_.start_again();
    box_.browser().sign_in(ADA);
}

#[test]
fn sigterm_is_obeyed_with_a_goodbye() {
    stops_cleanly_on("TERM");
}

#[test]
fn ctrl_c_too() {
    stops_cleanly_on("INT");
}

#[test]
fn an_idle_box_stops_at_once_and_without_a_claim() {
    let mut box_ = crate::world::footbridge::Footbridge::start();
    box_.signal("TERM");
    assert_eq!(until("the end of the process", || box_.ended()).code(), Some(0));
}
