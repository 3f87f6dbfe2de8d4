//! The plain-HTTP port, if there is one: it sends everybody to the page, and does nothing else (I3).

use super::admission::Place;
use crate::limits;
use crate::web::plain;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

/// One request, one answer, one deadline.
pub fn serve(mut stream: &TcpStream, names: &[String], port: u16, _place: Place) -> io::Result<()> {
    let answer = hear(stream, names, port, Instant::now() + limits::HEAD_DEADLINE)?;
    stream.set_write_timeout(Some(limits::WRITE_DEADLINE))?;
    stream.write_all(&answer)?;
    stream.shutdown(Shutdown::Write)
}

/// Reads until there is an answer.
fn hear(mut stream: &TcpStream, names: &[String], port: u16, until: Instant) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let fresh = stream.read(&mut piece)?;
        if fresh == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&piece[..fresh]);
        if let Some(answer) = plain::way(&head, fresh, names, port) {
            return Ok(answer);
        }
    }
}
