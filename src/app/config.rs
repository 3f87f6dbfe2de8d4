//! What an owner may change: one flat TOML file, the environment, the command line. Each key is listed once, in [`KEYS`].

use crate::auth::Policy;
use crate::auth::logins::Binding;
use crate::bridge::{self, HostKeyPolicy};
use crate::limits;
use crate::release::Kind;
use crate::ssh::Targets;
use crate::web::{self, Proxies};
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub http_listen: Option<SocketAddr>,
    pub names: Vec<String>,
    pub certificate: Option<PathBuf>,
    pub private_key: Option<PathBuf>,
    pub update_key: Option<PathBuf>,
    pub update_handover: Option<Kind>,
    pub client_certificates: bool,
    pub audit_required: bool,
    pub audit_syslog: Option<PathBuf>,
    pub trusted_proxies: Vec<String>,
    pub base_path: String,
    pub targets_allow: Vec<String>,
    pub targets_deny: Vec<String>,
    pub host_key_policy: HostKeyPolicy,
    pub terminals_per_box: usize,
    pub terminals_per_user: usize,
    pub ring_kib: usize,
    pub detached_minutes: u64,
    pub second_factor: Policy,
    pub login_network: Binding,
    pub login_hours: u64,
    pub login_idle_minutes: u64,
    pub login_hash_ms: u64,
    pub login_failures: u32,
    pub connects_per_minute: u32,
    pub lockout_failures: u32,
    pub lockout_minutes: u64,
    pub connections: usize,
    pub connections_per_address: usize,
    pub connections_anonymous: usize,
    pub log: log::LevelFilter,
}

/// One key: its name, what it is for, how it is read and how it is shown.
pub struct Key {
    pub name: &'static str,
    pub about: &'static str,
    set: fn(&mut Config, &str) -> Result<(), String>,
    show: fn(&Config) -> String,
}

macro_rules! key {
    ($name:ident, $about:literal, $read:expr, $show:expr) => {
        Key {
            name: stringify!($name),
            about: $about,
            set: |config, text| {
                config.$name = $read(text)?;
                Ok(())
            },
            show: |config| $show(&config.$name),
        }
    };
}

/// Every key there is. `docs/DEFAULTS.md` lists them with their defaults; a test compares.
pub const KEYS: &[Key] = &[
    key!(data, "The data directory (0700). Everything the box keeps is in it.", path, show_path),
    key!(listen, "Address and port of the page. Port 0 takes a free one.", address, show_text),
    key!(http_listen, "A plain-HTTP address that only redirects to the page. Empty: none.", maybe(address), show_maybe),
    key!(
        names,
        "Host names the box answers to, besides its own, .local ones, localhost and IP addresses.",
        list,
        show_list
    ),
    key!(
        certificate,
        "Your own certificate chain (PEM). Empty: the box makes its own. Read again on SIGHUP.",
        maybe(path),
        show_maybe_path
    ),
    key!(private_key, "The certificate's private key (PEM).", maybe(path), show_maybe_path),
    key!(
        update_key,
        "The public key (PEM) that updates must be signed with. Empty: the one built in.",
        maybe(path),
        show_maybe_path
    ),
    key!(
        update_handover,
        "off: what the page takes, this program installs. program, image: it is left for a service of the system that does.",
        handover,
        show_handover
    ),
    key!(
        client_certificates,
        "ask: browsers are asked for a certificate of their own, which users can register. off: they are not asked.",
        asking,
        show_asking
    ),
    key!(base_path, "The path of the page behind a proxy, like /footbridge/.", base_path, show_text),
    key!(trusted_proxies, "Addresses (CIDR) whose X-Forwarded-For is believed.", list, show_list),
    key!(
        targets_allow,
        "Where terminals may go although the built-in rules forbid it: CIDR, or CIDR:port.",
        list,
        show_list
    ),
    key!(targets_deny, "Where terminals may not go. Wins over targets_allow.", list, show_list),
    key!(
        host_key_policy,
        "ask: a person compares the fingerprint. tofu: the first key is believed. pinned: only known keys.",
        policy,
        show_policy
    ),
    key!(terminals_per_box, "Terminals at once, of all users.", number(1..=4096), show_text),
    key!(terminals_per_user, "Terminals at once, of one user.", number(1..=4096), show_text),
    key!(ring_kib, "KiB of output kept per terminal for whoever comes back.", number(16..=16384), show_text),
    key!(detached_minutes, "Minutes a terminal is kept while no browser looks at it.", number(1..=100_000), show_text),
    key!(
        second_factor,
        "required: without a second factor, nothing works but setting one up. optional: whoever sets one up has one.",
        second_factor,
        show_second_factor
    ),
    key!(
        login_network,
        "subnet: a sign-in is good in the network it began in (/24, IPv6 /64). ip: at its address only. off: anywhere.",
        binding,
        show_binding
    ),
    key!(login_hours, "Hours after which a sign-in ends.", number(1..=720), show_text),
    key!(login_idle_minutes, "Minutes without use after which a sign-in ends.", number(1..=10_000), show_text),
    key!(
        login_hash_ms,
        "Milliseconds that checking a password should take on this machine, measured once: Argon2id, 19 MiB, at least 2 passes. 0: just these.",
        number(0..=2000),
        show_text
    ),
    key!(login_failures, "Failed sign-ins per address and minute before it must wait.", number(1..=1000), show_text),
    key!(connects_per_minute, "Terminals that a user may open in a minute.", number(1..=100_000), show_text),
    key!(lockout_failures, "Failed sign-ins in a row that lock an account. 0: never.", number(0..=1000), show_text),
    key!(lockout_minutes, "Minutes such a lock lasts.", number(1..=10_000), show_text),
    key!(connections, "Connections at once.", number(8..=65536), show_text),
    key!(connections_per_address, "Of these, from one address (IPv6: one /64).", number(4..=65536), show_text),
    key!(connections_anonymous, "Of these, from browsers that are not signed in.", number(4..=65536), show_text),
    key!(
        audit_required,
        "on: no new terminal while the audit log cannot be written. off: terminals open, and the gap is told afterwards.",
        switch,
        show_switch
    ),
    key!(
        audit_syslog,
        "A syslog socket, like /dev/log (journald listens there too), that gets each line of the audit as well. Empty: none.",
        maybe(path),
        show_maybe_path
    ),
    key!(log, "off, error, warn, info, debug or trace; to standard error.", level, show_level),
];

impl Default for Config {
    fn default() -> Config {
        Config {
            data: default_data(),
            listen: SocketAddr::from(([0u16; 8], 8443)),
            http_listen: None,
            names: Vec::new(),
            certificate: None,
            private_key: None,
            update_key: None,
            update_handover: None,
            client_certificates: false,
            audit_required: false,
            audit_syslog: None,
            trusted_proxies: Vec::new(),
            base_path: "/".into(),
            targets_allow: Vec::new(),
            targets_deny: Vec::new(),
            host_key_policy: HostKeyPolicy::Ask,
            terminals_per_box: limits::TERMINALS_PER_BOX,
            terminals_per_user: limits::TERMINALS_PER_USER,
            ring_kib: limits::RING_BYTES / 1024,
            detached_minutes: limits::DETACHED.as_secs() / 60,
            second_factor: Policy::Required,
            login_network: Binding::Subnet,
            login_hours: limits::LOGIN_ABSOLUTE.as_secs() / 3600,
            login_idle_minutes: limits::LOGIN_IDLE.as_secs() / 60,
            login_hash_ms: limits::ARGON2_AIM.as_millis() as u64,
            login_failures: limits::Counted::SignIn.limit().most,
            connects_per_minute: limits::Counted::Connect.limit().most,
            lockout_failures: limits::LOCK_AFTER,
            lockout_minutes: limits::LOCK_FOR.as_secs() / 60,
            connections: limits::CONNECTIONS,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
            connections_anonymous: limits::CONNECTIONS_ANONYMOUS,
            log: log::LevelFilter::Info,
        }
    }
}

/// systemd's state directory, the system's for root, else the user's own.
fn default_data() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(given) = variable("STATE_DIRECTORY") {
        return given;
    }
    if rustix::process::geteuid().is_root() {
        return "/var/lib/footbridge".into();
    }
    let share = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
    share.unwrap_or_else(|| ".".into()).join("footbridge")
}

/// Read when nothing names another file. It need not exist.
const USUAL_FILE: &str = "/etc/footbridge/footbridge.toml";

impl Config {
    /// The file, then the environment, then the command line; later ones win.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (OsString, OsString)>,
        overrides: &[(String, String)],
    ) -> Result<Config, String> {
        let environment: Vec<(String, String)> = environment.filter_map(ours).collect();
        let named = environment.iter().find(|(key, _)| key == "config").map(|(_, path)| PathBuf::from(path));
        let mut config = Config::default();
        match file.map(Path::to_owned).or(named) {
            Some(path) => config.read_file(&path)?,
            None if Path::new(USUAL_FILE).exists() => config.read_file(Path::new(USUAL_FILE))?,
            None => {}
        }
        for (key, value) in environment.iter().filter(|(key, _)| key != "config") {
            match KEYS.iter().any(|known| known.name == key) {
                true => config.set(key, value).map_err(|why| format!("FOOTBRIDGE_{}: {why}", key.to_uppercase()))?,
                false => eprintln!(
                    "footbridge: FOOTBRIDGE_{} is not a key and is ignored{}",
                    key.to_uppercase(),
                    suggestion(key)
                ),
            }
        }
        for (key, value) in overrides {
            config.set(key, value).map_err(|why| format!("--{key}: {why}"))?;
        }
        config.check()?;
        Ok(config)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        self.read(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        for (key, value) in &table {
            self.set(key, &plain(value).ok_or_else(|| format!("{key}: this kind of value fits no key"))?)
                .map_err(|why| format!("{key}: {why}"))?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let key = KEYS
            .iter()
            .find(|key| key.name == name)
            .ok_or_else(|| format!("there is no such key{}", suggestion(name)))?;
        (key.set)(self, text.trim())
    }

    /// What only the whole can tell.
    fn check(&self) -> Result<(), String> {
        if self.certificate.is_some() != self.private_key.is_some() {
            return Err("certificate and private_key go together: set both, or neither".into());
        }
        Proxies::parse(&self.trusted_proxies)?;
        self.targets().map(drop)
    }

    pub fn targets(&self) -> Result<Targets, String> {
        Targets::parse(&self.targets_allow, &self.targets_deny).map_err(|error| error.to_string())
    }

    pub fn sessions(&self) -> Result<bridge::Settings, String> {
        Ok(bridge::Settings {
            terminals_per_box: self.terminals_per_box,
            terminals_per_user: self.terminals_per_user,
            ring_bytes: self.ring_kib * 1024,
            detached: Duration::from_secs(self.detached_minutes * 60),
            host_key_policy: self.host_key_policy,
            targets: Arc::new(self.targets()?),
        })
    }
}

/// As a TOML file with every key, its reason and its value.
impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        KEYS.iter().try_for_each(|key| writeln!(out, "# {}\n{} = {}\n", key.about, key.name, (key.show)(self)))
    }
}

/// `FOOTBRIDGE_SOME_KEY=value` as `("some_key", "value")`.
fn ours((name, value): (OsString, OsString)) -> Option<(String, String)> {
    let name = name.to_str()?.strip_prefix("FOOTBRIDGE_")?.to_lowercase();
    Some((name, value.into_string().ok()?))
}

/// A TOML value as the environment would write it.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        _ => None,
    }
}

fn suggestion(name: &str) -> String {
    nearest(name, KEYS.iter().map(|key| key.name))
}

/// `; did you mean 'x'?` if something is close.
pub fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> String {
    let best = among.map(|name| (distance(word, name), name)).min();
    match best {
        Some((steps, name)) if steps <= 1 + name.len() / 3 => format!("; did you mean '{name}'?"),
        _ => String::new(),
    }
}

/// Levenshtein's: insertions, deletions and substitutions between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a path is needed".into()) } else { Ok(text.into()) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("'{text}' is not an address and port, like 0.0.0.0:8443 or [::]:8443"))
}

/// A value that may be left empty.
fn maybe<T>(read: impl Fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<Option<T>, String> {
    move |text| if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

fn policy(text: &str) -> Result<HostKeyPolicy, String> {
    match text {
        "ask" => Ok(HostKeyPolicy::Ask),
        "tofu" => Ok(HostKeyPolicy::Tofu),
        "pinned" => Ok(HostKeyPolicy::Pinned),
        _ => Err(format!("'{text}' is none of ask, tofu, pinned")),
    }
}

fn second_factor(text: &str) -> Result<Policy, String> {
    match text {
        "optional" => Ok(Policy::Optional),
        "required" => Ok(Policy::Required),
        _ => Err(format!("'{text}' is none of optional, required")),
    }
}

fn base_path(text: &str) -> Result<String, String> {
    web::base_path(text).ok_or_else(|| format!("'{text}' is not a path like /footbridge/, with both slashes"))
}

fn asking(text: &str) -> Result<bool, String> {
    match text {
        "off" => Ok(false),
        "ask" => Ok(true),
        _ => Err(format!("'{text}' is none of off, ask")),
    }
}

fn handover(text: &str) -> Result<Option<Kind>, String> {
    match text {
        "off" => Ok(None),
        "program" => Ok(Some(Kind::Program)),
        "image" => Ok(Some(Kind::Image)),
        _ => Err(format!("'{text}' is none of off, program, image")),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "off" => Ok(false),
        "on" => Ok(true),
        _ => Err(format!("'{text}' is none of off, on")),
    }
}

fn binding(text: &str) -> Result<Binding, String> {
    match text {
        "off" => Ok(Binding::Off),
        "subnet" => Ok(Binding::Subnet),
        "ip" => Ok(Binding::Ip),
        _ => Err(format!("'{text}' is none of off, subnet, ip")),
    }
}

fn number<T: TryFrom<u64>>(fits: std::ops::RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let number =
            text.parse().ok().filter(|number| fits.contains(number)).and_then(|number: u64| T::try_from(number).ok());
        number.ok_or_else(|| format!("'{text}' is not a number from {} to {}", fits.start(), fits.end()))
    }
}

fn level(text: &str) -> Result<log::LevelFilter, String> {
    text.parse().map_err(|_| format!("'{text}' is none of off, error, warn, info, debug, trace"))
}

/// JSON's way of quoting is one of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn show_text(value: &impl ToString) -> String {
    let text = value.to_string();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text } else { quoted(&text) }
}

fn show_path(value: &Path) -> String {
    quoted(&value.display().to_string())
}

fn show_maybe(value: &Option<SocketAddr>) -> String {
    quoted(&value.map(|address| address.to_string()).unwrap_or_default())
}

fn show_maybe_path(value: &Option<PathBuf>) -> String {
    value.as_deref().map_or_else(|| quoted(""), show_path)
}

fn show_list(value: &[String]) -> String {
    format!("[{}]", value.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
}

fn show_policy(value: &HostKeyPolicy) -> String {
    quoted(match value {
        HostKeyPolicy::Ask => "ask",
        HostKeyPolicy::Tofu => "tofu",
        HostKeyPolicy::Pinned => "pinned",
    })
}

fn show_second_factor(value: &Policy) -> String {
    quoted(match value {
        Policy::Optional => "optional",
        Policy::Required => "required",
    })
}

fn show_asking(value: &bool) -> String {
    quoted(if *value { "ask" } else { "off" })
}

fn show_handover(value: &Option<Kind>) -> String {
    quoted(match value {
        None => "off",
        Some(Kind::Program) => "program",
        Some(Kind::Image) => "image",
    })
}

fn show_switch(value: &bool) -> String {
    quoted(if *value { "on" } else { "off" })
}

fn show_binding(value: &Binding) -> String {
    quoted(match value {
        Binding::Off => "off",
        Binding::Subnet => "subnet",
        Binding::Ip => "ip",
    })
}

fn show_level(value: &log::LevelFilter) -> String {
    quoted(&value.to_string().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn loaded(environment: &[(&str, &str)], overrides: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(key, value)| (OsString::from(key), OsString::from(value)));
        let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Config::load(Some(Path::new("/dev/null")), environment, &overrides)
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let config =
            loaded(&[("FOOTBRIDGE_LISTEN", "127.0.0.1:1"), ("FOOTBRIDGE_DATA", "/x")], &[("listen", "127.0.0.1:2")])
                .unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.data, PathBuf::from("/x"));
    }

    #[test]
    fn every_key_shows_what_reads_back() {
        let mut config = Config { ring_kib: 77, names: vec!["box.example".into(), "b".into()], ..Config::default() };
        config.http_listen = Some(([127, 0, 0, 1], 80).into());
        let mut again = Config::default();
        again.read(&config.to_string()).unwrap();
        assert_eq!(again, config);
        let mut untouched = Config::default();
        untouched.read(&Config::default().to_string()).unwrap();
        assert_eq!(untouched, Config::default());
    }

    #[test]
    fn an_unknown_key_is_refused_and_the_nearest_named() {
        let mut config = Config::default();
        assert_eq!(config.read("listenn = 'x'").unwrap_err(), "listenn: there is no such key; did you mean 'listen'?");
        assert_eq!(config.read("quux = 1").unwrap_err(), "quux: there is no such key");
        assert!(loaded(&[], &[("terminals-per-user", "3")]).is_err());
    }

    #[test]
    fn a_bad_value_is_refused_with_its_reason() {
        let mut config = Config::default();
        for (text, why) in [
            ("listen = '8443'", "not an address and port"),
            ("ring_kib = 1", "16 to 16384"),
            ("ring_kib = -1", "16 to 16384"),
            ("ring_kib = 1.5", "fits no key"),
            ("host_key_policy = 'never'", "ask, tofu, pinned"),
            ("second_factor = 'no'", "optional, required"),
            ("client_certificates = 'yes'", "off, ask"),
            ("update_handover = 'on'", "off, program, image"),
            ("login_network = 'lan'", "off, subnet, ip"),
            ("log = 'loud'", "off, error"),
            ("data = ''", "path is needed"),
            ("[[[", ""),
        ] {
            assert!(config.read(text).unwrap_err().contains(why), "{text}");
        }
        assert!(loaded(&[], &[("certificate", "/x")]).unwrap_err().contains("go together"));
        assert!(loaded(&[("FOOTBRIDGE_TARGETS_ALLOW", "10.0.0.0/99")], &[]).is_err());
    }

    /// The table in docs/DEFAULTS.md, as the program has it.
    fn table() -> String {
        let plain = Config { data: "/var/lib/footbridge".into(), ..Config::default() };
        KEYS.iter().map(|key| format!("| `{}` | `{}` | {} |\n", key.name, (key.show)(&plain), key.about)).collect()
    }

    #[test]
    fn docs_defaults_says_what_the_program_does() {
        let text = include_str!("../../docs/DEFAULTS.md");
        assert!(text.contains(&table()), "docs/DEFAULTS.md should have these rows:\n{}", table());
    }

    proptest! {
        #[test]
        fn junk_is_an_error_and_never_a_crash(text in ".*") {
            let _ = Config::default().read(&text);
            let _ = nearest(&text, KEYS.iter().map(|key| key.name));
        }
    }
}
