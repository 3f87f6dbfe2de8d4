//! Why a sign-in has ended, for the browser that still has its cookie. In memory, so many (`limits::LOGINS_ENDED`) and for so long; whoever
//! fills it takes a sentence from others and nothing more.
//!
//! It is told only where the cookie was good (C4, R2). Who has stolen one and shows it from elsewhere is answered as to any junk, so that
//! they do not learn whether its sign-in is alive.

use super::logins::{Cookie, Login};
use super::{Auth, Shown, certificates};
use crate::clock::{Instant, Now};
use crate::limits;
use serde::Serialize;
use std::collections::HashMap;
use std::net::IpAddr;

/// In docs/API.md's words. Who signs out is told nothing: they know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// By age, or by idleness (C3).
    TimedOut,
    /// By newer ones, of which there may be only so many.
    Pushed,
    /// What it stood on was changed: the password, the factor, the role; or the account was disabled or deleted.
    Account,
    /// The trusted device or the certificate that it was made with was removed; or it was made without one, and one is demanded now.
    Device,
    /// By the user, from another browser (C6).
    Ended,
}

/// A sign-in that was.
pub(super) struct Past {
    why: Why,
    peer: IpAddr,
    certificate: Option<String>,
    until: Instant,
}

#[derive(Default)]
pub(super) struct Ended(HashMap<Cookie, Past>);

impl Ended {
    /// The one that would be forgotten first gives way.
    pub fn add(&mut self, cookie: Cookie, login: &Login, why: Why) {
        let until = login.ends_at_the_latest() + limits::LOGIN_ENDED_KEPT;
        self.0.insert(cookie, Past { why, peer: login.peer, certificate: login.certificate(), until });
        if self.0.len() > limits::LOGINS_ENDED {
            let first = self.0.iter().min_by_key(|(_, past)| past.until).map(|(cookie, _)| *cookie);
            first.map(|first| self.0.remove(&first));
        }
    }

    pub fn find(&self, cookie: &Cookie) -> Option<&Past> {
        self.0.get(cookie)
    }

    pub fn sweep(&mut self, now: Instant) {
        self.0.retain(|_, past| now < past.until);
    }
}

impl Auth {
    /// Of a cookie that is good no more, where it was good. It may be asked again, in case the answer is lost.
    pub fn why_ended(&self, cookie: &str, peer: IpAddr, shown: Shown<'_>, now: &Now) -> Option<Why> {
        let was_good_here = |past: &Past| {
            self.binding.holds(past.peer, peer) && certificates::holds(past.certificate.as_deref(), shown)
        };
        self.logins.look_back(cookie, now.since_boot, |past| was_good_here(past).then_some(past.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::logins::Logins;
    use crate::auth::logins::for_tests::{HOUR, begin, somebody};

    fn why(logins: &Logins, cookie: &str, now: Instant) -> Option<Why> {
        logins.look_back(cookie, now, |past| Some(past.why))
    }

    #[test]
    fn it_is_remembered_for_a_day_and_of_so_many() {
        let (logins, now) = (Logins::new(12 * HOUR, HOUR), Instant::now());
        let (first, first_cookie) = begin(&logins, &somebody("ada"), now);
        assert_eq!(why(&logins, &first_cookie, now), None, "it lives");
        logins.end_where(Some(Why::Ended), |login| login.id == first.id);
        assert_eq!(why(&logins, &first_cookie, now), Some(Why::Ended));
        let last = now + 12 * HOUR + limits::LOGIN_ENDED_KEPT;
        logins.sweep(last - HOUR);
        assert_eq!(why(&logins, &first_cookie, last - HOUR), Some(Why::Ended));
        logins.sweep(last);
        assert_eq!(why(&logins, &first_cookie, last), None);

        let (_, first_cookie) = begin(&logins, &somebody("ada"), now);
        let cookies: Vec<String> =
            (1..=limits::LOGINS_ENDED).map(|n| begin(&logins, &somebody(&n.to_string()), now + HOUR / 2).1).collect();
        logins.end_where(Some(Why::Account), |_| true);
        assert_eq!(why(&logins, &first_cookie, now), None, "it gave way");
        assert!(cookies.iter().all(|cookie| why(&logins, cookie, now) == Some(Why::Account)));
    }

    #[test]
    fn what_has_run_out_is_known_before_anybody_sweeps_and_a_sign_out_is_no_news() {
        let (logins, now) = (Logins::new(12 * HOUR, HOUR), Instant::now());
        let (_, cookie) = begin(&logins, &somebody("ada"), now);
        assert_eq!(why(&logins, &cookie, now + HOUR), Some(Why::TimedOut));
        let (_, cookie) = begin(&logins, &somebody("ada"), now);
        logins.end_where(None, |_| true);
        assert_eq!((why(&logins, &cookie, now), why(&logins, "junk", now)), (None, None));
    }
}
