//! `footbridge serve`: puts the rooms together, prints where the page is, and serves until it is told to stop.

use super::admin::{self, Office, Running};
use super::config::Config;
use super::supervisor::{self, Supervisor};
use super::{Outcome, backup, device_key, doctor, update};
use crate::api::{Context, MakeBackup, Problem, Restore};
use crate::audit;
use crate::auth::{self, Auth};
use crate::bridge::Registry;
use crate::clock;
use crate::door::{self, Door, Inherited};
use crate::journal;
use crate::limits;
use crate::random::Id;
use crate::release::Inbox;
use crate::secret::Secret;
use crate::store::Store;
use crate::vault::DeviceKey;
use crate::web::{self, Proxies, Site};
use crate::wire::Wire;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What stands on the shelf, and the sessions.
pub struct Rooms {
    data: PathBuf,
    device: Arc<DeviceKey>,
    auth: Arc<Auth>,
    store: Arc<Store>,
    registry: Arc<Registry>,
}

impl Rooms {
    pub fn open(config: &Config) -> Result<Rooms, String> {
        let data = config.data.clone();
        backup::finish_restored(&data)?;
        backup::refuse_unfinished(&data)?;
        device_key::finish(&data)?;
        let device = Arc::new(DeviceKey::load_or_make(&data).map_err(told)?);
        let store = Arc::new(Store::open(&data, device.derive("store")).map_err(told)?);
        device_key::must_be_settled(&data)?;
        // After the store, whose lock tells us that we are alone: two books would tear the chain.
        audit::open(&data.join(audit::FILE), device.derive("audit")).map_err(told)?;
        if let Some(socket) = &config.audit_syslog {
            audit::copy_to(socket).map_err(|error| format!("{}: {error}", socket.display()))?;
        }
        let settings = auth::Settings {
            cost: auth::cost(&data, Duration::from_millis(config.login_hash_ms)),
            factor: config.second_factor,
            binding: config.login_network,
            login_absolute: Duration::from_secs(config.login_hours * 3600),
            login_idle: Duration::from_secs(config.login_idle_minutes * 60),
            failures: config.login_failures,
            connects: config.connects_per_minute,
            lock_after: config.lockout_failures,
            lock_for: Duration::from_secs(config.lockout_minutes * 60),
        };
        let auth = Arc::new(Auth::new(store.clone(), device.clone(), &data, settings).map_err(told)?);
        let registry = Arc::new(Registry::new(config.sessions()?, store.clone(), auth.table().clone()));
        Ok(Rooms { data, device, auth, store, registry })
    }

    pub fn office(&self, running: Option<Running>) -> Office {
        let (auth, store, device) = (self.auth.clone(), self.store.clone(), self.device.clone());
        Office { auth, store, device, data: self.data.clone(), running }
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The setting may have been turned off since: nobody is left to guess why their sign-in fails.
fn warn_of_demands(auth: &Auth) {
    let names = auth.who_demands_one().unwrap_or_default();
    if !names.is_empty() {
        let names = names.join(", ");
        log::warn!("client_certificates is off, and these demand a certificate and cannot sign in: {names}");
    }
}

pub fn serve(config: &Config) -> Outcome {
    let program = std::env::current_exe().map_err(told)?;
    let inherited = supervisor::inherited()?;
    let activated = inherited.page.is_some();
    start_log(config)?;
    harden();
    ignore_file_size_signal()?;
    prepare(&config.data)?;
    let rooms = Rooms::open(config)?;
    if !config.client_certificates {
        warn_of_demands(&rooms.auth);
    }
    let door = Arc::new(Door::open(door_settings(config, inherited)?).map_err(told)?);
    let inbox = Arc::new(update::inbox(config));
    let anew = Arc::new(AtomicBool::new(false));
    let restore = Arc::new(restore(&rooms, &door, &anew));
    let context = Context {
        auth: rooms.auth.clone(),
        store: rooms.store.clone(),
        registry: rooms.registry.clone(),
        boot: Id::random(),
        ca_pem: door.ca_pem(),
        audit: rooms.data.join(audit::FILE),
        audit_required: config.audit_required,
        make_backup: backup_maker(&rooms),
        inbox: inbox.clone(),
        restore: restore.clone(),
    };
    let proxies = Proxies::parse(&config.trusted_proxies)?;
    let site = Arc::new(Site {
        context: Arc::new(context),
        names: door.names(),
        proxies,
        asks: config.client_certificates,
        hsts: config.certificate.is_some(),
        base: config.base_path.clone(),
    });
    let running = Running {
        registry: rooms.registry.clone(),
        door: door.clone(),
        since: Instant::now(),
        instance: Id::random(),
        program: program.clone(),
        inbox: inbox.clone(),
        anew: anew.clone(),
    };
    start_office(&rooms, running)?;
    let supervisor = Arc::new(Supervisor::from_environment());
    start_keeper(&rooms, &door, inbox, restore, supervisor.clone())?;
    announce(&rooms, &door)?;
    supervisor.ready();
    audit::note("serve.start", &[("version", env!("CARGO_PKG_VERSION"))]);
    door.run(Arc::new(move |wire: Box<dyn Wire>| web::serve(wire, &site)));
    supervisor.stopping();
    say_goodbye(&rooms);
    if anew.load(Ordering::Relaxed) {
        return Ok(start_anew(&program, activated));
    }
    Ok(ExitCode::SUCCESS)
}

/// The program that has our name now takes our place, with our number and our words. Where that cannot be (a sandbox that runs nothing,
/// ports that were handed to us and would not be handed on), whoever watches over us must do it.
fn start_anew(program: &Path, activated: bool) -> ExitCode {
    if !activated {
        let error = Command::new(program).args(std::env::args_os().skip(1)).exec();
        log::error!("{} cannot be started by ourselves: {error}", program.display());
    }
    ExitCode::from(limits::START_ME_AGAIN)
}

/// One at a time: each costs memory and, for a while, a core.
fn backup_maker(rooms: &Rooms) -> MakeBackup {
    let (data, store, turn) = (rooms.data.clone(), rooms.store.clone(), Mutex::new(()));
    Box::new(move |passphrase, may_still| {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        may_still()?;
        backup::make(&data, &store, passphrase).map_err(|why| Problem::internal(&why))
    })
}

/// The same.
fn restore(rooms: &Rooms, door: &Arc<Door>, anew: &Arc<AtomicBool>) -> Restore {
    let (data, store, turn) = (rooms.data.clone(), rooms.store.clone(), Mutex::new(()));
    let stage = move |file: &[u8], passphrase: &Secret, by: IpAddr| {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        backup::stage(&data, &store, file, passphrase, by)
    };
    let (door, anew) = (door.clone(), anew.clone());
    let start_anew = move || {
        anew.store(true, Ordering::Relaxed);
        door.stop();
    };
    Restore::new(Box::new(stage), Box::new(start_anew))
}

fn start_log(config: &Config) -> Result<(), String> {
    let logger =
        simple_logger::SimpleLogger::new().with_level(config.log).with_module_level("russh", log::LevelFilter::Error);
    log::set_max_level(logger.max_level());
    log::set_boxed_logger(Box::new(journal::Keeper(logger))).map_err(told)
}

/// A limit on the size of files is like a full disk: an error of that write, and not the end of the box.
fn ignore_file_size_signal() -> Result<(), String> {
    let noticed = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noticed).map(drop).map_err(told)
}

/// Nothing of this process is for anybody else: no core file, no debugger, no file that others can read.
fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        log::warn!("core files cannot be forbidden: {error}");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        log::warn!("the process's memory cannot be closed to others: {error}");
    }
}

/// The data directory: made if missing, tightened if it is empty, refused if others can read what is in it.
pub fn prepare(data: &Path) -> Result<(), String> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let shown = data.display();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|error| format!("{shown}: {error}"))?;
    let empty = fs::read_dir(data).map_err(|error| format!("{shown}: {error}"))?.next().is_none();
    let mine = fs::metadata(data).is_ok_and(|entry| entry.uid() == rustix::process::geteuid().as_raw());
    if empty && mine {
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(|error| format!("{shown}: {error}"))?;
    }
    doctor::modes(data)?;
    doctor::writable(data)
}

fn door_settings(config: &Config, inherited: Inherited) -> Result<door::Settings, String> {
    Ok(door::Settings {
        listen: config.listen,
        http_listen: config.http_listen,
        inherited,
        certificate: config.certificate.clone().zip(config.private_key.clone()),
        names: config.names.clone(),
        asks: config.client_certificates,
        connections: config.connections,
        connections_per_address: config.connections_per_address,
        connections_anonymous: config.connections_anonymous,
        proxies: Proxies::parse(&config.trusted_proxies)?,
        data_dir: config.data.clone(),
    })
}

/// The command line's way in. A stale socket of a process that was killed gives way; the store's lock has told us that we are alone.
fn start_office(rooms: &Rooms, running: Running) -> Result<(), String> {
    let path = admin::socket_path(&rooms.data);
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(told)?;
    let office = rooms.office(Some(running));
    let thread = thread::Builder::new().name("admin".into()).stack_size(limits::CONNECTION_STACK_BYTES);
    thread.spawn(move || admin::attend(&listener, &office)).map(drop).map_err(told)
}

/// The housekeeper: signals at once, old things every few seconds, and a sign of life for whoever watches over us.
fn start_keeper(
    rooms: &Rooms,
    door: &Arc<Door>,
    inbox: Arc<Inbox>,
    restore: Arc<Restore>,
    supervisor: Arc<Supervisor>,
) -> Result<(), String> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let signal = |number| -> Result<UnixStream, String> {
        let (ours, theirs) = UnixStream::pair().map_err(told)?;
        signal_hook::low_level::pipe::register(number, theirs).map_err(told)?;
        ours.set_nonblocking(true).map_err(told)?;
        Ok(ours)
    };
    let (hup, term, int) = (signal(SIGHUP)?, signal(SIGTERM)?, signal(SIGINT)?);
    let (auth, registry, door) = (rooms.auth.clone(), rooms.registry.clone(), door.clone());
    let thread = thread::Builder::new().name("keeper".into()).stack_size(limits::CONNECTION_STACK_BYTES);
    let keep = move || {
        loop {
            wait_for_signal(&[&hup, &term, &int], supervisor.round());
            if rang(&term) || rang(&int) {
                log::info!("told to stop");
                door.stop();
                return;
            }
            if rang(&hup) {
                match door.reload() {
                    Ok(()) => log::info!("the certificate is read again"),
                    Err(error) => log::error!("the certificate is kept as it was: {error}"),
                }
            }
            let now = clock::now();
            // Without its keeper the box could not even be told to stop: a panic here ends one round.
            let round = AssertUnwindSafe(|| {
                auth.sweep(now.since_boot);
                audit::tell_left_out(now.since_boot);
                let _ = auth.forget_what_ran_out(&now);
                registry.sweep(now.since_boot);
                inbox.sweep(Instant::now());
                restore.sweep(Instant::now());
                update::reap();
                door.renew_if_due(&now);
            });
            if catch_unwind(round).is_err() {
                log::error!("a round of the housekeeper crashed");
            }
            // The housekeeper lives, that much is clear; the loop that lets people in must too.
            if door.is_alive() {
                supervisor.alive();
            }
        }
    };
    thread.spawn(keep).map(drop).map_err(told)
}

fn wait_for_signal(pipes: &[&UnixStream; 3], at_most: Duration) {
    let mut fds = pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN));
    let at_most = Timespec { tv_sec: at_most.as_secs() as _, tv_nsec: at_most.subsec_nanos() as _ };
    let _ = poll(&mut fds, Some(&at_most));
}

fn rang(mut pipe: &UnixStream) -> bool {
    let mut bytes = [0; 16];
    matches!(pipe.read(&mut bytes), Ok(count) if count > 0)
}

/// The lines that a person and a script read. Nothing else goes to standard output.
fn announce(rooms: &Rooms, door: &Door) -> Result<(), String> {
    let mut lines =
        format!("listening https://{}\ncertificate sha256:{}\n", visible(door.address()), door.fingerprint());
    if !rooms.auth.claimed() {
        lines += &format!("claim-code {}\n", Auth::new_claim_code(&rooms.data).map_err(told)?);
    }
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

/// An address that a browser can open: "any" becomes the one the box has towards the network.
fn visible(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // Connecting a datagram socket sends nothing; it only asks the kernel for the route.
    let outward = UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()));
    let ip = outward.map_or(IpAddr::from([127, 0, 0, 1]), |found| found.ip());
    SocketAddr::new(ip, address.port())
}

/// Terminals end, and their viewers hear it, before the process goes.
fn say_goodbye(rooms: &Rooms) {
    audit::tell_left_out_at_last();
    audit::note("serve.stop", &[]);
    rooms.registry.end_everything();
    let until = Instant::now() + limits::GOING_DOWN;
    // A session that has ended is not yet one whose viewers know it.
    while (rooms.registry.running() > 0 || rooms.registry.watched()) && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    let _ = fs::remove_file(admin::socket_path(&rooms.data));
}
