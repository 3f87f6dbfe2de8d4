//! The claim code: printed on the console, once good, stored only as its hash.

use super::{Auth, Refusal, SignedIn, Who};
use crate::audit;
use crate::disk::Beside;
use crate::hex;
use crate::random;
use crate::secret::Secret;
use crate::store::{Role, StoreError};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const FILE: &str = "claim";
/// 32 characters that nobody mixes up when reading them off a screen: no I, O, 0 or 1. Five bits each, a hundred in all.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const GROUPS: usize = 4;
const GROUP: usize = 5;

/// A hundred random bits that a person can read off a screen and type. Recovery codes look the same.
pub fn fresh_code() -> Zeroizing<String> {
    let dice: Zeroizing<[u8; GROUPS * GROUP]> = Zeroizing::new(random::bytes());
    let mut code = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
    for (n, byte) in dice.iter().enumerate() {
        if n > 0 && n % GROUP == 0 {
            code.push('-');
        }
        code.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    code
}

/// A fresh code for this data directory; an earlier one is good no more.
pub fn renew(dir: &Path) -> io::Result<String> {
    let code = fresh_code();
    Beside::write(&dir.join(FILE), hash(&code).as_bytes())?.replace()?;
    Ok(code.to_string())
}

pub fn fits(dir: &Path, code: &str) -> bool {
    let stored = fs::read(dir.join(FILE)).unwrap_or_default();
    stored.ct_eq(hash(code).as_bytes()).into()
}

/// Gone for good.
pub fn forget(dir: &Path) {
    let _ = fs::remove_file(dir.join(FILE));
}

/// Dashes, spaces and letter case do not matter.
pub fn normal(code: &str) -> Zeroizing<String> {
    let mut normal = Zeroizing::new(String::with_capacity(code.len()));
    normal.extend(code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()));
    normal
}

fn hash(code: &str) -> String {
    hex::text(&Sha256::digest(normal(code).as_bytes()))
}

impl Auth {
    /// A fresh claim code for the box with this data directory; an earlier one is good no more.
    pub fn new_claim_code(dir: &Path) -> io::Result<String> {
        renew(dir)
    }

    pub fn forget_claim_code(dir: &Path) {
        forget(dir);
    }

    pub fn claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// Does whoever asks hold the claim code of a box that nobody has claimed? A wrong one counts like a wrong password.
    pub fn check_claim_code(&self, code: &Secret, who: &Who<'_>) -> Result<(), Refusal> {
        if self.claimed() {
            return Err(Refusal::Gone);
        }
        let admitted = self.admit(who)?;
        if !fits(&self.data, code.expose_str().unwrap_or_default()) {
            audit::note_stranger("claim.failed", &[("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        }
        self.table.forgive(admitted);
        Ok(())
    }

    /// Makes the first administrator, once.
    pub fn claim(&self, code: &Secret, name: &str, password: &Secret, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        self.check_claim_code(code, who)?;
        let (user, data_key) = self.new_user(name, Role::Administrator, password, who.now.calendar)?;
        match self.store.add_first_administrator(&user) {
            // Whoever was first may not have come to say that the box is claimed; the store knows.
            Err(StoreError::Exists) => {
                let claimed = self.store.users()?.iter().any(|user| user.role == Role::Administrator);
                return Err(if claimed { Refusal::Gone } else { Refusal::NameTaken });
            }
            done => done?,
        }
        self.claimed.store(true, Ordering::Release);
        forget(&self.data);
        audit::note("claim", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        self.begin(&user, self.stage_after_password(&user), data_key, who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_code_fits_however_it_is_typed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!fits(dir.path(), ""), "no code was made");
        let old = renew(dir.path()).unwrap();
        let code = renew(dir.path()).unwrap();
        assert_eq!(code.len(), 23);
        assert!(fits(dir.path(), &code) && fits(dir.path(), &format!(" {} ", code.to_lowercase().replace('-', " "))));
        assert!(!fits(dir.path(), &old) && !fits(dir.path(), "") && !fits(dir.path(), &code[1..]));
        let stored = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(!stored.contains(&code.replace('-', "")));
        forget(dir.path());
        assert!(!fits(dir.path(), &code));
    }
}
