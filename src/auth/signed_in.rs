//! Who is signed in, by the cookie that is shown, and how that ends at their own word.

use super::ended::Why;
use super::logins::{Login, Stage};
use super::{Auth, Shown, Who, certificates};
use crate::audit;
use crate::clock::Now;
use crate::random::Id;
use std::net::IpAddr;
use std::sync::Arc;

impl Auth {
    /// A sign-in of any [`Stage`], if its cookie is shown from where it is good (C4), and with its certificate (R2). It lives on where it
    /// is not: its owner may still be there, and who has stolen the cookie shall not even end it.
    pub fn find_any(&self, cookie: &str, peer: IpAddr, shown: Shown<'_>, now: &Now) -> Option<Arc<Login>> {
        let login = self.logins.find(cookie, now.since_boot)?;
        let event =
            match (self.binding.holds(login.peer, peer), certificates::holds(login.certificate().as_deref(), shown)) {
                (true, true) => return Some(login),
                (false, _) => "signin.strayed",
                (true, false) => "certificate.refused",
            };
        if login.has_strayed() {
            audit::note(event, &[("user", &login.name), ("peer", &peer.to_string())]);
        }
        None
    }

    /// The whole sign-ins of a user, oldest first (C6).
    pub fn logins_of(&self, user: Id, now: &Now) -> Vec<Arc<Login>> {
        let mut own = self.logins.of(user, now.since_boot);
        own.retain(|login| login.stage() == Stage::Full);
        own
    }

    /// Ends one of the user's own sign-ins. False: they have no such.
    pub fn revoke(&self, user: Id, login: Id, who: &Who<'_>) -> bool {
        let Some(own) = self.logins.of(user, who.now.since_boot).into_iter().find(|other| other.id == login) else {
            return false;
        };
        let ended = self.logins.end_where(Some(Why::Ended), |other| other.id == own.id) > 0;
        if ended {
            let (login, peer) = (login.to_string(), who.peer.to_string());
            audit::note("signin.revoke", &[("user", &own.name), ("login", &login), ("peer", &peer)]);
        }
        ended
    }

    pub fn sign_out(&self, login: &Login, who: &Who<'_>) {
        self.logins.end_where(None, |other| other.id == login.id);
        audit::note("signout", &[("user", &login.name), ("peer", &who.peer.to_string())]);
    }

    /// Every sign-in of the user ends, the half ones too, and no key of theirs stays in memory.
    pub fn lock_now(&self, login: &Login, who: &Who<'_>) {
        self.logins.end_where(None, |other| other.id == login.id);
        self.logins.end_where(Some(Why::Ended), |other| other.user == login.user);
        audit::note("vault.lock", &[("user", &login.name), ("peer", &who.peer.to_string())]);
    }
}
