//! Argon2id, at most two at once (E5). One run gives a root, and the root gives two independent keys: the verifier that a sign-in is
//! compared by, and the key that unwraps the user's data key.

use crate::limits;
use crate::random;
use crate::secret::{Key32, Secret};
use crate::vault;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use sha2::{Digest, Sha256};
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
    pub const TODAY: Cost =
        Cost { kib: limits::ARGON2_KIB, passes: limits::ARGON2_PASSES, lanes: limits::ARGON2_LANES };
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
        let number = |text: &str, key: &str| text.strip_prefix(key)?.parse().ok();
        let [kib, passes, lanes] = cost.split(',').collect::<Vec<_>>().try_into().ok()?;
        let cost = Cost { kib: number(kib, "m=")?, passes: number(passes, "t=")?, lanes: number(lanes, "p=")? };
        let salt = BASE64.decode(salt).ok()?.try_into().ok()?;
        let hash = BASE64.decode(hash).ok()?.try_into().ok()?;
        Some(Verifier { cost, salt, hash })
    }

    /// One that no password fits, for users that do not exist: its work is the same.
    pub fn dummy() -> Verifier {
        Verifier { cost: Cost::TODAY, salt: random::bytes(), hash: random::bytes() }
    }

    pub fn to_text(&self) -> String {
        let Cost { kib, passes, lanes } = self.cost;
        let (salt, hash) = (BASE64.encode(self.salt), BASE64.encode(self.hash));
        format!("$argon2id$v=19$m={kib},t={passes},p={lanes}${salt}${hash}")
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

pub struct Hasher {
    at_once: usize,
    wait: Duration,
    running: Mutex<usize>,
    freed: Condvar,
    /// Runs since the start: that a refused sign-in costs the same whoever it is for is seen here, and not by a stopwatch.
    runs: AtomicU64,
}

impl Hasher {
    pub fn new(at_once: usize, wait: Duration) -> Hasher {
        Hasher { at_once, wait, running: Mutex::new(0), freed: Condvar::new(), runs: AtomicU64::new(0) }
    }

    /// A new verifier with today's cost, and the key of the same password.
    pub fn make(&self, password: &Secret) -> Result<(Verifier, Key32), HashError> {
        self.make_at(password, Cost::TODAY)
    }

    pub(super) fn make_at(&self, password: &Secret, cost: Cost) -> Result<(Verifier, Key32), HashError> {
        let salt = random::bytes();
        let root = self.root(password, &salt, cost)?;
        Ok((Verifier { cost, salt, hash: login_hash(&root) }, vault::derive(&root[..], "kek")))
    }

    pub fn prove(&self, password: &Secret, verifier: &Verifier) -> Result<Proof, HashError> {
        let root = self.root(password, &verifier.salt, verifier.cost)?;
        let fits = login_hash(&root).ct_eq(&verifier.hash).into();
        Ok(Proof { fits, kek: vault::derive(&root[..], "kek") })
    }

    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    fn root(&self, password: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Zeroizing<[u8; 64]>, HashError> {
        let _place = self.place()?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut root = Zeroizing::new([0; 64]);
        let params = Params::new(cost.kib, cost.passes, cost.lanes, Some(64)).map_err(|_| HashError::Failed)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(password.expose(), salt, &mut root[..]).map_err(|_| HashError::Failed)?;
        Ok(root)
    }

    pub(super) fn place(&self) -> Result<Place<'_>, HashError> {
        let until = Instant::now() + self.wait;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running >= self.at_once {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(HashError::Busy);
            }
            running = self.freed.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *running += 1;
        Ok(Place(self))
    }
}

/// The key of a backup. It is guessed at far from here and without limits, so it costs more than a sign-in does.
pub fn stretch(passphrase: &Secret, salt: &[u8; 16], cost: Cost) -> Result<Key32, HashError> {
    let hasher = Hasher::new(1, Duration::ZERO);
    Ok(vault::derive(&hasher.root(passphrase, salt, cost)?[..], "backup"))
}

fn login_hash(root: &Zeroizing<[u8; 64]>) -> [u8; 32] {
    Sha256::digest(vault::derive(&root[..], "login").expose()).into()
}

/// One of the places; given back however its holder ends.
pub(super) struct Place<'a>(&'a Hasher);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hasher() -> Hasher {
        Hasher::new(2, Duration::from_secs(60))
    }

    #[test]
    fn only_the_password_fits_and_it_gives_its_key_again() {
        let (verifier, kek) = hasher().make(&"a long bridge".into()).unwrap();
        let again = Verifier::parse(&verifier.to_text()).unwrap();
        assert_eq!(again, verifier);
        let proof = hasher().prove(&"a long bridge".into(), &again).unwrap();
        assert!(proof.fits && proof.kek.expose() == kek.expose());
        let wrong = hasher().prove(&"a long bridgf".into(), &again).unwrap();
        assert!(!wrong.fits && wrong.kek.expose() != kek.expose());
        assert!(!hasher().prove(&"a long bridge".into(), &Verifier::dummy()).unwrap().fits);
    }

    #[test]
    fn each_salt_is_its_own() {
        let make = || hasher().make(&"a long bridge".into()).unwrap().0;
        assert_ne!(make().to_text(), make().to_text());
    }

    #[test]
    fn a_place_is_waited_for_and_given_back() {
        let hasher = Hasher::new(1, Duration::from_millis(1));
        let place = hasher.place().unwrap();
        assert_eq!(hasher.make(&"a long bridge".into()).map(drop), Err(HashError::Busy));
        drop(place);
        assert!(hasher.make(&"a long bridge".into()).is_ok());
    }

    proptest! {
        #[test]
        fn junk_is_no_verifier(text in "\\PC{0,80}") {
            prop_assert!(Verifier::parse(&text).is_none());
        }
    }
}
