//! Recovery codes: ten, shown once, each good once. A code stands for the lost second factor, and it is a way of its own into the data
//! key, so that a forgotten password does not cost the vault (A11).
//!
//! ```text
//! code (100 random bits) --HKDF "recovery login"--> its SHA-256 is stored
//!                        \--HKDF "recovery kek"---> wraps the data key, in the slot of the same name
//! ```
//! A hundred random bits need no slow hash: there is nothing to guess.

use super::claim;
use crate::hex;
use crate::limits;
use crate::random::Id;
use crate::secret::{Key32, Secret};
use crate::store::User;
use crate::vault::{self, DataKey, DeviceKey, Wrapped};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SLOT: &str = "recovery-";

/// A set of codes: for its owner, and for the store.
pub struct Set {
    pub codes: Vec<Zeroizing<String>>,
    hashes: Vec<String>,
    wrapped: Vec<(String, Wrapped)>,
}

impl Set {
    pub fn fresh(data_key: &DataKey, device: &DeviceKey, user: Id) -> Set {
        let mut set = Set { codes: Vec::new(), hashes: Vec::new(), wrapped: Vec::new() };
        for number in 1..=limits::RECOVERY_CODES {
            let (slot, code) = (format!("{SLOT}{number}"), claim::fresh_code());
            let root = root(&code);
            set.hashes.push(format!("{slot} {}", hash(&root)));
            set.wrapped.push((slot.clone(), data_key.wrap(&kek(&root), device, user, &slot)));
            set.codes.push(code);
        }
        set
    }

    /// Takes the place of all earlier codes.
    pub fn give_to(self, user: &mut User) {
        forget_all(user);
        user.recovery = self.hashes;
        user.wrapped.extend(self.wrapped);
    }
}

/// A code that fits: the slot it opens, and with which key.
pub struct Found {
    /// As it is stored. Slots are used anew by new codes, lines are not.
    line: String,
    slot: String,
    kek: Key32,
}

impl Found {
    pub fn open(&self, user: &User, device: &DeviceKey) -> Option<DataKey> {
        let (_, sealed) = user.wrapped.iter().find(|(slot, _)| *slot == self.slot)?;
        DataKey::unwrap(sealed, &self.kek, device, user.id, &self.slot).ok()
    }

    /// It is good no more. False: somebody was quicker.
    pub fn use_up(&self, user: &mut User) -> bool {
        let before = user.recovery.len();
        user.recovery.retain(|line| *line != self.line);
        let ours = user.recovery.len() < before;
        user.wrapped.retain(|(slot, _)| !ours || *slot != self.slot);
        ours
    }
}

pub fn find(user: &User, given: &Secret) -> Option<Found> {
    let root = root(given.expose_str()?);
    let hash = hash(&root);
    // All are compared, whichever fits.
    let (line, slot) = user.recovery.iter().fold(None, |found, line| match line.split_once(' ') {
        Some((slot, stored)) if stored.as_bytes().ct_eq(hash.as_bytes()).into() => Some((line, slot)),
        _ => found,
    })?;
    Some(Found { line: line.clone(), slot: slot.to_owned(), kek: kek(&root) })
}

pub fn forget_all(user: &mut User) {
    user.recovery.clear();
    user.wrapped.retain(|(slot, _)| !slot.starts_with(SLOT));
}

fn root(code: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(claim::normal(code).as_bytes().to_vec())
}

fn kek(root: &[u8]) -> Key32 {
    vault::derive(root, "recovery kek")
}

fn hash(root: &[u8]) -> String {
    hex::text(&Sha256::digest(vault::derive(root, "recovery login").expose()))
}

#[cfg(test)]
mod tests {
    use super::super::logins::for_tests::somebody;
    use super::*;
    use crate::vault::About;

    fn with_codes() -> (User, DataKey, DeviceKey, Vec<Zeroizing<String>>) {
        let device = DeviceKey::load_or_make(tempfile::tempdir().unwrap().path()).unwrap();
        let (mut user, data_key) = (somebody("ada"), DataKey::random());
        let set = Set::fresh(&data_key, &device, user.id);
        let codes = set.codes.clone();
        set.give_to(&mut user);
        (user, data_key, device, codes)
    }

    #[test]
    fn each_code_opens_the_data_key_once() {
        let (mut user, data_key, device, codes) = with_codes();
        assert_eq!((codes.len(), user.recovery.len(), user.wrapped.len()), (10, 10, 10));
        let about = About { user: user.id, record: user.id, kind: "k", version: 1 };
        let sealed = data_key.seal(&about, &"hunter2".into());
        for code in &codes {
            let typed = Secret::from(format!(" {} ", code.to_lowercase().replace('-', " ")));
            let found = find(&user, &typed).unwrap();
            let again = found.open(&user, &device).unwrap();
            assert_eq!(again.open(&about, &sealed).unwrap(), "hunter2".into());
            assert!(found.use_up(&mut user) && !found.use_up(&mut user));
            assert!(find(&user, &typed).is_none() && found.open(&user, &device).is_none());
        }
        assert!(user.recovery.is_empty() && user.wrapped.is_empty());
    }

    #[test]
    fn new_codes_take_the_place_of_old_ones_and_junk_is_none() {
        let (mut user, data_key, device, codes) = with_codes();
        for junk in ["", "-", "AAAAA-AAAAA-AAAAA-AAAAA", &codes[0][1..]] {
            assert!(find(&user, &junk.into()).is_none(), "{junk}");
        }
        assert!(find(&user, &Secret::new(vec![0xff; 20])).is_none());
        let found = find(&user, &codes[0].as_str().into()).unwrap();
        Set::fresh(&data_key, &device, user.id).give_to(&mut user);
        assert!(find(&user, &codes[0].as_str().into()).is_none());
        // The story: found a moment ago, an old code was good once more, at the cost of the new one in its slot.
        assert!(!found.use_up(&mut user));
        assert_eq!((user.recovery.len(), user.wrapped.len()), (10, 10));
        let stored = serde_json::to_string(&user).unwrap();
        assert!(codes.iter().all(|code| !stored.contains(&claim::normal(code).to_string())));
    }
}
