//! The claim code: printed on the console, once good, stored only as its hash.

use crate::disk::Beside;
use crate::hex;
use crate::random;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;
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
