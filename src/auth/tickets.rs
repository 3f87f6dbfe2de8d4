//! One-shot tickets: for the WebSocket upgrade (D3), bound to a sign-in session and a terminal, good for 30 s; and for forms that change
//! security (D2), bound to the sign-in session, good for 300 s.

use crate::clock::Instant;
use crate::limits;
use crate::random::Id;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

struct Ticket {
    login: Id,
    session: Id,
    until: Instant,
}

/// By their hash: what lies in memory opens nothing, and looking one up tells nothing by its time.
pub struct Tickets {
    lasting: Duration,
    all: Mutex<HashMap<[u8; 32], Ticket>>,
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl Tickets {
    pub fn new(lasting: Duration) -> Tickets {
        Tickets { lasting, all: Mutex::new(HashMap::new()) }
    }

    /// A sign-in session's oldest gives way when it has too many: nobody can use up what others need.
    pub fn issue(&self, login: Id, session: Id, now: Instant) -> Option<String> {
        let mut tickets = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let own = || tickets.iter().filter(|(_, ticket)| ticket.login == login);
        if own().count() >= limits::TICKETS_PER_LOGIN {
            let oldest = own().min_by_key(|(_, ticket)| ticket.until).map(|(hash, _)| *hash);
            oldest.and_then(|oldest| tickets.remove(&oldest));
        }
        let text = super::token();
        tickets.insert(hash(&text), Ticket { login, session, until: now + self.lasting });
        Some(text)
    }

    /// Whatever the answer, the ticket is used up.
    pub fn redeem(&self, text: &str, login: Id, session: Id, now: Instant) -> bool {
        let found = self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(text));
        found.is_some_and(|ticket| ticket.login == login && ticket.session == session && now < ticket.until)
    }

    pub fn sweep(&self, now: Instant) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, ticket| now < ticket.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_here_and_soon() {
        let (tickets, now, login, session) = (Tickets::new(limits::TICKET), Instant::now(), Id::random(), Id::random());
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

    /// The story: there were 1024 for the whole box, so one user who asked for as many kept everybody from attaching.
    #[test]
    fn outstanding_tickets_are_bounded_and_one_user_cannot_use_up_anothers() {
        let (tickets, now, greedy, session) =
            (Tickets::new(limits::TICKET), Instant::now(), Id::random(), Id::random());
        let issue = |n: u64| tickets.issue(greedy, session, now + Duration::from_millis(n)).unwrap();
        let all: Vec<String> = (0..2000).map(issue).collect();
        assert_eq!(tickets.all.lock().unwrap().len(), limits::TICKETS_PER_LOGIN);
        let (other, place) = (Id::random(), Id::random());
        let ticket = tickets.issue(other, place, now).unwrap();
        assert!(tickets.redeem(&ticket, other, place, now));
        assert!(tickets.redeem(&all[1999], greedy, session, now) && !tickets.redeem(&all[0], greedy, session, now));
    }
}
