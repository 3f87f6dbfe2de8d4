//! The small interface everything above stands on: get, range, and one atomic transaction with compare. redb behind it here; a
//! second engine for several boxes that share one state would stand behind the same functions.

use super::StoreError;
use crate::limits;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, StorageError, TableDefinition, TableError,
};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
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

    /// The bytes of their values together, read one after the other.
    fn size(&self, prefix: &[u8]) -> Result<usize, StoreError>;

    /// All of `changes` or none, on the disk before it answers. False: a condition did not hold and nothing is changed.
    fn commit(&self, conditions: &[Condition], changes: &[Change]) -> Result<bool, StoreError>;
}

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// redb takes no call after a read or write of its file has failed: a disk that was full for a moment would end the service. So the
/// file is opened again, which shows the last transaction that was committed. That writes, too: where nothing can be written, a copy
/// in memory is opened, so that reads go on, and each change tries the file again.
pub struct Redb {
    path: PathBuf,
    /// None while it could not be opened again.
    open: RwLock<Open>,
}

struct Open {
    database: Option<Database>,
    /// The disk's refusal, while `database` is a copy in memory, or none because a copy would be too large.
    copy_because: Option<io::Error>,
    /// How often it was opened: whoever waited to open it sees that somebody else did.
    times: u64,
}

impl Redb {
    /// Opens or makes the file. A file that was altered since we wrote it fails here, instead of being believed.
    pub fn open(path: &Path) -> Result<Redb, StoreError> {
        create_private(path)?;
        let open = Open { database: Some(open(path)?), copy_because: None, times: 1 };
        Ok(Redb { path: path.to_owned(), open: RwLock::new(open) })
    }

    /// Does the work, and if the engine had given up before, opens the file again and does it then: nothing of it was done.
    fn with<T>(&self, changes: bool, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let (outcome, times) = self.try_with(changes, &work);
        match outcome {
            Err(StoreError::GaveUp) => {
                self.open_again(times)?;
                self.try_with(changes, &work).0
            }
            outcome => outcome,
        }
    }

    fn try_with<T>(
        &self,
        changes: bool,
        work: impl Fn(&Database) -> Result<T, StoreError>,
    ) -> (Result<T, StoreError>, u64) {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let outcome = match &open.database {
            Some(_) if changes && open.copy_because.is_some() => {
                Err(StoreError::Io(open.copy_because.as_ref().map_or(ErrorKind::Other.into(), same)))
            }
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
        let knew = now.copy_because.is_some();
        // The old one first: it holds the file's lock.
        now.database = None;
        now.times += 1;
        match open(&self.path) {
            Err(StoreError::Io(error)) => {
                let told = same(&error);
                now.copy_because = Some(error);
                now.database = open_copy(&self.path, limits::STORE_COPY_BYTES)?;
                let fits = now.database.is_some();
                if !knew {
                    let state = if fits { "can only be read" } else { "is too large to be read from memory" };
                    log::error!("the database {state} until the disk takes writes again: {told}");
                }
                if !fits {
                    return Err(StoreError::Io(told));
                }
            }
            opened => {
                now.database = Some(opened?);
                now.copy_because = None;
                log::warn!("the database was opened again after an error of the disk");
            }
        }
        Ok(())
    }

    /// Each pair whose key begins with `prefix`, in order, is added to what begins as nothing.
    fn walk<T: Default>(&self, prefix: &[u8], add: impl Fn(&mut T, &[u8], &[u8])) -> Result<T, StoreError> {
        self.with(false, |database| {
            let reading = database.begin_read().map_err(redb::Error::from)?;
            let mut all = T::default();
            let table = match reading.open_table(RECORDS) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(all),
                Err(error) => return Err(redb::Error::from(error).into()),
            };
            for pair in table.range(prefix..).map_err(storage)? {
                let (key, value) = pair.map_err(storage)?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                add(&mut all, key.value(), value.value());
            }
            Ok(all)
        })
    }

    /// A change of a copy would be lost: the file is tried again first.
    fn leave_copy(&self) -> Result<(), StoreError> {
        let (is_copy, times) = {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            (open.copy_because.is_some(), open.times)
        };
        if is_copy {
            self.open_again(times)?;
        }
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

/// io::Error cannot be cloned; the kernel's number is what counts.
fn same(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// None: it has more bytes than a small board has to spare.
fn open_copy(path: &Path, most: u64) -> Result<Option<Database>, StoreError> {
    if fs::metadata(path).map_err(StoreError::Io)?.len() > most {
        return Ok(None);
    }
    let copy = Copy(RwLock::new(fs::read(path).map_err(StoreError::Io)?));
    let opened = guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(limits::STORE_CACHE_BYTES).set_check_integrity_on_open(true);
        builder.create_with_backend(copy).map_err(opening)
    });
    opened.map(Some)
}

/// The file's bytes. What redb mends in them when it opens them stays here.
struct Copy(RwLock<Vec<u8>>);

impl std::fmt::Debug for Copy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Copy")
    }
}

impl StorageBackend for Copy {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = bytes.get(offset as usize..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(from.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // Opening it may mend it, and mending may make it longer.
        if len > limits::STORE_COPY_BYTES {
            return Err(ErrorKind::OutOfMemory.into());
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let into = bytes.get_mut(offset as usize..).and_then(|rest| rest.get_mut(..data.len()));
        into.ok_or(ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }
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
        self.with(false, |database| {
            let reading = database.begin_read().map_err(redb::Error::from)?;
            match reading.open_table(RECORDS) {
                Ok(table) => Ok(table.get(key).map_err(storage)?.map(|value| value.value().to_vec())),
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(redb::Error::from(error).into()),
            }
        })
    }

    fn range(&self, prefix: &[u8]) -> Result<Vec<Pair>, StoreError> {
        self.walk(prefix, |pairs: &mut Vec<Pair>, key, value| pairs.push((key.to_vec(), value.to_vec())))
    }

    fn size(&self, prefix: &[u8]) -> Result<usize, StoreError> {
        self.walk(prefix, |size: &mut usize, _, value| *size += value.len())
    }

    fn commit(&self, conditions: &[Condition], changes: &[Change]) -> Result<bool, StoreError> {
        self.leave_copy()?;
        self.with(true, |database| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_in_memory_has_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        drop(Redb::open(&path).unwrap());
        let size = fs::metadata(&path).unwrap().len();
        assert!(open_copy(&path, size).unwrap().is_some());
        assert!(open_copy(&path, size - 1).unwrap().is_none());
        let copy = Copy(RwLock::default());
        assert!(copy.set_len(limits::STORE_COPY_BYTES + 1).is_err() && copy.len().unwrap() == 0);
    }
}
