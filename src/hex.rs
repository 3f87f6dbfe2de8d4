//! Bytes as people and files read them: lower-case hexadecimal.

use std::fmt::Write;

pub fn text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_is_two_digits() {
        assert_eq!(super::text(&[0, 9, 10, 0x7f, 255]), "00090a7fff");
        assert_eq!(super::text(&[]), "");
    }
}
