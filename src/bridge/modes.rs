//! What the output that left the ring has switched on: the modes, the pen, the title. Pure.
//!
//! Who comes back after a loss begins in the middle of a stream. The screen at that point is the host's to draw again, but the host
//! does not say again that it is on the alternate screen or wants the mouse. [`Modes`] reads every byte as it leaves the ring, so that
//! [`Modes::restore`] is exact where the ring begins, also inside an escape sequence. It is no screen: it costs some hundred bytes,
//! whatever the size of the terminal (docs/UI.md has the comparison).
//!
//! It follows xterm.js where terminals differ. C1 controls in their eight-bit form are not looked for.

use crate::limits;
use std::fmt::Write;

/// The modes that are on or off, each by its number in `CSI ? n h`, and whether a terminal begins with it.
const PRIVATE: [(u16, bool); 13] = [
    (1, false),    // cursor keys send SS3
    (6, false),    // origin is the scrolling region's
    (7, true),     // wrap at the right margin
    (25, true),    // the cursor shows
    (45, false),   // reverse wrap
    (66, false),   // keypad sends SS3
    (9, false),    // mouse: presses only
    (1000, false), // mouse: presses and releases
    (1002, false), // mouse: drags too
    (1003, false), // mouse: every move
    (1004, false), // focus in and out
    (1006, false), // mouse positions as decimal numbers
    (2004, false), // bracketed paste
];
const KEYPAD: u16 = 66;
const PIXELS: u16 = 1016;
/// One of these at a time.
const MOUSE: [u16; 4] = [9, 1000, 1002, 1003];

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    /// After `ESC` and an intermediate byte, which names what the next byte chooses.
    Intermediate,
    Csi,
    Osc,
    /// DCS, SOS, PM, APC: nothing in them is kept.
    Text,
}

/// What has been switched on, up to some byte of a terminal's output.
pub struct Modes {
    state: State,
    /// The sequence that has begun, from its `ESC` on, unless it is longer than is kept.
    sequence: Vec<u8>,
    too_long: bool,
    on: Here,
}

/// Everything that a sequence can change and `RIS` puts back.
#[derive(Clone, Default, PartialEq, Eq)]
struct Here {
    /// Bit by bit in the order of [`PRIVATE`]: differs from what a terminal begins with.
    changed: u16,
    pixels: bool,
    alternate: bool,
    insert: bool,
    newline: bool,
    region: Option<(u16, u16)>,
    cursor_style: u8,
    write: Writing,
    /// What `ESC 7` saved, of the normal and of the alternate screen.
    saved: [Writing; 2],
    title: String,
}

/// How the next character looks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Writing {
    pen: Pen,
    /// G0 and G1: zero for ASCII, else the final byte that chose the set.
    sets: [u8; 2],
    shifted: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Pen {
    /// Bit n: SGR n, of 1, 2, 3, 5, 7, 8, 9.
    flags: u16,
    /// The style of SGR 4: zero for none.
    underline: u8,
    overline: bool,
    colours: [Colour; 3],
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Colour {
    #[default]
    Default,
    Index(u8),
    Rgb(u8, u8, u8),
}

impl Default for Modes {
    fn default() -> Modes {
        Modes { state: State::Ground, sequence: Vec::new(), too_long: false, on: Here::default() }
    }
}

impl Modes {
    /// Bytes that are leaving, in order.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.state == State::Ground {
                // ESC, SO, SI: of all that is printed nothing else changes what is kept here.
                let Some(at) = memchr::memchr3(0x1b, 0x0e, 0x0f, bytes) else { return };
                bytes = &bytes[at..];
            }
            self.take(bytes[0]);
            bytes = &bytes[1..];
        }
    }

    fn take(&mut self, byte: u8) {
        match (byte, self.state) {
            (0x1b, _) => self.begin(),
            (0x18 | 0x1a, _) => self.state = State::Ground,
            (0x07, State::Osc) => {
                self.title();
                self.state = State::Ground;
            }
            (0x0e | 0x0f, State::Ground | State::Escape | State::Intermediate | State::Csi) => {
                self.on.write.shifted = byte == 0x0e;
            }
            (_, State::Ground | State::Text) | (..0x20, _) => {}
            (0x7f, State::Escape | State::Intermediate | State::Csi) => {}
            (_, State::Escape) => self.escaped(byte),
            (_, State::Intermediate) => self.chosen(byte),
            (_, State::Csi) => self.control(byte),
            (_, State::Osc) => self.keep(byte),
        }
    }

    fn begin(&mut self) {
        if self.state == State::Osc {
            self.title();
        }
        self.state = State::Escape;
        self.sequence.clear();
        self.too_long = false;
        self.keep(0x1b);
    }

    fn keep(&mut self, byte: u8) {
        if self.sequence.len() < limits::SEQUENCE_BYTES {
            self.sequence.push(byte);
        } else {
            self.too_long = true;
        }
    }

    fn escaped(&mut self, byte: u8) {
        self.keep(byte);
        self.state = match byte {
            b'[' => State::Csi,
            b']' => State::Osc,
            b'P' | b'X' | b'^' | b'_' => State::Text,
            0x20..0x30 => State::Intermediate,
            _ => State::Ground,
        };
        match byte {
            b'7' => self.on.save(),
            b'8' => self.on.bring_back(),
            b'=' => self.on.switch(KEYPAD, true),
            b'>' => self.on.switch(KEYPAD, false),
            b'c' => self.on = Here::default(),
            _ => {}
        }
    }

    /// `ESC ( 0` and its like: a set of characters for G0 or G1.
    fn chosen(&mut self, byte: u8) {
        self.keep(byte);
        if byte < 0x30 {
            return;
        }
        self.state = State::Ground;
        let set = if byte == b'B' { 0 } else { byte };
        match self.sequence[..] {
            [_, b'(', _] => self.on.write.sets[0] = set,
            [_, b')', _] => self.on.write.sets[1] = set,
            _ => {}
        }
    }

    fn control(&mut self, byte: u8) {
        self.keep(byte);
        if !(0x40..0x7f).contains(&byte) {
            return;
        }
        self.state = State::Ground;
        if !self.too_long {
            let sequence = std::mem::take(&mut self.sequence);
            // ASCII: nothing else is kept in this state but what a terminal takes as an error too.
            let body = std::str::from_utf8(&sequence[2..sequence.len() - 1]).unwrap_or("#");
            self.on.control(body, byte);
            self.sequence = sequence;
        }
    }

    fn title(&mut self) {
        if let Some(text) = self.sequence.strip_prefix(b"\x1b]0;").or(self.sequence.strip_prefix(b"\x1b]2;"))
            && !self.too_long
        {
            self.on.title = String::from_utf8_lossy(text).into_owned();
        }
    }

    /// What a terminal in its first state must be written, so that it is where the stream is.
    pub fn restore(&self) -> String {
        let mut text = String::new();
        self.on.restore(&mut text);
        match self.state {
            State::Ground => {}
            // What follows is read to its end, and ignored: these can be neither an OSC of any number nor a CSI.
            State::Text => text.push_str("\x1bX"),
            State::Osc if self.too_long => text.push_str("\x1b]x"),
            State::Csi if self.too_long => text.push_str("\x1b[0<"),
            _ => text.push_str(&String::from_utf8_lossy(&self.sequence)),
        }
        text
    }
}

impl Here {
    fn switch(&mut self, number: u16, to: bool) {
        if MOUSE.contains(&number) {
            for (at, _) in PRIVATE.iter().enumerate().filter(|(_, (each, _))| MOUSE.contains(each)) {
                self.changed &= !(1 << at);
            }
        }
        if let Some(at) = PRIVATE.iter().position(|(each, _)| *each == number) {
            let differs = PRIVATE[at].1 != to;
            self.changed = self.changed & !(1 << at) | u16::from(differs) << at;
        }
        match number {
            47 | 1047 => self.alternate = to,
            1048 if to => self.save(),
            1048 => self.bring_back(),
            1049 if to => {
                self.save();
                self.alternate = true;
            }
            1049 => {
                self.alternate = false;
                self.bring_back();
            }
            // The two ways to tell a position put each other out.
            1006 => self.pixels = false,
            PIXELS => {
                self.switch(1006, false);
                self.pixels = to;
            }
            _ => {}
        }
    }

    fn save(&mut self) {
        self.saved[usize::from(self.alternate)] = self.write;
    }

    fn bring_back(&mut self) {
        self.write = self.saved[usize::from(self.alternate)];
    }

    fn control(&mut self, body: &str, last: u8) {
        match last {
            b'm' if plain(body) => self.write.pen.change(body),
            b'h' | b'l' => self.set(body, last == b'h'),
            b'r' if plain(body) => self.region = region(body),
            b's' if body.is_empty() => self.save(),
            b'u' if body.is_empty() => self.bring_back(),
            b'q' => {
                if let Some(style) = body.strip_suffix(' ') {
                    self.cursor_style = style.parse().ok().filter(|style| *style <= 6).unwrap_or(0);
                }
            }
            b'p' if body == "!" => self.soften(),
            _ => {}
        }
    }

    fn set(&mut self, body: &str, to: bool) {
        if let Some(numbers) = body.strip_prefix('?') {
            numbers.split(';').filter_map(|number| number.parse().ok()).for_each(|number| self.switch(number, to));
        } else {
            for number in body.split(';') {
                match number {
                    "4" => self.insert = to,
                    "20" => self.newline = to,
                    _ => {}
                }
            }
        }
    }

    /// `DECSTR`, as xterm.js does it: the mouse and the screen stay.
    fn soften(&mut self) {
        for number in [1, 6, 45, KEYPAD, 1004, 2004] {
            self.switch(number, false);
        }
        for number in [7, 25] {
            self.switch(number, true);
        }
        self.insert = false;
        self.region = None;
        self.write = Writing::default();
        self.saved[usize::from(self.alternate)] = Writing::default();
    }

    fn restore(&self, text: &mut String) {
        if !self.title.is_empty() {
            let _ = write!(text, "\x1b]2;{}\x07", self.title.replace(|c: char| c.is_control(), ""));
        }
        if self.alternate {
            // Entering saves how the normal screen is written to; leaving brings it back.
            self.saved[0].restore(text);
            text.push_str("\x1b[?1049h\x1b[0m\x1b(B\x1b)B\x0f");
        }
        let saved = self.saved[usize::from(self.alternate)];
        if saved != Writing::default() {
            saved.restore(text);
            text.push_str("\x1b7\x1b[0m\x1b(B\x1b)B\x0f");
        }
        if let Some((top, bottom)) = self.region {
            let _ = write!(text, "\x1b[{top};{bottom}r");
        }
        for (at, (number, begins)) in PRIVATE.iter().enumerate() {
            if self.changed >> at & 1 == 0 {
                continue;
            }
            if *number == KEYPAD {
                text.push_str("\x1b=");
            } else {
                let _ = write!(text, "\x1b[?{number}{}", if *begins { 'l' } else { 'h' });
            }
        }
        for (on, sequence) in [(self.pixels, "\x1b[?1016h"), (self.insert, "\x1b[4h"), (self.newline, "\x1b[20h")] {
            if on {
                text.push_str(sequence);
            }
        }
        if self.cursor_style != 0 {
            let _ = write!(text, "\x1b[{} q", self.cursor_style);
        }
        self.write.restore(text);
    }
}

/// Numbers, and nothing that gives them another meaning.
fn plain(body: &str) -> bool {
    body.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'))
}

/// None: the whole screen, or nothing that a terminal would take.
fn region(body: &str) -> Option<(u16, u16)> {
    let (top, bottom) = body.split_once(';')?;
    let (top, bottom) = (top.parse().unwrap_or(1).max(1), bottom.parse().ok()?);
    (top < bottom).then_some((top, bottom))
}

impl Writing {
    fn restore(&self, text: &mut String) {
        for (set, opens) in self.sets.iter().zip(['(', ')']) {
            if *set != 0 {
                let _ = write!(text, "\x1b{opens}{}", char::from(*set));
            }
        }
        if self.shifted {
            text.push('\x0e');
        }
        self.pen.restore(text);
    }
}

impl Pen {
    /// The parameters of an SGR.
    fn change(&mut self, body: &str) {
        let mut rest = body.split(';');
        while let Some(parameter) = rest.next() {
            let mut parts = parameter.split(':');
            let number = match parts.next() {
                Some("") => 0,
                Some(number) => number.parse().unwrap_or(u16::MAX),
                None => return,
            };
            match number {
                0 => *self = Pen::default(),
                4 => self.underline = parts.next().map_or(1, |style| style.parse().unwrap_or(0)).min(5),
                21 => self.underline = 2,
                24 => self.underline = 0,
                1 | 2 | 3 | 5 | 7 | 8 | 9 => self.flags |= 1 << number,
                22 => self.flags &= !(1 << 1 | 1 << 2),
                23 | 25 | 27..30 => self.flags &= !(1 << (number - 20)),
                53 | 55 => self.overline = number == 53,
                30..38 | 40..48 => self.colours[usize::from(number / 10 - 3)] = Colour::Index((number % 10) as u8),
                90..98 => self.colours[0] = Colour::Index((number - 82) as u8),
                100..108 => self.colours[1] = Colour::Index((number - 92) as u8),
                39 | 49 | 59 => self.colours[usize::from(number / 10 - 3)] = Colour::Default,
                38 | 48 | 58 => {
                    let colour = match parameter.contains(':') {
                        true => colour_of_parts(parts),
                        false => colour_of_list(&mut rest),
                    };
                    self.colours[usize::from(number / 10 - 3)] = colour.unwrap_or_default();
                }
                _ => {}
            }
        }
    }

    fn restore(&self, text: &mut String) {
        for flag in 1..10 {
            if self.flags >> flag & 1 == 1 {
                let _ = write!(text, "\x1b[{flag}m");
            }
        }
        match self.underline {
            0 => {}
            1 => text.push_str("\x1b[4m"),
            style => {
                let _ = write!(text, "\x1b[4:{style}m");
            }
        }
        if self.overline {
            text.push_str("\x1b[53m");
        }
        for (colour, number) in self.colours.iter().zip([38, 48, 58]) {
            let _ = match colour {
                Colour::Default => Ok(()),
                Colour::Index(index) => write!(text, "\x1b[{number};5;{index}m"),
                Colour::Rgb(r, g, b) => write!(text, "\x1b[{number};2;{r};{g};{b}m"),
            };
        }
    }
}

/// `5;n` or `2;r;g;b`, of which only what belongs to it is taken.
fn colour_of_list<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Option<Colour> {
    let mut number = || rest.next().map(|part| part.parse().unwrap_or(0));
    match number()? {
        5 => Some(Colour::Index(number()?)),
        2 => Some(Colour::Rgb(number()?, number()?, number()?)),
        _ => None,
    }
}

/// `5:n`, `2:r:g:b` or `2:space:r:g:b`.
fn colour_of_parts<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Colour> {
    let parts: Vec<u8> = parts.map(|part| part.parse().unwrap_or(0)).collect();
    match parts[..] {
        [5, index, ..] => Some(Colour::Index(index)),
        [2, r, g, b] | [2, _, r, g, b, ..] => Some(Colour::Rgb(r, g, b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn restored(stream: &str) -> String {
        let mut modes = Modes::default();
        modes.pass(stream.as_bytes());
        modes.restore()
    }

    #[test]
    fn what_was_switched_on_is_switched_on_again() {
        for (stream, restore) in [
            ("plain text\r\n", ""),
            ("\x1b[?1049h", "\x1b[?1049h\x1b[0m\x1b(B\x1b)B\x0f"),
            ("\x1b[?1049h\x1b[?1049l", ""),
            ("\x1b[?1000h\x1b[?1002;1006h", "\x1b[?1002h\x1b[?1006h"),
            ("\x1b[?1003h\x1b[?1000l", ""),
            ("\x1b[?25l\x1b[?1h\x1b=\x1b[?2004h", "\x1b[?1h\x1b[?25l\x1b=\x1b[?2004h"),
            ("\x1b[?1006h\x1b[?1016h", "\x1b[?1016h"),
            ("\x1b[2;20r\x1b[4h", "\x1b[2;20r\x1b[4h"),
            ("\x1b[2;20r\x1b[r", ""),
            ("\x1b[5 q", "\x1b[5 q"),
            ("\x1b(0\x0e", "\x1b(0\x0e"),
            ("\x1b(0\x0e\x1b(B\x0f", ""),
            ("\x1b[1;31mred", "\x1b[1m\x1b[38;5;1m"),
            ("\x1b[38;2;1;2;3;48:2::4:5:6;4:3m", "\x1b[4:3m\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m"),
            ("\x1b[93;104m\x1b[39m", "\x1b[48;5;12m"),
            ("\x1b[31m\x1b[m", ""),
            ("\x1b]0;a title\x07\x1b]2;another\x1b\\", "\x1b]2;another\x07"),
            ("\x1b]2;t\x07\x1b[?1003;1049h\x1b[3m\x1bc", ""),
            ("\x1b[31m\x1b7\x1b[m", "\x1b[38;5;1m\x1b7\x1b[0m\x1b(B\x1b)B\x0f"),
            ("\x1b[31m\x1b[?1049h\x1b[32m", "\x1b[38;5;1m\x1b[?1049h\x1b[0m\x1b(B\x1b)B\x0f\x1b[38;5;2m"),
            ("\x1b[31m\x1b[?1049h\x1b[32m\x1b[?1049l", "\x1b[38;5;1m\x1b7\x1b[0m\x1b(B\x1b)B\x0f\x1b[38;5;1m"),
            ("\x1b[?1000h\x1b[3;4r\x1b[?25l\x1b[!p", "\x1b[?1000h"),
            // A reset of the pen under another name, and things with other meanings.
            ("\x1b[>4;2m\x1b[?5;6r\x1b[>1u\x1b[c", ""),
        ] {
            assert_eq!(restored(stream), restore, "{stream:?}");
        }
    }

    /// A page that begins there would print the rest of it as text, or obey a command that begins in the middle of another's data.
    #[test]
    fn a_sequence_that_is_cut_is_whole_again_or_read_to_its_end() {
        assert_eq!(restored("\x1b"), "\x1b");
        assert_eq!(restored("\x1b[?10"), "\x1b[?10");
        assert_eq!(restored("\x1b("), "\x1b(");
        assert_eq!(restored("\x1b]2;half a ti"), "\x1b]2;half a ti");
        assert_eq!(restored("\x1bPq#0"), "\x1bX");
        assert_eq!(restored(&format!("\x1b]52;c;{}", "A".repeat(5000))), "\x1b]x");
        assert_eq!(restored(&format!("\x1b[{}", "1;".repeat(5000))), "\x1b[0<");
        assert_eq!(restored("\x1b[31\x18m"), "");
    }

    #[test]
    fn a_hostile_title_brings_no_sequence_of_its_own() {
        assert_eq!(restored("\x1b]2;a\u{9b}31mb\x07"), "\x1b]2;a31mb\x07");
        assert!(restored(&format!("\x1b]2;{}\x07", "t".repeat(100_000))).is_empty());
    }

    /// Pieces of which programs' output is made.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let some = |list: &'static [&'static str]| prop::sample::select(list).prop_map(str::as_bytes);
        let switches = some(&[
            "\x1b[?1049h",
            "\x1b[?1049l",
            "\x1b[?47h",
            "\x1b[?47l",
            "\x1b[?1h",
            "\x1b[?1l",
            "\x1b[?25l",
            "\x1b[?25h",
            "\x1b[?1000h",
            "\x1b[?1002;1006h",
            "\x1b[?1003h",
            "\x1b[?1006l",
            "\x1b[?1000;1002;1003l",
            "\x1b[?2004h",
            "\x1b[?2004l",
            "\x1b=",
            "\x1b>",
            "\x1bc",
        ]);
        let looks = some(&[
            "\x1b[m",
            "\x1b[1m",
            "\x1b[3;4m",
            "\x1b[7;31m",
            "\x1b[22;27m",
            "\x1b[38;5;200m",
            "\x1b[48;2;9;8;7m",
            "\x1b[39;49m",
            "\x1b[97;100m",
            "\x1b[0;9m",
        ]);
        let words = some(&[
            "words and more ",
            "\r\n",
            "\u{4e16}\u{754c}",
            "\x1b[10;3H",
            "\x1b[2J",
            "\x1b[K",
            "\x1b]8;;http://x\x1b\\",
        ]);
        prop::collection::vec(prop_oneof![switches, looks, words], 0..60).prop_map(|pieces| pieces.concat())
    }

    fn emulator() -> vt100::Parser {
        let size = |cells| std::num::NonZero::new(cells).unwrap();
        vt100::Parser::new(size(24), size(80), 0)
    }

    /// Which pen leaving the alternate screen brings back is another matter: that crate keeps one, xterm.js one for each screen.
    fn seen(screen: &vt100::Screen, with_pen: bool) -> impl PartialEq + std::fmt::Debug {
        let keys = (screen.application_cursor(), screen.application_keypad(), screen.bracketed_paste());
        let mouse = (screen.mouse_protocol_mode(), screen.mouse_protocol_encoding());
        let flags = (screen.bold(), screen.italic(), screen.underline(), screen.inverse());
        let pen = with_pen.then(|| (screen.fgcolor(), screen.bgcolor(), flags));
        (keys, mouse, pen, screen.alternate_screen(), screen.hide_cursor())
    }

    proptest! {
        /// Against a whole terminal emulator: one reads everything, the other begins anywhere with what is restored there.
        #[test]
        fn a_terminal_that_begins_anywhere_ends_like_one_that_read_it_all(stream in stream(), cut in any::<prop::sample::Index>()) {
            let cut = cut.index(stream.len() + 1);
            let (mut whole, mut late) = (emulator(), emulator());
            let mut modes = Modes::default();
            modes.pass(&stream[..cut]);
            let pen = !stream.windows(4).any(|four| four == b"1049");
            whole.process(&stream);
            late.process(modes.restore().as_bytes());
            late.process(&stream[cut..]);
            prop_assert_eq!(seen(late.screen(), pen), seen(whole.screen(), pen));
        }

        #[test]
        fn the_pieces_do_not_matter_and_nothing_grows(
            bytes in prop::collection::vec(prop_oneof![Just(0x1bu8), Just(b'['), Just(b']'), Just(b'?'), Just(b';'), any::<u8>()], 0..2000),
            cut in any::<prop::sample::Index>(),
        ) {
            let (mut once, mut twice) = (Modes::default(), Modes::default());
            once.pass(&bytes);
            let cut = cut.index(bytes.len() + 1);
            twice.pass(&bytes[..cut]);
            twice.pass(&bytes[cut..]);
            prop_assert_eq!(once.restore(), twice.restore());
            prop_assert!(once.sequence.len() <= limits::SEQUENCE_BYTES && once.on.title.len() <= 3 * limits::SEQUENCE_BYTES);
        }
    }
}
