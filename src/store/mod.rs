//! Typed tables over one small transactional key-value interface; redb behind it.

use crate::clock::Seconds;
use crate::random::Id;
use crate::vault::Sealed;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Administrator,
    User,
    /// May run saved commands, gets no terminal.
    CommandOnly,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub id: Id,
    pub label: String,
    pub address: String,
    pub port: u16,
    pub user: String,
    pub credential_id: Option<Id>,
    pub created: Seconds,
    pub last_used: Option<Seconds>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKind {
    Key,
    Password,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    pub id: Id,
    pub label: String,
    pub kind: CredentialKind,
    pub algorithm: Option<String>,
    pub public_key: Option<String>,
    pub fingerprint: Option<String>,
    pub created: Seconds,
    pub secret: Sealed,
}

/// A key trusted for an address and port, by one user or (without one) by the administrators for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHostKey {
    pub id: Id,
    pub user: Option<Id>,
    pub address: String,
    pub port: u16,
    pub algorithm: Option<String>,
    pub fingerprint: String,
    pub added: Seconds,
}

#[derive(Debug)]
pub enum StoreError {
    Unreadable,
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

pub struct Store;

impl Store {
    pub fn known_for(&self, _user: Id, _address: &str, _port: u16) -> Result<Vec<KnownHostKey>, StoreError> {
        Err(StoreError::Unreadable)
    }

    pub fn add_host_keys(&self, _keys: &[KnownHostKey]) -> Result<usize, StoreError> {
        Err(StoreError::Unreadable)
    }

    pub fn replace_host_key(&self, _key: &KnownHostKey) -> Result<(), StoreError> {
        Err(StoreError::Unreadable)
    }
}
