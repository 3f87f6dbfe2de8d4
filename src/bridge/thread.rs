//! The session's own thread: one SSH terminal from "resolving" to its last byte.
//!
//! A panic stops here (H2): it ends this session with a clear word, and no other.

use super::session::{About, Answer, Ended, Facts, Session};
use super::trust::{Decision, Trust, decide};
use crate::audit;
use crate::clock;
use crate::limits;
use crate::secret::Secret;
use crate::ssh::{self, BellReceiver, Ending, Failure, HostKey, KeyRefused, Prompts};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{io, thread};

pub(super) fn spawn(session: Arc<Session>, login: ssh::Login, trust: Trust, bell: BellReceiver) -> io::Result<()> {
    let name = format!("session {}", &session.facts.id.to_string()[..4]);
    thread::Builder::new()
        .name(name)
        .stack_size(limits::SESSION_STACK_BYTES)
        .spawn(move || live(&session, login, trust, &bell))
        .map(drop)
}

/// The whole life of a session.
fn live(session: &Arc<Session>, login: ssh::Login, trust: Trust, bell: &BellReceiver) {
    let facts = &session.facts;
    let (cols, rows) = session.take_size().unwrap_or_else(|| session.size());
    let pty = ssh::Pty { term: "xterm-256color", cols, rows };
    let begun = clock::Instant::now();
    let who = trust.user_name();
    note(facts, "session.start", &who, &[]);
    let (mut steward, mut plumbing) = (Asking { session, trust: &trust, signed_in: false }, Flow { session });
    let ended = contained(|| ssh::terminal(&facts.destination, login, pty, &mut steward, &mut plumbing, bell));
    if !steward.signed_in {
        // A host that could not be reached today is one that somebody looks for again.
        trust.note_use(false);
    }
    if ended.reason == "authentication" {
        trust.count_failure(&facts.destination, clock::Instant::now());
    }
    let (seconds, bytes) = (begun.elapsed().as_secs().to_string(), session.summary().end_offset.to_string());
    note(facts, "session.end", &who, &[("reason", ended.reason), ("seconds", &seconds), ("bytes", &bytes)]);
    session.has_ended(ended, clock::Instant::now());
}

/// K1: who, from where, where to, and for how long; never what was typed or printed.
fn note(facts: &Facts, event: &str, who: &str, more: &[(&str, &str)]) {
    let (to, id, peer) = (&facts.destination, facts.id.to_string(), facts.peer.to_string());
    let port = to.port.to_string();
    let from = [("session", id.as_str()), ("user", who), ("peer", &peer)];
    let about = [("host", to.host.as_str()), ("port", &port), ("as", &to.user)];
    audit::note(event, &[&from[..], &about, more].concat());
}

/// A panic ends here, and with it this session only.
fn contained(life: impl FnOnce() -> Result<Ending, Failure>) -> Ended {
    catch_unwind(AssertUnwindSafe(life)).map_or_else(|_| crashed(), describe)
}

fn describe(outcome: Result<Ending, Failure>) -> Ended {
    let plain = |reason, message: &str| Ended {
        reason,
        status: None,
        signal: None,
        message: message.into(),
        remedy: String::new(),
    };
    match outcome {
        Ok(Ending::Exit { status }) => {
            Ended { status: Some(status), ..plain("exit", &format!("The shell exited with status {status}.")) }
        }
        Ok(Ending::Signal { name }) => {
            Ended { signal: Some(name.clone()), ..plain("signal", &format!("The shell was ended by signal {name}.")) }
        }
        Ok(Ending::Closed) => plain("closed", "The host closed the connection."),
        Ok(Ending::Ended) => plain("ended", "The terminal was ended."),
        Ok(Ending::Dead) => plain("dead", "The host has not answered for 90 seconds; the connection is given up."),
        Err(failure) => Ended {
            reason: failure.reason(),
            status: None,
            signal: None,
            message: failure.message(),
            remedy: failure.remedy(),
        },
    }
}

fn crashed() -> Ended {
    log::error!("a session crashed; it is ended, the others go on");
    Ended {
        reason: "internal",
        status: None,
        signal: None,
        message: "This terminal failed inside the box.".into(),
        remedy: "Open it again. If it happens again, the box's log says more.".into(),
    }
}

/// The person behind the session, as the SSH client sees them.
struct Asking<'a> {
    session: &'a Session,
    trust: &'a Trust,
    signed_in: bool,
}

impl ssh::Steward for Asking<'_> {
    fn progress(&mut self, detail: &str) {
        self.session.progress(detail);
    }

    fn permits(&self, to: SocketAddr) -> bool {
        self.trust.targets.permits(to, ssh::is_own_address(to.ip()))
    }

    fn host_key(&mut self, key: &HostKey) -> Result<(), KeyRefused> {
        let to = &self.session.facts.destination;
        let known = match self.trust.known(&to.host, to.port) {
            Ok(known) => known,
            Err(error) => {
                log::error!("host keys cannot be read: {error}");
                return Err(KeyRefused::NotChecked);
            }
        };
        match decide(self.trust.policy, key, &known) {
            Decision::Accept => Ok(()),
            Decision::Refuse => Err(KeyRefused::NotTrusted),
            Decision::Remember => self.trust.remember(to, key, false),
            Decision::Ask { changed } => {
                let about = About::HostKey { host: to.host.clone(), port: to.port, key: key.clone(), changed, known };
                match self.session.ask(about) {
                    Some(Answer::HostKey { accept: true, remember: true }) => self.trust.remember(to, key, changed),
                    Some(Answer::HostKey { accept: true, .. }) => Ok(()),
                    _ => Err(KeyRefused::NotTrusted),
                }
            }
        }
    }

    fn known_algorithms(&self) -> Vec<String> {
        let to = &self.session.facts.destination;
        let known = self.trust.known(&to.host, to.port).unwrap_or_default();
        known.into_iter().filter_map(|key| key.algorithm).collect()
    }

    fn prompts(&mut self, prompts: &Prompts) -> Option<Vec<Secret>> {
        match self.session.ask(About::Prompts(prompts.clone()))? {
            Answer::Responses(responses) => Some(responses),
            _ => None,
        }
    }

    fn cancelled(&self) -> bool {
        self.session.told_to_end()
    }

    fn signed_in(&mut self, with_stored: bool) {
        self.signed_in = true;
        self.trust.note_use(with_stored);
    }
}

/// Bytes both ways.
struct Flow<'a> {
    session: &'a Session,
}

impl ssh::Plumbing for Flow<'_> {
    fn started(&mut self) {
        self.session.live();
    }

    fn room(&self) -> usize {
        self.session.room()
    }

    fn output(&mut self, bytes: &[u8]) {
        self.session.output(bytes);
    }

    fn input(&mut self) -> Option<Vec<u8>> {
        self.session.take_input()
    }

    fn resize(&mut self) -> Option<(u16, u16)> {
        self.session.take_size()
    }

    fn ended(&self) -> bool {
        self.session.told_to_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_its_session_with_a_word() {
        let ended = contained(|| panic!("as a broken library might"));
        assert_eq!(ended.reason, "internal");
        assert!(ended.message.contains("failed inside the box") && !ended.message.contains("library"));
        assert_eq!(contained(|| Ok(Ending::Exit { status: 7 })).status, Some(7));
    }
}
