//! As much of CBOR (RFC 8949) as an authenticator speaks: integers, strings, arrays and maps in the one form that CTAP2 allows. A
//! general crate knows ten times as much, and all of it would have to be refused here: tags, floats, indefinite lengths, numbers
//! written longer than need be, keys that come twice.

use crate::limits;

#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// false, true or null: nothing that is looked at.
    Simple,
}

impl<'a> Value<'a> {
    pub fn text_key(&self, name: &str) -> Option<&Value<'a>> {
        self.find(|key| matches!(key, Value::Text(text) if *text == name))
    }

    pub fn int_key(&self, number: i64) -> Option<&Value<'a>> {
        self.find(|key| *key == Value::Int(number))
    }

    fn find(&self, fits: impl Fn(&Value<'a>) -> bool) -> Option<&Value<'a>> {
        let Value::Map(pairs) = self else { return None };
        pairs.iter().find(|(key, _)| fits(key)).map(|(_, value)| value)
    }

    pub fn bytes(&self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub fn int(&self) -> Option<i64> {
        if let Value::Int(number) = self { Some(*number) } else { None }
    }
}

/// One value, and what follows it.
pub fn read(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut reader = Reader { rest: bytes, items: limits::CBOR_ITEMS };
    let value = reader.value(limits::CBOR_DEPTH)?;
    Some((value, reader.rest))
}

/// One value and nothing else.
pub fn read_all(bytes: &[u8]) -> Option<Value<'_>> {
    read(bytes).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many more values may come: they take more room than their bytes do.
    items: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.items = self.items.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        let first = *self.take(1)?.first()?;
        if first >> 5 == 7 {
            return (20..=22).contains(&(first & 31)).then_some(Value::Simple);
        }
        let number = self.number(first & 31)?;
        let length = usize::try_from(number).ok();
        match first >> 5 {
            0 => i64::try_from(number).ok().map(Value::Int),
            1 => i64::try_from(number).ok().map(|number| Value::Int(-1 - number)),
            2 => self.take(length?).map(Value::Bytes),
            3 => std::str::from_utf8(self.take(length?)?).ok().map(Value::Text),
            4 => (0..number).map(|_| self.value(depth)).collect::<Option<_>>().map(Value::Array),
            5 => self.map(number, depth),
            _ => None,
        }
    }

    fn number(&mut self, short: u8) -> Option<u64> {
        let (width, least) = match short {
            0..=23 => return Some(short.into()),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return None,
        };
        let number = self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        (number >= least).then_some(number)
    }

    fn map(&mut self, pairs: u64, depth: usize) -> Option<Value<'a>> {
        let mut map: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        for _ in 0..pairs {
            let key = self.value(depth)?;
            if !matches!(key, Value::Int(_) | Value::Text(_)) || map.iter().any(|(other, _)| *other == key) {
                return None;
            }
            map.push((key, self.value(depth)?));
        }
        Some(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_an_authenticator_says_is_read() {
        let bytes = b"\xa3\x01\x02\x20\x41\xff\x63fmt\x82\xf5\x19\x01\x00";
        let value = read_all(bytes).unwrap();
        assert_eq!(value.int_key(1).and_then(Value::int), Some(2));
        assert_eq!(value.int_key(-1).and_then(Value::bytes), Some(&[0xff][..]));
        assert_eq!(value.text_key("fmt"), Some(&Value::Array(vec![Value::Simple, Value::Int(256)])));
        assert_eq!(read(b"\x01\x02"), Some((Value::Int(1), &b"\x02"[..])));
    }

    #[test]
    fn other_forms_are_refused() {
        let deep = [vec![0x81; 9], vec![0x01]].concat();
        let many = [vec![0x99, 0x02, 0x00], vec![0x01; 512]].concat();
        for bad in [
            &b""[..],
            b"\x18\x17",         // 23 in two bytes
            b"\x19\x00\xff",     // 255 in three
            b"\x5f\x41\x01\xff", // of no definite length
            b"\xc0\x01",         // a tag
            b"\xf9\x00\x00",     // a float
            b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x42\x01",             // too short
            b"\x61\xff",             // not UTF-8
            b"\xa2\x01\x01\x01\x02", // the same key twice
            b"\xa1\x41\x01\x01",     // a key that is neither number nor text
            b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00",
            b"\x01\x01", // something behind it
            &deep,
            &many,
        ] {
            assert_eq!(read_all(bad), None, "{bad:x?}");
        }
    }

    proptest! {
        #[test]
        fn junk_is_nothing_and_never_a_crash(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some((_, rest)) = read(&bytes) {
                prop_assert!(rest.len() < bytes.len());
            }
        }
    }
}
