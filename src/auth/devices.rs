//! Trusted devices (R1, R3, R4): a browser that keeps a key which it cannot give away. It signs a challenge at sign-in, and, where the
//! account demands it, another to start a terminal and the ticket of each browser that looks at one.
//!
//! ```text
//! sign_in (with a device's signature) --> [Factor] --> Full
//! sign_in (without), device demanded ---> [Factor] --> Device --trust_device, with a code of a trusted one--> Full
//! ```
//! A device stands beside the password, never for it. But it is why nobody can lock an owner out: tries from a device that proves
//! itself are counted by device, not by address and account.

use super::ended::Why;
use super::limiter::{Counting, Key};
use super::logins::{Login, Stage};
use super::webauthn::Bytes;
use super::{Auth, Refusal, SignedIn, Who, certificates, claim, token_fits, token_hash};
use crate::audit;
use crate::clock::{Instant, Seconds};
use crate::limits::{self, Counted};
use crate::random::{self, Id};
use crate::secret::{Key32, Secret};
use crate::store::{Device, Reset, User};
use crate::vault;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

const WRONG_STEP: &str = "A device cannot be trusted at this step of your sign-in.";
const FULL: &str = "You trust as many devices as there is place for. Remove one first.";
const LAST: &str = "Your account demands a trusted device, and this is the only one.";
const NOT_THIS: &str = "Trust this browser first: you would shut yourself out.";

/// Challenges for whoever asks, also strangers: what was given out is known by its MAC and takes no place, so that nobody can use up
/// what others need. Only those that were answered well are remembered, so that they are good once.
pub struct Challenges {
    key: Key32,
    started: Instant,
    answered: Mutex<HashMap<String, Instant>>,
}

impl Challenges {
    pub fn new(now: Instant) -> Challenges {
        Challenges { key: random::key(), started: now, answered: Mutex::new(HashMap::new()) }
    }

    /// random (16) | milliseconds since the start (8) | HMAC-SHA256 of both (32)
    pub fn issue(&self, now: Instant) -> String {
        let since = now.saturating_duration_since(self.started).as_millis() as u64;
        let text = [&random::bytes::<16>()[..], &since.to_be_bytes()].concat();
        let mac = vault::mac(&self.key, &[&text]).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([&text[..], &mac[..]].concat())
    }

    fn is_fresh(&self, challenge: &str, now: Instant) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(challenge).unwrap_or_default();
        let Some((text, mac)) = bytes.split_first_chunk::<24>() else { return false };
        let [.., a, b, c, d, e, f, g, h] = *text;
        let made = self.started + Duration::from_millis(u64::from_be_bytes([a, b, c, d, e, f, g, h]) & 0xff_ffff_ffff);
        vault::mac(&self.key, &[text]).verify_slice(mac).is_ok()
            && now.saturating_duration_since(made) < limits::DEVICE_CHALLENGE
    }

    /// False: it was answered already.
    fn use_up(&self, challenge: &str, now: Instant) -> bool {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        // E7. The oldest gives way: whoever fills this has devices or a half sign-in, and must not keep others out.
        if answered.len() >= limits::COUNTED_AT_ONCE && !answered.contains_key(challenge) {
            let oldest = answered.iter().min_by_key(|(_, at)| **at).map(|(challenge, _)| challenge.clone());
            oldest.and_then(|oldest| answered.remove(&oldest));
        }
        answered.insert(challenge.to_owned(), now).is_none()
    }

    pub fn sweep(&self, now: Instant) {
        let fresh = |at: &Instant| now.saturating_duration_since(*at) < limits::DEVICE_CHALLENGE;
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, at| fresh(at));
    }
}

/// A device's word, beside a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceProof {
    pub id: Id,
    pub challenge: String,
    pub signature: Bytes,
}

/// A browser that wants to be trusted, and its signature over a challenge.
#[derive(Deserialize)]
pub struct NewDevice {
    pub label: String,
    pub public_key: Bytes,
    pub challenge: String,
    pub signature: Bytes,
}

#[derive(Serialize)]
pub struct DeviceShown {
    id: Id,
    label: String,
    created: Seconds,
    last_used: Option<Seconds>,
    current: bool,
}

/// What is signed says what it is for and where.
fn signs(key: &Bytes, purpose: &str, host: &str, challenge: &str, signature: &Bytes) -> bool {
    let text = format!("footbridge device v1\n{purpose}\n{host}\n{challenge}");
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0).verify(text.as_bytes(), &signature.0).is_ok()
}

fn key_of(device: &Device) -> Bytes {
    Bytes(URL_SAFE_NO_PAD.decode(&device.key).unwrap_or_default())
}

/// It was not removed meanwhile.
pub(super) fn is_trusted(now: &User, device: Option<Id>) -> bool {
    device.is_none_or(|id| now.devices.iter().any(|device| device.id == id))
}

impl Auth {
    pub fn device_challenge(&self, now: Instant) -> String {
        self.challenges.issue(now)
    }

    /// Which of the account's devices speaks, if it is one. Ids are random, so that whoever is not the device learns nothing by the
    /// time that a look at the signature takes.
    fn proven(&self, user: &User, purpose: &str, proof: &DeviceProof, host: &str, now: Instant) -> Option<Id> {
        let device = user.devices.iter().find(|device| device.id == proof.id)?;
        let good = self.challenges.is_fresh(&proof.challenge, now)
            && signs(&key_of(device), purpose, host, &proof.challenge, &proof.signature)
            && self.challenges.use_up(&proof.challenge, now);
        good.then_some(device.id)
    }

    /// A place for a sign-in's try, and the device that proved itself.
    pub(super) fn admit_sign_in(
        &self,
        account: Option<&User>,
        device: Option<(&DeviceProof, &str)>,
        who: &Who<'_>,
    ) -> Result<(Counting, Option<Id>), Refusal> {
        let now = who.now.since_boot;
        let proven =
            account.zip(device).and_then(|(user, (proof, host))| self.proven(user, "sign-in", proof, host, now));
        match proven {
            Some(id) => {
                let place = self.table.admit(Counted::Device, Key::Device(id), now).map_err(Refusal::TooMany)?;
                Ok((place, Some(id)))
            }
            None => Ok((self.admit(who)?, None)),
        }
    }

    /// A place for a guess by who gave the password already: on a trusted device it is the device's, whatever failed at this address.
    pub(super) fn admit_on(&self, device: Option<Id>, who: &Who<'_>) -> Result<Counting, Refusal> {
        match device {
            Some(id) => self.table.admit(Counted::Code, Key::Device(id), who.now.since_boot).map_err(Refusal::TooMany),
            None => self.admit(who),
        }
    }

    /// For a code, and for what stands for one: a place of the address (E6) and one of the account (B7); or, on a trusted device, one of
    /// its own: whoever has the password uses up those of the account from anywhere.
    pub(super) fn admit_code(&self, login: &Login, who: &Who<'_>) -> Result<Vec<Counting>, Refusal> {
        let device = login.device();
        let mut places = vec![self.admit_on(device, who)?];
        if device.is_none() {
            let of_account = self.table.admit(Counted::Code, Key::User(login.user), who.now.since_boot);
            places.push(of_account.map_err(Refusal::TooMany)?);
        }
        Ok(places)
    }

    pub(super) fn touch_device(&self, user: &User, id: Id, now: Seconds) -> Result<(), Refusal> {
        self.store.update_user(user.id, |user| {
            let device = user.devices.iter_mut().find(|device| device.id == id);
            device.into_iter().for_each(|device| device.last_used = Some(now));
        })?;
        Ok(())
    }

    /// Everything else was right: is a device demanded that has not spoken?
    pub(super) fn last_stage(user: &User, device: Option<Id>) -> Stage {
        let trusted = device.is_some_and(|id| user.devices.iter().any(|device| device.id == id));
        if user.device_required && !trusted { Stage::Device } else { Stage::Full }
    }

    /// Before a host is dialled, where the account demands it: by then a stored password may go wherever the request says. The device
    /// that signed in signs a challenge.
    pub fn check_start(
        &self,
        login: &Login,
        proof: Option<&DeviceProof>,
        host: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        let proof = proof.filter(|proof| login.device() == Some(proof.id));
        self.demand(login, now, |user| proof.and_then(|proof| self.proven(user, "start", proof, host, now)).is_some())
    }

    /// At the upgrade, where the account demands it: the ticket is the challenge, the device that signed in signs it.
    pub fn check_device(
        &self,
        login: &Login,
        ticket: &str,
        signature: Option<&str>,
        host: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        let signature = signature.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).map(Bytes);
        self.demand(login, now, |user| {
            let device = login.device().and_then(|id| user.devices.iter().find(|device| device.id == id));
            device
                .zip(signature)
                .is_some_and(|(device, signed)| signs(&key_of(device), "attach", host, ticket, &signed))
        })
    }

    fn demand(&self, login: &Login, now: Instant, has_spoken: impl FnOnce(&User) -> bool) -> Result<(), Refusal> {
        let user = self.user(login.user)?;
        if !user.device_required || has_spoken(&user) {
            return Ok(());
        }
        // Whoever has the cookie may ask as often as terminals may be opened.
        if self.table.is_news(Counted::Upgrade, Key::User(login.user), now) {
            audit::note("device.refused", &[("user", &login.name), ("peer", &login.peer.to_string())]);
        }
        Err(Refusal::Failed)
    }

    // ---- the owner's care ----

    /// Must there be one, and which there are.
    pub fn devices(&self, login: &Login) -> Result<(bool, Vec<DeviceShown>), Refusal> {
        let user = self.whole(login)?;
        let show = |device: Device| DeviceShown {
            current: login.device() == Some(device.id),
            id: device.id,
            label: device.label,
            created: device.created,
            last_used: device.last_used,
        };
        Ok((user.device_required, user.devices.into_iter().map(show).collect()))
    }

    /// Of this browser, by somebody signed in; or with a code from a trusted device, by somebody who only lacks one.
    pub fn trust_device(
        &self,
        login: &Login,
        new: &NewDevice,
        code: Option<&Secret>,
        host: &str,
        who: &Who<'_>,
    ) -> Result<(Id, Option<SignedIn>), Refusal> {
        let now = who.now.since_boot;
        let asks = login.stage() == Stage::Device;
        if !asks && login.stage() != Stage::Full {
            return Err(Refusal::NotNow(WRONG_STEP));
        }
        let good = self.challenges.is_fresh(&new.challenge, now)
            && signs(&new.public_key, "trust", host, &new.challenge, &new.signature)
            && self.challenges.use_up(&new.challenge, now);
        if !good {
            let message = "The signature does not fit the key and the challenge.".into();
            return Err(Refusal::Weak { field: "signature", message });
        }
        let device = Device {
            id: Id::random(),
            label: new.label.clone(),
            key: URL_SAFE_NO_PAD.encode(&new.public_key.0),
            created: who.now.calendar,
            last_used: Some(who.now.calendar),
        };
        let id = device.id;
        let user = match asks {
            true => self.add_by_code(login, device, code.unwrap_or(&Secret::new(Vec::new())), who)?,
            false => self.add_device(login, device, |_| true)?.ok_or(Refusal::Failed)?,
        };
        login.set_device(Some(id));
        let fields = [("user", user.name.as_str()), ("label", &new.label), ("peer", &who.peer.to_string())];
        audit::note("device.trust", &fields);
        let signed_in = asks.then(|| self.go_on(login, &user, Stage::Full, who)).transpose()?;
        signed_in.iter().for_each(|signed_in| self.note_sign_in(signed_in, &[], who));
        Ok((id, signed_in))
    }

    /// None: `may` said no.
    fn add_device(
        &self,
        login: &Login,
        device: Device,
        may: impl FnOnce(&mut User) -> bool,
    ) -> Result<Option<User>, Refusal> {
        let (mut done, mut full) = (false, false);
        let user = self.change_own(login, |user| {
            full = user.devices.len() >= limits::DEVICES_PER_USER;
            if !full && may(user) {
                user.devices.push(device);
                done = true;
            }
        })?;
        if full { Err(Refusal::NotNow(FULL)) } else { Ok(done.then_some(user)) }
    }

    /// Counts like a one-time code.
    fn add_by_code(&self, login: &Login, device: Device, code: &Secret, who: &Who<'_>) -> Result<User, Refusal> {
        let places = self.admit_code(login, who)?;
        let hash = token_hash(&claim::normal(code.expose_str().unwrap_or_default()));
        let now = self.floor.calendar(&who.now);
        let fits = |code: &mut Reset| token_fits(&code.hash, code.made, limits::DEVICE_CODE_SECONDS, &hash, now);
        let added = self.add_device(login, device, |user| user.device_code.take_if(fits).is_some());
        if matches!(added, Ok(None)) {
            audit::note("device.failed", &[("user", &login.name), ("peer", &who.peer.to_string())]);
            return Err(Refusal::Failed);
        }
        self.table.forgive_all(places);
        added?.ok_or(Refusal::Failed)
    }

    /// For another device: good once, for ten minutes; an earlier one is good no more.
    pub fn device_code(&self, login: &Login, who: &Who<'_>) -> Result<Zeroizing<String>, Refusal> {
        let user = self.whole(login)?;
        let code = claim::fresh_code();
        let made = Reset { hash: token_hash(&claim::normal(&code)), made: self.floor.calendar(&who.now) };
        self.change_own(login, |user| user.device_code = Some(made))?;
        audit::note("device.code", &[("user", &user.name), ("peer", &who.peer.to_string())]);
        Ok(code)
    }

    /// From now on, or no more. The user's sign-ins from elsewhere end.
    pub fn demand_device(&self, login: &Login, required: bool, who: &Who<'_>) -> Result<(), Refusal> {
        let user = self.whole(login)?;
        let mut trusted = false;
        self.change_own(login, |user| {
            trusted = login.device().is_some_and(|id| user.devices.iter().any(|device| device.id == id));
            if trusted || !required {
                user.device_required = required;
            }
        })?;
        if required && !trusted {
            return Err(Refusal::NotNow(NOT_THIS));
        }
        if required {
            self.logins.end_where(Some(Why::Device), |other| other.user == user.id && other.device().is_none());
        }
        let event = if required { "device.demand" } else { "device.release" };
        audit::note(event, &[("user", &user.name), ("peer", &who.peer.to_string())]);
        Ok(())
    }

    /// Its sign-ins end.
    pub fn remove_device(&self, login: &Login, id: Id, who: &Who<'_>) -> Result<(), Refusal> {
        let (mut label, mut last) = (None, false);
        let user = self.whole(login)?;
        self.change_own(login, |user| {
            let Some(at) = user.devices.iter().position(|device| device.id == id) else { return };
            last = user.device_required && user.devices.len() == 1;
            if !last {
                label = Some(take_off(user, at).label);
            }
        })?;
        if last {
            return Err(Refusal::NotNow(LAST));
        }
        let label = label.ok_or(Refusal::Gone)?;
        self.logins.end_where(Some(Why::Device), |other| other.user == user.id && other.device() == Some(id));
        let peer = who.peer.to_string();
        audit::note("device.remove", &[("user", &user.name), ("label", &label), ("peer", &peer)]);
        Ok(())
    }
}

/// With the code for another device that is out, because it may be this one that made it.
pub(super) fn take_off(user: &mut User, at: usize) -> Device {
    user.device_code = None;
    user.devices.remove(at)
}

/// Nothing of it is left: for who has lost them all, on the word of whoever holds the box.
pub(super) fn forget_all(user: &mut User) {
    user.devices.clear();
    certificates::forget_all(user);
    (user.device_required, user.device_code) = (false, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_challenge_is_ours_and_young() {
        let now = Instant::now();
        let (ours, other) = (Challenges::new(now), Challenges::new(now));
        let later = now + Duration::from_secs(5000);
        let challenge = ours.issue(later);
        assert!(ours.is_fresh(&challenge, later) && !other.is_fresh(&challenge, later));
        assert!(!ours.is_fresh(&challenge, later + limits::DEVICE_CHALLENGE));
        assert!(!ours.is_fresh(&challenge[1..], later) && !ours.is_fresh("", later));
        assert!(ours.use_up(&challenge, later) && !ours.use_up(&challenge, later));
        ours.sweep(later + limits::DEVICE_CHALLENGE);
        assert!(ours.answered.lock().unwrap().is_empty());
    }

    /// The story: a half sign-in that signs challenge after challenge with keys of its own could fill the memory.
    #[test]
    fn so_many_answers_are_remembered_and_the_newest_among_them() {
        let now = Instant::now();
        let challenges = Challenges::new(now);
        for number in 0..limits::COUNTED_AT_ONCE + 50 {
            assert!(challenges.use_up(&number.to_string(), now + Duration::from_millis(number as u64)));
        }
        assert_eq!(challenges.answered.lock().unwrap().len(), limits::COUNTED_AT_ONCE);
        assert!(!challenges.use_up(&(limits::COUNTED_AT_ONCE + 49).to_string(), now + Duration::from_secs(5)));
    }

    proptest! {
        #[test]
        fn junk_is_no_challenge_and_no_signature(text in ".{0,200}", junk in proptest::collection::vec(any::<u8>(), 0..100)) {
            let now = Instant::now();
            prop_assert!(!Challenges::new(now).is_fresh(&text, now));
            prop_assert!(!Challenges::new(now).is_fresh(&URL_SAFE_NO_PAD.encode([7; 56]), now));
            prop_assert!(!signs(&Bytes(junk.clone()), "sign-in", "box", &text, &Bytes(junk)));
        }
    }
}
