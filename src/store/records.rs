//! What is stored. Changing a field's meaning is a new format (`format.rs`); a new field has a default.

use crate::clock::Seconds;
use crate::random::Id;
use crate::vault::{Sealed, Wrapped};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Administrator,
    User,
    /// May run saved commands, gets no terminal.
    CommandOnly,
}

impl Role {
    /// As everybody writes it.
    pub fn word(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::User => "user",
            Role::CommandOnly => "command-only",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    pub id: Id,
    /// Lower case, unique.
    pub name: String,
    pub role: Role,
    pub created: Seconds,
    pub disabled: bool,
    /// What `auth` compares a password with: parameters, salt and a hash of the verifier, as text.
    pub verifier: String,
    /// The data key, wrapped once per way in: ("password", …), ("recovery-1", …).
    pub wrapped: Vec<(String, Wrapped)>,
    pub password_changed: Seconds,
    /// Verifiers of earlier passwords, newest first (A8).
    #[serde(default)]
    pub old_verifiers: Vec<String>,
    /// Until when failed sign-ins lock the account (E2).
    #[serde(default)]
    pub locked_until: Option<Seconds>,
    /// The TOTP secret, sealed under the data key, and the last time step that was accepted.
    #[serde(default)]
    pub factor: Option<Sealed>,
    #[serde(default)]
    pub last_step: u64,
    /// Other second factors (B9).
    #[serde(default)]
    pub passkeys: Vec<Passkey>,
    /// Browsers with a key of their own (R1), and whether there must be one.
    #[serde(default)]
    pub devices: Vec<Device>,
    #[serde(default)]
    pub device_required: bool,
    /// A code that lets another device in.
    #[serde(default)]
    pub device_code: Option<Reset>,
    /// Certificates of browsers (R2), and whether there must be one.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    #[serde(default)]
    pub certificate_required: bool,
    /// Hashes of recovery codes not used yet.
    #[serde(default)]
    pub recovery: Vec<String>,
    /// A way to a new password that the command line gave out (A10).
    #[serde(default)]
    pub reset: Option<Reset>,
    /// What the user has to be told at the next sign-in.
    #[serde(default)]
    pub notices: Vec<String>,
}

impl User {
    /// Does a sign-in of this user have a second step?
    pub fn has_factor(&self) -> bool {
        self.factor.is_some() || !self.passkeys.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    pub id: Id,
    pub label: String,
    pub created: Seconds,
    pub last_used: Option<Seconds>,
    /// Host name, credential id, public key and counter, under the data key: whoever can write the disk cannot plant one.
    pub sealed: Sealed,
}

/// Not sealed: it is looked at before the password is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub id: Id,
    pub label: String,
    /// The public key (P-256, 4 | x | y), base64url.
    pub key: String,
    pub created: Seconds,
    pub last_used: Option<Seconds>,
}

/// A browser's TLS certificate. Not sealed: it is looked at before the password is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub id: Id,
    pub label: String,
    /// SHA-256 of its DER, hexadecimal.
    pub fingerprint: String,
    pub created: Seconds,
    pub last_used: Option<Seconds>,
}

/// A token or code that was not used yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    pub made: Seconds,
}

/// An invitation that was not used yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    pub id: Id,
    pub role: Role,
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    pub made: Seconds,
    /// The name of the administrator who made it.
    pub by: String,
}

/// Where a user wants to go. Field by field as docs/API.md has it.
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
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub favourite: bool,
    #[serde(default)]
    pub colour: String,
    #[serde(default)]
    pub notes: String,
    /// Programs on this host may write the user's clipboard.
    #[serde(default)]
    pub osc52: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKind {
    Key,
    Password,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credential {
    pub id: Id,
    pub label: String,
    pub kind: CredentialKind,
    pub algorithm: Option<String>,
    pub public_key: Option<String>,
    pub fingerprint: Option<String>,
    pub created: Seconds,
    pub secret: Sealed,
    /// Where a password may be sent, oldest first. A key only signs, and is shown anywhere.
    #[serde(default)]
    pub sent_to: Vec<Place>,
    /// When a host last took it.
    #[serde(default)]
    pub last_used: Option<Seconds>,
}

#[cfg(test)]
impl Credential {
    pub fn password_for_tests(id: Id, secret: Sealed) -> Credential {
        Credential {
            id,
            label: "c".into(),
            kind: CredentialKind::Password,
            algorithm: None,
            public_key: None,
            fingerprint: None,
            created: 1,
            secret,
            sent_to: Vec::new(),
            last_used: None,
        }
    }
}

/// An address and port, as a person wrote it: another spelling of the same host is another place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Lower case.
    pub address: String,
    pub port: u16,
}

impl Place {
    pub fn new(address: &str, port: u16) -> Place {
        Place { address: address.to_lowercase(), port }
    }
}

/// A key trusted for an address and port, by one user or (without one) by the administrators for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHostKey {
    pub id: Id,
    pub user: Option<Id>,
    /// Lower case.
    pub address: String,
    pub port: u16,
    /// None: a bare fingerprint, whatever key has it.
    pub algorithm: Option<String>,
    pub fingerprint: String,
    pub added: Seconds,
}

impl KnownHostKey {
    /// A new one: of `user`, or of everybody.
    pub fn new(
        user: Option<Id>,
        address: &str,
        port: u16,
        algorithm: Option<String>,
        fingerprint: String,
        added: Seconds,
    ) -> KnownHostKey {
        KnownHostKey { id: Id::random(), user, address: address.to_lowercase(), port, algorithm, fingerprint, added }
    }
}
