//! The browser's end of a terminal: the WebSocket of docs/API.md, with questions, offsets and close codes.

use super::browser::Browser;
use super::patience::PATIENCE;
use super::tls::Tls;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

pub struct Terminal {
    pub session: String,
    /// Output bytes seen since the session began.
    pub offset: u64,
    /// The first message: `attached`.
    pub attached: Value,
    /// Output seen by this terminal and not yet looked at by `expect`.
    unread: Vec<u8>,
    socket: WebSocket<Tls>,
}

#[derive(Debug)]
pub enum Event {
    Output(Vec<u8>),
    Message(Value),
    Closed(Option<u16>),
}

impl Terminal {
    pub fn attach(browser: &Browser, session: &str, ticket: &str, offset: Option<u64>) -> Terminal {
        let offset = offset.map_or(String::new(), |offset| format!("&offset={offset}"));
        let path = format!("/api/sessions/{session}/attach?ticket={ticket}{offset}");
        let cookie = browser.cookie.clone().unwrap_or_default();
        let (reply, stream) = browser.upgrade(&path, &[("Origin", &browser.origin()), ("Cookie", &cookie)]);
        assert_eq!(reply.status, 101, "{}", String::from_utf8_lossy(&reply.body));
        let config = WebSocketConfig::default().max_message_size(Some(1 << 20));
        let socket = WebSocket::from_raw_socket(stream, Role::Client, Some(config));
        let mut terminal =
            Terminal { session: session.into(), offset: 0, attached: Value::Null, unread: Vec::new(), socket };
        terminal.attached = terminal.until_message("attached");
        terminal.offset = terminal.attached["offset"].as_u64().unwrap();
        terminal
    }

    /// What comes next, or `None` if nothing does for that long.
    pub fn next_within(&mut self, wait: Duration) -> Option<Event> {
        let end = Instant::now() + wait;
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => {
                    self.offset += bytes.len() as u64;
                    return Some(Event::Output(bytes.to_vec()));
                }
                Ok(Message::Text(text)) => return Some(Event::Message(serde_json::from_str(text.as_str()).unwrap())),
                Ok(Message::Close(frame)) => return Some(Event::Closed(frame.map(|frame| frame.code.into()))),
                Ok(_) => {}
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Some(Event::Closed(None)),
            }
            if Instant::now() >= end {
                return None;
            }
        }
    }

    pub fn next(&mut self) -> Event {
        self.next_within(PATIENCE).expect("nothing comes from the terminal")
    }

    /// Reads on to the first message of that type; output on the way is kept for `expect`.
    #[track_caller]
    pub fn until_message(&mut self, kind: &str) -> Value {
        loop {
            match self.next() {
                Event::Message(message) if message["type"] == kind => return message,
                Event::Message(message) if message["type"] == "ended" => {
                    panic!("ended while waiting for `{kind}`: {message}")
                }
                Event::Message(_) => {}
                Event::Output(bytes) => self.unread.extend(bytes),
                Event::Closed(code) => panic!("closed with {code:?} while waiting for `{kind}`"),
            }
        }
    }

    #[track_caller]
    pub fn until_ended(&mut self) -> Value {
        self.until_message("ended")
    }

    /// The end, with no question on the way.
    #[track_caller]
    pub fn until_ended_unasked(&mut self) -> Value {
        loop {
            match self.next() {
                Event::Message(message) if message["type"] == "ended" => return message,
                Event::Message(message) => assert_ne!(message["type"], "question", "{message}"),
                Event::Output(_) => {}
                Event::Closed(code) => panic!("closed with {code:?} before the end was told"),
            }
        }
    }

    #[track_caller]
    pub fn until_question(&mut self, question: &str) -> Value {
        let asked = self.until_message("question");
        assert_eq!(asked["question"], question, "{asked}");
        asked
    }

    /// Says yes to the host's key, whatever it is.
    #[track_caller]
    pub fn accept_host_key(&mut self, remember: bool) -> Value {
        let asked = self.until_question("host_key");
        self.answer(&asked, json!({"accept": true, "remember": remember}));
        asked
    }

    /// Answers a question by its id, with these fields.
    pub fn answer(&mut self, question: &Value, mut fields: Value) {
        fields["type"] = json!("answer");
        fields["id"] = question["id"].clone();
        self.say(fields);
    }

    pub fn say(&mut self, message: Value) {
        self.push(Message::text(message.to_string()));
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.push(Message::binary(bytes.to_vec()));
    }

    /// A frame that may be against the rules.
    pub fn push(&mut self, message: Message) {
        self.try_push(message).unwrap();
    }

    /// The same towards a box that may hang up.
    pub fn try_push(&mut self, message: Message) -> Result<(), Error> {
        let mut outcome = self.socket.send(message);
        let end = Instant::now() + PATIENCE;
        while let Err(Error::Io(error)) = &outcome {
            if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
                break;
            }
            assert!(Instant::now() < end, "the box takes nothing any more");
            outcome = self.socket.flush();
        }
        outcome
    }

    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.say(json!({"type": "resize", "cols": cols, "rows": rows}));
    }

    /// Waits until the output holds `text`; what came up to its end is taken and answered.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        // Looked through once, so that a flood of megabytes does not take minutes.
        let mut seen = 0;
        loop {
            if let Some(at) = find(&self.unread[seen..], text.as_bytes()).map(|at| at + seen) {
                let taken: Vec<u8> = self.unread.drain(..at + text.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            seen = (self.unread.len() + 1).saturating_sub(text.len());
            match self.next() {
                Event::Output(bytes) => self.unread.extend(bytes),
                Event::Message(message) if message["type"] == "ended" => {
                    panic!("ended while waiting for {text:?}: {message}")
                }
                Event::Message(_) => {}
                Event::Closed(code) => panic!("closed with {code:?} while waiting for {text:?}; seen: {}", self.seen()),
            }
        }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Waits for a shell: asks it for a sum, which the echo of the typed line cannot contain.
    #[track_caller]
    pub fn until_prompt(&mut self) {
        self.send(b"echo ready-$((40+2))\r");
        self.expect("ready-42");
    }

    /// Runs one line in the shell and answers what it printed.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> String {
        self.send(format!("echo begin-$((1+1)); {line}; echo end-$((2+2))\r").as_bytes());
        self.expect("begin-2\r\n");
        let output = self.expect("end-4");
        output.strip_suffix("end-4").unwrap().trim_end().replace("\r\n", "\n")
    }

    /// Reads until `count` more bytes of output came, with those that `expect` left; takes all there are.
    #[track_caller]
    pub fn take_output(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            match self.next() {
                Event::Output(bytes) => self.unread.extend(bytes),
                Event::Message(message) => assert_ne!(message["type"], "ended", "{message}"),
                Event::Closed(code) => panic!("closed with {code:?} after {} of {count} bytes", self.unread.len()),
            }
        }
        std::mem::take(&mut self.unread)
    }

    /// Output that came and was neither expected nor taken yet.
    pub fn unread_len(&self) -> usize {
        self.unread.len()
    }

    /// The socket below, for a browser that stops reading or vanishes.
    pub fn into_stream(self) -> Tls {
        self.socket.into_inner()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
