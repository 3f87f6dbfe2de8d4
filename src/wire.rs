//! What a connection's thread may do with its socket: read, write and wait, never block without a deadline.
//!
//! `door` makes wires (TLS over TCP), `web` and `term` use them; neither side names the other. Tests make them of pipes.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A non-blocking byte stream. `read` and `write` answer `WouldBlock` instead of waiting. `write` may keep bytes (ciphertext) that
/// the socket did not take; `flush` pushes them and answers `WouldBlock` while some are left.
pub trait Wire: Read + Write + Send {
    fn fd(&self) -> BorrowedFd<'_>;
    /// Where the browser is, after trusted proxies have been believed.
    fn peer(&self) -> IpAddr;
    /// SHA-256, in hexadecimal, of the certificate whose key this client has proven to hold.
    fn certificate(&self) -> Option<&str>;
    /// Bytes are owed to the socket: wait for writability too.
    fn owes(&self) -> bool;
    /// This connection now belongs to a user; strangers' places are freed.
    fn signed_in(&mut self);
    /// Says goodbye (TLS close_notify) and closes, without waiting.
    fn close(&mut self);
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// The socket has something to read (or is closed).
    pub read: bool,
    /// The socket takes more.
    pub write: bool,
    /// The bell rang.
    pub bell: bool,
}

impl Ready {
    pub fn timed_out(&self) -> bool {
        *self == Ready::default()
    }
}

/// Waits until the socket can be read (if `read`), or written (if the wire owes something), or `bell` can be read, or `until`
/// has passed. Never busy: the caller must have seen `WouldBlock` from every layer first.
pub fn wait(wire: &dyn Wire, read: bool, bell: Option<BorrowedFd<'_>>, until: Instant) -> io::Result<Ready> {
    let socket = wire.fd();
    let mut wanted = PollFlags::empty();
    wanted.set(PollFlags::IN, read);
    wanted.set(PollFlags::OUT, wire.owes());
    let mut fds =
        [PollFd::from_borrowed_fd(socket, wanted), PollFd::from_borrowed_fd(bell.unwrap_or(socket), PollFlags::IN)];
    let count = if bell.is_some() { 2 } else { 1 };
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match poll(&mut fds[..count], Some(&timespec(left))) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
    }
    let trouble = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    let seen = fds[0].revents();
    Ok(Ready {
        read: seen.intersects(PollFlags::IN | trouble),
        write: seen.intersects(PollFlags::OUT | trouble),
        bell: bell.is_some() && fds[1].revents().intersects(PollFlags::IN),
    })
}

fn timespec(left: Duration) -> Timespec {
    Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ }
}

/// Writes all of `bytes` and flushes, or fails once `until` has passed.
pub fn send_all(wire: &mut dyn Wire, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    loop {
        let outcome = if bytes.is_empty() { wire.flush().map(|()| None) } else { wire.write(bytes).map(Some) };
        match outcome {
            Ok(None) => return Ok(()),
            Ok(Some(0)) => return Err(ErrorKind::WriteZero.into()),
            Ok(Some(taken)) => bytes = &bytes[taken..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if wait(wire, false, None, until)?.timed_out() {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
