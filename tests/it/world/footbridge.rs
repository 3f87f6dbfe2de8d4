//! The program itself, as a person starts it, with a data folder of its own.

use super::browser::Browser;
use super::patience;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use tempfile::TempDir;

/// A setting that is left as the program ships it, where this world has its own idea.
pub const AS_SHIPPED: &str = "(as shipped)";

/// The allocator of the program that is shipped (musl) gives large blocks back at once. The one that tests are built with would keep one for
/// each thread, and what is taken at the same time could not be told from what was taken before.
pub const GIVES_BACK: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

pub struct Footbridge {
    /// `data` inside it is the program's, the rest ours.
    folder: TempDir,
    settings: Vec<(String, String)>,
    child: Child,
    address: SocketAddr,
    fingerprint: String,
    claim_code: Option<String>,
}

/// What `serve` prints for scripts.
#[derive(Default)]
struct Announced {
    address: Option<SocketAddr>,
    fingerprint: Option<String>,
    claim_code: Option<String>,
}

impl Footbridge {
    pub fn start() -> Footbridge {
        Footbridge::start_with(&[])
    }

    pub fn start_with(settings: &[(&str, &str)]) -> Footbridge {
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<_> = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let (child, announced) = serve(folder.path(), program(folder.path(), &settings), true);
        Footbridge::of(folder, settings, child, announced)
    }

    /// As a user of its own instead of root, whom the kernel's limits on processes do not hold.
    pub fn start_unprivileged(user: u32) -> Footbridge {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("footbridge");
        // The place where cargo builds may be out of that user's reach.
        fs::copy(program(folder.path(), &[]).get_program(), &copy).unwrap();
        for path in [folder.path(), &copy] {
            chown(path, Some(user), Some(user)).unwrap();
        }
        let mut command = environment(Command::new(copy), folder.path(), &[]);
        command.uid(user).gid(user);
        let (child, announced) = serve(folder.path(), command, true);
        Footbridge::of(folder, Vec::new(), child, announced)
    }

    fn of(folder: TempDir, settings: Vec<(String, String)>, child: Child, announced: Announced) -> Footbridge {
        let (address, fingerprint) = (announced.address.unwrap(), announced.fingerprint.unwrap());
        Footbridge { folder, settings, child, address, fingerprint, claim_code: announced.claim_code }
    }

    /// A new client that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address, &self.fingerprint)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lower-case hexadecimal, as printed.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Printed while nobody has claimed the box.
    pub fn claim_code(&self) -> &str {
        self.claim_code.as_deref().expect("no claim code was printed")
    }

    pub fn prints_a_claim_code(&self) -> bool {
        self.claim_code.is_some()
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the program wrote to stderr, over all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL: nothing is tidied up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A named signal, through kill(1), because std sends only SIGKILL.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.process().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// After `kill` (or an end of its own): the same data, a new process, a new port.
    pub fn start_again(&mut self) {
        self.live_again(false);
    }

    /// The same while nobody has claimed the box: a fresh claim code is printed.
    pub fn start_again_unclaimed(&mut self) {
        self.live_again(true);
    }

    /// For the next life.
    pub fn set(&mut self, (key, value): (&str, &str)) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.into(), value.into()));
    }

    fn live_again(&mut self, with_code: bool) {
        let (child, announced) = serve(self.folder.path(), program(self.folder.path(), &self.settings), with_code);
        self.child = child;
        self.address = announced.address.unwrap();
        self.fingerprint = announced.fingerprint.unwrap();
        self.claim_code = announced.claim_code;
    }

    /// Another subcommand over the same data folder, with these lines on stdin.
    pub fn command(&self, arguments: &[&str], stdin: &str) -> Output {
        let input = self.folder.path().join("stdin");
        fs::write(&input, stdin).unwrap();
        program(self.folder.path(), &self.settings).args(arguments).stdin(File::open(input).unwrap()).output().unwrap()
    }

    /// One that goes on while we do something else, and waits for what is typed.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = program(self.folder.path(), &self.settings);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The same, while the kernel refuses some system calls as another file system would; `refused` is a set of strace's `inject`.
    pub fn command_refused(&self, refused: &str, arguments: &[&str], stdin: &str) -> Output {
        let input = self.folder.path().join("stdin");
        fs::write(&input, stdin).unwrap();
        let plain = program(self.folder.path(), &self.settings);
        let inject = format!("inject={refused}");
        let mut traced = Command::new("strace");
        traced.args(["-f", "-o", "/dev/null", "-e", &inject]).arg(plain.get_program()).args(arguments);
        let mut traced = environment(traced, self.folder.path(), &self.settings);
        traced.stdin(File::open(input).unwrap()).output().unwrap()
    }

    /// Makes a user with the CLI, as an administrator would; the password comes from a file that only its owner can read.
    pub fn add_user(&mut self, name: &str, password: &str) {
        let file = self.folder.path().join("password");
        write_private(&file, password);
        let done =
            self.command(&["user", "add", name, "--role", "user", "--password-file", file.to_str().unwrap()], "");
        assert!(done.status.success(), "user add: {}{}", text(&done.stdout), text(&done.stderr));
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that it was since the start.
    pub fn most_resident(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Footbridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- footbridge's log ----\n{}", self.log());
        }
    }
}

fn program(folder: &Path, settings: &[(String, String)]) -> Command {
    // The benchmark measures the program as it is shipped; the tests take the one that cargo has just built.
    let built = std::env::var("FOOTBRIDGE_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_footbridge").into());
    environment(Command::new(built), folder, settings)
}

fn environment(mut command: Command, folder: &Path, settings: &[(String, String)]) -> Command {
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("FOOTBRIDGE_")) {
        command.env_remove(key);
    }
    command
        .env("FOOTBRIDGE_DATA", folder.join("data"))
        .env("FOOTBRIDGE_LISTEN", "127.0.0.1:0")
        .env("FOOTBRIDGE_TARGETS_ALLOW", "127.0.0.0/8")
        // Most promises are about something else; `second_factor` and `client` start the box as it ships.
        .env("FOOTBRIDGE_SECOND_FACTOR", "optional")
        // And most open more terminals than a person would; `limited` does not.
        .env("FOOTBRIDGE_CONNECTS_PER_MINUTE", "100000")
        // And sign in more often. Half a second of hashing each is for `sign_in`.
        .env("FOOTBRIDGE_LOGIN_HASH_MS", "0")
        .current_dir(folder);
    for (key, value) in settings {
        if value == AS_SHIPPED {
            command.env_remove(key)
        } else {
            command.env(key, value)
        };
    }
    command
}

/// Starts `serve` and reads what it announces. The claim code comes last, and only at the first start.
fn serve(folder: &Path, mut program: Command, with_code: bool) -> (Child, Announced) {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut child = program.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let mut announced = Announced::default();
    while !announced.is_complete(with_code) {
        match lines.recv_timeout(patience::PATIENCE) {
            Ok(line) => announced.take(&line),
            Err(RecvTimeoutError::Timeout) => panic!("serve announces nothing: {}", log_of(folder)),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("serve ended with {}: {}", child.wait().unwrap(), log_of(folder))
            }
        }
    }
    (child, announced)
}

/// Reads on for as long as the program lives, so that a full pipe never stops it.
fn lines_of(stdout: std::process::ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

impl Announced {
    fn take(&mut self, line: &str) {
        if let Some(address) = line.strip_prefix("listening https://") {
            self.address = Some(address.trim_end_matches('/').parse().unwrap());
        } else if let Some(fingerprint) = line.strip_prefix("certificate sha256:") {
            self.fingerprint = Some(fingerprint.into());
        } else if let Some(code) = line.strip_prefix("claim-code ") {
            self.claim_code = Some(code.into());
        }
    }

    fn is_complete(&self, with_code: bool) -> bool {
        self.address.is_some() && self.fingerprint.is_some() && (self.claim_code.is_some() || !with_code)
    }
}

pub fn write_private(path: &Path, contents: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(contents.as_bytes()).unwrap();
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
