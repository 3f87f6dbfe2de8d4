//! Why a sign-in, or what somebody signed in wants, comes to nothing.

use super::hashing::HashError;
use crate::store::{Disk, StoreError};
use crate::vault::VaultError;
use std::fmt::Display;
use std::time::Duration;

/// Why not. Only what the asker may know.
#[derive(Debug)]
pub enum Refusal {
    /// The name, the password or the code is wrong; or the account is locked, disabled or not there.
    Failed,
    /// It wants a proof that was not given.
    ProofNeeded,
    /// Too many failures from this address; wait so long.
    TooMany(Duration),
    /// The password was right, but too many sign-ins of the account have come only so far; wait so long.
    TooManyHalf(Duration),
    Busy,
    /// A new name or password that cannot be.
    Weak {
        field: &'static str,
        message: String,
    },
    NameTaken,
    /// There is nothing to claim any more; or no such user.
    Gone,
    /// The sign-in is over, or what it stands on is another by now.
    Ended,
    /// Everything else was right, but the account demands a certificate; a sentence that says what was seen instead.
    Certificate(&'static str),
    /// It cannot be done as things are; a sentence that says why.
    NotNow(&'static str),
    /// The disk took nothing, so nothing was changed.
    Disk(Disk),
    /// The log says more.
    Internal,
}

pub(super) fn internal(error: impl Display) -> Refusal {
    log::error!("sign-in: {error}");
    Refusal::Internal
}

/// For what a sign-in only remembers beside it: a full disk is no reason to keep anybody out. It was logged.
pub(super) fn unless_the_disk_refuses<T>(done: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match done {
        Err(Refusal::Disk(_)) => Ok(None),
        done => done.map(Some),
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        if let StoreError::GivesWay = error {
            return Refusal::Gone;
        }
        let disk = error.disk();
        let refusal = internal(error);
        disk.map_or(refusal, Refusal::Disk)
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Refusal {
        internal(error)
    }
}

impl From<HashError> for Refusal {
    fn from(error: HashError) -> Refusal {
        match error {
            HashError::Busy => Refusal::Busy,
            HashError::Failed => internal("Argon2id failed; is there enough memory?"),
        }
    }
}
