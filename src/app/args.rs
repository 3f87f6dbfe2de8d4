//! The command line: words in, an [`Invocation`] out. Pure.

use super::admin::{Deed, Order};
use super::backup::Task;
use super::config::nearest;
use super::update;
use crate::limits;
use crate::store::Role;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, PartialEq)]
pub struct Invocation {
    pub config: Option<PathBuf>,
    /// `--key value` for any key of the configuration.
    pub overrides: Vec<(String, String)>,
    pub command: Command,
}

#[derive(Debug, PartialEq)]
pub enum Command {
    Serve,
    Setup,
    Doctor,
    ShowConfig,
    Version,
    Help(&'static str),
    Backup { task: Task, passphrase_file: Option<PathBuf> },
    RotateDeviceKey,
    Update(update::Task),
    Admin(Order),
}

const COMMANDS: [&str; 16] = [
    "serve",
    "setup",
    "doctor",
    "config",
    "user",
    "device",
    "hostkey",
    "session",
    "audit",
    "backup",
    "metrics",
    "update",
    "version",
    "help",
    "cert",
    "device-key",
];

pub const HELP: &str = "\
Footbridge: SSH terminals in the browser, from one small box.

  footbridge [serve]                 serve the page (this is what you want)
  footbridge setup                   print a fresh claim code, while there is no administrator
  footbridge doctor                  check modes, clock, entropy, space, certificate and configuration
  footbridge config                  print every key of the configuration and its value

  footbridge user list
  footbridge user add NAME [--role administrator|user|command-only] [--password-file FILE]
  footbridge user role NAME administrator|user|command-only
  footbridge user disable|enable|delete|unlock NAME
  footbridge user reset-password NAME  print a token for a new password, good once and for an hour
  footbridge user reset-mfa NAME     take off a lost second factor
  footbridge user invite [--role administrator|user|command-only]   print an invitation's token

  footbridge device list NAME        trusted devices and certificates of a user
  footbridge device remove NAME ID   one of them is good no more; with the last of its kind, none is demanded any more

  footbridge hostkey list
  footbridge hostkey add FILE        pin host keys for everybody, from a known_hosts file ('-' is standard input)
  footbridge hostkey remove ID
  footbridge session list
  footbridge session end ID
  footbridge cert show               the certificate's fingerprint and the box's own CA
  footbridge log [N]                 what the running server logged last
  footbridge audit tail [N]          the last N lines of the audit log (20)
  footbridge audit verify            was a line changed, removed or added?
  footbridge backup create FILE [--passphrase-file FILE]    ('-' is standard output)
  footbridge backup verify FILE      is it whole, and is this its passphrase?
  footbridge backup restore FILE     into an empty data directory
  footbridge device-key rotate       another device key in place of one that may have been copied, while no server runs
  footbridge update FILE [--signature FILE.sig] [--wait SECONDS]   a newer program takes this one's place, if it is
                                     signed and serves; else this one stays, or comes back
  footbridge update back             the program from before the last update
  footbridge update ended installed|kept TEXT   for a service that installs updates: how the last one went
  footbridge metrics                 numbers of the running server, for Prometheus
  footbridge version

Options for every command:
  --config FILE                      read FILE (TOML); also FOOTBRIDGE_CONFIG
  --KEY VALUE                        set one key, for instance --listen 127.0.0.1:8443 or --data /srv/footbridge
Every key can also be set in the environment: FOOTBRIDGE_LISTEN, FOOTBRIDGE_DATA, ...
The command line wins over the environment, and the environment over the file.

First start: open the printed https address, compare the certificate's fingerprint with the printed one, and make the
first administrator with the printed claim code. The commands above work while the server runs, but for restore and rotate.
";

pub fn parse(words: impl Iterator<Item = String>) -> Result<Invocation, String> {
    let mut invocation = Invocation { config: None, overrides: Vec::new(), command: Command::Serve };
    let mut plain = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "-h" | "--help" => plain.insert(0, "help".to_owned()),
            "-V" | "--version" => plain.insert(0, "version".to_owned()),
            "--" => plain.extend(words.by_ref()),
            _ => match word.strip_prefix("--") {
                Some(option) => {
                    let (name, value) = option_and_value(option, &mut words)?;
                    match name.as_str() {
                        "config" => invocation.config = Some(value.into()),
                        _ => invocation.overrides.push((name.replace('-', "_"), value)),
                    }
                }
                None => plain.push(word),
            },
        }
    }
    invocation.command = command(&plain, &mut invocation.overrides)?;
    Ok(invocation)
}

fn option_and_value(option: &str, words: &mut impl Iterator<Item = String>) -> Result<(String, String), String> {
    match option.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => words.next().map(|value| (option.to_owned(), value)).ok_or_else(|| format!("--{option} needs a value")),
    }
}

fn command(plain: &[String], options: &mut Vec<(String, String)>) -> Result<Command, String> {
    let words: Vec<&str> = plain.iter().map(String::as_str).collect();
    let order = match words.as_slice() {
        [] | ["serve"] => return Ok(Command::Serve),
        ["help", ..] => return Ok(Command::Help(HELP)),
        ["version", ..] => return Ok(Command::Version),
        ["setup"] => return Ok(Command::Setup),
        ["doctor"] => return Ok(Command::Doctor),
        ["config"] => return Ok(Command::ShowConfig),
        ["user", "list"] => Order::UserList,
        ["user", "add", name] => user_add(name, options)?,
        ["user", "role", name, role] => Order::UserRole { name: (*name).into(), role: role_of(role)? },
        ["user", "invite"] => Order::UserInvite { role: role_option(options)? },
        ["user", deed, name] if Deed::of(deed).is_some() => user_deed(name, deed)?,
        ["device", "list", name] => Order::DeviceList { name: (*name).into() },
        ["device", "remove", name, id] => Order::DeviceRemove { name: (*name).into(), id: identifier(id)? },
        ["hostkey", "list"] => Order::HostkeyList,
        ["hostkey", "add", file] => Order::HostkeyAdd { file: (*file).into() },
        ["hostkey", "remove", id] => Order::HostkeyRemove { id: identifier(id)? },
        ["session", "list"] => Order::SessionList,
        ["session", "end", id] => Order::SessionEnd { id: identifier(id)? },
        ["cert", "show"] => Order::CertShow,
        ["log"] => Order::Log { lines: usize::MAX },
        ["log", lines] => Order::Log { lines: count(lines)? },
        ["audit", "tail"] => Order::AuditTail { lines: limits::AUDIT_TAIL },
        ["audit", "tail", lines] => Order::AuditTail { lines: count(lines)? },
        ["audit", "verify"] => Order::AuditVerify,
        ["metrics"] => Order::Metrics,
        ["backup", "create", file] => return Ok(backup(Task::Create(file.into()), options)),
        ["backup", "verify", file] => return Ok(backup(Task::Verify(file.into()), options)),
        ["backup", "restore", file] => return Ok(backup(Task::Restore(file.into()), options)),
        ["device-key", "rotate"] => return Ok(Command::RotateDeviceKey),
        ["update", "back"] => return Ok(Command::Update(update::Task::Back)),
        ["update", file] => return update_to(file, options),
        ["update", "ended", word @ ("installed" | "kept"), told] => {
            Order::Updated { installed: *word == "installed", told: (*told).into() }
        }
        [
            noun @ ("update" | "user" | "device" | "device-key" | "hostkey" | "session" | "cert" | "audit" | "backup"),
            ..,
        ] => {
            return Err(format!("'{noun}' takes other words than these; see footbridge help"));
        }
        [word, ..] if COMMANDS.contains(word) => {
            return Err(format!("'{word}' takes no more words; see footbridge help"));
        }
        [word, ..] => return Err(format!("there is no command '{word}'{}", nearest(word, COMMANDS.into_iter()))),
    };
    Ok(Command::Admin(order))
}

fn role_of(word: &str) -> Result<Role, String> {
    match word {
        "user" => Ok(Role::User),
        "administrator" => Ok(Role::Administrator),
        "command-only" => Ok(Role::CommandOnly),
        other => Err(format!("there is no role '{other}': administrator, user or command-only")),
    }
}

fn role_option(options: &mut Vec<(String, String)>) -> Result<Role, String> {
    take(options, "role").map_or(Ok(Role::User), |word| role_of(&word))
}

fn user_deed(name: &str, word: &str) -> Result<Order, String> {
    let deed = Deed::of(word).ok_or_else(|| format!("a user cannot be '{word}'"))?;
    Ok(Order::UserDeed { name: name.into(), deed })
}

fn user_add(name: &str, options: &mut Vec<(String, String)>) -> Result<Order, String> {
    let role = role_option(options)?;
    Ok(Order::UserAdd { name: name.into(), role, password_file: take(options, "password_file").map(PathBuf::from) })
}

fn backup(task: Task, options: &mut Vec<(String, String)>) -> Command {
    Command::Backup { task, passphrase_file: take(options, "passphrase_file").map(PathBuf::from) }
}

fn update_to(file: &str, options: &mut Vec<(String, String)>) -> Result<Command, String> {
    let signature = take(options, "signature").map(PathBuf::from);
    let wait = take(options, "wait").map_or(Ok(limits::UPDATE_PATIENCE), |text| seconds(&text))?;
    Ok(Command::Update(update::Task::Install { file: file.into(), signature, wait }))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("'{text}' is not a number from 1 to 3600"))
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=limits::AUDIT_TAIL_MOST).contains(count));
    count.ok_or_else(|| format!("'{text}' is not a number from 1 to {}", limits::AUDIT_TAIL_MOST))
}

fn take(options: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = options.iter().position(|(key, _)| key == name)?;
    Some(options.remove(at).1)
}

fn identifier(text: &str) -> Result<crate::random::Id, String> {
    text.parse().map_err(|error| format!("'{text}': {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn nothing_means_serve_and_options_may_stand_anywhere() {
        assert_eq!(parsed("").map(|i| i.command), Ok(Command::Serve));
        let invocation = parsed("--listen 127.0.0.1:0 serve --data=/x").unwrap();
        assert_eq!(invocation.command, Command::Serve);
        assert_eq!(invocation.overrides, [("listen".into(), "127.0.0.1:0".into()), ("data".into(), "/x".into())]);
    }

    #[test]
    fn a_wrong_word_gets_the_nearest_right_one() {
        assert_eq!(parsed("sevre").unwrap_err(), "there is no command 'sevre'; did you mean 'serve'?");
        assert!(parsed("user ad x").unwrap_err().contains("help"));
        assert!(parsed("hostkey remove nonsense").unwrap_err().contains("32 lower-case"));
        assert!(parsed("serve --listen").unwrap_err().contains("needs a value"));
    }

    #[test]
    fn a_backup_has_its_passphrase_in_a_file_and_never_in_the_arguments() {
        let (task, passphrase_file) = (Task::Restore("b".into()), Some("p".into()));
        let command = parsed("backup restore b --passphrase-file p").map(|i| i.command);
        assert_eq!(command, Ok(Command::Backup { task, passphrase_file }));
        assert!(parsed("backup create").is_err() && parsed("backup create b hunter2hunter2").is_err());
        assert_eq!(parsed("audit tail 7").map(|i| i.command), Ok(Command::Admin(Order::AuditTail { lines: 7 })));
        assert_eq!(parsed("log 7").map(|i| i.command), Ok(Command::Admin(Order::Log { lines: 7 })));
        assert!(parsed("audit tail 0").is_err() && parsed("audit tail -1").is_err());
    }

    #[test]
    fn the_device_key_is_another_thing_than_a_device() {
        assert_eq!(parsed("device-key rotate").map(|i| i.command), Ok(Command::RotateDeviceKey));
        assert!(parsed("device-key").unwrap_err().contains("help") && parsed("device rotate").is_err());
    }

    #[test]
    fn an_update_waits_a_minute_unless_told_otherwise() {
        let (file, signature, wait) = (PathBuf::from("new"), None, limits::UPDATE_PATIENCE);
        let task = update::Task::Install { file: file.clone(), signature, wait };
        assert_eq!(parsed("update new").map(|i| i.command), Ok(Command::Update(task)));
        let (signature, wait) = (Some("s".into()), Duration::from_secs(7));
        let task = update::Task::Install { file, signature, wait };
        assert_eq!(parsed("update new --wait 7 --signature s").map(|i| i.command), Ok(Command::Update(task)));
        assert_eq!(parsed("update back").map(|i| i.command), Ok(Command::Update(update::Task::Back)));
        let order = Order::Updated { installed: false, told: "why".into() };
        assert_eq!(parsed("update ended kept why").map(|i| i.command), Ok(Command::Admin(order)));
        assert!(parsed("update ended well why").is_err() && parsed("update ended kept").is_err());
        assert!(parsed("update").unwrap_err().contains("help") && parsed("update new --wait 0").is_err());
    }

    #[test]
    fn a_user_is_added_with_a_role_and_never_with_a_password_in_the_arguments() {
        let order = Order::UserAdd { name: "ada".into(), role: Role::Administrator, password_file: None };
        assert_eq!(parsed("user add ada --role administrator").map(|i| i.command), Ok(Command::Admin(order)));
        assert!(parsed("user add ada hunter2hunter2").is_err());
        let order = Order::UserDeed { name: "ada".into(), deed: Deed::ResetMfa };
        assert_eq!(parsed("user reset-mfa ada").map(|i| i.command), Ok(Command::Admin(order)));
        let order = Order::UserInvite { role: Role::User };
        assert_eq!(parsed("user invite").map(|i| i.command), Ok(Command::Admin(order)));
        assert!(parsed("user role ada god").unwrap_err().contains("no role 'god'") && parsed("user delete").is_err());
        assert!(parsed("user add ada --role god").unwrap_err().contains("no role 'god'"));
    }
}
