//! What a field may hold. Pure; the rules are docs/API.md's.

use super::Problem;
use crate::limits;

/// A name for people: any characters that do not control a terminal or a line.
pub fn label(text: &str) -> Result<(), Problem> {
    refuse(
        text.chars().count() > limits::LABEL_CHARACTERS || text.chars().any(char::is_control),
        "label",
        "A label has at most 100 characters, none of them a control character.",
    )
}

/// A host name or an IP literal. It can never be read as an option or split in two by any program.
pub fn address(text: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte);
    let fits = (1..=limits::HOST_NAME_BYTES).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-');
    refuse(!fits, "address", "An address is a host name or an IP address, without spaces, brackets or a port.")
}

pub fn user(text: &str) -> Result<(), Problem> {
    let fits = (1..=limits::HOST_USER_CHARACTERS).contains(&text.chars().count())
        && !text.starts_with('-')
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    refuse(!fits, "user", "A user name on the host has 1 to 64 characters, no spaces, and does not begin with a dash.")
}

pub fn port(number: u16) -> Result<(), Problem> {
    refuse(number == 0, "port", "A port is a number from 1 to 65535.")
}

pub fn size(field: &'static str, cells: u16) -> Result<(), Problem> {
    refuse(!(1..=1000).contains(&cells), field, "A terminal has 1 to 1000 columns and rows.")
}

pub fn tags(tags: &[String]) -> Result<(), Problem> {
    let fits = |tag: &String| {
        (1..=limits::TAG_CHARACTERS).contains(&tag.chars().count()) && !tag.chars().any(|c| c.is_control() || c == ',')
    };
    refuse(
        tags.len() > limits::TAGS_PER_HOST || !tags.iter().all(fits),
        "tags",
        "At most 16 tags of 1 to 32 characters, without commas.",
    )
}

/// The colours a host may have; the page knows how each looks in light and dark.
pub const COLOURS: [&str; 9] = ["", "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink"];

pub fn colour(name: &str) -> Result<(), Problem> {
    refuse(
        !COLOURS.contains(&name),
        "colour",
        "A colour is red, orange, yellow, green, teal, blue, purple, pink, or nothing.",
    )
}

pub fn notes(text: &str) -> Result<(), Problem> {
    let control = |c: char| c.is_control() && c != '\n' && c != '\t';
    refuse(
        text.len() > limits::HOST_NOTES_BYTES || text.contains(control),
        "notes",
        "Notes have at most 4096 bytes of plain text.",
    )
}

fn refuse(bad: bool, field: &'static str, why: &str) -> Result<(), Problem> {
    if bad { Err(Problem::invalid(field, why)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_name_or_an_ip_and_nothing_else() {
        for good in ["router", "a.b-c.example", "192.168.1.1", "fe80::1%eth0", "2001:db8::1"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "-oProxyCommand=x", "a b", "a/b", "[::1]", "a;b", "a\n", "é", &"a".repeat(254), "user@host"] {
            assert_eq!(address(bad).map_err(|problem| problem.field), Err(Some("address")), "{bad}");
        }
    }

    #[test]
    fn a_user_name_is_never_an_option_or_two_words() {
        for good in ["root", "jürgen", "DOMAIN\\ada", "a.b-c_d"] {
            assert!(user(good).is_ok(), "{good}");
        }
        for bad in ["", "-l", "a b", "a\u{1b}[31m", &"a".repeat(65)] {
            assert!(user(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_rest_has_bounds_too() {
        assert!(label("").is_ok() && label(&"ü".repeat(100)).is_ok());
        assert!(label(&"ü".repeat(101)).is_err() && label("a\u{7}b").is_err());
        assert!(port(0).is_err() && port(65535).is_ok());
        assert!(size("cols", 0).is_err() && size("cols", 1001).is_err() && size("cols", 1000).is_ok());
        assert!(tags(&["home".into()]).is_ok() && tags(&["".into()]).is_err() && tags(&vec!["a".into(); 17]).is_err());
        assert!(colour("teal").is_ok() && colour("").is_ok() && colour("url(x)").is_err());
        assert!(notes("a\nb").is_ok() && notes("\u{1b}]0;x").is_err() && notes(&"a".repeat(4097)).is_err());
    }
}
