//! Whoever has started us and watches over us, in systemd's words: sd_notify(3), its watchdog, sd_listen_fds(3). Elsewhere nobody has set
//! these variables, and nothing is said.

use crate::door::Inherited;
use crate::limits;
use listenfd::ListenFd;
use rustix::process::{Pid, getpid};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

#[derive(Default)]
pub struct Supervisor {
    line: Option<(UnixDatagram, SocketAddr)>,
    /// How long the watchdog waits for a sign of life.
    watchdog: Option<Duration>,
}

impl Supervisor {
    pub fn from_environment() -> Supervisor {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Supervisor::default();
        };
        let line = UnixDatagram::unbound().and_then(|socket| Ok((socket, address(&name)?)));
        let line = line.inspect_err(|error| log::warn!("NOTIFY_SOCKET cannot be used: {error}")).ok();
        Supervisor { line, watchdog: watchdog(|name| std::env::var_os(name)) }
    }

    pub fn ready(&self) {
        self.tell("READY=1");
    }

    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// To be called while everything that must live does.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    /// How often it wants to hear from us: three times as often as it must, so that one late round is no death.
    pub fn round(&self) -> Duration {
        self.watchdog.map_or(limits::SWEEP, |patience| limits::SWEEP.min(patience / 3))
    }

    fn tell(&self, word: &str) {
        if let Some((socket, address)) = &self.line
            && let Err(error) = socket.send_to_addr(word.as_bytes(), address)
        {
            log::warn!("the supervisor does not hear {word}: {error}");
        }
    }
}

/// A path, or a name without a file, which is written with an @.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(name),
    }
}

/// None: there is no watchdog, or it watches another process.
fn watchdog(variable: impl Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
    if variable("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(std::process::id().into()) {
        return None;
    }
    number("WATCHDOG_USEC").filter(|&microseconds| microseconds > 0).map(Duration::from_micros)
}

/// systemd's name for this service, if systemd has started it.
pub fn unit() -> Option<String> {
    std::env::var_os("NOTIFY_SOCKET")?;
    unit_of(getpid())
}

/// The service in whose control group this process is.
pub fn unit_of(process: Pid) -> Option<String> {
    unit_in(&std::fs::read_to_string(format!("/proc/{}/cgroup", process.as_raw_nonzero())).ok()?)
}

/// `0::/system.slice/footbridge.service`. A person's own systemd has another beginning, and another systemctl.
fn unit_in(cgroup: &str) -> Option<String> {
    let unit = cgroup.lines().find_map(|line| line.strip_prefix("0::/system.slice/"))?;
    (unit.ends_with(".service") && !unit.contains('/')).then(|| unit.to_owned())
}

/// The listeners that were opened for us. The one named "http" only redirects; the other one is the page's. To be called before there
/// is a second thread, because the variables are taken out of the environment.
pub fn inherited() -> Result<Inherited, String> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut given = ListenFd::from_env();
    let mut inherited = Inherited::default();
    for index in 0..given.len() {
        let told = |error: io::Error| format!("the listener that was handed over cannot be used: {error}");
        let listener = given.take_tcp_listener(index).map_err(told)?;
        let (place, what) = match names.next() {
            Some("http") => (&mut inherited.redirect, "http"),
            _ => (&mut inherited.page, "https"),
        };
        if place.is_some() {
            return Err(format!("more than one listener for {what} was handed over; one takes IPv4 and IPv6"));
        }
        *place = listener;
    }
    Ok(inherited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, String)]) -> Option<Duration> {
        watchdog(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn another_process_s_watchdog_is_not_ours() {
        let (time, ours) = (("WATCHDOG_USEC", "3000000".to_owned()), std::process::id());
        assert_eq!(given(&[]), None);
        assert_eq!(given(std::slice::from_ref(&time)), Some(Duration::from_secs(3)));
        assert_eq!(given(&[time.clone(), ("WATCHDOG_PID", ours.to_string())]), Some(Duration::from_secs(3)));
        assert_eq!(given(&[time, ("WATCHDOG_PID", (ours + 1).to_string())]), None);
        for junk in ["", "0", "-1", "soon"] {
            assert_eq!(given(&[("WATCHDOG_USEC", junk.into())]), None, "{junk:?}");
        }
    }

    #[test]
    fn the_unit_is_known_by_its_control_group() {
        assert_eq!(unit_in("0::/system.slice/footbridge.service\n").as_deref(), Some("footbridge.service"));
        for other in ["", "0::/", "0::/user.slice/user-0.slice/session-1.scope", "0::/system.slice/ssh.socket/x.scope"]
        {
            assert_eq!(unit_in(other), None, "{other}");
        }
    }

    #[test]
    fn the_watchdog_hears_us_three_times_as_often_as_it_must() {
        let with = |watchdog| Supervisor { watchdog, ..Supervisor::default() };
        assert_eq!(with(Some(Duration::from_secs(3))).round(), Duration::from_secs(1));
        assert_eq!(with(Some(Duration::from_secs(3600))).round(), limits::SWEEP);
        assert_eq!(with(None).round(), limits::SWEEP);
    }
}
