//! One-time codes (RFC 6238: HMAC-SHA1, six digits, thirty seconds). Pure: the time is an argument.

use crate::clock::Seconds;
use crate::limits;
use crate::random;
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt::Write as _;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Seconds of one step, and digits of a code: what every authenticator program assumes.
pub const STEP_SECONDS: u64 = 30;
const DIGITS: usize = 6;
/// RFC 4226 asks for 160 bits, the length of the hash.
const SECRET_BYTES: usize = 20;
/// RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub fn fresh_secret() -> Secret {
    let bytes: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(random::bytes());
    Secret::new(bytes.to_vec())
}

/// What the secret looks like to a person who types it into a program.
pub fn as_text(secret: &Secret) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(secret.len().div_ceil(5) * 8));
    for five in secret.expose().chunks(5) {
        let mut block = [0; 8];
        block[3..3 + five.len()].copy_from_slice(five);
        let bits = u64::from_be_bytes(block);
        let letters = (five.len() * 8).div_ceil(5);
        text.extend((0..letters).map(|n| char::from(BASE32[(bits >> (35 - 5 * n)) as usize & 31])));
    }
    text
}

/// What a QR code says (the "key URI" that authenticator programs read). A user's name holds nothing that must be escaped in it.
pub fn uri(secret: &Secret, name: &str) -> Zeroizing<String> {
    let (text, mut uri) = (as_text(secret), Zeroizing::new(String::with_capacity(160)));
    let _ = write!(uri, "otpauth://totp/Footbridge:{name}?secret={}&issuer=Footbridge", text.as_str());
    let _ = write!(uri, "&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}");
    uri
}

/// RFC 4226, 5.3.
fn code(secret: &Secret, step: u64) -> Option<Zeroizing<String>> {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret.expose()).ok()?;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest.last()? & 15);
    let four: [u8; 4] = digest.get(at..at + 4)?.try_into().ok()?;
    let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 10_u32.pow(DIGITS as u32);
    Some(Zeroizing::new(format!("{number:0width$}", width = DIGITS)))
}

fn step_at(time: Seconds) -> u64 {
    u64::try_from(time).unwrap_or_default() / STEP_SECONDS
}

/// The time step whose code this is: the present one or one beside it, and later than the `last` one that was accepted, so that a
/// code works once. All of them are compared, whichever fits.
pub fn matching_step(secret: &Secret, given: &Secret, time: Seconds, last: u64) -> Option<u64> {
    let given: Zeroizing<Vec<u8>> =
        Zeroizing::new(given.expose().iter().copied().filter(|byte| *byte != b' ').take(DIGITS + 1).collect());
    let now = step_at(time);
    let around = now.saturating_sub(limits::TOTP_STEPS_AROUND)..=now.saturating_add(limits::TOTP_STEPS_AROUND);
    around.fold(None, |found, step| {
        let fits: bool = code(secret, step).is_some_and(|code| code.as_bytes().ct_eq(&given).into());
        if fits && step > last { Some(step) } else { found }
    })
}

/// For the tests of this room.
#[cfg(test)]
pub fn code_at(secret: &Secret, time: Seconds) -> Secret {
    Secret::from(code(secret, step_at(time)).unwrap().as_str())
}

/// The other way round, as an authenticator program reads it.
#[cfg(test)]
pub fn from_text(text: &str) -> Secret {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        bits = bits << 5 | BASE32.iter().position(|known| *known == letter).unwrap() as u32;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Secret::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rfc() -> Secret {
        Secret::from("12345678901234567890")
    }

    /// RFC 6238, appendix B (its last six digits).
    #[test]
    fn the_vectors_of_the_rfc() {
        for (time, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(&rfc(), time), wanted.into());
            assert_eq!(matching_step(&rfc(), &wanted.into(), time, 0), Some(time as u64 / 30));
        }
    }

    /// RFC 4648, 10, and the secret of RFC 6238.
    #[test]
    fn base32_as_the_rfc_has_it() {
        for (plain, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(as_text(&plain.into()).as_str(), text);
        }
        assert_eq!(as_text(&rfc()).as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = uri(&rfc(), "ada.l");
        assert!(uri.starts_with("otpauth://totp/Footbridge:ada.l?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer="));
    }

    #[test]
    fn one_step_beside_is_accepted_and_two_are_not() {
        let (secret, time) = (fresh_secret(), 1_790_000_000);
        let step = time as u64 / 30;
        let found = |shift: i64, last| matching_step(&secret, &code_at(&secret, time + 30 * shift), time, last);
        assert_eq!([-1, 0, 1].map(|shift| found(shift, 0)), [Some(step - 1), Some(step), Some(step + 1)]);
        assert_eq!([found(-2, 0), found(2, 0)], [None, None]);
        assert_eq!(found(0, step), None, "a code works once");
        assert_eq!(found(-1, step), None, "nor an earlier one after it");
        assert_eq!(found(1, step), Some(step + 1));
        assert!(matching_step(&secret, &code_at(&secret, -5), -5, 0).is_none_or(|step| step <= 1));
    }

    #[test]
    fn only_six_digits_are_a_code_and_spaces_are_for_people() {
        let matches = |given: &str| matching_step(&rfc(), &given.into(), 59, 0).is_some();
        assert!(matches("287082") && matches(" 287 082 "));
        for wrong in ["", "28708", "2870820", "0287082", "28708２", "287083", "-87082"] {
            assert!(!matches(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn base32_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let secret = Secret::new(bytes);
            prop_assert_eq!(from_text(&as_text(&secret)), secret);
        }

        #[test]
        fn any_clock_and_any_text_get_an_answer(time in any::<i64>(), last in any::<u64>(), given in ".{0,12}") {
            let _ = matching_step(&rfc(), &given.as_str().into(), time, last);
        }
    }
}
