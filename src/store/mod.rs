//! Typed tables over one small transactional key-value interface ([`engine`]); redb behind it.
//!
//! Every method that changes something is one atomic transaction, on the disk before it answers. docs/FORMAT.md draws the bytes.

mod belongings;
mod engine;
mod format;
mod hostkeys;
mod invites;
mod records;
mod snapshot;
mod table;
mod users;

pub use records::{
    Certificate, Credential, CredentialKind, Device, Host, Invite, KnownHostKey, Passkey, Place, Reset, Role, User,
};
pub use snapshot::{Contents, Snapshot};

use crate::secret::Key32;
use engine::Redb;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use table::Records;

/// The database's file in the data directory.
pub const FILE: &str = "footbridge.redb";

#[derive(Debug)]
pub enum StoreError {
    /// The quota for this kind of thing is used up.
    Full,
    /// Something with this name is there already.
    Exists,
    /// Longer than any value may be.
    TooLong,
    /// Whose it would be is gone, or not (any more) as they must be for it.
    Overtaken,
    /// Another store takes this one's place: nobody gets an account here any more.
    GivesWay,
    /// Another process has the file.
    AlreadyOpen,
    /// Written by a newer version of this program.
    Newer(u32),
    /// Not one record is ours: it was written under another device key, or the first that is read was changed.
    AnotherKey,
    /// The file, or one record in it, is not as we wrote it.
    Damaged(String),
    Io(io::Error),
    /// The engine takes no calls after an earlier error of the disk.
    GaveUp,
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full => out.write_str("no place for more of these"),
            StoreError::Exists => out.write_str("it exists already"),
            StoreError::TooLong => out.write_str("the value is too long to be stored"),
            StoreError::Overtaken => out.write_str("whose it would be is gone, or has changed meanwhile"),
            StoreError::GivesWay => out.write_str("a restored backup is about to take its place"),
            StoreError::AlreadyOpen => out
                .write_str("the database is open in another process; is a footbridge running on this data directory?"),
            StoreError::Newer(format) => {
                write!(
                    out,
                    "the database has format {format}, made by a newer footbridge; install that one, or restore a backup"
                )
            }
            StoreError::AnotherKey => out.write_str(
                "the database was written under another device.key, or is damaged; put the device.key that belongs to it back, or restore a backup",
            ),
            StoreError::Damaged(what) => write!(out, "the database is damaged ({what}); restore a backup"),
            StoreError::Io(error) => write!(out, "the database: {error}"),
            StoreError::GaveUp => out.write_str("the database cannot be used since an error of the disk"),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// The disk's own refusal of a write, if it is one that its owner can do something about.
    pub fn disk(&self) -> Option<Disk> {
        let StoreError::Io(error) = self else { return None };
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Some(Disk::Full),
            io::ErrorKind::ReadOnlyFilesystem => Some(Disk::ReadOnly),
            _ => None,
        }
    }
}

/// Why a disk takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    Full,
    /// A kernel that met an error of the card makes it so, under a running server too.
    ReadOnly,
}

impl Disk {
    pub fn sentence(self) -> &'static str {
        match self {
            Disk::Full => "The box's disk is full, so nothing was changed.",
            Disk::ReadOnly => "The box's disk has become read-only, so nothing was changed.",
        }
    }

    pub fn remedy(self) -> &'static str {
        match self {
            Disk::Full => "Make room on it, and try again.",
            Disk::ReadOnly => {
                "Its kernel's log says why; a card that does this is often worn out. Mount it read-write and start the box again."
            }
        }
    }
}

pub struct Store {
    records: Records,
    /// One writer at a time reads, decides and commits, so that quotas hold. The engine's conditions stand behind it.
    turn: Mutex<()>,
    gives_way: AtomicBool,
}

impl Store {
    /// Opens `DIR/footbridge.redb`, makes it if missing, and brings an older format up to date after a backup beside it.
    /// `key` authenticates every record.
    pub fn open(dir: &Path, key: Key32) -> Result<Store, StoreError> {
        let records = Records::new(Box::new(Redb::open(&dir.join(FILE))?), key);
        format::bring_up_to_date(&records, dir, format::STEPS)?;
        Ok(Store { records, turn: Mutex::new(()), gives_way: AtomicBool::new(false) })
    }

    /// Can the store be read, and is it what it was at the start?
    pub fn check(&self) -> Result<(), StoreError> {
        format::read(&self.records).map(drop)
    }

    /// For another store that is to take this one's place: if nobody has an account here, this deed is done, and nobody gets one
    /// afterwards. False: somebody has, and it was not done.
    pub fn give_way(&self, deed: impl FnOnce() -> io::Result<()>) -> Result<bool, StoreError> {
        let _turn = self.my_turn();
        if self.gives_way.load(Ordering::Relaxed) || !self.users()?.is_empty() {
            return Ok(false);
        }
        deed().map_err(StoreError::Io)?;
        self.gives_way.store(true, Ordering::Relaxed);
        Ok(true)
    }

    fn my_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
