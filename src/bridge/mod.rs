//! Sessions: the terminals that outlive a browser.
//!
//! [`Registry`] holds them all and their quotas; a [`Session`] is one terminal with its output [`ring`]; a [`Viewer`] is one browser's
//! cursor into that ring; [`modes`] knows what the bytes that left it had switched on. Each session has its own thread ([`thread`]), the only one that touches its SSH connection.

pub mod modes;
pub mod ring;
pub mod session;
mod thread;
pub mod trust;

pub use session::{About, Answer, Begin, Crowded, Ended, Misfit, News, Phase, Question, Session, Summary, Viewer};
pub use trust::HostKeyPolicy;

use crate::auth::{Key, Table};
use crate::clock::{Instant, Now};
use crate::limits::{self, Counted};
use crate::random::Id;
use crate::ssh::{self, Targets};
use crate::store::Store;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use trust::Trust;

/// What an owner may change about sessions.
#[derive(Clone, Debug)]
pub struct Settings {
    pub terminals_per_box: usize,
    pub terminals_per_user: usize,
    pub ring_bytes: usize,
    /// How long a terminal is kept with nobody looking.
    pub detached: Duration,
    pub host_key_policy: HostKeyPolicy,
    pub targets: Arc<Targets>,
}

/// Why a session was not started.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    UserQuota(usize),
    BoxQuota(usize),
    /// Too many failed sign-ins at this host lately (E8).
    Failures(Duration),
    /// The box has no thread or memory for it now.
    NoThread,
}

/// What is needed to start a session.
pub struct Start {
    pub owner: Id,
    /// From where it was asked for.
    pub peer: IpAddr,
    pub host_id: Option<Id>,
    /// What `login` is of.
    pub credential_id: Option<Id>,
    pub destination: ssh::Destination,
    pub login: ssh::Login,
    pub size: (u16, u16),
}

pub struct Registry {
    settings: Settings,
    store: Arc<Store>,
    counts: Arc<Table>,
    sessions: Mutex<HashMap<Id, Arc<Session>>>,
}

impl Registry {
    pub fn new(settings: Settings, store: Arc<Store>, counts: Arc<Table>) -> Registry {
        Registry { settings, store, counts, sessions: Mutex::new(HashMap::new()) }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a session; connecting goes on in its own thread.
    pub fn start(&self, start: Start, now: Now) -> Result<Arc<Session>, Refused> {
        let mut sessions = self.lock();
        self.check_quotas(&sessions, start.owner)?;
        let target = Key::target(start.owner, &start.destination.host, start.destination.port);
        if let Some(wait) = self.counts.wait(Counted::Target, target, now.since_boot) {
            return Err(Refused::Failures(wait));
        }
        let facts = session::Facts {
            id: Id::random(),
            owner: start.owner,
            peer: start.peer,
            host_id: start.host_id,
            destination: start.destination,
            started: now.calendar,
        };
        let (bell, receiver) = ssh::bell();
        let session = Arc::new(Session::new(facts, start.size, self.settings.ring_bytes, bell, now.since_boot));
        let trust = Trust {
            store: self.store.clone(),
            user: start.owner,
            host: start.host_id,
            credential: start.credential_id,
            policy: self.settings.host_key_policy,
            targets: self.settings.targets.clone(),
            counts: self.counts.clone(),
        };
        thread::spawn(session.clone(), start.login, trust, receiver).map_err(|error| {
            log::error!("no thread for a session: {error}");
            Refused::NoThread
        })?;
        sessions.insert(session.facts.id, session.clone());
        Ok(session)
    }

    fn check_quotas(&self, sessions: &HashMap<Id, Arc<Session>>, owner: Id) -> Result<(), Refused> {
        let running = sessions.values().filter(|session| session.phase() != Phase::Ended);
        let (mut all, mut own) = (0, 0);
        for session in running {
            all += 1;
            own += usize::from(session.facts.owner == owner);
        }
        if own >= self.settings.terminals_per_user {
            return Err(Refused::UserQuota(self.settings.terminals_per_user));
        }
        if all >= self.settings.terminals_per_box {
            return Err(Refused::BoxQuota(self.settings.terminals_per_box));
        }
        Ok(())
    }

    /// The session with this id, if it is `owner`'s. Somebody else's looks like a missing one (H1).
    pub fn find(&self, owner: Id, id: Id) -> Option<Arc<Session>> {
        self.lock().get(&id).filter(|session| session.facts.owner == owner).cloned()
    }

    /// All of a user's sessions, oldest first.
    pub fn of(&self, owner: Id) -> Vec<Arc<Session>> {
        let mut own: Vec<_> = self.lock().values().filter(|session| session.facts.owner == owner).cloned().collect();
        own.sort_by_key(|session| (session.facts.started, session.facts.id));
        own
    }

    /// Everybody's, for whoever holds the box.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// Running sessions on the box.
    pub fn running(&self) -> usize {
        self.lock().values().filter(|session| session.phase() != Phase::Ended).count()
    }

    /// Does any browser look at a session, ended or not?
    pub fn watched(&self) -> bool {
        self.lock().values().any(|session| session.summary().viewers > 0)
    }

    /// Removes an ended session from the list at once, or ends a running one.
    pub fn end(&self, session: &Session) {
        if session.phase() == Phase::Ended {
            self.lock().remove(&session.facts.id);
        }
        session.end();
    }

    pub fn end_all_of(&self, owner: Id) {
        self.of(owner).iter().for_each(|session| session.end());
    }

    /// Those that have not come to a shell yet: until then they hold what they sign in with.
    pub fn end_unfinished_of(&self, owner: Id) {
        let unfinished = |phase| matches!(phase, Phase::Connecting | Phase::Asking);
        self.of(owner).iter().filter(|session| unfinished(session.phase())).for_each(|session| session.end());
    }

    pub fn end_everything(&self) {
        self.lock().values().for_each(|session| session.go_down());
    }

    /// Wakes every viewer of a user, so that those whose sign-in has ended let go at once (H6).
    pub fn recheck(&self, owner: Id) {
        self.of(owner).iter().for_each(|session| session.ring_viewers());
    }

    /// Ends what nobody has looked at for too long and forgets what ended long ago.
    pub fn sweep(&self, now: Instant) {
        for session in self.forget_ended(now) {
            let left_alone = session
                .detached_at()
                .is_some_and(|since| now.saturating_duration_since(since) > self.settings.detached);
            if left_alone {
                log::info!(
                    "session {} is ended: nobody has looked at it for {:?}",
                    session.facts.id,
                    self.settings.detached
                );
                session.end();
            }
        }
    }

    /// Drops old ended sessions, and a user's oldest ones beyond their number. Answers what is left.
    fn forget_ended(&self, now: Instant) -> Vec<Arc<Session>> {
        let mut sessions = self.lock();
        sessions.retain(|_, session| {
            session.ended_at().is_none_or(|ended| now.saturating_duration_since(ended) < limits::ENDED_KEPT)
        });
        let mut ended: Vec<_> =
            sessions.values().filter_map(|session| Some((session.ended_at()?, session.clone()))).collect();
        ended.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut kept: HashMap<Id, usize> = HashMap::new();
        for (_, session) in ended {
            let count = kept.entry(session.facts.owner).or_default();
            *count += 1;
            if *count > limits::ENDED_PER_USER {
                sessions.remove(&session.facts.id);
            }
        }
        sessions.values().cloned().collect()
    }
}
