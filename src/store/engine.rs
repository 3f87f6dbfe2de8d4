//! The small interface everything above stands on: get, range, and one atomic transaction with compare. redb behind it here; a
//! second engine for several boxes that share one state would stand behind the same three functions.

use super::StoreError;
use crate::limits;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

pub type Pair = (Vec<u8>, Vec<u8>);

/// One change of a transaction.
pub enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

/// What must still be so for a transaction to happen: the value of a key, or that there is none.
pub type Condition = (Vec<u8>, Option<Vec<u8>>);

pub trait Engine: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// All pairs whose key begins with `prefix`, in order.
    fn range(&self, prefix: &[u8]) -> Result<Vec<Pair>, StoreError>;

    /// All of `changes` or none, on the disk before it answers. False: a condition did not hold and nothing is changed.
    fn commit(&self, conditions: &[Condition], changes: &[Change]) -> Result<bool, StoreError>;
}

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// redb takes no call after a read or write of its file has failed: a disk that was full for a moment would end the service. So the
/// file is opened again, which shows the last transaction that was committed.
pub struct Redb {
    path: PathBuf,
    /// None while it could not be opened again.
    open: RwLock<Open>,
}

struct Open {
    database: Option<Database>,
    /// How often it was opened: whoever waited to open it sees that somebody else did.
    times: u64,
}

impl Redb {
    /// Opens or makes the file. A file that was altered since we wrote it fails here, instead of being believed.
    pub fn open(path: &Path) -> Result<Redb, StoreError> {
        create_private(path)?;
        let open = Open { database: Some(open(path)?), times: 1 };
        Ok(Redb { path: path.to_owned(), open: RwLock::new(open) })
    }

    /// Does the work, and if the engine had given up before, opens the file again and does it then: nothing of it was done.
    fn with<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let (outcome, times) = self.try_with(&work);
        match outcome {
            Err(StoreError::GaveUp) => {
                self.open_again(times)?;
                self.try_with(&work).0
            }
            outcome => outcome,
        }
    }

    fn try_with<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> (Result<T, StoreError>, u64) {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let outcome = match &open.database {
            Some(database) => guarded(|| work(database)),
            None => Err(StoreError::GaveUp),
        };
        (outcome, open.times)
    }

    fn open_again(&self, times: u64) -> Result<(), StoreError> {
        let mut now = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if now.times != times {
            return Ok(());
        }
        // The old one first: it holds the file's lock.
        now.database = None;
        now.database = Some(open(&self.path)?);
        now.times += 1;
        log::warn!("the database was opened again after an error of the disk");
        Ok(())
    }
}

fn open(path: &Path) -> Result<Database, StoreError> {
    guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(limits::STORE_CACHE_BYTES).set_check_integrity_on_open(true);
        builder.create(path).map_err(opening)
    })
}

/// redb would make the file with whatever umask there is.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(StoreError::Io(error)),
        _ => Ok(()),
    }
}

fn opening(error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::AlreadyOpen,
        DatabaseError::Storage(error) => storage(error),
        error => StoreError::Damaged(error.to_string()),
    }
}

fn storage(error: StorageError) -> StoreError {
    match error {
        StorageError::Io(error) if error.kind() == ErrorKind::InvalidData => StoreError::Damaged(error.to_string()),
        StorageError::Io(error) => StoreError::Io(error),
        StorageError::PreviousIo => StoreError::GaveUp,
        error => StoreError::Damaged(error.to_string()),
    }
}

/// A damaged file can make the engine panic deep inside. That is an error like any other, and stays in its request.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Damaged("the engine gave up on the file".into())))
}

impl Engine for Redb {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|database| {
            let reading = database.begin_read().map_err(redb::Error::from)?;
            match reading.open_table(RECORDS) {
                Ok(table) => Ok(table.get(key).map_err(storage)?.map(|value| value.value().to_vec())),
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(redb::Error::from(error).into()),
            }
        })
    }

    fn range(&self, prefix: &[u8]) -> Result<Vec<Pair>, StoreError> {
        self.with(|database| {
            let reading = database.begin_read().map_err(redb::Error::from)?;
            let table = match reading.open_table(RECORDS) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(redb::Error::from(error).into()),
            };
            let mut pairs = Vec::new();
            for pair in table.range(prefix..).map_err(storage)? {
                let (key, value) = pair.map_err(storage)?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                pairs.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(pairs)
        })
    }

    fn commit(&self, conditions: &[Condition], changes: &[Change]) -> Result<bool, StoreError> {
        self.with(|database| {
            let mut writing = database.begin_write().map_err(redb::Error::from)?;
            // With one phase, a newest transaction that does not check is taken for one that never ended, and silently undone.
            writing.set_two_phase_commit(true);
            {
                let mut table = writing.open_table(RECORDS).map_err(redb::Error::from)?;
                for (key, wanted) in conditions {
                    let found = table.get(key.as_slice()).map_err(storage)?;
                    if found.as_ref().map(|value| value.value()) != wanted.as_deref() {
                        return Ok(false);
                    }
                }
                for change in changes {
                    match change {
                        Change::Put(key, value) => {
                            drop(table.insert(key.as_slice(), value.as_slice()).map_err(storage)?)
                        }
                        Change::Delete(key) => drop(table.remove(key.as_slice()).map_err(storage)?),
                    }
                }
            }
            writing.commit().map_err(redb::Error::from)?;
            Ok(true)
        })
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> StoreError {
        match error {
            redb::Error::Io(error) => StoreError::Io(error),
            redb::Error::PreviousIo => storage(StorageError::PreviousIo),
            error => StoreError::Damaged(error.to_string()),
        }
    }
}
