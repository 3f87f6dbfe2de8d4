//! One-shot tickets for the WebSocket upgrade (D3): bound to a sign-in session and a terminal, good for one use within 30 s.

use crate::clock::Instant;
use crate::limits;
use crate::random::Id;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

struct Ticket {
    login: Id,
    session: Id,
    until: Instant,
}

/// By their hash: what lies in memory opens nothing, and looking one up tells nothing by its time.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<[u8; 32], Ticket>>);

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl Tickets {
    /// None: there are too many outstanding.
    pub fn issue(&self, login: Id, session: Id, now: Instant) -> Option<String> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() >= limits::TICKETS {
            tickets.retain(|_, ticket| now < ticket.until);
        }
        if tickets.len() >= limits::TICKETS {
            return None;
        }
        let text = super::token();
        tickets.insert(hash(&text), Ticket { login, session, until: now + limits::TICKET });
        Some(text)
    }

    /// Whatever the answer, the ticket is used up.
    pub fn redeem(&self, text: &str, login: Id, session: Id, now: Instant) -> bool {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(text));
        found.is_some_and(|ticket| ticket.login == login && ticket.session == session && now < ticket.until)
    }

    pub fn sweep(&self, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, ticket| now < ticket.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_ticket_is_good_once_here_and_soon() {
        let (tickets, now, login, session) = (Tickets::default(), Instant::now(), Id::random(), Id::random());
        let issue = || tickets.issue(login, session, now).unwrap();
        let ticket = issue();
        assert!(tickets.redeem(&ticket, login, session, now) && !tickets.redeem(&ticket, login, session, now));
        assert!(!tickets.redeem(&issue(), Id::random(), session, now), "another sign-in session");
        assert!(!tickets.redeem(&issue(), login, Id::random(), now), "another terminal");
        assert!(!tickets.redeem(&issue(), login, session, now + limits::TICKET), "too late");
        assert!(!tickets.redeem("junk", login, session, now));
        let ticket = issue();
        assert!(!tickets.redeem(&ticket, Id::random(), session, now));
        assert!(!tickets.redeem(&ticket, login, session, now), "a wrong use uses it up");
    }

    #[test]
    fn outstanding_tickets_are_bounded() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let issue = |now| tickets.issue(Id::random(), Id::random(), now);
        assert_eq!((0..limits::TICKETS + 9).filter(|_| issue(now).is_some()).count(), limits::TICKETS);
        assert!(issue(now + limits::TICKET + Duration::from_secs(1)).is_some());
    }
}
