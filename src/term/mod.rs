//! The WebSocket end of a terminal: one thread per browser, a cursor into the session's output.
//!
//! [`serve`] is the main loop; [`messages`] says what the JSON messages are. docs/API.md describes both to other clients.

mod messages;

use crate::auth::logins::Login;
use crate::bridge::{Begin, News, Viewer};
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
            // Every turn, not only after a wait: who always has something to say or to read never waits.
            self.look_at_the_clock()?;
            let heard = self.listen()?;
            if heard == Heard::Full {
                // We do not listen, so its silence says nothing.
                self.heard_at = Instant::now();
            }
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
            // No person typed it: a host that asks for ever must not keep a sign-in alive.
            FromClient::Report { text } => self.viewer.report(text.into_bytes()),
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
        let silent = self.heard_at + limits::WS_SILENT;
        let until = if self.flushed { self.next_ping.min(silent) } else { silent };
        let ready = wire::wait(&*self.socket.get_ref().0, read, Some(self.viewer.bell()), until)
            .map_err(|error| Parting::Gone(error.to_string()))?;
        if ready.bell {
            self.viewer.silence_bell();
        }
        // Not asked for: it is reset. Waiting again would return at once, again and again.
        if ready.read && !read {
            return Err(Parting::Gone("reset".into()));
        }
        Ok(())
    }

    /// What time alone decides: the end of the sign-in session, silence, pings.
    fn look_at_the_clock(&mut self) -> Result<(), Parting> {
        let now = Instant::now();
        if !self.login.is_alive(now) {
            return Err(Parting::Close(CloseCode::Policy, "signed out"));
        }
        if now >= self.heard_at + limits::WS_SILENT {
            return Err(Parting::Close(CloseCode::Policy, "silent for too long"));
        }
        // A browser that takes nothing gets no pings on top; its silence will tell. One that reads a stream gets its ping as soon as
        // everything before it has left.
        if now >= self.next_ping && self.flushed {
            self.next_ping = now + limits::WS_PING;
            self.send(Message::Ping(Default::default()))?;
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
        self.read_away(until);
    }

    /// What the browser still sends: closing over it would reset the connection, and the last words with it.
    fn read_away(&mut self, until: Instant) {
        let mut piece = [0; limits::WS_READ_BUFFER_BYTES];
        let mut left = 2 * limits::INPUT_QUEUE_BYTES;
        let wire = &mut self.socket.get_mut().0;
        while left > 0 && Instant::now() < until {
            match wire.read(&mut piece) {
                Ok(count) if count > 0 => left = left.saturating_sub(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => match wire::wait(&**wire, true, None, until) {
                    Ok(ready) if !ready.timed_out() => {}
                    _ => return,
                },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::logins::{Logins, for_tests};
    use crate::bridge::Session;
    use crate::bridge::session::for_tests::session;
    use rustix::net::sockopt;
    use std::net::{IpAddr, TcpListener, TcpStream};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::time::Duration;

    /// A wire without TLS.
    struct Plain(TcpStream);

    impl Read for Plain {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Plain {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Wire for Plain {
        fn fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }

        fn certificate(&self) -> Option<&str> {
            None
        }
        fn peer(&self) -> IpAddr {
            [127, 0, 0, 1].into()
        }

        fn owes(&self) -> bool {
            false
        }

        fn signed_in(&mut self) {}

        fn close(&mut self) {
            let _ = self.0.shutdown(std::net::Shutdown::Write);
        }
    }

    struct Scene {
        browser: TcpStream,
        end: Attendance,
        session: Arc<Session>,
        logins: Logins,
    }

    fn scene() -> Scene {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let browser = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = listener.accept().unwrap().0;
        ours.set_nonblocking(true).unwrap();
        let session = session();
        let viewer = Viewer::attach(session.clone(), None).unwrap().unwrap().0;
        let logins = Logins::new(for_tests::HOUR, for_tests::HOUR);
        let (login, _) = for_tests::begin(&logins, &for_tests::somebody("ada"), Instant::now());
        Scene { browser, end: Attendance::new(Box::new(Plain(ours)), viewer, login), session, logins }
    }

    /// The story: only a turn that found nothing to do looked whether the browser was still signed in. One that never stopped
    /// sending stayed for ever.
    #[test]
    fn a_browser_that_never_stops_sending_is_signed_out_too() {
        let Scene { mut browser, mut end, logins, .. } = scene();
        // An empty masked text message would be refused; a pong is not, and asks for nothing.
        let flood = [0x8a, 0x80, 1, 2, 3, 4].repeat(1000);
        let sending = std::thread::spawn(move || {
            let until = Instant::now() + Duration::from_secs(8);
            while Instant::now() < until && browser.write_all(&flood).is_ok() {}
        });
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let attending = scope.spawn(|| {
                let parting = end.attend();
                drop(end);
                parting
            });
            std::thread::sleep(Duration::from_millis(200));
            logins.end_where(None, |_| true);
            assert!(matches!(attending.join().unwrap(), Err(Parting::Close(CloseCode::Policy, "signed out"))));
        });
        assert!(begun.elapsed() < Duration::from_secs(7), "it was let go only when it stopped");
        sending.join().unwrap();
    }

    /// C3: a person has answered. What a page says by itself (an acknowledgement, an emulator's report, a size) is no such thing.
    #[test]
    fn to_answer_a_question_is_to_use_the_sign_in() {
        let Scene { mut end, .. } = scene();
        let begun = end.login.last_use();
        let mut says = |text: &str| {
            std::thread::sleep(Duration::from_millis(2));
            assert!(end.take(Message::text(text)).is_ok(), "{text}");
            end.login.last_use()
        };
        for by_itself in [r#"{"type":"ack","offset":0}"#, r#"{"type":"report","text":"x"}"#] {
            assert_eq!(says(by_itself), begun, "{by_itself}");
        }
        let yes = says(r#"{"type":"answer","id":1,"accept":true}"#);
        assert!(yes > begun, "to a host's key");
        let password = says(r#"{"type":"answer","id":2,"responses":["x"]}"#);
        assert!(password > yes, "to a prompt");
        assert!(says(r#"{"type":"answer","id":3,"cancel":true}"#) > password, "that one does not want to");
    }

    /// The story: with the input queue full the browser is not read, and when it was reset just then, waiting for it returned at
    /// once, again and again, until the next ping.
    #[test]
    fn a_reset_while_input_waits_ends_the_visit() {
        let Scene { browser, mut end, session, .. } = scene();
        while end.viewer.takes_input() {
            end.viewer.input(vec![b'x'; 1024]);
        }
        while !matches!(end.tell(), Ok(Told::Nothing)) {}
        end.flush().unwrap_or_else(|_| panic!("the browser is there"));
        sockopt::set_socket_linger(&browser, Some(Duration::ZERO)).unwrap();
        drop(browser);
        let begun = Instant::now();
        assert!(matches!(end.attend(), Err(Parting::Gone(_))));
        assert!(begun.elapsed() < limits::WS_PING / 2 && session.summary().viewers == 1);
    }

    /// The story: what was typed while the shell ended lay unread, so that closing reset the connection, and some browsers threw the
    /// last words away with it.
    #[test]
    fn the_last_words_arrive_although_something_was_typed() {
        let Scene { mut browser, mut end, .. } = scene();
        browser.write_all(&[0x82, 0x81, 0, 0, 0, 0, b'x']).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                end.say_goodbye(CloseCode::Normal, "");
                drop(end);
            });
            let mut words = Vec::new();
            browser.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            browser.read_to_end(&mut words).unwrap();
            assert_eq!(words[..2], [0x88, 2]);
            // After a reset this would fail; ours reads it away until we close too.
            assert!(browser.write_all(&[0x82, 0x81, 0, 0, 0, 0, b'x']).is_ok());
            drop(browser);
        });
    }
}
