//! `footbridge update`: a signed program takes this one's place, or nothing changes.
//!
//! ```text
//! signature -> beside the old one -> its version -> serves an empty box, as a trial     refused: nothing has changed
//! -> the old one keeps another name -> rename, one step -> the server starts anew
//! -> serves its real data, three looks in a row                                         else: the old one comes back
//! ```

use super::admin::{self, Order};
use super::config::Config;
use super::{Outcome, say, supervisor};
use crate::door;
use crate::limits;
use crate::random::Id;
use crate::release::{self, Inbox, Kind};
use rustix::fs::{Access, FlockOperation, access, flock};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, PartialEq)]
pub enum Task {
    /// `signature`: FILE.sig if nothing else is said. `wait`: how long the new program has to serve.
    Install { file: PathBuf, signature: Option<PathBuf>, wait: Duration },
    /// The program from before the last update.
    Back,
}

/// What a running server says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Presence {
    /// Another one after every start.
    pub instance: Id,
    /// Not said: known to who asks, by the kernel.
    #[serde(skip)]
    pub process: Option<Pid>,
    pub program: PathBuf,
    /// systemd's name for it, if systemd has started it.
    pub unit: Option<String>,
    pub address: SocketAddr,
    pub fingerprint: String,
}

/// The 32 bytes of the key that releases are signed with, as the middle line of its PEM file. `make dist` knows it.
const BUILT_IN_KEY: Option<&str> = option_env!("FOOTBRIDGE_BUILT_IN_KEY");

pub fn run(config: &Config, task: &Task) -> Outcome {
    let done = install(config, task);
    let (installed, told) = match &done {
        Ok((installed, told)) => (*installed, told.clone()),
        Err(why) => (false, why.clone()),
    };
    // The page and the audit know it from the server that runs now. One of before this order does not take it.
    let _ = admin::of_running(config, &Order::Updated { installed, told });
    let (installed, told) = done?;
    if installed {
        return say(&(told + "\n"));
    }
    eprintln!("footbridge: {told}");
    Ok(ExitCode::FAILURE)
}

/// True: it is installed. False: it was, and the previous one is back. An error: nothing has changed.
fn install(config: &Config, task: &Task) -> Result<(bool, String), String> {
    let place = Place::here()?;
    let server = presence(config);
    if let Some(other) = server.as_ref().filter(|server| server.program != place.program) {
        return Err(format!("the server that runs is {}; update it with that one", other.program.display()));
    }
    let (bytes, wait) = match task {
        Task::Install { file, signature, wait } => (signed(config, file, signature.as_deref())?, *wait),
        Task::Back => (read(&place.previous, limits::UPDATE_BYTES)?, limits::UPDATE_PATIENCE),
    };
    let version = place.stage(&bytes).and_then(|()| fit(&place.staged, *task == Task::Back));
    let version = version.inspect_err(|_| drop(fs::remove_file(&place.staged)))?;
    // Held before it starts anew: a number may be given to another process, this cannot.
    let process = server.as_ref().and_then(|server| pidfd_open(server.process?, PidfdFlags::empty()).ok());
    place.swap()?;
    let Some(server) = server else {
        return Ok((true, format!("footbridge {version} is installed; no server runs")));
    };
    match restart(config, &server).and_then(|()| serves(config, &[server.instance], wait)) {
        Ok(_) => Ok((true, format!("footbridge {version} is installed and serves"))),
        Err(why) => go_back(config, &place, &server, process, &why).map(|told| (false, told)),
    }
}

// ---- by the page ----

/// Takes programs from a browser, where this program can put another one in its own place.
pub fn inbox(config: &Config) -> Inbox {
    if let Some(kind) = config.update_handover {
        return Inbox::open(&config.data, kind, trusted_key(config), Box::new(release::hand_over));
    }
    let key = takes_one().and_then(|()| trusted_key(config));
    let (data, update_key) = (config.data.clone(), config.update_key.clone());
    let install = move |program: &Path| {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("update").arg(program).arg("--data").arg(&data);
        if let Some(key) = &update_key {
            command.arg("--update-key").arg(key);
        }
        // It outlives the server that starts it.
        let detached = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        detached.spawn().map(drop)
    };
    Inbox::open(&config.data, Kind::Program, key, Box::new(install))
}

/// An updater that we started may end after the server that started it began anew in the same process, and is its child still.
pub fn reap() {
    while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
}

fn takes_one() -> Result<(), String> {
    let by_hand = "run 'footbridge update FILE' as root on the box";
    let program = own_program()?;
    if let Some(unit) = supervisor::unit() {
        return Err(format!("systemd runs {unit}, which must not change programs; {by_hand}"));
    }
    let folder = program.parent().unwrap_or(Path::new("/"));
    match access(folder, Access::WRITE_OK) {
        Ok(()) => Ok(()),
        Err(Errno::ROFS) => Err(read_only(&program)),
        Err(_) => Err(format!("this process may not write in {}; {by_hand}", folder.display())),
    }
}

// ---- may it be installed? ----

fn told(path: &Path) -> impl Fn(io::Error) -> String {
    let shown = path.display().to_string();
    move |error| format!("{shown}: {error}")
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(told(path))?;
    if bytes.len() as u64 > most {
        return Err(format!("{} is larger than {most} bytes", path.display()));
    }
    Ok(bytes)
}

/// The file's bytes, if the trusted key has signed them. These bytes are used from here on, not the file.
fn signed(config: &Config, file: &Path, signature: Option<&Path>) -> Result<Vec<u8>, String> {
    let beside = PathBuf::from(format!("{}.sig", file.display()));
    let signature = read(signature.unwrap_or(&beside), limits::SIGNATURE_BYTES)?;
    let bytes = read(file, limits::UPDATE_BYTES)?;
    if !release::is_signed(&bytes, &signature, &trusted_key(config)?) {
        return Err(format!("{} is not what was signed, or another key signed it", file.display()));
    }
    Ok(bytes)
}

fn trusted_key(config: &Config) -> Result<Vec<u8>, String> {
    match (&config.update_key, BUILT_IN_KEY) {
        (Some(path), _) => {
            let text = String::from_utf8(read(path, limits::KEY_TEXT_BYTES as u64)?).unwrap_or_default();
            release::public_key(&text).ok_or_else(|| format!("{} is not an Ed25519 public key (PEM)", path.display()))
        }
        (None, Some(text)) => release::public_key(text).ok_or_else(|| "the built-in key for updates is no key".into()),
        (None, None) => Err("this program was built without a key for updates; set update_key".into()),
    }
}

/// Its version, if it runs here, is not older than this program, and serves an empty box.
fn fit(staged: &Path, may_be_older: bool) -> Result<String, String> {
    let trial = Trial::start(staged, &["version".into()])?;
    let version = trial.line("footbridge ").ok_or("the new program does not run on this machine")?;
    drop(trial);
    let ours = env!("CARGO_PKG_VERSION");
    match (numbers(&version), numbers(ours)) {
        (Some(new), Some(old)) if new < old && !may_be_older => {
            return Err(format!("version {version} is older than {ours}; 'footbridge update back' goes back by one"));
        }
        (None, _) => return Err(format!("the new program says that its version is '{version}'")),
        _ => {}
    }
    let data = Scratch::make()?;
    let options = ["serve", "--listen=127.0.0.1:0", "--http-listen=", "--data"].map(Into::into);
    let trial = Trial::start(staged, &[&options[..], &[data.0.clone().into()]].concat())?;
    let page = trial.line("listening https://").and_then(|address| address.parse().ok());
    let fingerprint = trial.line("certificate sha256:");
    let (page, fingerprint) = page.zip(fingerprint).ok_or("the new program does not serve, not even an empty box")?;
    door::probe(page, &fingerprint).map_err(|why| format!("the new program's page does not answer: {why}"))?;
    Ok(version)
}

/// `1.2.3-rc1` is 1.2.3: before a release there is nothing to go back to.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.split('-').next()?.split('.').map(|part| part.parse().ok());
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all)
}

/// An empty data directory for a trial, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Scratch, String> {
        let path = std::env::temp_dir().join(format!("footbridge-trial-{}", Id::random()));
        DirBuilder::new().mode(0o700).create(&path).map_err(told(&path))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The new program, run for its first words. It ends with this value.
struct Trial {
    child: Child,
    lines: Receiver<String>,
}

impl Trial {
    fn start(program: &Path, words: &[std::ffi::OsString]) -> Result<Trial, String> {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        for name in ["NOTIFY_SOCKET", "LISTEN_FDS", "STATE_DIRECTORY"] {
            command.env_remove(name);
        }
        let mut child =
            command.spawn().map_err(|error| format!("the new program does not run on this machine: {error}"))?;
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take();
        thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok));
            lines.for_each(|line| drop(sender.send(line)));
        });
        Ok(Trial { child, lines })
    }

    /// What follows `start` in the next line that has it.
    fn line(&self, start: &str) -> Option<String> {
        let end = Instant::now() + limits::UPDATE_PATIENCE;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            if let Some(rest) = line.strip_prefix(start) {
                return Some(rest.to_owned());
            }
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- the files ----

struct Place {
    program: PathBuf,
    staged: PathBuf,
    previous: PathBuf,
    /// Locked as long as this lives: two updates at once would mix.
    folder: File,
}

/// The files of the Debian package, if there is one.
const PACKAGE_LIST: &str = "/var/lib/dpkg/info/footbridge.list";

/// A package's own files: changed behind its back, its next version or its removal would meet something else.
fn lists(list: &str, program: &Path) -> bool {
    list.lines().any(|line| Path::new(line) == program)
}

/// Where this program is, unless it is a package's.
fn own_program() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let list = fs::read_to_string(PACKAGE_LIST).unwrap_or_default();
    if lists(&list, &program) {
        return Err("this program belongs to the Debian package footbridge, and its next version comes as one: \
                    apt install ./footbridge_VERSION.deb"
            .into());
    }
    Ok(program)
}

fn read_only(program: &Path) -> String {
    format!(
        "{} is on a read-only file system: it is updated with what it came in (an image: as a whole, see docs/OPERATING.md)",
        program.display()
    )
}

impl Place {
    fn here() -> Result<Place, String> {
        let program = own_program()?;
        let beside = |end: &str| PathBuf::from(format!("{}.{end}", program.display()));
        let parent = program.parent().unwrap_or(Path::new("/"));
        let folder = File::open(parent).map_err(told(parent))?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|_| "another update is under way")?;
        Ok(Place { staged: beside("new"), previous: beside("previous"), program, folder })
    }

    fn stage(&self, bytes: &[u8]) -> Result<(), String> {
        let mut file = File::create(&self.staged).map_err(|error| match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => read_only(&self.program),
            _ => told(&self.staged)(error),
        })?;
        let executable = fs::Permissions::from_mode(0o755);
        let written = file.write_all(bytes).and_then(|()| file.set_permissions(executable));
        written.and_then(|()| file.sync_all()).map_err(told(&self.staged))
    }

    /// At every moment the program's name leads to a whole program, and so does that of the previous one.
    fn swap(&self) -> Result<(), String> {
        let spare = PathBuf::from(format!("{}.spare", self.program.display()));
        let _ = fs::remove_file(&spare);
        // Some file systems have no hard links.
        fs::hard_link(&self.program, &spare)
            .or_else(|_| fs::copy(&self.program, &spare).map(drop))
            .and_then(|()| fs::rename(&spare, &self.previous))
            .and_then(|()| fs::rename(&self.staged, &self.program))
            .and_then(|()| self.folder.sync_all())
            .map_err(told(&self.program))
    }

    fn swap_back(&self) -> Result<(), String> {
        fs::rename(&self.previous, &self.program).and_then(|()| self.folder.sync_all()).map_err(told(&self.program))
    }
}

// ---- the server ----

/// What it says of itself may decide nothing that only root can do, for it may have been taken over: which service is restarted is
/// believed only if the kernel has its process in that service's control group.
fn presence(config: &Config) -> Option<Presence> {
    let (told, process) = admin::of_process(config, &Order::Presence)?;
    let said: Presence = serde_json::from_str(&told.ok()?.ok()?).ok()?;
    let unit = said.unit.filter(|unit| supervisor::unit_of(process).as_ref() == Some(unit));
    Some(Presence { unit, process: Some(process), ..said })
}

/// systemd does it by itself where it has started the server; elsewhere the server puts the new program in its own place.
fn restart(config: &Config, server: &Presence) -> Result<(), String> {
    match &server.unit {
        Some(unit) => restart_unit(unit),
        // The answer may be lost with the process that gives it.
        None => {
            let _ = admin::of_running(config, &Order::Restart);
            Ok(())
        }
    }
}

/// systemd counts every start in a minute, those by hand too: what was before must not decide how this one ends. One that has failed too
/// often has taken its socket with it, without which it would be started on another port.
fn restart_unit(unit: &str) -> Result<(), String> {
    let socket = unit.strip_suffix(".service").map(|name| format!("{name}.socket"));
    let _ = systemctl(&["reset-failed", unit]);
    if let Some(socket) = socket.filter(|socket| systemctl(&["is-failed", "--quiet", socket]).is_ok()) {
        let _ = systemctl(&["reset-failed", &socket]);
        let _ = systemctl(&["start", &socket]);
    }
    systemctl(&["restart", unit])
}

fn systemctl(words: &[&str]) -> Result<(), String> {
    let done = Command::new("systemctl").args(words).stdin(Stdio::null()).output();
    match done {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            // What follows the first line says where to read more.
            let told = String::from_utf8_lossy(&output.stderr);
            Err(format!("systemctl {}: {}", words.join(" "), told.lines().next().unwrap_or_default()))
        }
        Err(error) => Err(format!("systemctl: {error}")),
    }
}

/// Waits for a server that is none of these, and whose page answers three times in a row: one that falls over after its first answer
/// is not well.
fn serves(config: &Config, not: &[Id], patience: Duration) -> Result<Id, String> {
    let end = Instant::now() + patience;
    let mut good = 0;
    let mut why = "nothing answers".to_owned();
    while Instant::now() < end {
        match presence(config).filter(|server| !not.contains(&server.instance)) {
            Some(server) => match door::probe(server.address, &server.fingerprint) {
                Ok(()) if good == 2 => return Ok(server.instance),
                Ok(()) => good += 1,
                Err(error) => (good, why) = (0, error),
            },
            None => good = 0,
        }
        thread::sleep(limits::UPDATE_LOOK);
    }
    Err(format!("for {} seconds: {why}", patience.as_secs()))
}

/// The previous program gets its place back and is started.
fn go_back(
    config: &Config,
    place: &Place,
    old: &Presence,
    process: Option<OwnedFd>,
    why: &str,
) -> Result<String, String> {
    place.swap_back()?;
    let mut not = vec![old.instance];
    match (presence(config), process) {
        // Started too often in vain, systemd would not try again unless told so.
        _ if old.unit.is_some() => restart_unit(old.unit.as_deref().unwrap_or_default())?,
        (Some(bad), _) => {
            not.push(bad.instance);
            restart(config, &bad)?;
        }
        // It hangs, or is gone already. Whoever watches over it starts what has its name now.
        (None, Some(process)) => drop(pidfd_send_signal(process, Signal::KILL)),
        (None, None) => {}
    }
    let back = match serves(config, &not, limits::UPDATE_PATIENCE) {
        Ok(_) => "the previous one is back and serves".to_owned(),
        Err(_) => "the previous one is back in its place, but nobody has started it: start it".to_owned(),
    };
    Ok(format!("the new program does not serve ({why}); {back}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("0.10.0") > numbers("0.9.9") && numbers("1.0.0-rc1") == numbers("1.0.0"));
        for junk in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1..3", "-1.0.0"] {
            assert_eq!(numbers(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn a_file_of_the_package_is_the_packages() {
        let list = "/.\n/usr\n/usr/bin\n/usr/bin/footbridge\n";
        assert!(lists(list, Path::new("/usr/bin/footbridge")));
        assert!(!lists(list, Path::new("/usr/local/bin/footbridge")) && !lists("", Path::new("/usr/bin/footbridge")));
    }
}
