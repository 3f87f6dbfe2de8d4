//! What went wrong, in words for the person at the terminal: what happened, and what to do.
//!
//! Everything a host says is shortened and stripped of control characters before it gets into a sentence of ours.

use super::{Destination, Failure, KeyRefused};
use russh::Error;
use std::io;
use std::net::SocketAddr;

/// A host's own words, at most this long in one of our sentences.
const QUOTE_CHARS: usize = 200;

pub(super) fn failure(reason: &'static str, message: impl Into<String>, remedy: &str) -> Failure {
    Failure { reason, message: message.into(), remedy: remedy.into() }
}

/// One line of what a host said.
pub(super) fn quote(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTE_CHARS).collect();
    line.trim().to_owned()
}

pub(super) fn internal(error: &io::Error) -> Failure {
    log::error!("a session cannot start: {error}");
    failure("internal", "The box cannot open another terminal now.", "Close a terminal and try again.")
}

// ---- getting there ----

pub(super) fn no_such_name(to: &Destination) -> Failure {
    failure(
        "name",
        format!("The name {} cannot be resolved.", quote(&to.host)),
        "Check the spelling and the box's DNS, or use the host's IP address.",
    )
}

pub(super) fn name_took_too_long(to: &Destination) -> Failure {
    failure(
        "name",
        format!("The name {} was not resolved in time.", quote(&to.host)),
        "The box's DNS server does not answer: check it, or use the host's IP address.",
    )
}

pub(super) fn denied(addresses: &[SocketAddr]) -> Failure {
    let which: Vec<String> = addresses.iter().take(3).map(|address| address.ip().to_string()).collect();
    failure(
        "denied",
        format!("This box does not connect to {}.", which.join(", ")),
        "Its target policy forbids the address. The owner may allow it with targets_allow.",
    )
}

pub(super) fn not_connected(to: &Destination, error: &io::Error) -> Failure {
    let place = format!("{} port {}", quote(&to.host), to.port);
    match error.kind() {
        io::ErrorKind::ConnectionRefused => failure(
            "refused",
            format!("{place} refuses the connection."),
            "Check that an SSH server runs there, the port, and the firewall.",
        ),
        io::ErrorKind::TimedOut => failure(
            "route",
            format!("{place} does not answer."),
            "Check that the host is on and reachable from the box, and the firewall between them.",
        ),
        _ => failure(
            "route",
            format!("{place} cannot be reached: {error}."),
            "Check the address and the network between the box and the host.",
        ),
    }
}

// ---- the handshake ----

pub(super) fn handshake_took_too_long() -> Failure {
    failure(
        "protocol",
        "The host accepted the connection, but did not finish the SSH handshake in time.",
        "Check that the port is an SSH server's and that the host is not overloaded.",
    )
}

pub(super) fn host_key_refused(refused: KeyRefused) -> Failure {
    match refused {
        KeyRefused::NotTrusted => host_key_not_accepted(),
        KeyRefused::NotChecked => failure(
            "host_key",
            "The host's key could not be checked, for the keys that are trusted cannot be read. Nothing was sent to it.",
            "The box's log says more.",
        ),
        KeyRefused::NotKept(why, remedy) => failure(
            "host_key",
            format!("The host's key could not be written down, and nothing was sent to it. {why}"),
            remedy,
        ),
    }
}

fn host_key_not_accepted() -> Failure {
    failure(
        "host_key",
        "The host's key was not accepted; nothing was sent to it.",
        "Compare the fingerprint with the one on the host (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub).",
    )
}

pub(super) fn handshake(error: &Error, farewell: Option<&str>) -> Failure {
    if let Some(words) = farewell {
        return failure("protocol", format!("The host hung up during the handshake: {words}"), "Try again later.");
    }
    match error {
        Error::UnknownKey => host_key_not_accepted(),
        Error::Version => failure(
            "protocol",
            "What answers at that port does not speak SSH 2.",
            "Check the port. SSH usually listens on 22.",
        ),
        Error::NoCommonAlgo { kind, theirs, .. } => failure(
            "protocol",
            format!("The host offers only {kind:?} algorithms too weak for this box: {}.", quote(&theirs.join(", "))),
            "Update the host's SSH server.",
        ),
        Error::WrongServerSig => failure(
            "protocol",
            "The host could not prove that it holds its key.",
            "Something between the box and the host may be tampering. Do not sign in.",
        ),
        Error::Disconnect | Error::HUP | Error::IO(_) => failure(
            "protocol",
            "The host closed the connection during the handshake.",
            "It may limit connections or block this box's address. Its log says why.",
        ),
        other => failure("protocol", format!("The SSH handshake failed: {other}."), "The host's log may say why."),
    }
}

// ---- signing in ----

pub(super) fn step_took_too_long() -> Failure {
    failure(
        "authentication",
        "The host did not answer the sign-in in time.",
        "It may be overloaded, or want the password changed first: change it on the host, then try again.",
    )
}

pub(super) fn hung_up_while_signing_in(farewell: Option<&str>) -> Failure {
    let because = farewell.map_or_else(|| ".".to_owned(), |words| format!(": {words}"));
    failure(
        "authentication",
        format!("The host hung up while signing in{because}"),
        "It may have waited too long or seen too many tries. Try again.",
    )
}

pub(super) fn not_accepted(what: &str, remedy: &str) -> Failure {
    failure("authentication", format!("The host did not accept {what}."), remedy)
}

pub(super) fn gave_up() -> Failure {
    failure("authentication", "The sign-in was not answered.", "Connect again to answer it.")
}

// ---- the shell ----

pub(super) fn no_shell(what: &str) -> Failure {
    failure(
        "protocol",
        format!("The host signed us in, but gives no {what}."),
        "The account may be for file transfer only, or be restricted in the host's sshd_config.",
    )
}

pub(super) fn broken(error: &Error) -> Failure {
    failure("protocol", format!("The connection broke: {error}."), "Connect again. The host's log may say why.")
}
