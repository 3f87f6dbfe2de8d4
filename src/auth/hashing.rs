//! Argon2id, at most two at once (E5). One run gives a root, and the root gives two independent keys: the verifier that a sign-in is
//! compared by, and the key that unwraps the user's data key.

use crate::limits;
use crate::random;
use crate::secret::{Key32, Secret};
use crate::vault;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What Argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Cost {
    /// No new hash costs less. What it costs on this machine is found by `calibration`.
    pub const FLOOR: Cost =
        Cost { kib: limits::ARGON2_KIB, passes: limits::ARGON2_PASSES, lanes: limits::ARGON2_LANES };

    pub fn parse(text: &str) -> Option<Cost> {
        let number = |text: &str, key: &str| text.strip_prefix(key)?.parse().ok();
        let [kib, passes, lanes] = text.split(',').collect::<Vec<_>>().try_into().ok()?;
        Some(Cost { kib: number(kib, "m=")?, passes: number(passes, "t=")?, lanes: number(lanes, "p=")? })
    }

    /// KiB that are written: what its time goes by.
    pub(super) fn work(self) -> u64 {
        u64::from(self.kib) * u64::from(self.passes)
    }

    /// What is left to do of as much work, in passes over the floor's memory.
    fn rest_of(self, work: u64) -> Option<Cost> {
        let passes = work.saturating_sub(self.work()) / u64::from(limits::ARGON2_KIB);
        let passes = u32::try_from(passes).unwrap_or(u32::MAX);
        (passes > 0).then_some(Cost { passes, ..Cost::FLOOR })
    }
}

/// As it stands in a verifier.
impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "m={},t={},p={}", self.kib, self.passes, self.lanes)
    }
}

/// What is stored of a password: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`, where HASH is SHA-256 of the "login" key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    pub cost: Cost,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Verifier {
    pub fn parse(text: &str) -> Option<Verifier> {
        let rest = text.strip_prefix("$argon2id$v=19$")?;
        let [cost, salt, hash] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        let cost = Cost::parse(cost)?;
        let salt = BASE64.decode(salt).ok()?.try_into().ok()?;
        let hash = BASE64.decode(hash).ok()?.try_into().ok()?;
        Some(Verifier { cost, salt, hash })
    }

    /// One that no password fits, for users that do not exist: its work is the same.
    pub fn dummy(cost: Cost) -> Verifier {
        Verifier { cost, salt: random::bytes(), hash: random::bytes() }
    }

    pub fn to_text(&self) -> String {
        let (salt, hash) = (BASE64.encode(self.salt), BASE64.encode(self.hash));
        format!("$argon2id$v=19${}${salt}${hash}", self.cost)
    }
}

/// What a password is worth once it was hashed: does it fit, and the key it gives.
pub struct Proof {
    pub fits: bool,
    pub kek: Key32,
}

#[derive(Debug, PartialEq, Eq)]
pub enum HashError {
    /// All places were taken for the whole wait.
    Busy,
    /// The parameters are impossible, or there is no memory.
    Failed,
}

/// Whose turn it is when there is no place. Strangers wait for the others, or they would keep everybody out by coming in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Stranger,
    /// Signed in, or on a trusted device.
    Known,
}

#[derive(Default)]
struct Queue {
    running: usize,
    /// Known ones that wait.
    known: usize,
}

pub struct Hasher {
    at_once: usize,
    wait: Duration,
    /// Of new hashes.
    cost: Cost,
    /// Of every try at a sign-in.
    work: u64,
    queue: Mutex<Queue>,
    freed: Condvar,
    /// Tries since the start: that a refused sign-in costs the same whoever it is for is seen here, and not by a stopwatch.
    runs: AtomicU64,
    /// KiB written for them.
    written: AtomicU64,
}

impl Hasher {
    /// `stored`: what the verifiers there are cost. One of another version or another machine may cost more than a new one.
    pub fn new(at_once: usize, wait: Duration, cost: Cost, stored: impl Iterator<Item = Cost>) -> Hasher {
        let work = stored.map(Cost::work).fold(cost.work(), u64::max);
        let (queue, freed) = (Mutex::default(), Condvar::new());
        Hasher { at_once, wait, cost, work, queue, freed, runs: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// A new verifier with today's cost, and the key of the same password.
    pub fn make(&self, password: &Secret) -> Result<(Verifier, Key32), HashError> {
        self.make_at(password, self.cost)
    }

    pub(super) fn make_at(&self, password: &Secret, cost: Cost) -> Result<(Verifier, Key32), HashError> {
        let _place = self.place(Turn::Known)?;
        let salt = random::bytes();
        let root = self.root(password, &salt, cost)?;
        Ok((Verifier { cost, salt, hash: login_hash(&root) }, vault::derive(&root[..], "kek")))
    }

    /// Does the password fit? The same work whatever the verifier costs: what a hash of yesterday does not need is spent all the same, or
    /// its user would be told from a name that does not exist.
    pub fn prove(&self, password: &Secret, verifier: &Verifier, turn: Turn) -> Result<Proof, HashError> {
        let _place = self.place(turn)?;
        let root = self.root(password, &verifier.salt, verifier.cost)?;
        if let Some(rest) = verifier.cost.rest_of(self.work) {
            self.spend(password, &verifier.salt, rest)?;
        }
        let fits = login_hash(&root).ct_eq(&verifier.hash).into();
        Ok(Proof { fits, kek: vault::derive(&root[..], "kek") })
    }

    /// The same of somebody who has already shown that the account is theirs: no more work than it needs.
    pub fn fits(&self, password: &Secret, verifier: &Verifier) -> Result<bool, HashError> {
        let _place = self.place(Turn::Known)?;
        let root = self.root(password, &verifier.salt, verifier.cost)?;
        Ok(login_hash(&root).ct_eq(&verifier.hash).into())
    }

    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    fn root(&self, password: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Zeroizing<[u8; 64]>, HashError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.spend(password, salt, cost)
    }

    fn spend(&self, password: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Zeroizing<[u8; 64]>, HashError> {
        self.written.fetch_add(cost.work(), Ordering::Relaxed);
        run(password, salt, cost)
    }

    #[cfg(test)]
    pub(super) fn known_that_wait(&self) -> usize {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).known
    }

    pub(super) fn place(&self, turn: Turn) -> Result<Place<'_>, HashError> {
        let until = Instant::now() + self.wait;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let known = usize::from(turn == Turn::Known);
        queue.known += known;
        while queue.running >= self.at_once || (turn == Turn::Stranger && queue.known > 0) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                queue.known -= known;
                self.freed.notify_all();
                return Err(HashError::Busy);
            }
            queue = self.freed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.known -= known;
        queue.running += 1;
        // Another place may be free, and strangers may have waited for this one only.
        self.freed.notify_all();
        Ok(Place(self))
    }
}

fn run(password: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Zeroizing<[u8; 64]>, HashError> {
    let mut root = Zeroizing::new([0; 64]);
    let params = Params::new(cost.kib, cost.passes, cost.lanes, Some(64)).map_err(|_| HashError::Failed)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password.expose(), salt, &mut root[..]).map_err(|_| HashError::Failed)?;
    Ok(root)
}

/// The key of a backup. It is guessed at far from here and without limits, and opened on another machine: its cost does not go by this one.
pub fn stretch(passphrase: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Key32, HashError> {
    Ok(vault::derive(&run(passphrase, salt, cost)?[..], "backup"))
}

/// What the floor takes of this thread's own time: what else the machine does at this moment is not counted. None: it cannot be run.
pub(super) fn time_of_the_floor() -> Option<Duration> {
    let spent = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let before = spent();
    run(&"a password of usual length".into(), &[0; 16], Cost::FLOOR).ok()?;
    Some(spent().saturating_sub(before))
}

fn login_hash(root: &Zeroizing<[u8; 64]>) -> [u8; 32] {
    Sha256::digest(vault::derive(&root[..], "login").expose()).into()
}

/// One of the places; given back however its holder ends.
pub(super) struct Place<'a>(&'a Hasher);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hasher() -> Hasher {
        at(Cost::FLOOR, &[])
    }

    fn at(cost: Cost, stored: &[Cost]) -> Hasher {
        Hasher::new(2, Duration::from_secs(60), cost, stored.iter().copied())
    }

    #[test]
    fn only_the_password_fits_and_it_gives_its_key_again() {
        let (verifier, kek) = hasher().make(&"a long bridge".into()).unwrap();
        let again = Verifier::parse(&verifier.to_text()).unwrap();
        assert_eq!(again, verifier);
        let proof = hasher().prove(&"a long bridge".into(), &again, Turn::Stranger).unwrap();
        assert!(proof.fits && proof.kek.expose() == kek.expose());
        let wrong = hasher().prove(&"a long bridgf".into(), &again, Turn::Stranger).unwrap();
        assert!(!wrong.fits && wrong.kek.expose() != kek.expose());
        assert!(!hasher().prove(&"a long bridge".into(), &Verifier::dummy(Cost::FLOOR), Turn::Stranger).unwrap().fits);
    }

    #[test]
    fn each_salt_is_its_own() {
        let make = || hasher().make(&"a long bridge".into()).unwrap().0;
        assert_ne!(make().to_text(), make().to_text());
    }

    #[test]
    fn a_try_takes_the_same_work_whatever_its_verifier_costs() {
        let passes = |passes| Cost { passes, ..Cost::FLOOR };
        let password = || "a long bridge".into();
        for (today, stored) in
            [(passes(4), vec![Cost::FLOOR, passes(4)]), (passes(2), vec![passes(5), passes(2), passes(3)])]
        {
            let hasher = at(today, &stored);
            let verifiers = stored.iter().map(|cost| hasher.make_at(&password(), *cost).unwrap().0);
            let verifiers: Vec<_> = verifiers.chain([Verifier::dummy(today)]).collect();
            let most = stored.iter().map(|cost| cost.work()).max().unwrap();
            for verifier in &verifiers {
                let (runs, written) = (hasher.runs(), hasher.written.load(Ordering::Relaxed));
                let fits = hasher.prove(&password(), verifier, Turn::Stranger).unwrap().fits;
                assert_eq!(fits, *verifier != verifiers[stored.len()]);
                assert_eq!(hasher.written.load(Ordering::Relaxed) - written, most, "{}", verifier.cost);
                assert_eq!(hasher.runs() - runs, 1);
            }
        }
    }

    #[test]
    fn a_place_is_waited_for_and_given_back() {
        let hasher = Hasher::new(1, Duration::from_millis(1), Cost::FLOOR, std::iter::empty());
        let place = hasher.place(Turn::Stranger).unwrap();
        assert_eq!(hasher.make(&"a long bridge".into()).map(drop), Err(HashError::Busy));
        drop(place);
        assert!(hasher.make(&"a long bridge".into()).is_ok());
    }

    /// The story: a sign-in takes half a second, so that a few dozen addresses that only guess would hold both places all the time.
    #[test]
    fn who_is_known_has_the_next_place_however_many_strangers_wait() {
        let hasher = Hasher::new(1, Duration::from_secs(60), Cost::FLOOR, std::iter::empty());
        let order = Mutex::new(Vec::new());
        let held = hasher.place(Turn::Stranger).unwrap();
        std::thread::scope(|scope| {
            let queue = |turn| {
                let (hasher, order) = (&hasher, &order);
                scope.spawn(move || {
                    let _place = hasher.place(turn).unwrap();
                    order.lock().unwrap().push(turn);
                });
            };
            (0..8).for_each(|_| queue(Turn::Stranger));
            queue(Turn::Known);
            while hasher.known_that_wait() == 0 {
                std::thread::yield_now();
            }
            drop(held);
        });
        let order = order.into_inner().unwrap();
        assert_eq!((order.len(), order[0]), (9, Turn::Known));
    }

    #[test]
    fn who_is_known_and_gives_up_leaves_strangers_their_turn() {
        let hasher = Hasher::new(1, Duration::from_millis(1), Cost::FLOOR, std::iter::empty());
        let held = hasher.place(Turn::Stranger).unwrap();
        assert!(hasher.place(Turn::Known).is_err());
        drop(held);
        assert!(hasher.place(Turn::Stranger).is_ok());
    }

    proptest! {
        #[test]
        fn junk_is_no_verifier(text in "\\PC{0,80}") {
            prop_assert!(Verifier::parse(&text).is_none());
        }
    }
}
