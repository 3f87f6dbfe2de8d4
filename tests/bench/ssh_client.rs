//! The yardstick: the OpenSSH client with a pty on the host, through pipes on this side.

use super::process::cpu_seconds;
use super::world::footbridge::write_private;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

pub struct SshClient {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    _key: TempDir,
}

impl SshClient {
    pub fn start(port: u16, user: &str, key_text: &str) -> SshClient {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        write_private(&key, key_text);
        let mut child = Command::new("ssh")
            .args(["-tt", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-i"])
            .arg(&key)
            .args(["-p", &port.to_string(), &format!("{user}@127.0.0.1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        SshClient { child, to, from, _key: folder }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).unwrap();
        self.to.flush().unwrap();
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.from.read(buffer).unwrap();
        assert!(count > 0, "ssh ended");
        count
    }

    pub fn expect(&mut self, text: &[u8]) {
        let (mut seen, mut buffer) = (Vec::new(), [0; 64 * 1024]);
        while !seen.windows(text.len()).any(|window| window == text) {
            seen.drain(..seen.len().saturating_sub(text.len()));
            let count = self.read(&mut buffer);
            seen.extend_from_slice(&buffer[..count]);
        }
    }

    pub fn until_prompt(&mut self) {
        self.send(b"echo ready-$((40+2))\r");
        self.expect(b"ready-42");
    }

    /// One key, and its echo.
    pub fn key(&mut self, key: u8) {
        self.send(&[key]);
        let mut buffer = [0; 4096];
        loop {
            let count = self.read(&mut buffer);
            if buffer[..count].contains(&key) {
                return;
            }
        }
    }

    /// Takes what is there.
    pub fn drain(&mut self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let soon = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
        let mut buffer = [0; 64 * 1024];
        while poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&soon)).unwrap() > 0 {
            self.read(&mut buffer);
        }
    }

    /// MB/s, and the CPU seconds of the client.
    pub fn bulk(&mut self, bytes: usize) -> (f64, f64) {
        self.until_prompt();
        self.send(format!("yes 0123456789abcdef | head -c {bytes}; echo fi''nished\r").as_bytes());
        let (begun, cpu) = (Instant::now(), cpu_seconds(self.child.id()));
        self.expect(b"finished");
        (bytes as f64 / 1e6 / begun.elapsed().as_secs_f64(), cpu_seconds(self.child.id()) - cpu)
    }
}

impl Drop for SshClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
