//! Tests with real servers on loopback: Debian's OpenSSH and Dropbear.

use super::*;
use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::thread;
use std::time::Instant;

mod signing_in;
mod waiting;

const USER: &str = "fbtest";
const PASSWORD: &str = "correct horse battery";
/// Far beyond what anything here takes; a test that waits this long has failed.
const PLENTY: Duration = Duration::from_secs(60);

// ---- servers ----

/// The account that all tests sign in to, made once.
fn account() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let _ = Command::new("useradd").args(["-m", "-s", "/bin/bash", USER]).stderr(Stdio::null()).status();
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(chpasswd.stdin.take().unwrap(), "{USER}:{PASSWORD}").unwrap();
        assert!(chpasswd.wait().unwrap().success(), "these tests make an account: run them as root");
        let _ = fs::create_dir("/run/sshd");
    });
}

struct Server {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn await_port(port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PLENTY, "the server does not listen");
        thread::sleep(Duration::from_millis(20));
    }
}

fn keygen(path: &Path, kind: &[&str], passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-N", passphrase, "-C", "test", "-f"]).arg(path).args(kind);
    assert!(command.status().unwrap().success());
}

impl Server {
    /// OpenSSH with an Ed25519 and an RSA host key, and more lines of configuration (the first one wins).
    fn openssh(more: &str) -> Server {
        account();
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        keygen(&dir.path().join("ed25519"), &["-t", "ed25519"], "");
        keygen(&dir.path().join("rsa"), &["-t", "rsa", "-b", "2048"], "");
        let config = format!(
            "{more}\nListenAddress 127.0.0.1:{port}\nHostKey {0}/ed25519\nHostKey {0}/rsa\nPidFile none\n\
             AuthorizedKeysFile {0}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication yes\n\
             KbdInteractiveAuthentication no\nPrintMotd no\nPrintLastLog no\nMaxStartups 100\n",
            dir.path().display()
        );
        fs::write(dir.path().join("config"), config).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(dir.path().join("config"))
            .stderr(fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        await_port(port);
        Server { child, port, dir }
    }

    fn dropbear() -> Server {
        account();
        let dir = tempfile::tempdir().unwrap();
        let (port, key) = (free_port(), dir.path().join("ed25519"));
        let made = Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(&key).output().unwrap();
        assert!(made.status.success());
        let child = Command::new("/usr/sbin/dropbear")
            .args(["-F", "-E", "-p", &format!("127.0.0.1:{port}"), "-P", "", "-r"])
            .arg(&key)
            .stderr(fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        await_port(port);
        Server { child, port, dir }
    }

    fn authorize(&self, public_line: &str) {
        let path: PathBuf = self.dir.path().join("authorized_keys");
        let mut lines = fs::read_to_string(&path).unwrap_or_default();
        lines.push_str(public_line.trim());
        lines.push('\n');
        fs::write(&path, lines).unwrap();
        // sshd reads it as the user, whatever umask the tests run under.
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn destination(&self) -> Destination {
        Destination { host: "127.0.0.1".into(), port: self.port, user: USER.into() }
    }
}

// ---- a person, and a browser ----

/// Answers as told, and remembers what it was asked.
#[derive(Default)]
struct Person {
    refuses_key: bool,
    known_algorithms: Vec<String>,
    answers: VecDeque<Vec<&'static str>>,
    asked: Vec<Prompts>,
    keys: Vec<HostKey>,
    denied: bool,
    /// Happens after a question was shown, before it is answered.
    before_answering: Option<Box<dyn FnMut() + Send>>,
}

impl Person {
    fn answering(answers: &[&[&'static str]]) -> Person {
        Person { answers: answers.iter().map(|round| round.to_vec()).collect(), ..Person::default() }
    }
}

impl Steward for Person {
    fn progress(&mut self, _: &str) {}

    fn permits(&self, to: SocketAddr) -> bool {
        !self.denied && to.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    fn host_key(&mut self, key: &HostKey) -> Result<(), KeyRefused> {
        self.keys.push(key.clone());
        if self.refuses_key { Err(KeyRefused::NotTrusted) } else { Ok(()) }
    }

    fn prompts(&mut self, prompts: &Prompts) -> Option<Vec<Secret>> {
        self.asked.push(prompts.clone());
        if let Some(happens) = &mut self.before_answering {
            happens();
        }
        self.answers.pop_front().map(|round| round.into_iter().map(Secret::from).collect())
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn known_algorithms(&self) -> Vec<String> {
        self.known_algorithms.clone()
    }
}

/// What a test and the session's thread share.
struct Desk {
    shared: Mutex<Shared>,
    changed: Condvar,
    bell: Bell,
}

struct Shared {
    started: bool,
    output: Vec<u8>,
    total: u64,
    /// Keep only this much of the output's end; the rest is counted.
    keep: usize,
    room: usize,
    input: VecDeque<Vec<u8>>,
    size: Option<(u16, u16)>,
    ended: bool,
}

impl Desk {
    fn new() -> (Arc<Desk>, BellReceiver) {
        let (bell, receiver) = bell();
        let shared = Shared {
            started: false,
            output: Vec::new(),
            total: 0,
            keep: usize::MAX,
            room: usize::MAX,
            input: VecDeque::new(),
            size: None,
            ended: false,
        };
        (Arc::new(Desk { shared: Mutex::new(shared), changed: Condvar::new(), bell }), receiver)
    }

    fn change(&self, how: impl FnOnce(&mut Shared)) {
        how(&mut self.shared.lock().unwrap());
        self.bell.ring();
    }

    fn type_in(&self, bytes: &[u8]) {
        self.change(|shared| shared.input.extend(bytes.chunks(32 * 1024).map(<[u8]>::to_vec)));
    }

    fn end(&self) {
        self.change(|shared| shared.ended = true);
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut(&Shared) -> bool) {
        let began = Instant::now();
        let mut shared = self.shared.lock().unwrap();
        while !holds(&shared) {
            assert!(
                began.elapsed() < PLENTY,
                "waited for {what}; output so far: {:?}",
                String::from_utf8_lossy(&shared.output[shared.output.len().saturating_sub(2000)..])
            );
            shared = self.changed.wait_timeout(shared, Duration::from_millis(100)).unwrap().0;
        }
    }

    fn wait_for_text(&self, text: &str) {
        self.wait_until(text, |shared| {
            shared.output.windows(text.len().max(1)).any(|window| window == text.as_bytes())
        });
    }
}

struct Line(Arc<Desk>);

impl Plumbing for Line {
    fn started(&mut self) {
        self.0.shared.lock().unwrap().started = true;
        self.0.changed.notify_all();
    }

    fn room(&self) -> usize {
        self.0.shared.lock().unwrap().room
    }

    fn output(&mut self, bytes: &[u8]) {
        let mut shared = self.0.shared.lock().unwrap();
        assert!(bytes.len() <= shared.room, "more output than there is room for");
        if shared.room != usize::MAX {
            shared.room -= bytes.len();
        }
        shared.total += bytes.len() as u64;
        shared.output.extend_from_slice(bytes);
        let spare = shared.output.len().saturating_sub(shared.keep);
        shared.output.drain(..spare);
        self.0.changed.notify_all();
    }

    fn input(&mut self) -> Option<Vec<u8>> {
        self.0.shared.lock().unwrap().input.pop_front()
    }

    fn resize(&mut self) -> Option<(u16, u16)> {
        self.0.shared.lock().unwrap().size.take()
    }

    fn ended(&self) -> bool {
        self.0.shared.lock().unwrap().ended
    }
}

/// A terminal in its own thread.
struct Running {
    desk: Arc<Desk>,
    thread: thread::JoinHandle<(Result<Ending, Failure>, Person)>,
}

impl Running {
    fn start(to: Destination, login: Login, person: Person) -> Running {
        Running::with(Patience::default(), to, login, person)
    }

    fn with(patience: Patience, to: Destination, login: Login, mut person: Person) -> Running {
        let (desk, receiver) = Desk::new();
        let mut line = Line(Arc::clone(&desk));
        let thread = thread::Builder::new().stack_size(limits::SESSION_STACK_BYTES).spawn(move || {
            let pty = Pty { term: "xterm-256color", cols: 80, rows: 24 };
            let ending = terminal_with(&patience, &to, login, pty, &mut person, &mut line, &receiver);
            line.0.changed.notify_all();
            (ending, person)
        });
        Running { desk, thread: thread.unwrap() }
    }

    fn finish(self) -> (Result<Ending, Failure>, Person) {
        self.thread.join().unwrap()
    }

    /// Waits for the shell, has it print a word it was not given, and leaves with a status.
    fn works(self) -> (Result<Ending, Failure>, Person) {
        let began = Instant::now();
        while !self.thread.is_finished() && !self.desk.shared.lock().unwrap().started {
            assert!(began.elapsed() < PLENTY, "the shell does not start");
            thread::sleep(Duration::from_millis(5));
        }
        self.desk.type_in(b"echo $((6*7))-is-it; exit 3\n");
        let desk = Arc::clone(&self.desk);
        let (ending, person) = self.finish();
        let output = String::from_utf8_lossy(&desk.shared.lock().unwrap().output).into_owned();
        if ending.is_ok() {
            assert!(output.contains("42-is-it"), "{output}");
        }
        (ending, person)
    }
}
