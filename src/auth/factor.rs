//! The second factor (B): set up, asked for, replaced with a recovery code, taken away.
//!
//! ```text
//! sign_in --> Factor --verify_factor--> Full
//!               '----use_recovery----> Recovered --enrol--> Full
//! sign_in --> Enrol --enrol-----------------------------> Full
//! ```
//! The secret is sealed under the user's data key, so only who gave the password can even be asked for a code. Every arrow ends the
//! session it starts from and begins a new one (C5).

use super::logins::{Login, Stage};
use super::refusal::internal;
use super::{Auth, Policy, Refusal, SignedIn, Who, notify, recovery, totp};
use crate::audit;
use crate::random::Id;
use crate::secret::Secret;
use crate::store::User;
use crate::vault::{About, Sealed};
use zeroize::Zeroizing;

const CLOCK: &str =
    "The box does not know what time it is, so it cannot check a code. Set its clock, or use a recovery code.";
const WRONG_STEP: &str = "This is not the next step of your sign-in.";
const NO_FACTOR: &str = "You have no second factor.";
const NO_APP: &str = "Your second factor is a passkey, and no app. Use that.";

/// A factor that is being set up: the secret as text, and as a QR code says it.
pub struct Enrolment {
    pub secret: Zeroizing<String>,
    pub uri: Zeroizing<String>,
}

/// It is set up. The codes are shown now and never again.
pub struct Enrolled {
    pub signed_in: SignedIn,
    pub recovery_codes: Vec<Zeroizing<String>>,
}

fn about(user: Id) -> About<'static> {
    About { user, record: user, kind: "totp", version: 1 }
}

impl Auth {
    /// A secret to be scanned within five minutes.
    pub fn enrol_begin(&self, login: &Login, proof: Option<&Secret>, who: &Who<'_>) -> Result<Enrolment, Refusal> {
        let user = self.own(login)?;
        self.prove_standing(login, &user, proof, who)?;
        let secret = totp::fresh_secret();
        let enrolment = Enrolment { secret: totp::as_text(&secret), uri: totp::uri(&secret, &user.name) };
        login.set_pending(secret, who.now.since_boot);
        Ok(enrolment)
    }

    /// Complete only with a valid code (B1). Gives new recovery codes, ends all other sessions of the user, and signs in.
    pub fn enrol_finish(&self, login: &Login, code: &Secret, who: &Who<'_>) -> Result<Enrolled, Refusal> {
        // The floor is not asked: a new factor is the way on for those whose code was of another time.
        if !who.now.is_plausible() {
            return Err(Refusal::NotNow(CLOCK));
        }
        let admitted = self.admit_on(login.device(), who)?;
        let pending = login.pending(who.now.since_boot);
        let secret = pending.ok_or(Refusal::NotNow("Begin again: setting it up took longer than five minutes."))?;
        let step = totp::matching_step(&secret, code, who.now.calendar, 0).ok_or(Refusal::Failed)?;
        self.table.forgive(admitted);
        if matches!(login.stage(), Stage::Factor | Stage::Device) {
            return Err(Refusal::NotNow(WRONG_STEP));
        }
        let made = login.data_key_of_any_stage(|data_key| {
            (data_key.seal(&about(login.user), &secret), recovery::Set::fresh(data_key, &self.device, login.user))
        });
        let (sealed, set) = made.ok_or(Refusal::Ended)?;
        let recovery_codes = set.codes.clone();
        let user = self.give_factor(login, sealed, step, set)?;
        audit::note("factor.enrol", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        Ok(Enrolled { signed_in: self.begin_with_new_factor(login, &user, who)?, recovery_codes })
    }

    /// Whoever had to set one up is signed in only now.
    pub(super) fn begin_with_new_factor(&self, login: &Login, user: &User, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        let signed_in = self.begin_anew(login, user, who)?;
        if login.stage() != Stage::Full {
            self.note_sign_in(&signed_in, &[], who);
        }
        Ok(signed_in)
    }

    /// Whoever came with a recovery code has lost what there was: nothing of it stays good.
    fn give_factor(&self, login: &Login, sealed: Sealed, step: u64, set: recovery::Set) -> Result<User, Refusal> {
        let user = self.change_own(login, |user| {
            if login.stage() == Stage::Recovered {
                user.passkeys.clear();
            }
            (user.factor, user.last_step) = (Some(sealed), step);
            set.give_to(user);
        })?;
        self.reckon_floor()?;
        Ok(user)
    }

    /// The second half of a sign-in.
    pub fn verify_factor(&self, login: &Login, code: &Secret, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        let user = self.owing(login)?;
        self.spend_code(login, &user, code, who)?;
        let signed_in = self.go_on(login, &user, Stage::Full, who)?;
        self.note_sign_in(&signed_in, &[], who);
        Ok(signed_in)
    }

    /// A recovery code in place of the factor. It leads to a session that may replace the factor, and do nothing else (B4).
    pub fn use_recovery(&self, login: &Login, code: &Secret, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        let user = self.owing(login)?;
        let admitted = self.admit_on(login.device(), who)?;
        let used = self.use_up_recovery(login, &user, code, who);
        if matches!(used, Ok(None)) {
            audit::note("recovery.failed", &[("user", &user.name), ("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        }
        self.table.forgive(admitted);
        let user = used?.ok_or(Refusal::Failed)?;
        audit::note("recovery.used", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        self.go_on(login, &user, Stage::Recovered, who)
    }

    /// None: it is none of theirs (any more).
    fn use_up_recovery(
        &self,
        login: &Login,
        user: &User,
        code: &Secret,
        who: &Who<'_>,
    ) -> Result<Option<User>, Refusal> {
        let Some(found) = recovery::find(user, code) else { return Ok(None) };
        let mut ours = false;
        let user = self.change_own(login, |user| {
            ours = found.use_up(user);
            if ours {
                notify(user, "recovery-code-used", who.now.calendar);
            }
        })?;
        Ok(ours.then_some(user))
    }

    /// Where the policy allows to have none. Recovery codes stay: they are a way into the vault too.
    pub fn disable_factor(&self, login: &Login, code: &Secret, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        if self.factor == Policy::Required {
            return Err(Refusal::NotNow("On this box everybody has a second factor. You can replace yours."));
        }
        let user = self.whole(login)?;
        self.spend_code(login, &user, code, who)?;
        let user = self.change_own(login, |user| {
            user.factor = None;
            user.passkeys.clear();
        })?;
        audit::note("factor.disable", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        self.begin_anew(login, &user, who)
    }

    /// Anew, where a code counts no more.
    pub(super) fn reckon_floor(&self) -> Result<(), Refusal> {
        self.floor.reckon(self.store.users()?.iter().map(|user| user.last_step));
        Ok(())
    }

    /// Ten new recovery codes for somebody who has a factor; the old ones are good no more.
    pub fn renew_recovery(
        &self,
        login: &Login,
        code: &Secret,
        who: &Who<'_>,
    ) -> Result<Vec<Zeroizing<String>>, Refusal> {
        let user = self.whole(login)?;
        self.spend_code(login, &user, code, who)?;
        let set = login.data_key(|data_key| recovery::Set::fresh(data_key, &self.device, user.id));
        let set = set.ok_or(Refusal::Ended)?;
        let codes = set.codes.clone();
        self.change_own(login, |user| set.give_to(user))?;
        audit::note("recovery.renew", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        Ok(codes)
    }

    /// Before a new factor is made: a code of the one there is, unless a recovery code has stood for it; the password where there is
    /// none, so that a stolen cookie makes none of the thief's. Whoever must set one up has given the password just now.
    pub(super) fn prove_standing(
        &self,
        login: &Login,
        user: &User,
        proof: Option<&Secret>,
        who: &Who<'_>,
    ) -> Result<(), Refusal> {
        match login.stage() {
            Stage::Factor | Stage::Device => Err(Refusal::NotNow(WRONG_STEP)),
            Stage::Full if user.has_factor() => {
                self.spend_code(login, user, proof.unwrap_or(&Secret::new(Vec::new())), who)
            }
            Stage::Full => self.spend_password(login, user, proof.ok_or(Refusal::ProofNeeded)?, who),
            Stage::Enrol | Stage::Recovered => Ok(()),
        }
    }

    // ---- step-up ----

    /// B8: a fresh proof for one thing (`what` names action and target). Proof is a code; the password of a user without a factor.
    pub fn step_up(&self, login: &Login, proof: &Secret, what: &str, who: &Who<'_>) -> Result<(), Refusal> {
        let user = self.whole(login)?;
        match user.has_factor() {
            true => self.spend_code(login, &user, proof, who)?,
            false => self.spend_password(login, &user, proof, who)?,
        }
        // Hashing took its time: who was put out meanwhile has proven nothing.
        self.own(login)?;
        login.grant(what.to_owned(), who.now.since_boot);
        audit::note("stepup", &[("user", &user.name), ("what", what), ("peer", &who.peer.to_string())]);
        Ok(())
    }

    /// Was that proof given for this, within five minutes? It is used up.
    pub fn take_step_up(&self, login: &Login, what: &str, who: &Who<'_>) -> bool {
        login.take_grant(what, who.now.since_boot)
    }

    fn spend_password(&self, login: &Login, user: &User, password: &Secret, who: &Who<'_>) -> Result<(), Refusal> {
        let admitted = self.admit_on(login.device(), who)?;
        if self.prove(Some(user), password, who)?.is_none() {
            audit::note("stepup.failed", &[("user", &user.name), ("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        }
        self.table.forgive(admitted);
        Ok(())
    }

    // ---- codes ----

    /// The user of a sign-in that owes its second factor.
    pub(super) fn owing(&self, login: &Login) -> Result<User, Refusal> {
        match login.stage() {
            Stage::Factor => self.own(login),
            _ => Err(Refusal::NotNow(WRONG_STEP)),
        }
    }

    pub(super) fn whole(&self, login: &Login) -> Result<User, Refusal> {
        match login.stage() {
            Stage::Full => self.own(login),
            _ => Err(Refusal::NotNow(WRONG_STEP)),
        }
    }

    /// Takes each code once: the step is on the disk before anything follows from it, so that a restart forgets none (B3).
    pub(super) fn spend_code(&self, login: &Login, user: &User, code: &Secret, who: &Who<'_>) -> Result<(), Refusal> {
        if login.take_proof(code, who.now.since_boot) {
            return Ok(());
        }
        let none = if user.has_factor() { NO_APP } else { NO_FACTOR };
        let sealed = user.factor.as_ref().ok_or(Refusal::NotNow(none))?;
        if !self.knows_the_time(&who.now) {
            return Err(Refusal::NotNow(CLOCK));
        }
        let places = self.admit_code(login, who)?;
        let opened = login.data_key_of_any_stage(|data_key| data_key.open(&about(user.id), sealed));
        let secret = opened.ok_or(Refusal::Ended)?.map_err(internal)?;
        let step = totp::matching_step(&secret, code, who.now.calendar, user.last_step);
        let taken = step.map_or(Ok(false), |step| self.take_step(login, step));
        if matches!(taken, Ok(false)) {
            audit::note("factor.failed", &[("user", &user.name), ("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        }
        // Also where the disk refused: the code was not wrong.
        self.table.forgive_all(places);
        taken.map(drop)
    }

    /// False: the same code was quicker elsewhere.
    pub(super) fn take_step(&self, login: &Login, step: u64) -> Result<bool, Refusal> {
        let mut ours = false;
        self.change_own(login, |user| {
            if user.last_step < step {
                user.last_step = step;
                ours = true;
            }
        })?;
        if ours {
            self.floor.raise(step);
        }
        Ok(ours)
    }

    /// The next session of this sign-in, in place of this one. `user`: as this one found or left them.
    pub(super) fn go_on(&self, login: &Login, user: &User, stage: Stage, who: &Who<'_>) -> Result<SignedIn, Refusal> {
        let stage = if stage == Stage::Full { Auth::last_stage(user, login.device()) } else { stage };
        self.begin_next(login, user, stage, who)
    }
}
