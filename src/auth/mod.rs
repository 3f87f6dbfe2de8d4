//! Who is asking: passwords, sign-in sessions, the limits on guessing.

pub mod logins;
