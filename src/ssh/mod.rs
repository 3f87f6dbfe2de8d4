//! The SSH client. Blocking from outside; sees no store and no vault, so it can be fuzzed and swapped.
//!
//! [`terminal`] is the whole life of one terminal: resolve, connect, ask about the host key, authenticate, open a channel with a
//! pty, and carry bytes both ways until it ends. Whoever calls it answers its questions through a [`Steward`] and moves the bytes
//! through a [`Plumbing`].

pub mod keys;
pub mod known_hosts;
mod authenticate;
mod bell;
mod carry;
mod client;
mod dial;
mod failures;
mod gate;
mod guard;
mod inbox;
#[cfg(test)]
mod live;
mod preferences;
mod short_scalar;
mod targets;

pub use bell::{Bell, BellReceiver, bell};
pub use targets::{Targets, is_own_address};

use crate::limits;
use crate::secret::Secret;
use std::net::SocketAddr;
use std::time::Duration;

/// Where to go, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// A name or an IP literal without brackets.
    pub host: String,
    pub port: u16,
    pub user: String,
}

/// What to sign in with.
pub enum Login {
    /// Nothing is stored: the person is asked.
    Ask,
    Password(Secret),
    /// A private key in OpenSSH's own form, not encrypted.
    Key(Secret),
}

#[derive(Clone, Debug)]
pub struct Pty {
    pub term: &'static str,
    pub cols: u16,
    pub rows: u16,
}

/// A host's public key, as a person compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    pub algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -lf` prints it.
    pub fingerprint: String,
}

/// A key trusted before. Without an algorithm it is a bare fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    pub algorithm: Option<String>,
    pub fingerprint: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Trusted,
    /// No key of this algorithm is known.
    Unknown,
    /// Another key of this algorithm is known.
    Changed,
}

/// Compares what the host showed with what is trusted (G5: a new algorithm is not a changed key).
pub fn judge(presented: &HostKey, trusted: &[KnownKey]) -> Verdict {
    if trusted.iter().any(|known| known.fingerprint == presented.fingerprint) {
        return Verdict::Trusted;
    }
    let same_algorithm =
        |known: &KnownKey| known.algorithm.as_ref().is_none_or(|algorithm| *algorithm == presented.algorithm);
    if trusted.iter().any(same_algorithm) { Verdict::Changed } else { Verdict::Unknown }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub text: String,
    pub echo: bool,
}

/// Keyboard-interactive's questions, or the one for a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    pub name: String,
    pub instruction: String,
    pub prompts: Vec<Prompt>,
    /// Counts from 1.
    pub attempt: u32,
}

/// Why nothing is sent to a host that has shown its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefused {
    /// Nobody said yes to it.
    NotTrusted,
    /// What is trusted cannot be read.
    NotChecked,
    /// Somebody did, for now and later, but it cannot be written down: what is wrong, and what to do.
    NotKept(&'static str, &'static str),
}

/// Who answers the client's questions. May block for as long as a person thinks.
pub trait Steward {
    fn progress(&mut self, detail: &str);
    /// H8, asked for each resolved address before it is connected to.
    fn permits(&self, to: SocketAddr) -> bool;
    /// G1: until this says yes, nothing but the key exchange has been sent.
    fn host_key(&mut self, key: &HostKey) -> Result<(), KeyRefused>;
    /// None: the person gave up, or did not answer in time.
    fn prompts(&mut self, prompts: &Prompts) -> Option<Vec<Secret>>;
    /// Told to end while still connecting.
    fn cancelled(&self) -> bool;
    /// The host lets the user in; `with_stored`: it has taken the stored key or password, alone or beside an answer.
    fn signed_in(&mut self, _with_stored: bool) {}
    /// Algorithms (`ssh-ed25519`, `ssh-rsa`, …) of the keys trusted for this host. They are asked for first, so that a host with
    /// several keys shows one that can be compared (G5).
    fn known_algorithms(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Where the bytes go and come from. Never blocks.
pub trait Plumbing {
    /// The shell runs.
    fn started(&mut self);
    /// Bytes of output that may be handed over now. With zero the host is not read until the bell rings.
    fn room(&self) -> usize;
    fn output(&mut self, bytes: &[u8]);
    /// The next piece of input, if there is one. The bell rings when there is more.
    fn input(&mut self) -> Option<Vec<u8>>;
    fn resize(&mut self) -> Option<(u16, u16)>;
    fn ended(&self) -> bool;
}

/// How a terminal that had begun came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Exit {
        status: u32,
    },
    Signal {
        name: String,
    },
    /// The host closed without a status.
    Closed,
    /// We were told to.
    Ended,
    /// No answer to keepalives.
    Dead,
}

/// Why a terminal did not come to be, or broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: &'static str,
    pub message: String,
    pub remedy: String,
}

impl Failure {
    /// One of docs/API.md's words for `ended`.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    pub fn message(&self) -> String {
        self.message.clone()
    }

    pub fn remedy(&self) -> String {
        self.remedy.clone()
    }
}

/// How long each step may take. [`Patience::default`] is what limits.rs says; tests are less patient.
#[derive(Clone, Debug)]
pub struct Patience {
    pub connect: Duration,
    pub handshake: Duration,
    pub authenticate: Duration,
    pub keepalive: Duration,
    pub keepalives_missed: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: limits::CONNECT,
            handshake: limits::HANDSHAKE,
            authenticate: limits::AUTHENTICATE,
            keepalive: limits::SSH_KEEPALIVE,
            keepalives_missed: limits::SSH_KEEPALIVES_MISSED,
        }
    }
}

/// Lives a terminal's whole life in the calling thread. `Ok` says how a shell that had begun ended; told to end before it began is
/// `Ok(Ending::Ended)` as well.
pub fn terminal(
    to: &Destination,
    login: Login,
    pty: Pty,
    steward: &mut dyn Steward,
    plumbing: &mut dyn Plumbing,
    bell: &BellReceiver,
) -> Result<Ending, Failure> {
    terminal_with(&Patience::default(), to, login, pty, steward, plumbing, bell)
}

/// [`terminal`] with deadlines of the caller's choice.
pub fn terminal_with(
    patience: &Patience,
    to: &Destination,
    login: Login,
    pty: Pty,
    steward: &mut dyn Steward,
    plumbing: &mut dyn Plumbing,
    bell: &BellReceiver,
) -> Result<Ending, Failure> {
    let call = client::Call { to, steward, bell, patience };
    client::run(call, login, &pty, plumbing)
}
