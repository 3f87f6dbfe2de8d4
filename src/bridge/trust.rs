//! Whether a host's key is believed (G1-G5): the policy is pure, the store is asked and told at the edges.

use crate::audit;
use crate::auth::{Key, Table};
use crate::clock::{self, Instant};
use crate::limits::Counted;
use crate::random::Id;
use crate::ssh::{Destination, HostKey, KeyRefused, KnownKey, Targets, Verdict, judge};
use crate::store::{KnownHostKey, Store, StoreError};
use std::sync::Arc;

/// What happens with a key nobody has said yes to yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// A person is shown the fingerprint and decides (default).
    Ask,
    /// The first key of a host never seen before is believed and remembered; every later change is asked about.
    Tofu,
    /// Only keys that were pinned beforehand.
    Pinned,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    Accept,
    /// Accept, and remember from now on.
    Remember,
    Refuse,
    Ask {
        changed: bool,
    },
}

fn trusted<'a>(keys: impl Iterator<Item = &'a KnownHostKey>) -> Vec<KnownKey> {
    keys.map(|key| KnownKey { algorithm: key.algorithm.clone(), fingerprint: key.fingerprint.clone() }).collect()
}

/// `known` is everything this user and the administrators trust for this address and port.
pub fn decide(policy: HostKeyPolicy, presented: &HostKey, known: &[KnownHostKey]) -> Decision {
    // Nor by a pin of one's own beside it.
    if judge(presented, &trusted(known.iter().filter(|key| key.user.is_none()))) == Verdict::Changed {
        return Decision::Refuse;
    }
    match (judge(presented, &trusted(known.iter())), policy) {
        (Verdict::Trusted, _) => Decision::Accept,
        (_, HostKeyPolicy::Pinned) => Decision::Refuse,
        // An administrator's pin is not a user's to override.
        (Verdict::Changed, _) if known.iter().any(|key| key.user.is_none()) => Decision::Refuse,
        (Verdict::Changed, _) => Decision::Ask { changed: true },
        (Verdict::Unknown, HostKeyPolicy::Tofu) if known.is_empty() => Decision::Remember,
        (Verdict::Unknown, _) => Decision::Ask { changed: false },
    }
}

/// Would who believes this pin believe a changed key? `known` is everything that is trusted, wherever.
pub fn is_change(pin: &KnownHostKey, known: &[KnownHostKey]) -> bool {
    let there = trusted(known.iter().filter(|key| key.address == pin.address && key.port == pin.port));
    match &pin.algorithm {
        Some(algorithm) => {
            let key = HostKey { algorithm: algorithm.clone(), fingerprint: pin.fingerprint.clone() };
            judge(&key, &there) == Verdict::Changed
        }
        // Nobody knows which algorithm it is of: perhaps that of a key that is trusted.
        None => !there.is_empty() && there.iter().all(|key| key.fingerprint != pin.fingerprint),
    }
}

/// What a session's thread needs to decide about its host.
pub struct Trust {
    pub store: Arc<Store>,
    pub user: Id,
    /// Whose last use is noted.
    pub host: Option<Id>,
    pub credential: Option<Id>,
    pub policy: HostKeyPolicy,
    pub targets: Arc<Targets>,
    /// Where a failed sign-in at the host is counted (E8).
    pub counts: Arc<Table>,
}

impl Trust {
    /// A sign-in at the host has failed.
    pub fn count_failure(&self, to: &Destination, now: Instant) {
        let _ = self.counts.admit(Counted::Target, Key::target(self.user, &to.host, to.port), now);
    }

    /// A terminal was opened, or failed to. A full disk is no reason to keep a user from it.
    pub fn note_use(&self, with_stored: bool) {
        let credential = self.credential.filter(|_| with_stored);
        if let Err(error) = self.store.touch(self.user, self.host, credential, clock::today()) {
            log::error!("the last use of a host cannot be noted: {error}");
        }
    }

    pub fn known(&self, address: &str, port: u16) -> Result<Vec<KnownHostKey>, StoreError> {
        self.store.known_for(self.user, &address.to_lowercase(), port)
    }

    /// As the audit log has it; the id of a user who is gone.
    pub fn user_name(&self) -> String {
        let found = self.store.user(self.user).ok().flatten();
        found.map_or_else(|| self.user.to_string(), |user| user.name)
    }

    /// Writes the key down. No connection if it cannot be written: trust that is forgotten would be asked for again and again, and
    /// people would learn to click.
    pub fn remember(&self, to: &Destination, key: &HostKey, replace: bool) -> Result<(), KeyRefused> {
        let (algorithm, fingerprint) = (Some(key.algorithm.clone()), key.fingerprint.clone());
        let record = KnownHostKey::new(Some(self.user), &to.host, to.port, algorithm, fingerprint, clock::today());
        let written =
            if replace { self.store.replace_host_key(&record) } else { self.store.add_host_keys(&[record]).map(drop) };
        let event = match (&written, replace) {
            (Err(_), _) => "hostkey.failed",
            (Ok(()), true) => "hostkey.replace",
            (Ok(()), false) => "hostkey.add",
        };
        audit::note(event, &[("user", &self.user_name()), ("host", &to.host), ("fingerprint", &key.fingerprint)]);
        written.map_err(|error| {
            log::error!("a host key cannot be stored: {error}");
            error
                .disk()
                .map_or(KeyRefused::NotKept("The box's database did not take it.", "The log says why."), |disk| {
                    KeyRefused::NotKept(disk.sentence(), disk.remedy())
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: &str, fingerprint: &str) -> HostKey {
        HostKey { algorithm: algorithm.into(), fingerprint: fingerprint.into() }
    }

    fn known(user: Option<Id>, algorithm: &str, fingerprint: &str) -> KnownHostKey {
        let (algorithm, fingerprint) = (Some(algorithm.into()), fingerprint.into());
        KnownHostKey { id: Id::random(), user, address: "h".into(), port: 22, algorithm, fingerprint, added: 0 }
    }

    #[test]
    fn each_policy_answers_each_verdict() {
        use HostKeyPolicy::*;
        let me = Some(Id::random());
        let shown = key("ssh-ed25519", "SHA256:new");
        let same = [known(me, "ssh-ed25519", "SHA256:new")];
        let changed = [known(me, "ssh-ed25519", "SHA256:old")];
        let other = [known(me, "ssh-rsa", "SHA256:rsa")];
        let pinned = [known(None, "ssh-ed25519", "SHA256:old")];
        for policy in [Ask, Tofu, Pinned] {
            assert_eq!(decide(policy, &shown, &same), Decision::Accept);
            assert_eq!(decide(policy, &shown, &pinned), Decision::Refuse, "an administrator's pin holds");
            let beside = [pinned[0].clone(), same[0].clone()];
            assert_eq!(decide(policy, &shown, &beside), Decision::Refuse, "also beside a user's own");
        }
        assert_eq!(decide(Ask, &shown, &[]), Decision::Ask { changed: false });
        assert_eq!(decide(Tofu, &shown, &[]), Decision::Remember);
        assert_eq!(decide(Pinned, &shown, &[]), Decision::Refuse);
        for policy in [Ask, Tofu] {
            assert_eq!(decide(policy, &shown, &changed), Decision::Ask { changed: true });
            assert_eq!(
                decide(policy, &shown, &other),
                Decision::Ask { changed: false },
                "a new algorithm is not a change"
            );
        }
        assert_eq!(decide(Pinned, &shown, &changed), Decision::Refuse);
    }

    #[test]
    fn a_pin_is_a_change_where_something_else_is_trusted() {
        let me = Some(Id::random());
        let bare = |fingerprint: &str| KnownHostKey { algorithm: None, ..known(me, "", fingerprint) };
        let new = known(me, "ssh-ed25519", "SHA256:new");
        let old = known(me, "ssh-ed25519", "SHA256:old");
        let everybodys = known(None, "ssh-ed25519", "SHA256:old");
        let rsa = known(me, "ssh-rsa", "SHA256:rsa");
        let elsewhere =
            [KnownHostKey { port: 23, ..old.clone() }, KnownHostKey { address: "other".into(), ..old.clone() }];
        for first in [&new, &bare("SHA256:new")] {
            assert!(!is_change(first, &[]) && !is_change(first, &elsewhere), "nothing is known of the host");
            assert!(!is_change(first, &[old.clone(), new.clone()]), "it is trusted already");
            assert!(is_change(first, std::slice::from_ref(&old)));
            assert!(is_change(first, std::slice::from_ref(&everybodys)));
            assert!(is_change(first, &[bare("SHA256:old")]), "a bare fingerprint is of any algorithm");
        }
        assert!(!is_change(&new, std::slice::from_ref(&rsa)), "a new algorithm is not a change");
        assert!(is_change(&bare("SHA256:new"), &[rsa]), "a bare fingerprint may be of the one that is known");
    }
}
