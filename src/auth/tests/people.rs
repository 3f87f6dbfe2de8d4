//! Accounts: who may still do what after an administrator was there, and a forgotten password.

use super::*;
use crate::auth::totp;
use crate::store::{Certificate, Credential, Device, Passkey};
use crate::vault::About;

fn administrator(auth: &Auth, name: &str) -> User {
    auth.add_user(None, name, Role::Administrator, &GOOD.into(), &who().now).unwrap()
}

fn signed_in(auth: &Auth, name: &str) -> SignedIn {
    auth.sign_in(name, &GOOD.into(), &who()).unwrap()
}

fn is_over(auth: &Auth, signed_in: &SignedIn) -> bool {
    auth.find_any(&signed_in.cookie, who().peer, Shown::NotAsked, &who().now).is_none()
        && signed_in.login.data_key(|_| ()).is_none()
}

fn is_last<T>(outcome: Result<T, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::NotNow(why)) if why.contains("only administrator"))
}

#[test]
fn sessions_are_listed_and_each_can_be_ended_by_its_owner() {
    let Box_ { auth, .. } = fresh(settings());
    let (ada, bob) = (add(&auth, "ada"), add(&auth, "bob"));
    let (first, second) = (signed_in(&auth, "ada"), auth.sign_in("ada", &GOOD.into(), &later(1)).unwrap());
    let listed: Vec<Id> = auth.logins_of(ada.id, &who().now).iter().map(|login| login.id).collect();
    assert_eq!(listed, [first.login.id, second.login.id]);
    assert!(!auth.revoke(bob.id, first.login.id, &who()) && !is_over(&auth, &first), "not somebody else's");
    assert!(auth.revoke(ada.id, first.login.id, &who()) && is_over(&auth, &first) && !is_over(&auth, &second));
    assert!(!auth.revoke(ada.id, first.login.id, &who()));
}

#[test]
fn who_is_disabled_demoted_or_deleted_is_out_at_once() {
    let Box_ { auth, .. } = fresh(settings());
    administrator(&auth, "root-of-all");
    let (ada, bob) = (administrator(&auth, "ada"), add(&auth, "bob"));
    let (session, other) = (signed_in(&auth, "ada"), signed_in(&auth, "bob"));
    auth.set_role(ada.id, Role::User).unwrap();
    assert!(is_over(&auth, &session));
    let session = signed_in(&auth, "ada");
    assert_eq!(session.login.role, Role::User);
    auth.set_disabled(ada.id, true).unwrap();
    assert!(is_over(&auth, &session) && is_failed(auth.sign_in("ada", &GOOD.into(), &who())));
    auth.set_disabled(ada.id, false).unwrap();
    let session = signed_in(&auth, "ada");
    auth.delete_user(None, ada.id).unwrap();
    assert!(is_over(&auth, &session) && is_failed(auth.sign_in("ada", &GOOD.into(), &who())));
    assert!(!is_over(&auth, &other) && auth.store.user(bob.id).unwrap().is_some());
    for gone in [auth.set_disabled(ada.id, true), auth.set_role(ada.id, Role::User), auth.delete_user(None, ada.id)] {
        assert!(matches!(gone, Err(Refusal::Gone)));
    }
}

#[test]
fn there_is_always_an_administrator_who_can_sign_in() {
    let Box_ { auth, .. } = fresh(settings());
    let (ada, bob) = (administrator(&auth, "ada"), administrator(&auth, "bob"));
    auth.set_disabled(bob.id, true).unwrap();
    assert!(is_last(auth.set_disabled(ada.id, true)) && is_last(auth.delete_user(None, ada.id)));
    assert!(is_last(auth.set_role(ada.id, Role::CommandOnly)));
    auth.set_role(ada.id, Role::Administrator).unwrap();
    auth.delete_user(None, bob.id).unwrap();
    let eve = administrator(&auth, "eve");
    // Both leave at once: one of them stays.
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let auth = &auth;
        let threads = [ada.id, eve.id].map(|id| scope.spawn(move || auth.set_role(id, Role::User)));
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[test]
fn a_lock_can_be_lifted() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    (0..5).for_each(|_| assert!(is_failed(auth.sign_in("ada", &OTHER.into(), &who()))));
    assert!(auth.is_locked(ada.id, &who().now) && is_failed(auth.sign_in("ada", &GOOD.into(), &who())));
    auth.unlock(None, ada.id).unwrap();
    assert!(!auth.is_locked(ada.id, &who().now) && auth.sign_in("ada", &GOOD.into(), &who()).is_ok());
    // Or it would be there again after a restart.
    auth.store.update_user(ada.id, |user| user.locked_until = Some(later(900).now.calendar)).unwrap();
    auth.unlock(None, ada.id).unwrap();
    assert_eq!(auth.store.user(ada.id).unwrap().unwrap().locked_until, None);
}

/// What cannot be a password costs no hash, and is a failure all the same.
#[test]
fn what_cannot_be_a_password_counts_for_the_lock_too() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    (0..5).for_each(|_| assert!(is_failed(auth.sign_in("ada", &"short".into(), &who()))));
    assert!(auth.is_locked(ada.id, &who().now));
}

#[test]
fn what_is_too_long_to_be_a_password_is_not_hashed() {
    let Box_ { auth, .. } = fresh(settings());
    add(&auth, "ada");
    let before = auth.hashes();
    for name in ["ada", "nobody"] {
        assert!(is_failed(auth.sign_in(name, &"x".repeat(1025).into(), &who())));
    }
    assert_eq!(auth.hashes(), before);
}

/// A8.
#[test]
fn none_of_the_last_five_passwords_can_be_chosen_again() {
    let Box_ { auth, .. } = fresh(settings());
    add(&auth, "ada");
    let all: Vec<Secret> = (0..6).map(|n| format!("bridge number {n} over cold water").into()).collect();
    let mut login = signed_in(&auth, "ada").login;
    let mut present: Secret = GOOD.into();
    for new in &all {
        login = auth.change_password(&login, &present, new, &who()).unwrap().login;
        present = new.clone();
    }
    for recent in &all[1..] {
        let again = auth.change_password(&login, &present, recent, &who());
        assert!(matches!(again, Err(Refusal::Weak { field: "new", .. })), "one of the last five");
    }
    auth.change_password(&login, &present, &all[0], &who()).unwrap();
}

/// What is decided while a sign-in is on its way holds for it.
#[test]
fn whatever_a_sign_in_was_decided_by_is_looked_at_again_when_it_begins() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let sealed = DataKey::random().seal(&About { user: ada.id, record: ada.id, kind: "k", version: 1 }, &"x".into());
    let device = Device { id: Id::random(), label: "d".into(), key: String::new(), created: 1, last_used: None };
    let certificate =
        Certificate { id: Id::random(), label: "c".into(), fingerprint: "ab".into(), created: 1, last_used: None };
    let passkey = Passkey { id: Id::random(), label: "p".into(), created: 1, last_used: None, sealed: sealed.clone() };
    let then = User { devices: vec![device.clone()], certificates: vec![certificate], ..ada.clone() };
    let who = Who { shown: Shown::This("ab"), ..who() };
    let begin = || auth.begin_on(&then, Stage::Full, DataKey::random(), Some(device.id), &who);
    auth.store.update_user(ada.id, |user| *user = then.clone()).unwrap();
    assert!(begin().is_ok());
    let changes: [&dyn Fn(&mut User); 6] = [
        &|user| user.role = Role::CommandOnly,
        &|user| user.factor = Some(sealed.clone()),
        &|user| user.passkeys = vec![passkey.clone()],
        &|user| user.device_required = true,
        &|user| user.devices.clear(),
        &|user| user.certificates.clear(),
    ];
    for (number, change) in changes.iter().enumerate() {
        auth.store.update_user(ada.id, |user| change(user)).unwrap();
        let there = auth.signed_in();
        assert!(is_failed(begin()), "change {number}");
        assert_eq!(auth.signed_in(), there, "nothing of it is left: change {number}");
        auth.store.update_user(ada.id, |user| *user = then.clone()).unwrap();
    }
}

/// Something that hashes, while something else is done: it has its place in the count, and waits for one to hash.
fn while_it_waits<T: Send>(auth: &Auth, waits: impl FnOnce() -> T + Send, meanwhile: impl FnOnce()) -> T {
    let places = [(); 2].map(|()| auth.hasher.place(Turn::Stranger).unwrap());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(waits);
        // Were this too short for it to come to the hash, the test would say less, and not fail.
        std::thread::sleep(Duration::from_millis(100));
        meanwhile();
        drop(places);
        waiting.join().unwrap()
    })
}

#[test]
fn an_inviter_who_is_demoted_while_the_invited_is_hashed_invites_nobody() {
    let Box_ { auth, .. } = fresh(settings());
    administrator(&auth, "root-of-all");
    let ada = administrator(&auth, "ada");
    let by = signed_in(&auth, "ada").login;
    let token: Secret = auth.invite(Some(&by), Role::Administrator, None, &who().now).unwrap().as_str().into();
    // Straight in the store, as if taking back the invitation had failed.
    let demote = || assert!(auth.store.update_user(ada.id, |user| user.role = Role::User).unwrap());
    let accepted = while_it_waits(&auth, || auth.accept_invite(&token, "mal", &GOOD.into(), &who()), demote);
    assert!(is_failed(accepted) && auth.store.user_by_name("mal").unwrap().is_none());
}

#[test]
fn who_is_disabled_while_a_reset_is_hashed_has_no_new_password() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let token: Secret = auth.begin_reset(ada.id, &who().now).unwrap().as_str().into();
    let reset = || auth.finish_reset(&token, &OTHER.into(), &Vault::Discard, &who());
    assert!(is_failed(while_it_waits(&auth, reset, || auth.set_disabled(ada.id, true).unwrap())));
    let now = auth.store.user(ada.id).unwrap().unwrap();
    assert!(now.verifier == ada.verifier && now.wrapped == ada.wrapped);
}

/// Whoever has a new password is not kept out by the failures with the old one, nor after a restart.
#[test]
fn a_reset_lifts_the_lock() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    (0..5).for_each(|_| _ = auth.lockout.failed(ada.id, who().now.since_boot));
    auth.store.update_user(ada.id, |user| user.locked_until = Some(later(900).now.calendar)).unwrap();
    let token: Secret = auth.begin_reset(ada.id, &who().now).unwrap().as_str().into();
    auth.finish_reset(&token, &OTHER.into(), &Vault::Discard, &who()).unwrap();
    assert_eq!(auth.store.user(ada.id).unwrap().unwrap().locked_until, None);
    assert!(auth.sign_in("ada", &OTHER.into(), &who()).is_ok());
}

/// Devices, certificates and what demands them too: whoever has lost everything comes in with the password.
#[test]
fn what_the_command_line_takes_off_is_everything_beside_the_password() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    lose_everything(&auth, &ada);
    auth.reset_factor(None, ada.id, &who().now).unwrap();
    assert_eq!(signed_in(&auth, "ada").login.stage(), Stage::Full);
    let user = auth.store.user(ada.id).unwrap().unwrap();
    assert!(user.passkeys.is_empty() && user.devices.is_empty() && user.certificates.is_empty());
}

/// Gives the user all that can stand beside a password, none of it at hand.
fn lose_everything(auth: &Auth, user: &User) {
    let about = About { user: user.id, record: user.id, kind: "k", version: 1 };
    let sealed = DataKey::random().seal(&about, &"x".into());
    let (id, label, created) = (Id::random(), "lost".to_owned(), 1);
    auth.store
        .update_user(user.id, |user| {
            user.factor = Some(sealed.clone());
            let (label, fingerprint) = (label.clone(), "ab".repeat(32));
            user.passkeys = vec![Passkey { id, label: label.clone(), created, last_used: None, sealed }];
            user.devices = vec![Device { id, label: label.clone(), key: String::new(), created, last_used: None }];
            user.certificates = vec![Certificate { id, label, fingerprint, created, last_used: None }];
            (user.device_required, user.certificate_required) = (true, true);
        })
        .unwrap();
}

/// A credential of the user's, sealed under their key.
pub fn keep_a_credential(auth: &Auth, login: &Login) -> Result<Id, StoreError> {
    let id = Id::random();
    let about = About { user: login.user, record: id, kind: "ssh-password", version: 1 };
    let secret = login.data_key(|key| key.seal(&about, &"hunter2".into())).unwrap();
    let credential = Credential::password_for_tests(id, secret);
    auth.store.put_credential(login.user, &credential, 9, |user| login.stands_on(user))?;
    Ok(id)
}

fn reads_it(auth: &Auth, login: &Login, id: Id) -> bool {
    let Some(credential) = auth.store.credential(login.user, id).unwrap() else { return false };
    let about = About { user: login.user, record: id, kind: "ssh-password", version: 1 };
    login.data_key(|key| key.open(&about, &credential.secret).is_ok()).unwrap()
}

fn enrol(auth: &Auth, login: &Login) -> (Secret, Enrolled) {
    let secret = totp::from_text(&auth.enrol_begin(login, Some(&GOOD.into()), &who()).unwrap().secret);
    let enrolled = auth.enrol_finish(login, &totp::code_at(&secret, who().now.calendar), &who()).unwrap();
    (secret, enrolled)
}

#[test]
fn a_recovery_code_keeps_the_vault_when_the_password_is_forgotten() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let (secret, enrolled) = enrol(&auth, &signed_in(&auth, "ada").login);
    let id = keep_a_credential(&auth, &enrolled.signed_in.login).unwrap();
    let code: Secret = enrolled.recovery_codes[0].as_str().into();
    let token: Secret = auth.begin_reset(ada.id, &who().now).unwrap().as_str().into();
    assert!(!is_over(&auth, &enrolled.signed_in), "the token alone changes nothing");

    let reset = |token: &Secret, new: &str, code: &Secret| {
        auth.finish_reset(token, &new.into(), &Vault::Recovery(code), &who())
    };
    assert!(is_failed(reset(&"junk".into(), OTHER, &code)) && is_failed(reset(&token, OTHER, &"junk".into())));
    assert!(matches!(reset(&token, "short", &code), Err(Refusal::Weak { field: "password", .. })));
    assert!(matches!(reset(&token, GOOD, &code), Err(Refusal::Weak { field: "password", .. })), "A8");
    reset(&token, OTHER, &code).unwrap();
    assert!(
        is_failed(reset(&token, "a third bridge over a lake", &enrolled.recovery_codes[1].as_str().into())),
        "once"
    );
    assert!(is_over(&auth, &enrolled.signed_in) && is_failed(auth.sign_in("ada", &GOOD.into(), &who())));
    let half = auth.sign_in("ada", &OTHER.into(), &who()).unwrap().login;
    assert!(is_failed(auth.use_recovery(&half, &code, &who())), "the code is used up too");

    let half = auth.sign_in("ada", &OTHER.into(), &later(60)).unwrap().login;
    assert_eq!(half.stage(), Stage::Factor, "a reset is no way around the factor");
    let code = totp::code_at(&secret, later(60).now.calendar);
    let whole = auth.verify_factor(&half, &code, &later(60)).unwrap().login;
    assert!(reads_it(&auth, &whole, id));
    let notices = auth.notices(&whole).unwrap();
    assert!(notices[0].starts_with("reset-issued ") && notices[1].starts_with("password-reset "));
    auth.dismiss_notices(&whole, 1).unwrap();
    assert_eq!(auth.notices(&whole).unwrap(), notices[1..]);
    auth.dismiss_notices(&whole, 100).unwrap();
    assert!(auth.notices(&whole).unwrap().is_empty());
}

#[test]
fn without_a_recovery_code_the_vault_is_discarded_and_never_opened() {
    let Box_ { auth, .. } = fresh(Settings { factor: Policy::Required, ..settings() });
    let ada = add(&auth, "ada");
    let (_, enrolled) = enrol(&auth, &signed_in(&auth, "ada").login);
    let id = keep_a_credential(&auth, &enrolled.signed_in.login).unwrap();
    let before = auth.store.credential(ada.id, id).unwrap().unwrap();
    let passkey = Passkey { id, label: "p".into(), created: 1, last_used: None, sealed: before.secret.clone() };
    auth.store.update_user(ada.id, |user| user.passkeys = vec![passkey]).unwrap();
    let token: Secret = auth.begin_reset(ada.id, &who().now).unwrap().as_str().into();
    auth.finish_reset(&token, &OTHER.into(), &Vault::Discard, &who()).unwrap();
    assert!(is_over(&auth, &enrolled.signed_in) && auth.store.credential(ada.id, id).unwrap().is_none());
    let user = auth.store.user(ada.id).unwrap().unwrap();
    assert!(user.recovery.is_empty() && user.wrapped.len() == 1, "no way is left into the old vault");
    assert!(user.passkeys.is_empty(), "nobody can open them, and they would be asked for");
    let half = auth.sign_in("ada", &OTHER.into(), &who()).unwrap().login;
    assert_eq!(half.stage(), Stage::Enrol);
    let (_, anew) = enrol(&auth, &half);
    auth.store.put_credential(ada.id, &before, 9, |_| true).unwrap();
    assert!(!reads_it(&auth, &anew.signed_in.login, id), "not even from a backup");
    let user = auth.store.user(ada.id).unwrap().unwrap();
    assert!(user.recovery.len() == 10 && user.wrapped.len() == 11);
}

#[test]
fn a_reset_token_is_good_for_an_hour_for_one_user_and_the_last_one_counts() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let token = || Secret::from(auth.begin_reset(ada.id, &who().now).unwrap().as_str());
    let (old, new) = (token(), token());
    let discard = |token: &Secret, who: &Who<'_>| auth.finish_reset(token, &OTHER.into(), &Vault::Discard, who);
    let stored = serde_json::to_string(&auth.store.user(ada.id).unwrap().unwrap()).unwrap();
    assert!(!stored.contains(new.expose_str().unwrap()), "A10");
    let yesterday = Who { now: Now { calendar: who().now.calendar - 86_400, ..who().now }, ..who() };
    for (token, who) in [(&old, who()), (&"".into(), who()), (&new, later(3600)), (&new, yesterday)] {
        assert!(is_failed(discard(token, &who)));
    }
    auth.set_disabled(ada.id, true).unwrap();
    assert!(is_failed(discard(&new, &who())), "no way around being disabled");
    auth.set_disabled(ada.id, false).unwrap();
    let session = signed_in(&auth, "ada");
    auth.change_password(&session.login, &GOOD.into(), &"a third bridge over a lake".into(), &who()).unwrap();
    assert!(is_failed(discard(&new, &who())), "nothing is forgotten any more");
    assert!(discard(&token(), &later(3500)).is_ok());
}

#[test]
fn guessing_tokens_is_limited_by_address() {
    let Box_ { auth, .. } = fresh(Settings { failures: 2, ..settings() });
    let ada = add(&auth, "ada");
    let token: Secret = auth.begin_reset(ada.id, &who().now).unwrap().as_str().into();
    let discard = |token: &Secret| auth.finish_reset(token, &OTHER.into(), &Vault::Discard, &who());
    assert!(is_failed(discard(&"a".into())) && is_failed(discard(&"b".into())));
    assert!(matches!(discard(&token), Err(Refusal::TooMany(_))));
}

#[test]
fn a_lost_factor_is_taken_off_by_the_command_line_and_its_owner_is_told() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let (_, enrolled) = enrol(&auth, &signed_in(&auth, "ada").login);
    auth.reset_factor(None, ada.id, &who().now).unwrap();
    assert!(is_over(&auth, &enrolled.signed_in));
    let whole = signed_in(&auth, "ada").login;
    assert!(whole.stage() == Stage::Full && auth.notices(&whole).unwrap()[0].starts_with("factor-reset "));
}

#[test]
fn an_invitation_makes_one_user_of_its_role_and_of_a_free_name() {
    let Box_ { dir, auth } = fresh(settings());
    administrator(&auth, "ada");
    let by = signed_in(&auth, "ada").login;
    let token: Secret = auth.invite(Some(&by), Role::CommandOnly, None, &who().now).unwrap().as_str().into();
    drop((auth, by));
    let auth = open(dir.path(), settings());
    let accept = |token: &Secret, name: &str| auth.accept_invite(token, name, &GOOD.into(), &who());
    assert!(is_failed(accept(&"junk".into(), "bob")) && is_failed(accept(&"".into(), "bob")));
    assert!(matches!(accept(&token, "ada"), Err(Refusal::NameTaken)));
    assert!(matches!(accept(&token, "system"), Err(Refusal::Weak { field: "name", .. })));
    let bob = accept(&token, "Bob").unwrap().login;
    assert_eq!((bob.name.as_str(), bob.role, bob.stage()), ("bob", Role::CommandOnly, Stage::Full));
    assert!(is_failed(accept(&token, "eve")), "once");
}

#[test]
fn an_invitation_ends_by_itself_or_is_taken_back() {
    let Box_ { auth, .. } = fresh(Settings { failures: 100, factor: Policy::Required, ..settings() });
    administrator(&auth, "ada");
    let by = auth.sign_in("ada", &GOOD.into(), &who()).unwrap().login;
    let invite =
        |seconds| Secret::from(auth.invite(Some(&by), Role::User, None, &later(seconds).now).unwrap().as_str());
    let accept = |token: &Secret, seconds| auth.accept_invite(token, "bob", &GOOD.into(), &later(seconds));
    let (old, new) = (invite(0), invite(10));
    let listed = auth.invites(&later(10).now).unwrap();
    assert!(listed.len() == 2 && listed.iter().all(|invite| invite.by == "ada"));
    let newer = listed.iter().find(|invite| invite.made == later(10).now.calendar).unwrap().id;
    assert!(auth.take_back_invite(&by, newer).unwrap());
    assert!(is_failed(accept(&new, 20)));
    let days = limits::INVITE_SECONDS as u64;
    assert!(is_failed(accept(&old, days)) && auth.invites(&later(days).now).unwrap().is_empty());
    assert_eq!(accept(&old, days - 1).unwrap().login.stage(), Stage::Enrol, "the factor is not forgotten");
    (0..limits::INVITES).for_each(|_| drop(invite(0)));
    assert!(matches!(auth.invite(Some(&by), Role::User, None, &who().now), Err(Refusal::NotNow(_))));
    let in_1970 = Who { now: Now { calendar: 100, ..who().now }, ..who() };
    assert!(is_failed(auth.accept_invite(&old, "eve", &GOOD.into(), &in_1970)));
    assert_eq!(auth.invites(&in_1970.now).unwrap().len(), limits::INVITES, "a wrong clock deletes none");
    invite(days);
}

/// The story: a stolen laptop, trusted still, had made a code for another device. It was removed, and the code was good as before.
#[test]
fn a_code_for_another_device_ends_with_a_device_and_with_the_password() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let login = signed_in(&auth, "ada").login;
    let device = || Device { id: Id::random(), label: "d".into(), key: "k".into(), created: 1, last_used: None };
    let (stolen, other) = (device(), device());
    auth.store.update_user(ada.id, |user| user.devices = vec![stolen.clone(), other.clone()]).unwrap();
    let is_out = || auth.store.user(ada.id).unwrap().unwrap().device_code.is_some();
    let make = || {
        auth.device_code(&login, &who()).unwrap();
        assert!(is_out());
    };
    make();
    auth.remove_device(&login, stolen.id, &who()).unwrap();
    assert!(!is_out());
    make();
    auth.revoke_device(&ada, other.id).unwrap();
    assert!(!is_out());
    make();
    auth.change_password(&login, &GOOD.into(), &OTHER.into(), &who()).unwrap();
    assert!(!is_out());
}

/// E7: each holds a data key.
#[test]
fn the_box_has_so_many_sign_ins_for_all() {
    let Box_ { auth, .. } = fresh(settings());
    let now = who().now.since_boot;
    for n in 0..=limits::LOGINS / limits::LOGINS_PER_USER {
        let user = logins::for_tests::somebody(&format!("user{n}"));
        (0..limits::LOGINS_PER_USER).for_each(|_| drop(logins::for_tests::begin(&auth.logins, &user, now)));
    }
    assert_eq!(auth.signed_in(), limits::LOGINS);
}

/// What has run out stays so when the clock is set back into its time: by what is gone from the disk, and by the newest code.
#[test]
fn what_has_run_out_is_not_good_again_when_the_clock_is_set_back() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = administrator(&auth, "ada");
    let login = signed_in(&auth, "ada").login;
    let reset = |at: &Who<'_>| Secret::from(auth.begin_reset(ada.id, &at.now).unwrap().as_str());
    let finish = |token: &Secret, at: &Who<'_>| auth.finish_reset(token, &OTHER.into(), &Vault::Discard, at);
    let token = reset(&who());
    auth.invite(Some(&login), Role::User, None, &who().now).unwrap();
    auth.device_code(&login, &who()).unwrap();
    auth.forget_what_ran_out(&later(limits::RESET_SECONDS as u64 - 1).now).unwrap();
    let user = || auth.store.user(ada.id).unwrap().unwrap();
    assert!(user().reset.is_some() && user().device_code.is_none() && auth.store.invites().unwrap().len() == 1);
    auth.forget_what_ran_out(&later(limits::RESET_SECONDS as u64).now).unwrap();
    assert!(user().reset.is_some(), "once a minute");
    auth.forget_what_ran_out(&later(limits::INVITE_SECONDS as u64).now).unwrap();
    assert!(user().reset.is_none() && auth.store.invites().unwrap().is_empty());
    assert!(is_failed(finish(&token, &who())));
    // A code of tomorrow was accepted since, and nothing swept.
    let token = reset(&who());
    let tomorrow = later(86_400).now.calendar as u64 / 30;
    auth.store.update_user(ada.id, |user| user.last_step = tomorrow).unwrap();
    auth.reckon_floor().unwrap();
    assert!(is_failed(finish(&token, &who())));
    assert!(finish(&reset(&who()), &who()).is_ok(), "one that is made by a clock that is behind is good for an hour");
}
