//! What a new password must be (A2). Pure. Length is what counts; beyond it only what every guesser tries first is refused.

use crate::limits;
use crate::secret::Secret;
use zeroize::Zeroizing;

/// Words that passwords of twelve characters and more are made of when nobody thinks. A password that is nothing but these and
/// digits is refused.
const WORDS: [&str; 48] = [
    "password",
    "passwort",
    "passwd",
    "letmein",
    "welcome",
    "admin",
    "administrator",
    "root",
    "qwerty",
    "qwertz",
    "azerty",
    "iloveyou",
    "monkey",
    "dragon",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "master",
    "shadow",
    "michael",
    "trustno",
    "whatever",
    "changeme",
    "default",
    "secret",
    "login",
    "access",
    "hello",
    "summer",
    "winter",
    "spring",
    "autumn",
    "raspberry",
    "raspberrypi",
    "openwrt",
    "synology",
    "router",
    "terminal",
    "server",
    "test",
    "user",
    "guest",
    "asdf",
    "abc",
    "footbridge",
];

/// Rows of the keyboard and of the alphabet, for sequences in either direction.
const RUNS: [&str; 6] =
    ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "asdfghjkl", "yxcvbnm"];

pub fn fits(password: &Secret) -> bool {
    limits::PASSWORD_BYTES.contains(&password.len())
}

/// Why a new password is refused, for its owner.
pub fn check(password: &Secret, name: &str) -> Result<(), &'static str> {
    if password.len() < *limits::PASSWORD_BYTES.start() {
        return Err("A password has at least 12 characters. Four or five words that do not belong together are good.");
    }
    if password.len() > *limits::PASSWORD_BYTES.end() {
        return Err("A password has at most 1024 bytes.");
    }
    let lower = Zeroizing::new(String::from_utf8_lossy(password.expose()).to_lowercase());
    if !name.is_empty() && is_made_of(&lower, &[name]) {
        return Err("This password is your own name. Choose another.");
    }
    if is_made_of(&lower, &WORDS) || is_a_run(&lower) || has_few_characters(&lower) {
        return Err("This password is among the first that are tried. Choose another.");
    }
    Ok(())
}

/// Nothing but these words (in their usual disguise), digits and punctuation.
fn is_made_of(text: &str, words: &[&str]) -> bool {
    let text: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    let (mut at, mut found) = (0, false);
    while at < text.len() {
        let longest = words.iter().filter(|word| begins_with(&text[at..], word)).map(|word| word.chars().count()).max();
        match longest {
            Some(length) => (at, found) = (at + length, true),
            None if text[at].is_alphabetic() => return false,
            None => at += 1,
        }
    }
    found
}

fn begins_with(text: &[char], word: &str) -> bool {
    let mut letters = text.iter();
    word.chars().all(|wanted| letters.next().is_some_and(|c| *c == wanted || disguised(*c) == wanted))
}

/// The letter that a digit or sign usually stands for.
fn disguised(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

/// Made of pieces of four and more neighbours on a keyboard row or in the alphabet.
fn is_a_run(text: &str) -> bool {
    let mut rest: &str = text;
    while !rest.is_empty() {
        // No row is longer than the alphabet. Trying longer pieces cost seconds on a small board for a password of a thousand bytes.
        let step = (4..=rest.len().min(26)).rev().filter(|end| rest.is_char_boundary(*end)).find(|end| {
            let piece = &rest[..*end];
            let back: Zeroizing<String> = Zeroizing::new(piece.chars().rev().collect());
            RUNS.iter().any(|run| run.contains(piece) || run.contains(back.as_str()))
        });
        match step {
            Some(end) => rest = &rest[end..],
            None => return rest.len() <= 3 && rest.len() < text.len(),
        }
    }
    true
}

/// A short piece again and again, or hardly any different characters.
fn has_few_characters(text: &str) -> bool {
    let mut seen: Vec<char> = text.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() < 5
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ok(password: &str) -> bool {
        check(&password.into(), "ada").is_ok()
    }

    #[test]
    fn length_is_what_counts() {
        assert!(!ok("") && !ok("elevenchars") && ok("twelve chars") && ok(&"four words that fit ".repeat(50)));
        assert!(!ok(&"long and longer ".repeat(65)));
        assert!(ok("a long bridge over cold water") && ok("correct horse battery"));
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for bad in [
            "password1234",
            "Passw0rd2024!",
            "123456789012",
            "qwertyuiop12",
            "abcdefghijkl",
            "zyxwvutsrqpo",
            "aaaaaaaaaaaa",
            "abababababab",
            "adaadaadaada",
            "ada-2024-2024",
            "adminadmin123",
            "letmein12345",
            "raspberrypi1",
            "footbridge12",
            "1234567890123456",
            "qwertzuiop123",
            "asdfasdfasdf",
        ] {
            assert!(!ok(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gets_an_answer(text in ".{0,80}", name in "[a-z]{0,8}") {
            let _ = check(&text.as_str().into(), &name);
        }
    }
}
