//! A browser's connection: TLS over TCP, never blocking, as a [`Wire`].

use super::admission::Place;
use super::client_certificates;
use crate::limits;
use crate::web::plain;
use crate::wire::{self, Wire};
use rustls::ServerConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Tls {
    stream: Arc<TcpStream>,
    tls: ServerConnection,
    peer: IpAddr,
    place: Place,
    certificate: Option<String>,
}

impl Tls {
    /// The handshake, within one absolute deadline.
    pub fn accept(stream: Arc<TcpStream>, tls: ServerConnection, place: Place, patience: Duration) -> io::Result<Tls> {
        let peer = stream.peer_addr()?.ip().to_canonical();
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut wire = Tls { stream, tls, peer, place, certificate: None };
        let until = Instant::now() + patience;
        wire.turn_away_plain_http(until)?;
        while wire.tls.is_handshaking() || wire.tls.wants_write() {
            match wire.step() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if wire::wait(&wire, wire.tls.wants_read(), None, until)?.timed_out() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                other => other?,
            }
        }
        wire.certificate = client_certificates::shown(&wire.tls);
        Ok(wire)
    }

    /// A TLS record begins with 22; a request with a capital letter.
    fn turn_away_plain_http(&mut self, until: Instant) -> io::Result<()> {
        let mut first = [0];
        while let Err(error) = self.stream.peek(&mut first) {
            if error.kind() != ErrorKind::WouldBlock {
                return Err(error);
            }
            if wire::wait(self, true, None, until)?.timed_out() {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        if first[0].is_ascii_uppercase() {
            // What has come is read away: closing over unread bytes would reset the connection before the answer is seen.
            let _ = (&*self.stream).read(&mut [0; 4096]);
            let _ = (&*self.stream).write(&plain::word());
            let _ = self.stream.shutdown(Shutdown::Write);
            return Err(io::Error::new(ErrorKind::InvalidData, "plain HTTP on the TLS port"));
        }
        Ok(())
    }

    /// One step of the handshake: what is owed first.
    fn step(&mut self) -> io::Result<()> {
        if self.tls.wants_write() {
            self.push()?;
        }
        if self.tls.is_handshaking() { self.pull() } else { Ok(()) }
    }

    /// Ciphertext to the socket.
    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut &*self.stream)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Ciphertext from the socket.
    fn pull(&mut self) -> io::Result<()> {
        if self.tls.read_tls(&mut &*self.stream)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.tls.process_new_packets().map(drop).map_err(|error| {
            // The alert, if the socket takes it.
            let _ = self.push();
            io::Error::new(ErrorKind::InvalidData, error)
        })
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                // A browser that goes without close_notify has gone all the same; requests and frames know their own ends.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            match self.pull() {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => other?,
            }
        }
    }
}

impl Write for Tls {
    /// Takes no more while ciphertext is owed: a browser that does not read costs one buffer.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push()?;
        let taken = self.tls.writer().write(bytes)?;
        match self.push() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

impl Wire for Tls {
    fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn peer(&self) -> IpAddr {
        self.peer
    }

    fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    fn owes(&self) -> bool {
        self.tls.wants_write()
    }

    fn signed_in(&mut self) {
        self.place.signed_in();
    }

    fn close(&mut self) {
        self.tls.send_close_notify();
        let _ = self.push();
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// The handshake's deadline of production.
pub const PATIENCE: Duration = limits::TLS_HANDSHAKE;
