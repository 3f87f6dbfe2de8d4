//! Is the box well (L3)? The checks of modes run at every start too: an unsafe directory is refused with one clear line.

use super::config::Config;
use super::device_key;
use crate::auth;
use crate::clock::{self, Now};
use crate::limits;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

enum Finding {
    Well(String),
    Odd(String),
    Bad(String),
}

use Finding::{Bad, Odd, Well};

pub fn doctor(config: &Config) -> ExitCode {
    let findings = [
        Well("configuration: every key is known and fits".into()),
        check_modes(&config.data),
        check_device_key(&config.data),
        check_clock(&clock::now()),
        check_entropy(),
        check_space(&config.data),
        check_certificate(config),
        check_client_certificates(config),
        check_passwords(config),
    ];
    let mut told = String::new();
    for finding in &findings {
        let (word, line) = match finding {
            Well(line) => ("ok   ", line),
            Odd(line) => ("note ", line),
            Bad(line) => ("BAD  ", line),
        };
        told += &format!("{word} {line}\n");
    }
    let sick = findings.iter().any(|finding| matches!(finding, Bad(_)));
    // Whoever reads only the first line has read enough.
    let _ = std::io::stdout().lock().write_all(told.as_bytes());
    if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn check_modes(data: &Path) -> Finding {
    match modes(data) {
        Ok(files) => Well(format!("modes: {} and its {files} entries belong to their owner alone", data.display())),
        Err(line) if !data.exists() => Odd(format!("modes: {line}; the first start makes it")),
        Err(line) => Bad(format!("modes: {line}")),
    }
}

/// Every directory 0700, every file 0600, all ours. Answers how many there are, or the first one that is not so.
///
/// `data` itself may be a link, as `/var/lib/footbridge` is under systemd's DynamicUser, if nobody but root and ourselves could have
/// made it. A link inside the directory is refused as before: it would lead somewhere that was not looked at.
pub fn modes(data: &Path) -> Result<usize, String> {
    let told = |error: std::io::Error| format!("{}: {error}", data.display());
    let entry = fs::symlink_metadata(data).map_err(told)?;
    if !entry.is_symlink() {
        return modes_below(data);
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&entry.uid()) {
        return Err(format!("{} is a link that user {} has made", data.display(), entry.uid()));
    }
    modes_below(&fs::canonicalize(data).map_err(told)?)
}

fn modes_below(data: &Path) -> Result<usize, String> {
    let entry = fs::symlink_metadata(data).map_err(|error| format!("{}: {error}", data.display()))?;
    if entry.is_symlink() {
        return Err(format!("{} is a link; in the data directory there are none", data.display()));
    }
    let (mode, owner) = (entry.mode() & 0o777, entry.uid());
    let wanted = if entry.is_dir() { 0o700 } else { 0o600 };
    if mode & !wanted != 0 {
        return Err(format!("{} has mode {mode:03o}, which lets others in; chmod {wanted:03o} it", data.display()));
    }
    if owner != rustix::process::geteuid().as_raw() {
        return Err(format!("{} belongs to user {owner}, not to the one that runs this", data.display()));
    }
    if !entry.is_dir() {
        return Ok(1);
    }
    let inside = fs::read_dir(data).map_err(|error| format!("{}: {error}", data.display()))?;
    inside.flatten().try_fold(0, |sum, child| modes_below(&child.path()).map(|count| sum + count))
}

/// Nothing is finished here: this command changes nothing.
fn check_device_key(data: &Path) -> Finding {
    match device_key::is_interrupted(data) {
        false => Well("device key: no rotation is under way".into()),
        true => Odd("device key: a rotation was interrupted; the next start, or any command, finishes it".into()),
    }
}

fn check_clock(now: &Now) -> Finding {
    match now.is_plausible() {
        true => Well("clock: plausible".into()),
        false => {
            Odd("clock: it is before this program was made. Sign-in works; certificates and times will look wrong"
                .into())
        }
    }
}

fn check_entropy() -> Finding {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => Well("entropy: the kernel gives randomness".into()),
        Err(error) => Bad(format!("entropy: {error}")),
    }
}

fn check_space(data: &Path) -> Finding {
    let place = if data.exists() { data } else { Path::new("/") };
    match rustix::fs::statvfs(place) {
        Ok(disk) => {
            let free = disk.f_bavail * disk.f_frsize / (1024 * 1024);
            if let Err(line) = writable(place) {
                Bad(format!("space: {line}"))
            } else if free < limits::FREE_MIB {
                Bad(format!("space: only {free} MiB are free"))
            } else {
                Well(format!("space: {free} MiB are free"))
            }
        }
        Err(error) => Bad(format!("space: {}: {error}", place.display())),
    }
}

/// Nothing runs on a file system that is read-only: whoever reads this is told so, and not where it struck first.
pub fn writable(place: &Path) -> Result<(), String> {
    match rustix::fs::statvfs(place) {
        Ok(disk) if disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) => Err(format!(
            "{} is on a read-only file system; mount it read-write. If it was, the kernel's log (dmesg) says what happened",
            place.display()
        )),
        _ => Ok(()),
    }
}

fn check_certificate(config: &Config) -> Finding {
    match (&config.certificate, &config.private_key) {
        (Some(chain), Some(key)) => match crate::door::check_certificate(chain, key) {
            Ok(()) => Well("certificate: yours is readable and its key fits".into()),
            Err(error) => Bad(format!("certificate: {error}")),
        },
        _ => Well("certificate: the box makes and renews its own".into()),
    }
}

/// Where a proxy stands in between there is nothing to see, and whoever demands a certificate is kept out.
fn check_client_certificates(config: &Config) -> Finding {
    match (config.client_certificates, config.trusted_proxies.is_empty()) {
        (false, _) => {
            Well("client certificates: browsers are not asked; an account that demands one cannot sign in".into())
        }
        (true, true) => Well("client certificates: browsers are asked".into()),
        (true, false) => Odd("client certificates: browsers are asked, but those that come through trusted_proxies \
                              cannot show one"
            .into()),
    }
}

/// Nothing is measured here: whoever asks may be in a hurry, and the machine busy.
fn check_passwords(config: &Config) -> Finding {
    let told = |cost: auth::Cost| format!("{} MiB and {} passes of Argon2id", cost.kib / 1024, cost.passes);
    match config.login_hash_ms {
        0 => Well(format!("passwords: {}, the floor, as login_hash_ms = 0 says", told(auth::Cost::FLOOR))),
        aim => match auth::kept_cost(&config.data, Duration::from_millis(aim)) {
            Some(cost) => Well(format!("passwords: {}, measured to take about {aim} ms on this machine", told(cost))),
            None => Odd("passwords: Argon2id was not measured on this machine yet; the next start does".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_others_can_read_is_found_wherever_it_is() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("tls");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("key"), "x").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(place.path(), 0o700);
        mode(&inner, 0o700);
        mode(&inner.join("key"), 0o600);
        assert_eq!(modes(place.path()), Ok(1));
        mode(&inner.join("key"), 0o640);
        assert!(modes(place.path()).unwrap_err().contains("mode 640"));
        mode(&inner.join("key"), 0o600);
        mode(place.path(), 0o755);
        assert!(modes(place.path()).unwrap_err().contains("chmod 700"));
    }

    #[test]
    fn a_clock_that_was_never_set_is_said() {
        let now = clock::now();
        assert!(matches!(check_clock(&now), Well(_)));
        assert!(matches!(check_clock(&Now { calendar: 100, ..now }), Odd(_)));
    }

    /// systemd's DynamicUser makes /var/lib/footbridge a link to private/footbridge; it was taken for an open door.
    #[test]
    fn the_directory_may_be_a_link_and_is_looked_at_all_the_same() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mode = |mode| fs::set_permissions(&real, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o700);
        assert_eq!(modes(&link), Ok(0));
        mode(0o755);
        assert!(modes(&link).unwrap_err().contains(&format!("{} has mode 755", real.display())));
        mode(0o700);
        std::os::unix::fs::symlink("/", real.join("inside")).unwrap();
        assert!(modes(&link).unwrap_err().contains("inside is a link"));
        fs::remove_dir_all(&real).unwrap();
        assert!(modes(&link).is_err(), "a link that leads nowhere");
    }
}
