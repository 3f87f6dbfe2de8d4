//! TLS certificates of browsers, by fingerprint (R2, R3, R4). Where an account demands one, nothing of a sign-in works on a connection that
//! has not proven the key of the very certificate that the sign-in began with: no route, no upgrade, on localhost as anywhere.
//!
//! A certificate stands beside the password and the factor, never for them.

use super::ended::Why;
use super::logins::Login;
use super::{Auth, Refusal, Who, devices};
use crate::audit;
use crate::clock::Seconds;
use crate::limits;
use crate::random::Id;
use crate::store::{Certificate, User};
use serde::Serialize;

const FULL: &str = "You have as many certificates as there is place for. Remove one first.";
const TWICE: &str = "This certificate is yours already.";
const LAST: &str = "Your account demands a certificate, and this is the only one. Demand none first.";
const NOT_THIS: &str = "Register the certificate of this connection first: you would shut yourself out.";

const SHAPE: &str = "A fingerprint is SHA-256 in 64 hexadecimal digits, with colons or without.";

/// As openssl prints it, with colons and capitals, or as we do.
fn normal(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    (digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

/// What a connection has shown for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// The box does not ask.
    NotAsked,
    /// It comes from a proxy, whose own certificate would say nothing about the browser.
    Proxied,
    Nothing,
    /// SHA-256 of a certificate, in hexadecimal, whose key has signed the handshake.
    This(&'a str),
}

impl<'a> Shown<'a> {
    pub fn fingerprint(self) -> Option<&'a str> {
        match self {
            Shown::This(fingerprint) => Some(fingerprint),
            Shown::NotAsked | Shown::Proxied | Shown::Nothing => None,
        }
    }

    /// Where an account demands one of its own.
    fn why_refused(self) -> &'static str {
        match self {
            Shown::NotAsked => {
                "This account opens only with its certificate, and this box does not ask browsers for one \
                 (client_certificates is off)."
            }
            Shown::Proxied => {
                "This account opens only with its certificate, and you come through a proxy, behind which the box cannot \
                 see it."
            }
            Shown::Nothing => "This account opens only with its certificate, and your browser has shown none.",
            Shown::This(_) => {
                "This account opens only with its certificate, and the one that your browser has shown is another."
            }
        }
    }

    fn to_register(self) -> Result<&'a str, Refusal> {
        match self {
            Shown::This(fingerprint) => Ok(fingerprint),
            Shown::NotAsked => Err(Refusal::NotNow(
                "This box does not ask browsers for certificates. Whoever runs it can set client_certificates to ask.",
            )),
            Shown::Proxied => Err(Refusal::NotNow(
                "You come through a proxy, behind which the box cannot see your browser's certificate. Open the box directly.",
            )),
            Shown::Nothing => Err(Refusal::NotNow(
                "Your browser has shown no certificate. Import one, close the browser, and choose it when you are asked.",
            )),
        }
    }
}

#[derive(Serialize)]
pub struct CertificateShown {
    id: Id,
    label: String,
    fingerprint: String,
    created: Seconds,
    last_used: Option<Seconds>,
    current: bool,
}

/// Which of the user's own the connection has shown.
pub(super) fn registered<'u>(user: &'u User, shown: Shown<'_>) -> Option<&'u Certificate> {
    let fingerprint = shown.fingerprint()?;
    user.certificates.iter().find(|one| one.fingerprint == fingerprint)
}

/// Is a sign-in that is bound so still as good as when it was begun?
pub(super) fn is_registered(now: &User, bound: Option<&str>) -> bool {
    match bound {
        Some(fingerprint) => now.certificates.iter().any(|one| one.fingerprint == fingerprint),
        None => !now.certificate_required,
    }
}

impl Auth {
    /// Who cannot sign in while browsers are not asked for a certificate.
    pub fn who_demands_one(&self) -> Result<Vec<String>, Refusal> {
        let all = self.store.users()?.into_iter();
        Ok(all.filter(|user| user.certificate_required && !user.disabled).map(|user| user.name).collect())
    }

    /// Everything else was right. The fingerprint that the sign-in is bound to, if the user has registered it.
    pub(super) fn admit_certificate(&self, user: &User, who: &Who<'_>) -> Result<Option<String>, Refusal> {
        match registered(user, who.shown) {
            Some(one) => Ok(Some(one.fingerprint.clone())),
            None if !user.certificate_required => Ok(None),
            None => {
                audit::note("certificate.refused", &[("user", &user.name), ("peer", &who.peer.to_string())]);
                Err(Refusal::Certificate(who.shown.why_refused()))
            }
        }
    }

    pub(super) fn touch_certificate(&self, user: &User, fingerprint: &str, now: Seconds) -> Result<(), Refusal> {
        self.store.update_user(user.id, |user| {
            let one = user.certificates.iter_mut().find(|one| one.fingerprint == fingerprint);
            one.into_iter().for_each(|one| one.last_used = Some(now));
        })?;
        Ok(())
    }

    // ---- the owner's care ----

    /// Must there be one, and which there are.
    pub fn certificates(&self, login: &Login) -> Result<(bool, Vec<CertificateShown>), Refusal> {
        let user = self.whole(login)?;
        let bound = login.certificate();
        let show = |one: Certificate| CertificateShown {
            current: bound.as_ref() == Some(&one.fingerprint),
            id: one.id,
            label: one.label,
            fingerprint: one.fingerprint,
            created: one.created,
            last_used: one.last_used,
        };
        Ok((user.certificate_required, user.certificates.into_iter().map(show).collect()))
    }

    /// The certificate of this connection is the user's from now on, and this sign-in is bound to it. Or another one, by a fingerprint
    /// from the same user's hand: where one is demanded already, no browser comes in that could show a second one.
    pub fn register_certificate(
        &self,
        login: &Login,
        label: &str,
        by_hand: Option<&str>,
        who: &Who<'_>,
    ) -> Result<Id, Refusal> {
        let user = self.whole(login)?;
        let fingerprint = match by_hand {
            Some(text) => normal(text).ok_or_else(|| Refusal::Weak { field: "fingerprint", message: SHAPE.into() })?,
            None => who.shown.to_register()?.to_owned(),
        };
        let (created, id) = (who.now.calendar, Id::random());
        let last_used = by_hand.is_none().then_some(created);
        let new = Certificate { id, label: label.to_owned(), fingerprint, created, last_used };
        let mut why_not = None;
        self.change_own(login, |user| {
            why_not = match () {
                () if user.certificates.iter().any(|one| one.fingerprint == new.fingerprint) => Some(TWICE),
                () if user.certificates.len() >= limits::CERTIFICATES_PER_USER => Some(FULL),
                () => None,
            };
            if why_not.is_none() {
                user.certificates.push(new.clone());
            }
        })?;
        if let Some(why) = why_not {
            return Err(Refusal::NotNow(why));
        }
        if by_hand.is_none() {
            login.set_certificate(Some(new.fingerprint.clone()));
        }
        let (user, peer) = (user.name.as_str(), who.peer.to_string());
        let fields = [("user", user), ("label", &new.label), ("fingerprint", &new.fingerprint), ("peer", &peer)];
        audit::note("certificate.register", &fields);
        Ok(id)
    }

    /// From now on, or no more. The user's sign-ins without one end.
    pub fn demand_certificate(&self, login: &Login, required: bool, who: &Who<'_>) -> Result<(), Refusal> {
        let user = self.whole(login)?;
        let bound = login.certificate();
        let mut may = false;
        self.change_own(login, |user| {
            let shows =
                bound.as_ref().is_some_and(|bound| user.certificates.iter().any(|one| one.fingerprint == *bound));
            may = shows || !required;
            if may {
                user.certificate_required = required;
            }
        })?;
        if !may {
            return Err(Refusal::NotNow(NOT_THIS));
        }
        if required {
            self.logins.end_where(Some(Why::Device), |other| other.user == user.id && other.certificate().is_none());
        }
        let event = if required { "certificate.demand" } else { "certificate.release" };
        audit::note(event, &[("user", &user.name), ("peer", &who.peer.to_string())]);
        Ok(())
    }

    /// Its sign-ins end.
    pub fn remove_certificate(&self, login: &Login, id: Id, who: &Who<'_>) -> Result<(), Refusal> {
        let user = self.whole(login)?;
        let mut removed = None;
        let mut last = false;
        self.change_own(login, |user| {
            let Some(at) = user.certificates.iter().position(|one| one.id == id) else { return };
            last = user.certificate_required && user.certificates.len() == 1;
            if !last {
                removed = Some(user.certificates.remove(at));
            }
        })?;
        if last {
            return Err(Refusal::NotNow(LAST));
        }
        let removed = removed.ok_or(Refusal::Gone)?;
        self.end_bound_to(&user, &removed);
        let peer = who.peer.to_string();
        audit::note("certificate.remove", &[("user", &user.name), ("label", &removed.label), ("peer", &peer)]);
        Ok(())
    }

    fn end_bound_to(&self, user: &User, gone: &Certificate) {
        let bound = |other: &Login| other.certificate().as_ref() == Some(&gone.fingerprint);
        self.logins.end_where(Some(Why::Device), |other| other.user == user.id && bound(other));
    }

    // ---- the word of whoever holds the box ----

    /// A trusted device or a certificate of this user, and its sign-ins. With the last of its kind goes the demand for one, or nobody
    /// could sign in: then the answer is true. None: there is no such.
    pub fn revoke_device(&self, user: &User, id: Id) -> Result<Option<bool>, Refusal> {
        let (mut certificate, mut device, mut lifted) = (None, None, false);
        self.store.update_user(user.id, |user| {
            certificate = user.certificates.iter().position(|one| one.id == id).map(|at| user.certificates.remove(at));
            device = user.devices.iter().position(|one| one.id == id).map(|at| devices::take_off(user, at));
            let without = (user.certificates.is_empty(), user.devices.is_empty());
            lifted = certificate.is_some() && without.0 && user.certificate_required
                || device.is_some() && without.1 && user.device_required;
            user.certificate_required &= !without.0;
            user.device_required &= !without.1;
        })?;
        if let Some(gone) = &certificate {
            self.end_bound_to(user, gone);
        }
        if device.is_some() {
            self.logins.end_where(Some(Why::Device), |other| other.user == user.id && other.device() == Some(id));
        }
        Ok((certificate.is_some() || device.is_some()).then_some(lifted))
    }
}

/// A cookie is good on connections that show what its sign-in began with; one that began without is bound to none.
pub(super) fn holds(bound: Option<&str>, shown: Shown<'_>) -> bool {
    bound.is_none_or(|bound| shown.fingerprint() == Some(bound))
}

/// Nothing of them is left.
pub(super) fn forget_all(user: &mut User) {
    user.certificates.clear();
    user.certificate_required = false;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fingerprint_may_be_pasted_as_openssl_prints_it() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!((normal(&plain), normal(&format!(" {colons}\n"))), (Some(plain.clone()), Some(plain.clone())));
        for bad in ["", "ab", &plain[1..], &plain.replace('b', "g"), &format!("{plain}00"), &"é".repeat(32)] {
            assert_eq!(normal(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_fingerprint_or_none(text in ".{0,100}") {
            prop_assert!(normal(&text).is_none_or(|good| good.len() == 64));
        }
    }
}
