//! What happened, who, from where, with what outcome. Never a secret.

pub fn note(_event: &str, _fields: &[(&str, &str)]) {}
