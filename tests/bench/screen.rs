//! Coming back after a loss: a screen kept on the box, beside the modes kept of what has left the ring (docs/UI.md says what was chosen).

use crate::process::pss_kib;
use crate::table::Table;
use footbridge::bridge::modes::Modes;
use std::num::NonZero;
use std::process::Command;
use std::time::Instant;

const ROWS: u16 = 50;
const COLUMNS: u16 = 200;
const COPIES: usize = 100;
const LEAST_BYTES: usize = 8 << 20;

/// What programs print on a terminal of that size.
const STREAMS: [(&str, &str); 2] = [
    ("htop", "timeout --foreground 4 htop -d 1"),
    ("colours", "find /usr/share/doc -maxdepth 1 | xargs ls --color=always -l"),
];

pub fn screen(table: &mut Table) {
    for (name, program) in STREAMS {
        let stream = recorded(program);
        let turns = LEAST_BYTES.div_ceil(stream.len());
        let begun = Instant::now();
        let mut modes = Modes::default();
        (0..turns).for_each(|_| modes.pass(&stream));
        let ours = begun.elapsed();
        let begun = Instant::now();
        let mut screen = emulator();
        (0..turns).for_each(|_| screen.process(&stream));
        let theirs = begun.elapsed();
        let bytes = (turns * stream.len()) as f64;
        let nanoseconds = |time: std::time::Duration| time.as_nanos() as f64 / bytes;
        table.row(
            &format!("modes beside a screen (vt100), {name}, ns a byte"),
            nanoseconds(ours),
            Some(nanoseconds(theirs)),
            "",
            "",
        );
    }
    let stream = recorded(STREAMS[0].1);
    let ours = kept(|| {
        let mut modes = Modes::default();
        modes.pass(&stream);
        modes
    });
    let theirs = kept(|| {
        let mut screen = emulator();
        screen.process(&stream);
        screen
    });
    let label = format!("modes beside a screen (vt100) of {COLUMNS} x {ROWS}, KB a terminal");
    table.row(&label, ours, Some(theirs), "", "");
}

fn emulator() -> vt100::Parser {
    let size = |cells| NonZero::new(cells).unwrap();
    vt100::Parser::new(size(ROWS), size(COLUMNS), 0)
}

/// KB that one of them takes, of many.
fn kept<T>(make: impl Fn() -> T) -> f64 {
    let before = pss_kib(std::process::id());
    let held: Vec<T> = (0..COPIES).map(|_| make()).collect();
    let after = pss_kib(std::process::id());
    drop(held);
    (after - before) / COPIES as f64
}

fn recorded(program: &str) -> Vec<u8> {
    let line = format!("stty rows {ROWS} cols {COLUMNS}; {program}");
    let output = Command::new("script")
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .env("TERM", "xterm-256color")
        .env("LANG", "C.UTF-8")
        .output()
        .expect("script(1) is there");
    assert!(output.stdout.len() > 2000, "{program} printed only {}", output.stdout.len());
    output.stdout
}
