//! A copy of each line for the system's own log (K7): syslog's local socket, where journald listens too. It leaves the machine from there,
//! and whoever can change the file on the card cannot change it any more.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// RFC 3164: authpriv (10), informational (6). The reader adds the time.
const PRIORITY: u8 = 10 * 8 + 6;

pub struct Syslog {
    path: PathBuf,
    socket: UnixDatagram,
    /// The last line did not go out, and that was said.
    in_trouble: AtomicBool,
}

impl Syslog {
    /// Nobody needs to listen yet.
    pub fn to(path: PathBuf) -> io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        // Whoever reads slowly, or not at all, keeps nobody waiting: a copy is lost then, and the file has the line.
        socket.set_nonblocking(true)?;
        Ok(Syslog { path, socket, in_trouble: AtomicBool::new(false) })
    }

    pub fn send(&self, line: &str) {
        let message = format!("<{PRIORITY}>footbridge[{}]: {line}", std::process::id());
        match self.socket.send_to(message.as_bytes(), &self.path) {
            Ok(_) => self.in_trouble.store(false, Ordering::Relaxed),
            Err(error) if !self.in_trouble.swap(true, Ordering::Relaxed) => {
                log::error!(
                    "{}: the audit's lines do not reach it ({error}); the audit log has them",
                    self.path.display()
                );
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_line_arrives_also_after_the_reader_was_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let syslog = Syslog::to(path.clone()).unwrap();
        syslog.send("{\"event\":\"lost\"}");
        for n in 0..2 {
            let reader = UnixDatagram::bind(&path).unwrap();
            syslog.send(&format!("{{\"event\":\"{n}\"}}"));
            let mut message = [0; 200];
            let length = reader.recv(&mut message).unwrap();
            let wanted = format!("<86>footbridge[{}]: {{\"event\":\"{n}\"}}", std::process::id());
            assert_eq!(String::from_utf8_lossy(&message[..length]), wanted);
            drop(reader);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_reader_that_does_not_read_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _reader = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::to(path).unwrap();
        (0..10_000).for_each(|n| syslog.send(&format!("line {n}")));
        assert!(syslog.in_trouble.load(Ordering::Relaxed));
    }
}
