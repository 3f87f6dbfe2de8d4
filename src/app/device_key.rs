//! `footbridge device-key rotate` (F8): another device key in place of one that may have been copied.
//!
//! ```text
//! .rotation-ID/   device.key, footbridge.redb, audit.log…   everything that depends on the key, made anew beside the old
//! rotation/       the same under this name: from here on it is done, and only has to be moved into place
//! ```
//!
//! The one step that counts is giving the directory its name. Before it nothing has changed, and after it every start and every command
//! moves what is left before it opens anything. So no state has to be guessed, and a full disk is met before anything has changed. The
//! database is a new file and not the old one changed, in whose free pages the old slots would go on to lie.

use super::config::Config;
use super::serve::prepare;
use super::{Outcome, admin, backup, say};
use crate::audit;
use crate::disk;
use crate::random::Id;
use crate::store::{self, Store, StoreError, User};
use crate::vault::{DEVICE_KEY_FILE, DeviceKey, VaultError};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const READY: &str = "rotation";
const UNFINISHED: &str = ".rotation-";
const RUNS: &str = "a footbridge runs on this data directory; stop it, exchange the device key, and start it again";

/// What was made anew.
struct Count {
    records: usize,
    lines: usize,
}

pub fn rotate(config: &Config) -> Outcome {
    let data = &config.data;
    if admin::is_running(config) {
        return Err(RUNS.into());
    }
    prepare(data)?;
    backup::refuse_unfinished(data)?;
    if is_interrupted(data) {
        finish(data)?;
        return say("the rotation that was interrupted is finished: the device key is a new one\n");
    }
    if !data.join(store::FILE).exists() {
        return Err(format!("{}: there is no database yet, and so nothing that hangs on a device key", data.display()));
    }
    let old = DeviceKey::load_or_make(data).map_err(told)?;
    // Held until the end: nobody writes to what is replaced.
    let store = Store::open(data, old.derive("store")).map_err(|error| match error {
        StoreError::AlreadyOpen => RUNS.into(),
        error => error.to_string(),
    })?;
    must_be_settled(data)?;
    let unfinished = data.join(format!("{UNFINISHED}{}", Id::random()));
    let made = make(data, &unfinished, &store, &old).and_then(|count| {
        fs::rename(&unfinished, data.join(READY)).map_err(told)?;
        Ok(count)
    });
    let count = made.inspect_err(|_| drop(fs::remove_dir_all(&unfinished)))?;
    let removed = finish(data)?;
    say(&describe(&count, &removed))
}

fn describe(count: &Count, removed: &[String]) -> String {
    let mut text = format!(
        "the device key is a new one: {} records are under it, and the {} lines of the audit log\n",
        count.records, count.lines
    );
    for name in removed {
        text += &format!("{name} is removed: it was made under the old key\n");
    }
    text + "Backups and copies from before hold the old key: they open as before, with their passphrase and their users' passwords.\n"
}

/// Everything that depends on the device key, under a new one, on the disk.
fn make(data: &Path, dir: &Path, store: &Store, old: &DeviceKey) -> Result<Count, String> {
    DirBuilder::new().mode(0o700).create(dir).map_err(told)?;
    let new = DeviceKey::load_or_make(dir).map_err(told)?;
    let nest = |user: &mut User| -> Result<(), VaultError> {
        for (slot, wrapped) in &mut user.wrapped {
            *wrapped = wrapped.under(&new, old, user.id, slot)?;
        }
        Ok(())
    };
    let snapshot =
        store.snapshot().map_err(told)?.under(new.derive("store"), old.derive("store"), nest).map_err(told)?;
    let records = snapshot.0.len();
    snapshot.write(dir).map_err(told)?;
    let log = data.join(audit::FILE);
    let lines = audit::write_under(&log, dir, &new.derive("audit"), &old.derive("audit")).map_err(told)?;
    disk::sync_dir(dir).map_err(told)?;
    Ok(Count { records, lines })
}

/// There is a rotation that counts and is not in place yet.
pub fn is_interrupted(data: &Path) -> bool {
    data.join(READY).exists()
}

/// Moves what a rotation has made into place, whoever comes first: two may do it at once, because nothing is moved twice. Answers which
/// copies from before are gone.
pub fn finish(data: &Path) -> Result<Vec<String>, String> {
    let ready = data.join(READY);
    if !ready.exists() {
        return Ok(Vec::new());
    }
    let odd =
        |error: io::Error| format!("{}: the rotation of the device key cannot be finished: {error}", data.display());
    // The name of the directory is on the disk before anything of the old is replaced.
    disk::sync_dir(data).map_err(odd)?;
    let mut files = names(&ready).map_err(odd)?;
    // The key comes last, as in a restore.
    files.sort_by_key(|name| name == DEVICE_KEY_FILE);
    disk::move_each(&ready, data, files.iter().map(String::as_str)).map_err(odd)?;
    // Under the old key they open no more; but whoever has it would find the old slots in them.
    let copies: Vec<String> = names(data).map_err(odd)?.into_iter().filter(|name| is_old_copy(name)).collect();
    for name in &copies {
        disk::unless_gone(fs::remove_file(data.join(name))).map_err(odd)?;
    }
    disk::unless_gone(fs::remove_dir(&ready)).and_then(|()| disk::sync_dir(data)).map_err(odd)?;
    log::warn!("the device key is a new one");
    Ok(copies)
}

/// After the store's lock was had: a rotation that came in between would undo what we write now. What one that was killed left, goes.
pub fn must_be_settled(data: &Path) -> Result<(), String> {
    if is_interrupted(data) {
        return Err(format!("{}: the device key was exchanged just now; try again", data.display()));
    }
    for name in names(data).unwrap_or_default().iter().filter(|name| name.starts_with(UNFINISHED)) {
        let left: PathBuf = data.join(name);
        if let Err(error) = fs::remove_dir_all(&left) {
            log::warn!("{}: {error}", left.display());
        }
    }
    Ok(())
}

/// `footbridge.redb.format-N`, or half of one.
fn is_old_copy(name: &str) -> bool {
    name.trim_start_matches('.').strip_prefix(store::FILE).is_some_and(|rest| rest.starts_with(".format-"))
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_the_database_are_known_by_their_names() {
        let old = ["footbridge.redb.format-1", ".footbridge.redb.format-12.0123"];
        assert!(old.iter().all(|name| is_old_copy(name)));
        let others = ["footbridge.redb", "device.key", "audit.log", ".device.key.0123", "footbridge.redb.mine"];
        assert!(!others.iter().any(|name| is_old_copy(name)));
    }
}
