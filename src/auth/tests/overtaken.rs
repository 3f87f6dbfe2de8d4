//! A request on its way while something ends the sign-in that it stands on: between that write and the end of the sign-ins lies a
//! moment. Here it lasts as long as a test wants: what overtakes is done by another [`Auth`] over the same store, which knows nothing
//! of the sign-ins of the first.

use super::*;
use crate::auth::totp;

fn elsewhere(auth: &Auth) -> Auth {
    let dir = tempfile::tempdir().unwrap();
    Auth::new(auth.store.clone(), auth.device.clone(), dir.path(), settings()).unwrap()
}

fn is_ended<T>(outcome: Result<T, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::Ended))
}

/// The account, to the byte.
fn account(auth: &Auth, id: Id) -> String {
    serde_json::to_string(&auth.store.user(id).unwrap().unwrap()).unwrap()
}

struct Ada {
    box_: Box_,
    id: Id,
    phone: Secret,
    codes: Vec<String>,
    /// Signed in, with a new factor half set up.
    whole: Arc<Login>,
    /// Owes the second factor.
    half: Arc<Login>,
    /// Has given a recovery code, with a new factor half set up.
    recovered: Arc<Login>,
    pending: Secret,
}

impl Ada {
    fn auth(&self) -> &Auth {
        &self.box_.auth
    }

    /// Good once and from now on.
    fn code(&self) -> Secret {
        totp::code_at(&self.phone, later(120).now.calendar)
    }
}

fn ada() -> Ada {
    let box_ = fresh(settings());
    let auth = &box_.auth;
    let id = add(auth, "ada").id;
    add(auth, "root-of-all");
    let sign_in = || auth.sign_in("ada", &GOOD.into(), &who()).unwrap().login;
    let phone = totp::from_text(&auth.enrol_begin(&sign_in(), Some(&GOOD.into()), &who()).unwrap().secret);
    let first = auth.logins_of(id, &who().now).remove(0);
    let enrolled = auth.enrol_finish(&first, &totp::code_at(&phone, who().now.calendar), &who()).unwrap();
    let codes: Vec<String> = enrolled.recovery_codes.iter().map(|code| code.to_string()).collect();
    let recovered = auth.use_recovery(&sign_in(), &codes[0].as_str().into(), &who()).unwrap().login;
    let pending = totp::from_text(&auth.enrol_begin(&recovered, None, &who()).unwrap().secret);
    let whole = enrolled.signed_in.login;
    whole.set_pending(pending.clone(), who().now.since_boot);
    let half = sign_in();
    Ada { id, phone, codes, whole, half, recovered, pending, box_ }
}

type Deed = (&'static str, fn(&Auth, &Ada));

fn reset(other: &Auth, ada: &Ada, vault: &Vault<'_>) {
    let token: Secret = other.begin_reset(ada.id, &who().now).unwrap().as_str().into();
    other.finish_reset(&token, &OTHER.into(), vault, &who()).unwrap();
}

/// All that ends the sign-ins of a user.
const OVERTAKING: [Deed; 7] = [
    ("the vault discarded", |other, ada| reset(other, ada, &Vault::Discard)),
    ("a forgotten password", |other, ada| reset(other, ada, &Vault::Recovery(&ada.codes[1].as_str().into()))),
    ("a password change", |other, ada| {
        let half = other.sign_in("ada", &GOOD.into(), &who()).unwrap().login;
        let code = totp::code_at(&ada.phone, later(60).now.calendar);
        let whole = other.verify_factor(&half, &code, &later(60)).unwrap().login;
        other.change_password(&whole, &GOOD.into(), &OTHER.into(), &who()).unwrap();
    }),
    ("another role", |other, ada| other.set_role(ada.id, Role::CommandOnly).unwrap()),
    ("disabled", |other, ada| other.set_disabled(ada.id, true).unwrap()),
    ("the factor taken off", |other, ada| other.reset_factor(None, ada.id, &who().now).unwrap()),
    ("the sign-ins ended", |_, ada| {
        // Here the moment is the request's own, which has its sign-in in hand.
        ada.auth().logins.end_where(None, |_| true);
    }),
];

/// The story: recovery codes made at the moment of a reset wrapped the old data key, and would have brought it back with the next
/// forgotten password; a trusted device or a certificate added then stayed, though the sign-in that added it was put out.
#[test]
fn whoever_is_overtaken_changes_nothing_any_more() {
    for (what, overtake) in OVERTAKING {
        let ada = ada();
        let (auth, at, seen) = (ada.auth(), later(120), ada.auth().store.user(ada.id).unwrap().unwrap());
        overtake(&elsewhere(auth), &ada);
        let after = account(auth, ada.id);
        let (whole, half, code) = (&ada.whole, &ada.half, ada.code());
        let new_app = totp::code_at(&ada.pending, at.now.calendar);
        let fingerprint = "ab".repeat(32);
        let by_hand = Some(fingerprint.as_str());
        let refused = [
            is_ended(auth.change_own(whole, |user| user.last_step = 0)),
            is_ended(auth.renew_recovery(whole, &code, &at)),
            is_ended(auth.disable_factor(whole, &code, &at)),
            is_ended(auth.enrol_begin(whole, Some(&code), &at)),
            is_ended(auth.step_up(whole, &code, "backup", &at)),
            is_ended(auth.change_password(whole, &GOOD.into(), &"a third bridge over a lake".into(), &at)),
            is_ended(auth.device_code(whole, &at)),
            is_ended(auth.demand_device(whole, false, &at)),
            is_ended(auth.remove_device(whole, Id::random(), &who())),
            is_ended(auth.register_certificate(whole, "c", by_hand, &at)),
            is_ended(auth.demand_certificate(whole, false, &at)),
            is_ended(auth.remove_certificate(whole, Id::random(), &who())),
            is_ended(auth.remove_passkey(whole, Id::random(), &who())),
            is_ended(auth.dismiss_notices(whole, 9)),
            is_ended(auth.verify_factor(half, &code, &at)),
            is_ended(auth.use_recovery(half, &ada.codes[2].as_str().into(), &at)),
        ];
        assert_eq!(refused, [true; 16], "{what}");
        for login in [whole, &ada.recovered] {
            // Whose sign-in has ended has nothing set up any more, which it is told instead.
            assert!(auth.enrol_finish(login, &new_app, &at).is_err(), "{what}");
        }
        // Where a request stands that has looked at its account already, and is about to go on.
        assert!(auth.go_on(half, &seen, Stage::Full, &at).is_err(), "{what}");
        assert!(auth.begin_anew(whole, &seen, &at).is_err(), "{what}");
        assert!(auth.logins_of(ada.id, &at.now).iter().all(|login| login.id == whole.id), "{what}");
        assert_eq!(account(auth, ada.id), after, "{what}");
    }
}

/// The story: an administrator who was put out while the password of a new one was hashed had made that one all the same.
#[test]
fn an_administrator_who_is_overtaken_does_nothing_to_others() {
    let Box_ { auth, .. } = fresh(settings());
    let administrator = |name| auth.add_user(None, name, Role::Administrator, &GOOD.into(), &who().now).unwrap().id;
    let (ada, bob) = (administrator("ada"), administrator("bob"));
    let by = auth.sign_in("ada", &GOOD.into(), &who()).unwrap().login;
    auth.reset_factor(Some(&by), bob, &who().now).unwrap();
    auth.invite(None, Role::User, None, &who().now).unwrap();
    let invited = auth.store.invites().unwrap();
    elsewhere(&auth).set_role(ada, Role::User).unwrap();
    let now = who().now;
    let before = serde_json::to_string(&auth.store.users().unwrap()).unwrap();
    for name in ["eve", "ada"] {
        assert!(is_ended(auth.add_user(Some(&by), name, Role::Administrator, &GOOD.into(), &now)), "{name}");
    }
    assert!(is_ended(auth.set_standing(&by, ada, Some(Role::Administrator), None)));
    assert!(is_ended(auth.set_standing(&by, bob, None, Some(true))));
    assert!(is_ended(auth.reset_factor(Some(&by), bob, &now)) && is_ended(auth.delete_user(Some(&by), bob)));
    assert!(is_ended(auth.invite(Some(&by), Role::Administrator, None, &now)));
    assert_eq!(serde_json::to_string(&auth.store.users().unwrap()).unwrap(), before);
    assert!(is_ended(auth.unlock(Some(&by), bob)) && is_ended(auth.take_back_invite(&by, invited[0].id)));
    assert_eq!(auth.store.invites().unwrap(), invited);
    assert!(is_ended(auth.in_turn(&by, || panic!("done all the same"))));
}

/// The story: whoever was put out while the password of their proof was hashed had proven something all the same.
#[test]
fn a_proof_of_who_is_overtaken_while_it_is_hashed_is_none() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada").id;
    let login = auth.sign_in("ada", &GOOD.into(), &who()).unwrap().login;
    let places = [(); 2].map(|()| auth.hasher.place(Turn::Stranger).unwrap());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| auth.step_up(&login, &GOOD.into(), "backup", &who()));
        while auth.hasher.known_that_wait() == 0 {
            assert!(!waiting.is_finished());
            std::thread::yield_now();
        }
        elsewhere(&auth).set_disabled(ada, true).unwrap();
        drop(places);
        assert!(is_ended(waiting.join().unwrap()));
    });
    assert!(!auth.take_step_up(&login, "backup", &who()));
}

#[test]
fn whoever_is_overtaken_keeps_no_credential_under_the_old_key() {
    let ada = ada();
    let auth = ada.auth();
    let id = people::keep_a_credential(auth, &ada.whole).unwrap();
    assert!(auth.store.credential(ada.id, id).unwrap().is_some());
    reset(&elsewhere(auth), &ada, &Vault::Discard);
    assert!(matches!(people::keep_a_credential(auth, &ada.whole), Err(StoreError::Overtaken)));
    assert!(auth.store.credentials(ada.id).unwrap().is_empty());
}

/// The story: a lock that was over was forgotten by a write, the account was read anew after it, and the sign-in took what it saw there
/// for what it had verified: the old password was in, with a key that was nobody's.
#[test]
fn a_sign_in_goes_on_with_the_account_that_it_verified() {
    let Box_ { dir, auth } = fresh(Settings { failures: 1, ..settings() });
    // There is one audit in a process, which may be that of other tests too: this account's lines are its own.
    audit::open(&dir.path().join(audit::FILE), auth.device.derive("audit")).unwrap();
    let id = add(&auth, "overtaken").id;
    auth.store.update_user(id, |user| user.locked_until = Some(1)).unwrap();
    let (other, now) = (elsewhere(&auth), who().now.since_boot);
    let token: Secret = other.begin_reset(id, &who().now).unwrap().as_str().into();
    let places = [(); 2].map(|()| auth.hasher.place(Turn::Stranger).unwrap());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| auth.sign_in("overtaken", &GOOD.into(), &who()));
        // It is admitted: it has taken its account from the store, and waits for its turn to hash.
        while auth.table.wait(Counted::SignIn, Key::address(who().peer), now).is_none() {
            std::thread::yield_now();
        }
        // The other has a hasher of its own.
        other.finish_reset(&token, &OTHER.into(), &Vault::Discard, &who()).unwrap();
        auth.store.update_user(id, |user| user.locked_until = Some(1)).unwrap();
        drop(places);
        assert!(waiting.join().unwrap().is_err());
    });
    assert!(auth.logins_of(id, &who().now).is_empty());
    let told = std::fs::read_to_string(dir.path().join(audit::FILE)).unwrap();
    let told: Vec<_> = told.lines().filter(|line| line.contains("overtaken")).collect();
    let tells = |event: &str| told.iter().any(|line| line.contains(event));
    assert!(tells("reset.done") && !tells("signin"), "of no sign-in that never was: {told:?}");
}

/// What ends no sign-in overtakes none: a hash renewed at another sign-in, also by two at once, a passkey, a device, a notice.
#[test]
fn what_ends_no_sign_in_is_no_reason_to_refuse_it() {
    let ada = ada();
    let (auth, at) = (ada.auth(), later(120));
    let old = Cost { kib: 64, passes: 1, lanes: 1 };
    let (verifier, kek) = auth.hasher.make_at(&GOOD.into(), old).unwrap();
    let wrapped = ada.whole.data_key(|key| key.wrap(&kek, &auth.device, ada.id, PASSWORD_SLOT)).unwrap();
    auth.store.update_user(ada.id, |user| Lock { verifier, wrapped }.put_on(user)).unwrap();
    let seen = auth.store.user(ada.id).unwrap().unwrap();
    for _ in 0..2 {
        let renewed = ada.half.data_key_of_any_stage(|key| auth.renew_hash(&seen, &GOOD.into(), key)).unwrap().unwrap();
        assert!(renewed.verifier != seen.verifier);
    }
    auth.store.update_user(ada.id, |user| notify(user, "x", 1)).unwrap();
    auth.device_code(&ada.whole, &at).unwrap();
    auth.dismiss_notices(&ada.whole, 9).unwrap();
    assert!(auth.verify_factor(&ada.half, &ada.code(), &at).is_ok());
    assert!(auth.sign_in("ada", &GOOD.into(), &at).is_ok());
}
