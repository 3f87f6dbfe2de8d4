//! Passkeys (B9): keys in a phone, a laptop or on a ring, as a second factor beside the app with its codes. `webauthn` says whether
//! what an authenticator says is true; here is what follows from it.
//!
//! Everything about a key is sealed under the user's data key, like the secret of an app: only who gave the password can be asked
//! for it, and whoever can write the disk cannot plant one.

use super::logins::{Login, Purpose, Stage};
use super::refusal::internal;
use super::sign_in::is_same_standing;
use super::webauthn::{self, Assertion, Bytes, Place, PublicKey};
use super::{Auth, Enrolled, Refusal, SignedIn, Who, recovery};
use crate::audit;
use crate::clock::Seconds;
use crate::limits;
use crate::random::Id;
use crate::secret::Secret;
use crate::store::{Passkey, User};
use crate::vault::{About, DataKey, Sealed};
use serde::{Deserialize, Serialize};

const WRONG_STEP: &str = "A passkey cannot be added at this step of your sign-in.";
const NOT_ASKED: &str = "Begin again: it took longer than five minutes, or this was used already.";
const NONE_HERE: &str = "None of your passkeys belongs to the name in your browser's address bar.";
const FULL: &str = "You have as many passkeys as there is place for. Remove one first.";
const TWICE: &str = "This passkey is yours already.";
const MEANWHILE: &str = "Your second factor was changed from another browser meanwhile.";
const LAST: &str = "This is your only second factor. Set up another one first, or turn the second factor off.";

/// What is sealed of a passkey.
#[derive(Serialize, Deserialize)]
struct Inside {
    rp_id: String,
    credential: Bytes,
    key: PublicKey,
    counter: u32,
}

/// What the page hands to the authenticator to get a new key.
#[derive(Serialize)]
pub struct Wish {
    challenge: Bytes,
    rp_id: String,
    user_handle: Bytes,
    name: String,
    algorithms: [i64; 3],
    /// Those that the user has already.
    exclude: Vec<Bytes>,
}

/// What the page hands to the authenticator to get a signature.
#[derive(Serialize)]
pub struct Offer {
    challenge: Bytes,
    rp_id: String,
    credentials: Vec<Bytes>,
}

/// What its owner sees of it.
#[derive(Serialize)]
pub struct PasskeyShown {
    id: Id,
    label: String,
    /// The host name it belongs to.
    host: String,
    created: Seconds,
    last_used: Option<Seconds>,
}

pub struct PasskeyMade {
    pub id: Id,
    /// It was the first factor, or takes the place of what was lost: with new recovery codes and a new sign-in.
    pub enrolled: Option<Enrolled>,
}

fn about(user: Id, passkey: Id) -> About<'static> {
    About { user, record: passkey, kind: "passkey", version: 1 }
}

fn seal(data_key: &DataKey, user: Id, passkey: Id, inside: &Inside) -> Result<Sealed, Refusal> {
    let text = serde_json::to_vec(inside).map_err(internal)?;
    Ok(data_key.seal(&about(user, passkey), &Secret::new(text)))
}

fn open(data_key: &DataKey, user: Id, passkey: &Passkey) -> Result<Inside, Refusal> {
    let text = data_key.open(&about(user, passkey.id), &passkey.sealed)?;
    serde_json::from_slice(text.expose()).map_err(internal)
}

impl Auth {
    fn opened(&self, login: &Login, user: &User) -> Result<Vec<(Passkey, Inside)>, Refusal> {
        let open = |data_key: &DataKey| {
            user.passkeys.iter().map(|key| Ok((key.clone(), open(data_key, user.id, key)?))).collect()
        };
        login.data_key_of_any_stage(open).ok_or(Refusal::Ended)?
    }

    /// Those that a new one will stand beside.
    fn kept(&self, login: &Login, user: &User) -> Result<Vec<(Passkey, Inside)>, Refusal> {
        if login.stage() == Stage::Recovered { Ok(Vec::new()) } else { self.opened(login, user) }
    }

    pub fn passkeys(&self, login: &Login) -> Result<Vec<PasskeyShown>, Refusal> {
        let user = self.whole(login)?;
        let show = |(key, inside): (Passkey, Inside)| PasskeyShown {
            id: key.id,
            label: key.label,
            host: inside.rp_id,
            created: key.created,
            last_used: key.last_used,
        };
        Ok(self.opened(login, &user)?.into_iter().map(show).collect())
    }

    // ---- a new one ----

    /// Wants the same proof as a new app.
    pub fn wish_passkey(
        &self,
        login: &Login,
        proof: Option<&Secret>,
        place: &Place,
        who: &Who<'_>,
    ) -> Result<Wish, Refusal> {
        let user = self.own(login)?;
        if user.passkeys.len() >= limits::PASSKEYS_PER_USER && login.stage() != Stage::Recovered {
            return Err(Refusal::NotNow(FULL));
        }
        self.prove_standing(login, &user, proof, who)?;
        let here = self.kept(login, &user)?.into_iter().filter(|(_, inside)| inside.rp_id == place.rp_id);
        Ok(Wish {
            exclude: here.map(|(_, inside)| inside.credential).collect(),
            challenge: Bytes(login.ask(Purpose::Make, who.now.since_boot).to_vec()),
            rp_id: place.rp_id.clone(),
            user_handle: Bytes(user.id.as_bytes().to_vec()),
            name: user.name,
            algorithms: webauthn::ALGORITHMS,
        })
    }

    pub fn add_passkey(
        &self,
        login: &Login,
        label: &str,
        (client_data, attestation): (&Bytes, &Bytes),
        place: &Place,
        who: &Who<'_>,
    ) -> Result<PasskeyMade, Refusal> {
        // The proof was given for this question: one that was asked for a signature, and cost nothing, is none.
        let asked = login.take_challenge(Purpose::Make, who.now.since_boot).ok_or(Refusal::NotNow(NOT_ASKED))?;
        if matches!(login.stage(), Stage::Factor | Stage::Device) {
            return Err(Refusal::NotNow(WRONG_STEP));
        }
        let user = self.own(login)?;
        let made = webauthn::read_made(&client_data.0, &attestation.0, &asked, place).map_err(|flaw| {
            log::info!("a passkey of {} was refused: {flaw}", user.name);
            Refusal::Weak { field: "attestation", message: format!("This passkey cannot be taken: {flaw}.") }
        })?;
        if self.kept(login, &user)?.iter().any(|(_, inside)| inside.credential.0 == made.credential) {
            return Err(Refusal::NotNow(TWICE));
        }
        let inside = Inside {
            rp_id: place.rp_id.clone(),
            credential: Bytes(made.credential),
            key: made.key,
            counter: made.counter,
        };
        let id = Id::random();
        let sealed = login.data_key_of_any_stage(|data_key| seal(data_key, user.id, id, &inside));
        let sealed = sealed.ok_or(Refusal::Ended)??;
        let passkey = Passkey { id, label: label.to_owned(), created: who.now.calendar, last_used: None, sealed };
        let first = login.stage() == Stage::Recovered || !user.has_factor();
        let set = login.data_key_of_any_stage(|data_key| recovery::Set::fresh(data_key, &self.device, user.id));
        let set = set.filter(|_| first);
        let recovery_codes = set.as_ref().map(|set| set.codes.clone());
        let user = self.keep_passkey(login, &user, passkey, set)?;
        audit::note("passkey.add", &[("user", &user.name), ("label", label), ("peer", &who.peer.to_string())]);
        let enrolled = match recovery_codes {
            Some(recovery_codes) => {
                Some(Enrolled { signed_in: self.begin_with_new_factor(login, &user, who)?, recovery_codes })
            }
            None => None,
        };
        Ok(PasskeyMade { id, enrolled })
    }

    /// Whoever came with a recovery code has lost what there was: nothing of it stays good. Counted here too, because several sign-ins
    /// may have wished while there was place for one.
    fn keep_passkey(
        &self,
        login: &Login,
        seen: &User,
        passkey: Passkey,
        set: Option<recovery::Set>,
    ) -> Result<User, Refusal> {
        let lost = login.stage() == Stage::Recovered;
        let mut done = Err(Refusal::NotNow(MEANWHILE));
        let kept = self.change_own(login, |user| {
            if !is_same_standing(seen, user) {
                return;
            }
            if !lost && user.passkeys.len() >= limits::PASSKEYS_PER_USER {
                done = Err(Refusal::NotNow(FULL));
                return;
            }
            if lost {
                user.factor = None;
                user.passkeys.clear();
            }
            user.passkeys.push(passkey);
            set.into_iter().for_each(|set| set.give_to(user));
            done = Ok(());
        })?;
        done.map(|()| kept)
    }

    /// Never the last factor: turning it off wants a proof.
    pub fn remove_passkey(&self, login: &Login, id: Id, who: &Who<'_>) -> Result<(), Refusal> {
        let (mut label, mut last) = (None, false);
        let user = self.whole(login)?;
        self.change_own(login, |user| {
            let Some(at) = user.passkeys.iter().position(|key| key.id == id) else { return };
            last = user.factor.is_none() && user.passkeys.len() == 1;
            if !last {
                label = Some(user.passkeys.remove(at).label);
            }
        })?;
        if last {
            return Err(Refusal::NotNow(LAST));
        }
        let label = label.ok_or(Refusal::Gone)?;
        let peer = who.peer.to_string();
        audit::note("passkey.remove", &[("user", &user.name), ("label", &label), ("peer", &peer)]);
        Ok(())
    }

    // ---- used ----

    /// The question to the authenticators of a user who gave the password.
    pub fn offer_passkeys(&self, login: &Login, place: &Place, who: &Who<'_>) -> Result<Offer, Refusal> {
        let user = self.with_passkeys(login)?;
        let here = self.opened(login, &user)?.into_iter().filter(|(_, inside)| inside.rp_id == place.rp_id);
        let credentials: Vec<Bytes> = here.map(|(_, inside)| inside.credential).collect();
        if credentials.is_empty() {
            return Err(Refusal::NotNow(NONE_HERE));
        }
        let challenge = Bytes(login.ask(Purpose::Use, who.now.since_boot).to_vec());
        Ok(Offer { challenge, rp_id: place.rp_id.clone(), credentials })
    }

    fn with_passkeys(&self, login: &Login) -> Result<User, Refusal> {
        match login.stage() {
            Stage::Factor => self.owing(login),
            _ => self.whole(login),
        }
    }

    /// The second half of a sign-in.
    pub fn verify_passkey(
        &self,
        login: &Login,
        assertion: &Assertion,
        place: &Place,
        who: &Who<'_>,
    ) -> Result<SignedIn, Refusal> {
        let user = self.owing(login)?;
        self.spend_assertion(login, &user, assertion, place, who)?;
        let signed_in = self.go_on(login, &user, Stage::Full, who)?;
        self.note_sign_in(&signed_in, &[("with", "passkey")], who);
        Ok(signed_in)
    }

    /// Something that stands for a one-time code, once: wherever one is asked for, a passkey does as well.
    pub fn prove_passkey(
        &self,
        login: &Login,
        assertion: &Assertion,
        place: &Place,
        who: &Who<'_>,
    ) -> Result<String, Refusal> {
        let user = self.whole(login)?;
        self.spend_assertion(login, &user, assertion, place, who)?;
        Ok(login.give_proof(who.now.since_boot))
    }

    /// Counts like a code.
    fn spend_assertion(
        &self,
        login: &Login,
        user: &User,
        assertion: &Assertion,
        place: &Place,
        who: &Who<'_>,
    ) -> Result<(), Refusal> {
        let places = self.admit_code(login, who)?;
        let asked = login.take_challenge(Purpose::Use, who.now.since_boot);
        let tried = self.try_assertion(login, user, assertion, asked, place, who);
        if let Ok(Err(why)) = tried {
            let peer = who.peer.to_string();
            audit::note("passkey.failed", &[("user", &user.name), ("peer", &peer), ("why", why)]);
            return Err(Refusal::Failed);
        }
        self.table.forgive_all(places);
        // What is left is no guess, but for instance a full disk.
        tried.map(drop)
    }

    /// The counter is on the disk before anything follows from it. An authenticator that counts must have counted on: one that did
    /// not was copied, or what it says was said before.
    fn try_assertion(
        &self,
        login: &Login,
        user: &User,
        assertion: &Assertion,
        asked: Option<[u8; 32]>,
        place: &Place,
        who: &Who<'_>,
    ) -> Result<Result<(), webauthn::Flaw>, Refusal> {
        let Some(asked) = asked else { return Ok(Err("nothing was asked, or too long ago")) };
        let known = self.opened(login, user)?.into_iter().find(|(_, inside)| inside.credential == assertion.credential);
        let Some((passkey, inside)) = known.filter(|(_, inside)| inside.rp_id == place.rp_id) else {
            return Ok(Err("the user has no such passkey"));
        };
        let counter = match assertion.check(&inside.key, &asked, place) {
            Ok(counter) => counter,
            Err(flaw) => return Ok(Err(flaw)),
        };
        if (counter, inside.counter) != (0, 0) && counter <= inside.counter {
            return Ok(Err("its counter went back: it was copied"));
        }
        let inside = Inside { counter, ..inside };
        let sealed = login.data_key_of_any_stage(|data_key| seal(data_key, user.id, passkey.id, &inside));
        let sealed = sealed.ok_or(Refusal::Ended)??;
        let mut ours = false;
        self.change_own(login, |user| {
            if let Some(stored) = user.passkeys.iter_mut().find(|stored| **stored == passkey) {
                (stored.sealed, stored.last_used) = (sealed, Some(who.now.calendar));
                ours = true;
            }
        })?;
        Ok(if ours { Ok(()) } else { Err("it was used or removed elsewhere meanwhile") })
    }

    /// What a half sign-in may be asked for, in docs/API.md's words.
    pub fn factors(&self, login: &Login) -> Result<Vec<&'static str>, Refusal> {
        let user = self.user(login.user)?;
        let has = [("code", user.factor.is_some()), ("passkey", !user.passkeys.is_empty())];
        Ok(has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect())
    }
}
