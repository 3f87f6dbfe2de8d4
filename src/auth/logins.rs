//! Sign-in sessions.

use crate::clock::Instant;
use crate::random::Id;
use crate::store::Role;

pub struct Login {
    pub id: Id,
    pub user: Id,
    pub name: String,
    pub role: Role,
    pub csrf: String,
}

impl Login {
    pub fn touch(&self, _now: Instant) {}

    pub fn is_alive(&self, _now: Instant) -> bool {
        false
    }
}
