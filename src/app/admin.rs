//! What the owner of the box orders from its command line. The same functions run behind the 0600 socket of a running server and
//! directly when none runs, because one process owns the store.

use super::config::Config;
use super::serve::{Rooms, prepare};
use super::update::Presence;
use super::{Outcome, backup, metrics, prompt, say, supervisor};
use crate::audit;
use crate::auth::{Auth, Refusal};
use crate::bridge::Registry;
use crate::clock::{self, Instant, Seconds};
use crate::door::Door;
use crate::journal;
use crate::limits;
use crate::random::Id;
use crate::release::Inbox;
use crate::secret::Secret;
use crate::ssh::known_hosts;
use crate::store::{Disk, KnownHostKey, Role, Store, StoreError, User};
use crate::vault::DeviceKey;
use rustix::net::sockopt::socket_peercred;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    Setup,
    UserList,
    UserAdd {
        name: String,
        role: Role,
        #[serde(skip)]
        password_file: Option<PathBuf>,
    },
    UserRole {
        name: String,
        role: Role,
    },
    UserInvite {
        role: Role,
    },
    UserDeed {
        name: String,
        deed: Deed,
    },
    DeviceList {
        name: String,
    },
    DeviceRemove {
        name: String,
        id: Id,
    },
    HostkeyList,
    HostkeyAdd {
        #[serde(skip)]
        file: PathBuf,
    },
    HostkeyRemove {
        id: Id,
    },
    SessionList,
    SessionEnd {
        id: Id,
    },
    CertShow,
    AuditTail {
        lines: usize,
    },
    /// The newest lines of the server's log.
    Log {
        lines: usize,
    },
    AuditVerify,
    Metrics,
    /// Answers with an [`update::Presence`] in JSON.
    Presence,
    /// The server ends well and starts anew, with whatever program has its name by then.
    Restart,
    /// How an update has ended.
    Updated {
        installed: bool,
        told: String,
    },
    /// Answers with the backup, in base64.
    Backup,
}

/// What can be done to a user who is there, as the command line says it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    Disable,
    Enable,
    Delete,
    Unlock,
    ResetPassword,
    ResetMfa,
}

impl Deed {
    const ALL: [(&'static str, Deed); 6] = [
        ("disable", Deed::Disable),
        ("enable", Deed::Enable),
        ("delete", Deed::Delete),
        ("unlock", Deed::Unlock),
        ("reset-password", Deed::ResetPassword),
        ("reset-mfa", Deed::ResetMfa),
    ];

    pub fn of(word: &str) -> Option<Deed> {
        Deed::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, deed)| deed)
    }
}

/// What an order is carried out with.
pub struct Office {
    pub auth: Arc<Auth>,
    pub store: Arc<Store>,
    pub device: Arc<DeviceKey>,
    pub data: PathBuf,
    /// Only a running server has sessions and a certificate.
    pub running: Option<Running>,
}

pub struct Running {
    pub registry: Arc<Registry>,
    pub door: Arc<Door>,
    pub since: Instant,
    pub instance: Id,
    /// Asked for at the start: the answer changes when the file is replaced.
    pub program: PathBuf,
    pub inbox: Arc<Inbox>,
    /// Set before the door is told to stop.
    pub anew: Arc<AtomicBool>,
}

pub type Told = Result<String, String>;

/// An order as it goes over the socket: one line of JSON, with the secret or the file's text beside it.
#[derive(Deserialize)]
struct Letter {
    order: Order,
    text: Option<Secret>,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Done(String),
    Refused(String),
}

pub fn setup(config: &Config) -> Outcome {
    order(config, Order::Setup)
}

/// Carries out an order: by the server that runs, else by ourselves.
pub fn carry_out(config: &Config, order: &Order, text: Option<Secret>) -> Result<Told, String> {
    match UnixStream::connect(socket_path(&config.data)) {
        Ok(server) => ask(server, order, text.as_ref()),
        Err(_) => {
            prepare(&config.data)?;
            Ok(perform(&Rooms::open(config)?.office(None), order, text))
        }
    }
}

/// Only by the server that runs; none if there is none.
pub fn of_running(config: &Config, order: &Order) -> Option<Result<Told, String>> {
    UnixStream::connect(socket_path(&config.data)).ok().map(|server| ask(server, order, None))
}

/// The same, and which process the kernel says that it is.
pub fn of_process(config: &Config, order: &Order) -> Option<(Result<Told, String>, Pid)> {
    let server = UnixStream::connect(socket_path(&config.data)).ok()?;
    let process = socket_peercred(&server).ok()?.pid;
    Some((ask(server, order, None), process))
}

pub fn is_running(config: &Config) -> bool {
    UnixStream::connect(socket_path(&config.data)).is_ok()
}

pub fn order(config: &Config, order: Order) -> Outcome {
    let text = enclosure(&order)?;
    match carry_out(config, &order, text)? {
        Ok(text) => say(&text),
        Err(why) => {
            eprintln!("footbridge: {why}");
            Ok(ExitCode::FAILURE)
        }
    }
}

pub fn socket_path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}

/// What must be read on the caller's side: a password, or a file.
fn enclosure(order: &Order) -> Result<Option<Secret>, String> {
    match order {
        Order::UserAdd { password_file, .. } => prompt::new_password(password_file.as_deref()).map(Some),
        Order::HostkeyAdd { file } => read_text(file).map(Some),
        _ => Ok(None),
    }
}

fn read_text(file: &Path) -> Result<Secret, String> {
    let mut text = Vec::new();
    let source: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file).map_err(|error| format!("{}: {error}", file.display()))?),
    };
    let most = limits::ADMIN_LETTER_BYTES / 2;
    // One more, to see that there is more: half a file must not pass for the whole.
    source.take(most as u64 + 1).read_to_end(&mut text).map_err(|error| format!("{}: {error}", file.display()))?;
    if text.len() > most {
        return Err(format!("{} is larger than {most} bytes; add it in pieces", file.display()));
    }
    let text = String::from_utf8(text).map_err(|_| format!("{}: the file is not UTF-8 text", file.display()))?;
    Ok(Secret::from(text))
}

fn ask(mut server: UnixStream, order: &Order, text: Option<&Secret>) -> Result<Told, String> {
    let broken = |error: std::io::Error| format!("the running server did not answer: {error}");
    let text = text.and_then(Secret::expose_str);
    let letter = Zeroizing::new(serde_json::json!({"order": order, "text": text}).to_string());
    server.write_all(letter.as_bytes()).and_then(|()| server.write_all(b"\n")).map_err(broken)?;
    let mut line = String::new();
    BufReader::new(server).read_line(&mut line).map_err(broken)?;
    match serde_json::from_str(&line) {
        Ok(Reply::Done(text)) => Ok(Ok(text)),
        Ok(Reply::Refused(why)) => Ok(Err(why)),
        Err(_) => Err("the running server is of another version; restart it".into()),
    }
}

/// Listens for orders as long as the server runs. Its directory is 0700 and the socket 0600: whoever can connect owns the box.
pub fn attend(listener: &UnixListener, office: &Office) {
    for caller in listener.incoming() {
        match caller {
            Ok(caller) => {
                if let Err(error) = answer(caller, office) {
                    log::warn!("an order on the admin socket was lost: {error}");
                }
            }
            Err(error) => {
                log::warn!("the admin socket: {error}");
                std::thread::sleep(limits::ACCEPT_PAUSE);
            }
        }
    }
}

fn answer(mut caller: UnixStream, office: &Office) -> std::io::Result<()> {
    caller.set_read_timeout(Some(limits::ADMIN_DEADLINE))?;
    caller.set_write_timeout(Some(limits::ADMIN_DEADLINE))?;
    let mut line = Zeroizing::new(Vec::new());
    BufReader::new(&caller).take(limits::ADMIN_LETTER_BYTES as u64).read_until(b'\n', &mut line)?;
    let told = match serde_json::from_slice::<Letter>(&line) {
        // One order that crashes is no reason to take none any more.
        Ok(letter) => catch_unwind(AssertUnwindSafe(|| perform(office, &letter.order, letter.text)))
            .unwrap_or_else(|_| Err("the order crashed; the server's log says more".into())),
        Err(_) => Err("the running server does not know this order; is it of the same version?".into()),
    };
    let reply = match told {
        Ok(text) => Reply::Done(text),
        Err(why) => Reply::Refused(why),
    };
    caller.write_all(serde_json::to_string(&reply)?.as_bytes())?;
    caller.write_all(b"\n")
}

/// The one place where orders become deeds.
pub fn perform(office: &Office, order: &Order, text: Option<Secret>) -> Told {
    match order {
        Order::Setup => fresh_claim_code(office),
        Order::UserList => user_list(office),
        Order::UserAdd { name, role, .. } => user_add(office, name, *role, text),
        Order::UserRole { name, role } => user_role(office, name, *role),
        Order::UserInvite { role } => user_invite(office, *role),
        Order::UserDeed { name, deed } => user_deed(office, name, *deed),
        Order::DeviceList { name } => device_list(office, name),
        Order::DeviceRemove { name, id } => device_remove(office, name, *id),
        Order::HostkeyList => hostkey_list(office),
        Order::HostkeyAdd { .. } => hostkey_add(office, text),
        Order::HostkeyRemove { id } => hostkey_remove(office, *id),
        Order::SessionList => session_list(office),
        Order::SessionEnd { id } => session_end(office, *id),
        Order::CertShow => cert_show(office),
        Order::AuditTail { lines } => audit_tail(office, *lines),
        Order::Log { lines } => journal_tail(*lines),
        Order::AuditVerify => audit_verify(office),
        Order::Metrics => {
            Ok(metrics::text(office, running(office).map_err(|_| "no server runs, so there is nothing to count")?))
        }
        Order::Presence => presence(office),
        Order::Restart => restart(office),
        Order::Updated { installed, told } => updated(office, *installed, told),
        Order::Backup => backup_of(office, text),
    }
}

fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn not_written(error: StoreError) -> String {
    error.disk().map_or_else(|| error.to_string(), told_of)
}

fn fresh_claim_code(office: &Office) -> Told {
    if office.auth.claimed() {
        return Err("there is an administrator already; use 'footbridge user add' for more".into());
    }
    let code = Auth::new_claim_code(&office.data).map_err(failed)?;
    audit::note("cli.setup", &[]);
    Ok(format!("claim-code {code}\n"))
}

fn user_list(office: &Office) -> Told {
    let mut users = office.store.users().map_err(failed)?;
    users.sort_by(|a, b| a.name.cmp(&b.name));
    let mut lines = String::new();
    for user in users {
        let disabled = if user.disabled { "  disabled" } else { "" };
        let _ = writeln!(lines, "{}  {}  {}{disabled}", user.id, user.name, user.role.word());
    }
    Ok(lines)
}

fn user_add(office: &Office, name: &str, role: Role, password: Option<Secret>) -> Told {
    let password = password.ok_or("a password is needed")?;
    let user = office.auth.add_user(None, name, role, &password, &clock::now()).map_err(|refusal| match refusal {
        Refusal::Weak { message, .. } => message,
        Refusal::NameTaken => format!("the name '{name}' is taken"),
        Refusal::Disk(disk) => told_of(disk),
        _ => "the user could not be added; the log says more".into(),
    })?;
    audit::note("cli.user.add", &[("user", &user.name), ("role", role.word())]);
    Ok(format!("{}  {}\n", user.id, user.name))
}

fn told_of(disk: Disk) -> String {
    format!("{} {}", disk.sentence(), disk.remedy())
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::NotNow(why) => why.into(),
        Refusal::Gone => "there is no such user".into(),
        Refusal::Disk(disk) => told_of(disk),
        _ => "it could not be done; the log says more".into(),
    }
}

/// A name as it is stored.
fn user_named(office: &Office, name: &str) -> Result<User, String> {
    let user = office.store.user_by_name(&name.to_lowercase()).map_err(failed)?;
    user.ok_or_else(|| format!("there is no user '{name}'; see footbridge user list"))
}

/// A9: their sign-ins have ended; the terminals follow, or those who look at them let go.
fn let_go(office: &Office, user: Id, keeps_terminals: bool) {
    if let Some(running) = &office.running {
        match keeps_terminals {
            true => running.registry.recheck(user),
            false => running.registry.end_all_of(user),
        }
    }
}

fn user_role(office: &Office, name: &str, role: Role) -> Told {
    let user = user_named(office, name)?;
    office.auth.set_role(user.id, role).map_err(refused)?;
    let_go(office, user.id, role != Role::CommandOnly);
    audit::note("cli.user.role", &[("user", &user.name), ("role", role.word())]);
    Ok("done\n".into())
}

fn user_invite(office: &Office, role: Role) -> Told {
    let token = office.auth.invite(None, role, None, &clock::now()).map_err(refused)?;
    Ok(format!(
        "invite-token {}\nThe link is the page's address with /#invite= and the token behind it.\n",
        token.as_str()
    ))
}

fn user_deed(office: &Office, name: &str, deed: Deed) -> Told {
    let (auth, now) = (&office.auth, clock::now());
    let user = user_named(office, name)?;
    let mut told = "done\n".to_owned();
    match deed {
        Deed::Disable => auth.set_disabled(user.id, true).map_err(refused)?,
        Deed::Enable => auth.set_disabled(user.id, false).map_err(refused)?,
        Deed::Delete => auth.delete_user(None, user.id).map_err(refused)?,
        Deed::Unlock => auth.unlock(None, user.id).map_err(refused)?,
        Deed::ResetMfa => auth.reset_factor(None, user.id, &now).map_err(refused)?,
        Deed::ResetPassword => {
            let token = auth.begin_reset(user.id, &now).map_err(refused)?;
            told = format!(
                "reset-token {}\nThe link is the page's address with /#reset= and the token behind it.\n",
                token.as_str()
            );
        }
    }
    let_go(office, user.id, !matches!(deed, Deed::Disable | Deed::Delete));
    let word = Deed::ALL.iter().find(|(_, other)| *other == deed).map_or("", |(word, _)| word);
    audit::note(&format!("cli.user.{word}"), &[("user", &user.name)]);
    Ok(told)
}

/// Trusted devices and certificates of a user, and whether the account demands one. A name for people may look like anything but a
/// line or an escape: labels have no control characters.
fn device_list(office: &Office, name: &str) -> Told {
    let user = user_named(office, name)?;
    let used = |at: Option<Seconds>| at.map_or_else(|| "never".into(), |at| at.to_string());
    let mut lines = String::new();
    for one in &user.devices {
        let _ = writeln!(lines, "{}  device  used {}  {}", one.id, used(one.last_used), one.label);
    }
    for one in &user.certificates {
        let (used, print) = (used(one.last_used), &one.fingerprint);
        let _ = writeln!(lines, "{}  certificate  used {used}  sha256:{print}  {}", one.id, one.label);
    }
    for (demanded, what) in [(user.device_required, "a trusted device"), (user.certificate_required, "a certificate")] {
        if demanded {
            let _ = writeln!(lines, "{} demands {what}", user.name);
        }
    }
    Ok(lines)
}

fn device_remove(office: &Office, name: &str, id: Id) -> Told {
    let user = user_named(office, name)?;
    let lifted = office.auth.revoke_device(&user, id).map_err(refused)?;
    let lifted =
        lifted.ok_or_else(|| format!("{} has no such device or certificate; see footbridge device list", user.name))?;
    let_go(office, user.id, true);
    audit::note("cli.device.remove", &[("user", &user.name), ("device", &id.to_string())]);
    let more = if lifted { "it was the last: the account demands none any more\n" } else { "" };
    Ok(format!("removed; its sign-ins have ended\n{more}"))
}

fn hostkey_list(office: &Office) -> Told {
    let mut keys = office.store.all_host_keys().map_err(failed)?;
    keys.sort_by(|a, b| (&a.address, a.port, a.user).cmp(&(&b.address, b.port, b.user)));
    let mut lines = String::new();
    for key in keys {
        let whose = key.user.map_or_else(|| "everybody".into(), |user| format!("user {user}"));
        let algorithm = key.algorithm.as_deref().unwrap_or("any");
        let _ = writeln!(
            lines,
            "{}  {} port {}  {algorithm}  {}  for {whose}",
            key.id, key.address, key.port, key.fingerprint
        );
    }
    Ok(lines)
}

fn hostkey_add(office: &Office, text: Option<Secret>) -> Told {
    let text = text.ok_or("a known_hosts file is needed")?;
    let (lines, skipped) = known_hosts::parse(text.expose_str().ok_or("the file is not UTF-8 text")?);
    let added = clock::today();
    let record = |line: known_hosts::Line| {
        KnownHostKey::new(None, &line.address, line.port, Some(line.algorithm), line.fingerprint, added)
    };
    let keys: Vec<KnownHostKey> = lines.into_iter().map(record).collect();
    let new = office.store.add_host_keys(&keys).map_err(not_written)?;
    audit::note("cli.hostkey.add", &[("count", &new.to_string())]);
    let mut told = format!("{new} host keys pinned for everybody\n");
    for line in skipped {
        let _ = writeln!(told, "line {} is skipped: {}", line.line, line.why);
    }
    Ok(told)
}

/// By its id alone: whoever holds the box may remove any user's.
fn hostkey_remove(office: &Office, id: Id) -> Told {
    let keys = office.store.all_host_keys().map_err(failed)?;
    let key = keys.into_iter().find(|key| key.id == id).ok_or("there is no host key with this id")?;
    office.store.delete_host_key(key.user, id).map_err(not_written)?;
    audit::note("cli.hostkey.remove", &[("host", &key.address), ("fingerprint", &key.fingerprint)]);
    Ok(format!("removed {} of {} port {}\n", key.fingerprint, key.address, key.port))
}

fn running(office: &Office) -> Result<&Running, String> {
    office.running.as_ref().ok_or_else(|| "no server runs, so there are no sessions".into())
}

fn presence(office: &Office) -> Told {
    let running = running(office)?;
    let presence = Presence {
        instance: running.instance,
        process: None,
        program: running.program.clone(),
        unit: supervisor::unit(),
        address: running.door.address(),
        fingerprint: running.door.fingerprint(),
    };
    serde_json::to_string(&presence).map_err(failed)
}

fn restart(office: &Office) -> Told {
    let running = running(office)?;
    audit::note("cli.restart", &[]);
    running.anew.store(true, Ordering::Relaxed);
    running.door.stop();
    Ok("it starts anew\n".into())
}

fn session_list(office: &Office) -> Told {
    let mut lines = String::new();
    for session in running(office)?.registry.all() {
        let shown = session.summary();
        let phase = serde_json::to_value(shown.state).map_err(failed)?;
        let _ = writeln!(
            lines,
            "{}  {}  port {}  {}  viewers {}  user {}",
            shown.id,
            shown.title,
            shown.port,
            phase.as_str().unwrap_or_default(),
            shown.viewers,
            session.facts.owner
        );
    }
    Ok(lines)
}

fn session_end(office: &Office, id: Id) -> Told {
    let registry = &running(office)?.registry;
    let session =
        registry.all().into_iter().find(|session| session.facts.id == id).ok_or("there is no session with this id")?;
    registry.end(&session);
    audit::note("cli.session.end", &[("session", &id.to_string())]);
    Ok("ended\n".into())
}

fn cert_show(office: &Office) -> Told {
    let running = running(office).map_err(|_| "no server runs; start it, it prints its fingerprint")?;
    Ok(format!("certificate sha256:{}\n{}", running.door.fingerprint(), running.door.ca_pem().unwrap_or_default()))
}

fn audit_tail(office: &Office, lines: usize) -> Told {
    let lines = audit::tail(&office.data.join(audit::FILE), lines.min(limits::AUDIT_TAIL_MOST)).map_err(failed)?;
    Ok(lines.into_iter().fold(String::new(), |text, line| text + &line + "\n"))
}

/// Of this process: the server's, if it answers.
fn journal_tail(lines: usize) -> Told {
    let lines = journal::tail(lines);
    if lines.is_empty() {
        return Err("no server runs here, or it has logged nothing since it started".into());
    }
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

fn audit_verify(office: &Office) -> Told {
    let report = audit::verify(&office.data.join(audit::FILE), &office.device.derive("audit")).map_err(failed)?;
    if report.broken.is_empty() {
        return Ok(format!("good: {} lines, each follows from the one before\n", report.lines));
    }
    let shown: Vec<String> = report.broken.iter().take(20).map(ToString::to_string).collect();
    Err(format!(
        "the audit log was changed: {} of {} lines do not follow from the one before (line {}, counted over all files, the oldest \
         first)",
        report.broken.len(),
        report.lines,
        shown.join(", ")
    ))
}

fn updated(office: &Office, installed: bool, told: &str) -> Told {
    let inbox = &running(office)?.inbox;
    audit::note("cli.update", &[("outcome", if installed { "installed" } else { "refused" }), ("told", told)]);
    inbox.ended(installed, told).map_err(failed)?;
    Ok(String::new())
}

fn backup_of(office: &Office, passphrase: Option<Secret>) -> Told {
    let made = backup::make_line(&office.data, &office.store, &passphrase.ok_or("a passphrase is needed")?)?;
    audit::note("cli.backup.create", &[]);
    Ok(made)
}
