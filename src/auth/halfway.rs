//! Sign-ins on the way: the password was right, and the rest is owed. So many of an account may begin and come no further, in a quarter of an
//! hour (`Counted::Half`).
//!
//! ```text
//! the password --a place is taken--> half --handed on from step to step--> whole: the place is given back
//!                                      '--run out, pushed out, given up: the place stays taken
//! ```
//! Who knows only the password is stopped here, and an owner never is: what becomes whole does not count. A trusted device has places of
//! its own, so that whoever uses up the others does not keep the owner out.
//!
//! The try of the address, and the failures that lock an account, are forgotten already when the password is right, though the sign-in
//! is half: they are about guesses at it, and this was none. Held until all is whole, they would make people wait who share an address
//! and look for their phone. But who is refused here has that try counted: there is no other end to the hashing.

use super::limiter::{Counting, Key};
use super::logins::{Login, Stage};
use super::{Auth, Refusal, SignedIn, Who};
use crate::audit;
use crate::limits::Counted;
use crate::random::Id;
use crate::store::User;

impl Auth {
    /// A place for a sign-in that begins at this stage; a whole one needs none. `device`: the trusted one that has spoken.
    pub(super) fn admit_halfway(
        &self,
        user: &User,
        stage: Stage,
        device: Option<Id>,
        who: &Who<'_>,
    ) -> Result<Option<Counting>, Refusal> {
        if stage == Stage::Full {
            return Ok(None);
        }
        let (key, now) = (device.map_or(Key::User(user.id), Key::Device), who.now.since_boot);
        let place = self.table.admit(Counted::Half, key, now).map_err(|wait| {
            if self.table.is_news(Counted::Half, key, now) {
                audit::note("signin.half.limited", &[("user", &user.name), ("peer", &who.peer.to_string())]);
            }
            Refusal::TooManyHalf(wait)
        })?;
        Ok(Some(place))
    }

    /// The next session of a sign-in in place of this one, with its key, its device and its place.
    pub(super) fn begin_next(
        &self,
        login: &Login,
        user: &User,
        stage: Stage,
        who: &Who<'_>,
    ) -> Result<SignedIn, Refusal> {
        let (data_key, place) = (login.take_data_key().ok_or(Refusal::Ended)?, login.take_place());
        self.logins.end_where(None, |other| other.id == login.id);
        let next = self.begin_on(user, stage, data_key, login.device(), who)?;
        self.hand_on(place, &next.login);
        Ok(next)
    }

    pub(super) fn hand_on(&self, place: Option<Counting>, next: &Login) {
        match next.stage() {
            Stage::Full => place.into_iter().for_each(|place| self.table.forgive(place)),
            _ => next.set_place(place),
        }
    }

    /// Of an account that was locked, or whose password is another by now: who was counted until here knows it no more.
    pub(super) fn let_in_again(&self, user: Id) {
        self.lockout.succeeded(user);
        self.table.forget(Counted::Half, Key::User(user));
    }

    /// Once it has begun: the audit tells of no sign-in that there never was.
    pub(super) fn note_sign_in(&self, signed_in: &SignedIn, more: &[(&str, &str)], who: &Who<'_>) {
        let peer = who.peer.to_string();
        let fields = [&[("user", signed_in.login.name.as_str()), ("peer", peer.as_str())], more].concat();
        match signed_in.login.stage() {
            Stage::Full => audit::note("signin", &fields),
            _ => audit::note("signin.half", &fields),
        }
    }
}
