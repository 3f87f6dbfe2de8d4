//! Backups (M1, M2): everything a box is, in one file under a passphrase.
//!
//! ```text
//! file       "footbridge-backup 1\n" | m KiB, t, p (u32 BE each) | salt (16) | nonce (24) | ciphertext | tag (16)
//! key        HKDF "backup" of Argon2id(passphrase, salt, m, t, p)
//! AAD        everything before the nonce
//! plaintext  JSON: Bundle
//! ```
//!
//! The credentials in it stay sealed under their users' passwords. A restore is made of whole files that get their names last, the
//! device key after all others: without it nothing starts.
//!
//! ```text
//! command line  file -> checked -> .restore-ID/ -> each file its name
//! page          file -> checked -> .restored/ -> restored/, if nobody has an account -> the box starts anew -> each file its name
//! ```

use super::admin::{self, Order};
use super::config::Config;
use super::{Outcome, prompt, say};
use crate::api::Unfit;
use crate::audit;
use crate::auth::{self, Auth, Cost};
use crate::clock::{self, Seconds};
use crate::disk::{self, Beside};
use crate::door;
use crate::limits;
use crate::random::{self, Id};
use crate::secret::{Key32, Secret};
use crate::store::{self, Contents, Snapshot, Store, StoreError};
use crate::vault::{self, DEVICE_KEY_FILE, DeviceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::{Zeroize, Zeroizing};

const MAGIC: &[u8] = b"footbridge-backup 1\n";
const HEAD_BYTES: usize = MAGIC.len() + 12 + 16;
/// A directory of this name holds what a restore has not finished. While it is there, nothing starts.
const UNFINISHED: &str = ".restore-";
/// A directory of this name holds a whole restore from the page. The next start puts it in place.
const RESTORED: &str = "restored";
/// The same, not whole yet. What is left of it goes.
const STAGING: &str = ".restored";
/// The box's own certificates: what browsers were told to trust.
const TLS: [&str; 5] = ["ca.pem", "ca.key", "leaf.pem", "leaf.key", "leaf.json"];

#[derive(Debug, PartialEq)]
pub enum Task {
    Create(PathBuf),
    Verify(PathBuf),
    Restore(PathBuf),
}

pub fn run(config: &Config, task: &Task, passphrase_file: Option<&Path>) -> Outcome {
    match task {
        Task::Create(file) => create(config, file, passphrase_file),
        Task::Verify(file) => verify(file, passphrase_file),
        Task::Restore(file) => restore(&config.data, file, passphrase_file),
    }
}

/// What is in a backup.
#[derive(Serialize, Deserialize)]
struct Bundle {
    made: Seconds,
    version: String,
    device_key: String,
    /// Name in `tls/` and contents.
    tls: Vec<(String, String)>,
    /// Key and value of every record, as they are stored.
    records: Vec<(String, String)>,
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.device_key.zeroize();
        self.tls.iter_mut().for_each(|(_, text)| text.zeroize());
    }
}

// ---- making one ----

fn create(config: &Config, file: &Path, passphrase_file: Option<&Path>) -> Outcome {
    let to_stdout = file.as_os_str() == "-";
    if !to_stdout && file.symlink_metadata().is_ok() {
        return Err(format!("{} is there already; choose another name", file.display()));
    }
    if !admin::is_running(config) && !config.data.join(store::FILE).exists() {
        return Err(format!("{}: there is nothing to back up", config.data.display()));
    }
    let passphrase = prompt::new_secret("passphrase for this backup", passphrase_file)?;
    match admin::carry_out(config, &Order::Backup, Some(passphrase))? {
        Ok(text) => {
            let bytes = BASE64.decode(text.trim()).map_err(|_| "the server's answer is no backup")?;
            match to_stdout {
                true => io::stdout().lock().write_all(&bytes).map_err(|error| error.to_string())?,
                false => Beside::write(file, &bytes)
                    .and_then(Beside::place)
                    .map_err(|error| format!("{}: {error}", file.display()))?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            eprintln!("footbridge: {why}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The server's part: one consistent snapshot, sealed.
pub fn make(data: &Path, store: &Store, passphrase: &Secret) -> Result<Vec<u8>, String> {
    auth::strong_enough(passphrase)?;
    let records = store.snapshot().map_err(|error| error.to_string())?.0;
    let encode = |bytes: &[u8]| BASE64.encode(bytes);
    let read = |path: &Path| fs::read(path).map(Zeroizing::new).map_err(|error| format!("{}: {error}", path.display()));
    let tls = data.join("tls");
    let bundle = Bundle {
        made: clock::today(),
        version: env!("CARGO_PKG_VERSION").into(),
        device_key: encode(&read(&data.join(DEVICE_KEY_FILE))?),
        tls: TLS
            .iter()
            .filter(|name| tls.join(name).exists())
            .map(|name| Ok((name.to_string(), encode(&read(&tls.join(name))?))))
            .collect::<Result<_, String>>()?,
        records: records.iter().map(|(key, value)| (encode(key), encode(value))).collect(),
    };
    let text = Zeroizing::new(serde_json::to_vec(&bundle).map_err(|error| error.to_string())?);
    seal(&text, passphrase)
}

/// The same as base64, because orders and answers of the command line are lines of text.
pub fn make_line(data: &Path, store: &Store, passphrase: &Secret) -> Result<String, String> {
    make(data, store, passphrase).map(|file| BASE64.encode(file))
}

fn seal(text: &[u8], passphrase: &Secret) -> Result<Vec<u8>, String> {
    let cost = Cost {
        kib: limits::BACKUP_ARGON2_KIB,
        passes: limits::BACKUP_ARGON2_PASSES,
        lanes: limits::BACKUP_ARGON2_LANES,
    };
    let salt: [u8; 16] = random::bytes();
    let mut file = MAGIC.to_vec();
    [cost.kib, cost.passes, cost.lanes].iter().for_each(|number| file.extend_from_slice(&number.to_be_bytes()));
    file.extend_from_slice(&salt);
    let key = key(passphrase, &salt, cost)?;
    let sealed = vault::seal_bytes(&key, &file, text);
    file.extend_from_slice(&sealed);
    Ok(file)
}

fn key(passphrase: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Key32, String> {
    auth::stretch(passphrase, salt, cost).map_err(|_| "Argon2id failed; is there enough memory?".into())
}

// ---- reading one ----

/// A backup that was opened and found whole.
struct Opened {
    bundle: Bundle,
    device: DeviceKey,
    device_key: Zeroizing<Vec<u8>>,
    tls: Vec<(String, Zeroizing<Vec<u8>>)>,
    snapshot: Snapshot,
    contents: Contents,
}

fn verify(file: &Path, passphrase_file: Option<&Path>) -> Outcome {
    match open(file, passphrase_file) {
        Ok(opened) => say(&describe(&opened)),
        Err(why) => {
            eprintln!("footbridge: {}: {why}", file.display());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn describe(opened: &Opened) -> String {
    let Contents { format, records, users } = opened.contents;
    let Bundle { made, version, .. } = &opened.bundle;
    format!(
        "good: format {format}, {users} users, {records} records; made by footbridge {version} at {made} (seconds since 1970)\n"
    )
}

fn open(file: &Path, passphrase_file: Option<&Path>) -> Result<Opened, String> {
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(|error| error.to_string())?),
    };
    source.take(limits::BACKUP_BYTES).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    // Nobody is asked for the passphrase of what is no backup.
    head(&bytes)?;
    let passphrase = prompt::secret("Passphrase of this backup: ", passphrase_file)?;
    open_with(&bytes, &passphrase).map_err(|unfit| match unfit {
        Unfit::File(why) | Unfit::Passphrase(why) => why,
        Unfit::Taken | Unfit::Disk(_) => "it cannot be opened".into(),
    })
}

fn open_with(bytes: &[u8], passphrase: &Secret) -> Result<Opened, Unfit> {
    let (salt, cost) = head(bytes).map_err(Unfit::File)?;
    let text = unseal(bytes, &key(passphrase, &salt, cost).map_err(Unfit::File)?).map_err(Unfit::Passphrase)?;
    let bundle: Bundle = serde_json::from_slice(&text)
        .map_err(|_| Unfit::File("this backup has a form that this version does not know".into()))?;
    // Each copy of it takes as much again of a small board.
    drop(text);
    check(bundle).map_err(Unfit::File)
}

/// Salt and cost, if this is a backup at all.
fn head(bytes: &[u8]) -> Result<([u8; 16], Cost), String> {
    if !bytes.starts_with(MAGIC) {
        return Err(match bytes.starts_with(b"footbridge-backup ") {
            true => "this backup was made by a newer footbridge; install that one".into(),
            false => "this is not a backup".to_owned(),
        });
    }
    let number = |at: usize| {
        let at = MAGIC.len() + 4 * at;
        bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes)
    };
    let salt = bytes.get(HEAD_BYTES - 16..HEAD_BYTES).and_then(|salt| salt.try_into().ok());
    let (Some(salt), Some(kib), Some(passes), Some(lanes)) = (salt, number(0), number(1), number(2)) else {
        return Err("this backup ends too early".into());
    };
    let sane =
        kib <= limits::BACKUP_KIB_MOST && passes <= limits::BACKUP_PASSES_MOST && lanes <= limits::BACKUP_LANES_MOST;
    match sane {
        true => Ok((salt, Cost { kib, passes, lanes })),
        false => Err("this backup's head was changed".into()),
    }
}

fn unseal(bytes: &[u8], key: &Key32) -> Result<Zeroizing<Vec<u8>>, String> {
    let (head, sealed) = bytes.split_at(HEAD_BYTES.min(bytes.len()));
    vault::open_bytes(key, head, sealed.to_vec())
        .map_err(|_| "it does not open: the passphrase is wrong, or the file was changed or cut off".into())
}

/// What it restores must be a box that starts: certificates that can be used, and every record under the device key that is in it.
fn check(mut bundle: Bundle) -> Result<Opened, String> {
    let decode = |text: &String| BASE64.decode(text).map_err(|_| "this backup is damaged".to_owned());
    let device_key = Zeroizing::new(decode(&bundle.device_key)?);
    let device = DeviceKey::from_backup(&device_key).ok_or("this backup's device key is damaged")?;
    let known = |name: &String| TLS.contains(&name.as_str()).then_some(()).ok_or("this backup holds a file of no use");
    let tls = bundle.tls.iter().map(|(name, text)| {
        known(name)?;
        Ok((name.clone(), Zeroizing::new(decode(text)?)))
    });
    let tls = tls.collect::<Result<Vec<_>, String>>()?;
    let file = |name: &str| tls.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice());
    if !door::are_of_use(file) {
        return Err("this backup's certificates cannot be read, and no box would start with them".into());
    }
    let records = mem::take(&mut bundle.records).into_iter();
    let records = records.map(|(key, value)| Ok((decode(&key)?, decode(&value)?)));
    let snapshot = Snapshot(records.collect::<Result<_, String>>()?);
    let contents = snapshot.check(device.derive("store")).map_err(|error| error.to_string())?;
    Ok(Opened { bundle, device, device_key, tls, snapshot, contents })
}

// ---- restoring one ----

fn restore(data: &Path, file: &Path, passphrase_file: Option<&Path>) -> Outcome {
    super::serve::prepare(data)?;
    // Another restore into it would take ours for what an interrupted one has left.
    let told = |error: io::Error| format!("{}: {error}", data.display());
    let folder = File::open(data).map_err(told)?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => format!("{}: another restore is under way here", data.display()),
        error => told(error.into()),
    })?;
    must_be_empty(data)?;
    let opened = match open(file, passphrase_file) {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("footbridge: {}: {why}", file.display());
            return Ok(ExitCode::FAILURE);
        }
    };
    // While somebody typed the passphrase, a server may have been started here, and claimed.
    must_be_empty(data)?;
    let told = describe(&opened);
    put_in_place(data, opened).map_err(|why| format!("{}: {why}", data.display()))?;
    say(&format!("restored into {}; {told}", data.display()))
}

/// What an interrupted restore left is not in the way of the next one.
fn must_be_empty(data: &Path) -> Result<(), String> {
    let names = || -> io::Result<Vec<String>> {
        fs::read_dir(data)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let names = names().map_err(|error| format!("{}: {error}", data.display()))?;
    if names.is_empty() {
        return Ok(());
    }
    let ours = |name: &String| name.starts_with(UNFINISHED) || name == "tls" || name == store::FILE;
    if !names.iter().any(|name| name.starts_with(UNFINISHED)) || !names.iter().all(ours) {
        return Err(format!("{} is not empty; restore into an empty directory (--data DIR)", data.display()));
    }
    names.iter().try_for_each(|name| remove(&data.join(name)).map_err(|error| format!("{name}: {error}")))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn put_in_place(data: &Path, opened: Opened) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let unfinished = data.join(format!("{UNFINISHED}{}", Id::random()));
    lay_out(&unfinished, opened).map_err(|error| match error {
        StoreError::Io(error) => told(error),
        error => error.to_string(),
    })?;
    for name in ["tls", store::FILE, DEVICE_KEY_FILE] {
        fs::rename(unfinished.join(name), data.join(name)).and_then(|()| disk::sync_dir(data)).map_err(told)?;
    }
    fs::remove_dir(&unfinished).and_then(|()| disk::sync_dir(data)).map_err(told)
}

/// All its files, on the disk, in a directory of their own.
fn lay_out(dir: &Path, opened: Opened) -> Result<(), StoreError> {
    let tls = dir.join("tls");
    DirBuilder::new().recursive(true).mode(0o700).create(&tls).map_err(StoreError::Io)?;
    for (name, bytes) in &opened.tls {
        disk::write_new(&tls.join(name), bytes).map_err(StoreError::Io)?;
    }
    opened.snapshot.write(dir)?;
    disk::write_new(&dir.join(DEVICE_KEY_FILE), &opened.device_key).map_err(StoreError::Io)?;
    [tls.as_path(), dir].into_iter().try_for_each(disk::sync_dir).map_err(StoreError::Io)
}

// ---- restoring one by the page ----

/// How many users come back. Everything lies ready then, and nobody gets an account here any more: the box must start anew.
pub fn stage(data: &Path, store: &Store, file: &[u8], passphrase: &Secret, by: IpAddr) -> Result<usize, Unfit> {
    let opened = open_with(file, passphrase)?;
    let users = opened.contents.users;
    let staging = data.join(STAGING);
    let placed = lay_out_noted(&staging, opened, by).and_then(|()| {
        store.give_way(|| {
            fs::rename(&staging, data.join(RESTORED))?;
            // It has its name. If a power cut takes that back, the box is as it was; the start makes sure of it otherwise.
            let _ = disk::sync_dir(data);
            Ok(())
        })
    });
    match placed {
        Ok(true) => Ok(users),
        refused => {
            let _ = fs::remove_dir_all(&staging);
            Err(refused.err().map_or(Unfit::Taken, Unfit::Disk))
        }
    }
}

/// The audit begins with it: that of before was written under a key that goes.
fn lay_out_noted(staging: &Path, opened: Opened, by: IpAddr) -> Result<(), StoreError> {
    let key = opened.device.derive("audit");
    let fresh = disk::unless_gone(fs::remove_dir_all(staging)).map_err(StoreError::Io);
    fresh.and_then(|()| lay_out(staging, opened))?;
    audit::begin(&staging.join(audit::FILE), key, "claim.restore", &[("peer", &by.to_string())])
        .and_then(|()| disk::sync_dir(staging))
        .map_err(StoreError::Io)
}

/// Before anything is opened. Wherever a power cut ends it, the next start goes on from there.
pub fn finish_restored(data: &Path) -> Result<(), String> {
    let told = |error: io::Error| format!("{}: a restore cannot be finished: {error}", data.display());
    disk::unless_gone(fs::remove_dir_all(data.join(STAGING))).map_err(told)?;
    let restored = data.join(RESTORED);
    let folder = match File::open(&restored) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        folder => folder.map_err(told)?,
    };
    // Two commands at once: the second one finds nothing left to do.
    flock(&folder, FlockOperation::LockExclusive).map_err(|error| told(error.into()))?;
    put_restored_in_place(data, &restored).map_err(told)?;
    log::info!("the restored backup is in its place");
    Ok(())
}

fn put_restored_in_place(data: &Path, restored: &Path) -> io::Result<()> {
    audit::forget_older(&data.join(audit::FILE))?;
    Auth::forget_claim_code(data);
    disk::move_each(restored, data, ["tls", store::FILE, audit::FILE, DEVICE_KEY_FILE])?;
    disk::unless_gone(fs::remove_dir_all(restored))?;
    disk::sync_dir(data)
}

/// Before anything is opened: a database without its device key would seem damaged, and a new key would be made beside it.
pub fn refuse_unfinished(data: &Path) -> Result<(), String> {
    if data.join(DEVICE_KEY_FILE).exists() {
        return Ok(());
    }
    let unfinished = fs::read_dir(data).into_iter().flatten().flatten();
    if unfinished.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with(UNFINISHED)) {
        return Err(format!("{}: a restore was interrupted; restore once more", data.display()));
    }
    match fs::metadata(data.join(store::FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => Err(format!(
            "{0}: there is a database and no {DEVICE_KEY_FILE}, without which it does not open; put it back, from a backup",
            data.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever has the passphrase can make a backup of anything: what is in it gets no name but the known ones.
    #[test]
    fn a_file_of_another_name_is_not_taken() {
        let file = |name: &str| {
            let tls = vec![(name.to_owned(), BASE64.encode("x"))];
            let bundle =
                Bundle { made: 1, version: "1".into(), device_key: BASE64.encode([7; 32]), tls, records: Vec::new() };
            check(bundle).err().unwrap()
        };
        for name in ["../../etc/passwd", "/etc/passwd", "leaf.pem/../x", ""] {
            assert_eq!(file(name), "this backup holds a file of no use", "{name}");
        }
        assert_ne!(file("leaf.pem"), "this backup holds a file of no use");
    }
}
