//! User names (A4): `[a-z0-9_.-]{1,32}`, written in any case, kept in lower case. Pure.

/// Names that would let their holder pass for the product, or for somebody who is gone.
const RESERVED: [&str; 6] = ["footbridge", "system", "admin-system", "deleted", "nobody", "anonymous"];

/// The name as it is kept, or None if no user can have it.
pub fn normal(name: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    let name = name.trim().to_ascii_lowercase();
    ((1..=32).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}

/// The same for a new user, with the reason.
pub fn check(name: &str) -> Result<String, &'static str> {
    let name = normal(name).ok_or("A name has 1 to 32 characters of a-z, 0-9, dot, dash and underscore.")?;
    match RESERVED.contains(&name.as_str()) || name.starts_with(['.', '-']) {
        true => Err("This name is reserved. Choose another."),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_plain_and_of_one_case() {
        assert_eq!(check("Ada.L-1_x").as_deref(), Ok("ada.l-1_x"));
        for bad in
            ["", " ", "a b", "é", "a/b", "footbridge", "System", "deleted", "-l", ".a", "a\u{0}", &"a".repeat(33)]
        {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_is_kept_stays_as_it_is(text in ".*") {
            if let Some(name) = normal(&text) {
                prop_assert_eq!(normal(&name), Some(name));
            }
        }
    }
}
