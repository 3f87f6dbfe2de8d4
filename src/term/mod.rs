//! The WebSocket end of a terminal: one thread per browser, a cursor into the session's output.
//!
//! [`serve`] is the main loop; [`messages`] says what the JSON messages are. docs/API.md describes both to other clients.

mod messages;

use crate::auth::logins::Login;
use crate::bridge::{News, Viewer};
use crate::clock::Instant;
use crate::limits;
use crate::wire::{self, Wire};
use messages::FromClient;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455, 4.2.2).
pub fn accept_key(key: &str) -> String {
    tungstenite::handshake::derive_accept_key(key.as_bytes())
}

/// Where a viewer begins: the offset of its next byte, and how many before it are gone.
#[derive(Clone, Copy, Debug)]
pub struct Begin {
    pub offset: u64,
    pub lost: u64,
}

/// One browser at one terminal, from `101` to the close frame. The session goes on without it.
pub fn serve(wire: Box<dyn Wire>, viewer: Viewer, begin: Begin, login: Arc<Login>) {
    let mut end = Attendance::new(wire, viewer, login);
    let outcome = end.begin(begin).and_then(|()| end.attend());
    match outcome {
        Err(Parting::Close(code, why)) => end.say_goodbye(code, why),
        Err(Parting::Gone(error)) => log::debug!("a browser went away: {error}"),
        Ok(()) => end.say_goodbye(CloseCode::Normal, ""),
    }
}

/// Why a browser is let go while its session may go on.
enum Parting {
    Close(CloseCode, &'static str),
    Gone(String),
}

/// What reading from the browser came to.
#[derive(PartialEq, Eq)]
enum Heard {
    Something,
    /// The socket has no more for now.
    Nothing,
    /// Input waits to be taken by the host: the browser is not read, so that its own sending stops.
    Full,
}

/// tungstenite wants a stream it can read and write; a wire is one.
struct Pipe(Box<dyn Wire>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Attendance {
    socket: WebSocket<Pipe>,
    viewer: Viewer,
    login: Arc<Login>,
    heard_at: Instant,
    next_ping: Instant,
    /// Everything handed to the socket has left the box's own buffers.
    flushed: bool,
}

fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limits::WS_READ_BUFFER_BYTES)
        .write_buffer_size(limits::WS_WRITE_BUFFER_BYTES)
        .max_write_buffer_size(limits::WS_WRITE_BUFFER_MAX_BYTES)
        .max_message_size(Some(limits::MESSAGE_BYTES))
        .max_frame_size(Some(limits::MESSAGE_BYTES))
        .accept_unmasked_frames(false)
}

impl Attendance {
    fn new(wire: Box<dyn Wire>, viewer: Viewer, login: Arc<Login>) -> Attendance {
        let socket = WebSocket::from_raw_socket(Pipe(wire), Role::Server, Some(socket_config()));
        let now = Instant::now();
        Attendance { socket, viewer, login, heard_at: now, next_ping: now + limits::WS_PING, flushed: true }
    }

    fn begin(&mut self, begin: Begin) -> Result<(), Parting> {
        let hello = messages::attached(&self.viewer.session.summary(), begin);
        self.send(Message::text(hello))
    }

    /// The main loop of a terminal's browser side: send what is owed, take what was typed, tell what is new, else wait.
    fn attend(&mut self) -> Result<(), Parting> {
        loop {
            self.flush()?;
            let heard = self.listen()?;
            if self.flushed {
                match self.tell()? {
                    Told::Something => continue,
                    Told::End => return Ok(()),
                    Told::Nothing => {}
                }
            }
            if heard != Heard::Something {
                self.wait(heard == Heard::Nothing)?;
            }
        }
    }

    fn flush(&mut self) -> Result<(), Parting> {
        self.flushed = match self.socket.flush() {
            Ok(()) => true,
            Err(error) => {
                blocked_or_gone(error)?;
                false
            }
        };
        Ok(())
    }

    /// A few messages at a time, so that a pasting browser still sees its echo.
    fn listen(&mut self) -> Result<Heard, Parting> {
        for _ in 0..limits::WS_MESSAGES_PER_TURN {
            if !self.viewer.takes_input() {
                return Ok(Heard::Full);
            }
            match self.socket.read() {
                Ok(message) => self.take(message)?,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(Heard::Nothing),
                Err(error) => return Err(parting(error)),
            }
        }
        Ok(Heard::Something)
    }

    fn take(&mut self, message: Message) -> Result<(), Parting> {
        self.heard_at = Instant::now();
        match message {
            Message::Binary(bytes) => {
                self.login.touch(self.heard_at);
                self.viewer.input(bytes.into());
                Ok(())
            }
            Message::Text(text) => {
                self.obey(messages::parse(&text).ok_or(Parting::Close(CloseCode::Protocol, "not a message of ours"))?)
            }
            Message::Close(_) => Err(Parting::Gone("it said goodbye".into())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn obey(&mut self, message: FromClient) -> Result<(), Parting> {
        match message {
            FromClient::Resize { cols, rows } => self.viewer.resize(cols, rows),
            FromClient::Ack { offset } => self.viewer.acknowledge(offset),
            FromClient::End {} => self.viewer.session.end(),
            FromClient::Answer(answer) => {
                self.login.touch(self.heard_at);
                // Two devices may answer at once: the later answer finds nothing to answer, and that is no crime.
                if let Some((id, answer)) = answer.meaning() {
                    let _ = self.viewer.session.answer(id, answer);
                }
            }
        }
        Ok(())
    }

    /// Hands over news until the socket has enough for one turn.
    fn tell(&mut self) -> Result<Told, Parting> {
        let mut told = 0;
        while told < limits::WS_WRITE_BUFFER_BYTES {
            let Some(news) = self.viewer.news() else { break };
            let end = matches!(news, News::Ended(_));
            if end && self.viewer.session.box_goes_down() {
                return Err(Parting::Close(CloseCode::Away, "the box is going down"));
            }
            let message = messages::render(news);
            told += message.len().max(1);
            self.send(message)?;
            if end {
                return Ok(Told::End);
            }
        }
        Ok(if told > 0 { Told::Something } else { Told::Nothing })
    }

    fn send(&mut self, message: Message) -> Result<(), Parting> {
        self.flushed = false;
        self.socket.write(message).or_else(blocked_or_gone)
    }

    /// Sleeps until the browser, the session or a deadline needs something.
    fn wait(&mut self, read: bool) -> Result<(), Parting> {
        let until = self.next_ping.min(self.heard_at + limits::WS_SILENT);
        let ready = wire::wait(&*self.socket.get_ref().0, read, Some(self.viewer.bell()), until)
            .map_err(|error| Parting::Gone(error.to_string()))?;
        if ready.bell {
            self.viewer.silence_bell();
        }
        let now = Instant::now();
        if !self.login.is_alive(now) {
            return Err(Parting::Close(CloseCode::Policy, "signed out"));
        }
        if now >= self.heard_at + limits::WS_SILENT {
            return Err(Parting::Close(CloseCode::Policy, "silent for too long"));
        }
        if now >= self.next_ping {
            self.next_ping = now + limits::WS_PING;
            // A browser that takes nothing gets no pings on top; its silence will tell.
            if self.flushed {
                self.send(Message::Ping(Default::default()))?;
            }
        }
        Ok(())
    }

    /// The close frame, the rest of what is owed, and the end, within one deadline.
    fn say_goodbye(&mut self, code: CloseCode, why: &'static str) {
        let until = Instant::now() + limits::GOODBYE;
        let _ = self.socket.close(Some(CloseFrame { code, reason: why.into() }));
        loop {
            match self.socket.flush() {
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    match wire::wait(&*self.socket.get_ref().0, false, None, until) {
                        Ok(ready) if !ready.timed_out() => {}
                        _ => break,
                    }
                }
                _ => break,
            }
        }
        self.socket.get_mut().0.close();
        self.hear_out(until);
    }

    /// A socket closed with bytes unread is reset by the kernel, and the reset overtakes the close frame. So what the browser was
    /// still sending is read and thrown away until it hangs up.
    fn hear_out(&mut self, until: Instant) {
        let mut thrown_away = [0; 2048];
        while Instant::now() < until {
            match self.socket.get_mut().0.read(&mut thrown_away) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match wire::wait(&*self.socket.get_ref().0, true, None, until) {
                        Ok(ready) if !ready.timed_out() => {}
                        _ => return,
                    }
                }
                _ => return,
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Told {
    Something,
    Nothing,
    End,
}

fn blocked_or_gone(error: Error) -> Result<(), Parting> {
    match error {
        Error::Io(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        error => Err(parting(error)),
    }
}

/// What a broken rule or a broken line means for the close frame.
fn parting(error: Error) -> Parting {
    match error {
        Error::Capacity(_) => Parting::Close(CloseCode::Size, "message too long"),
        Error::Utf8(_) => Parting::Close(CloseCode::Invalid, "not UTF-8"),
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            Parting::Gone("reset".into())
        }
        Error::Protocol(_) => Parting::Close(CloseCode::Protocol, "broken frame"),
        error => Parting::Gone(error.to_string()),
    }
}
