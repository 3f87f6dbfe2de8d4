use super::hashing::Turn;
use super::limiter::Counting;
use super::lock::{Lock, PASSWORD_SLOT, remember_password};
use super::sign_in::Giver;
use super::*;
use crate::audit;
use crate::clock;
use crate::vault::DataKey;
use std::sync::OnceLock;
use tempfile::TempDir;

mod devices;
mod factor;
mod halfway;
mod largest;
mod overtaken;
mod people;

const GOOD: &str = "a long bridge over cold water";
const OTHER: &str = "another bridge over warm sand";

struct Box_ {
    dir: TempDir,
    auth: Auth,
}

fn settings() -> Settings {
    let minute = Duration::from_secs(60);
    Settings {
        cost: Cost::FLOOR,
        factor: Policy::Optional,
        binding: Binding::Subnet,
        login_absolute: 720 * minute,
        login_idle: 30 * minute,
        failures: 50,
        connects: 10,
        lock_after: 5,
        lock_for: 15 * minute,
    }
}

fn open(dir: &Path, settings: Settings) -> Auth {
    let device = Arc::new(DeviceKey::load_or_make(dir).unwrap());
    let store = Arc::new(Store::open(dir, device.derive("store")).unwrap());
    Auth::new(store, device, dir, settings).unwrap()
}

fn fresh(settings: Settings) -> Box_ {
    let dir = tempfile::tempdir().unwrap();
    let auth = open(dir.path(), settings);
    Box_ { dir, auth }
}

/// The clock stands still, so that no test meets the end of a time step.
fn who() -> Who<'static> {
    static NOW: OnceLock<Now> = OnceLock::new();
    Who {
        peer: IpAddr::from([10, 0, 0, 1]),
        user_agent: "test",
        shown: Shown::NotAsked,
        now: *NOW.get_or_init(clock::now),
    }
}

fn later(seconds: u64) -> Who<'static> {
    let now = who().now;
    let now =
        Now { calendar: now.calendar + seconds as i64, since_boot: now.since_boot + Duration::from_secs(seconds) };
    Who { now, ..who() }
}

fn add(auth: &Auth, name: &str) -> User {
    auth.add_user(None, name, Role::User, &GOOD.into(), &who().now).unwrap()
}

/// A whole sign-in.
fn find(auth: &Auth, cookie: &str, now: &Now) -> Option<Arc<Login>> {
    auth.find_any(cookie, who().peer, Shown::NotAsked, now).filter(|login| login.stage() == Stage::Full)
}

fn is_failed<T>(outcome: Result<T, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::Failed))
}

#[test]
fn a_box_is_claimed_once_with_its_code() {
    let Box_ { dir, auth } = fresh(settings());
    let code: Secret = Auth::new_claim_code(dir.path()).unwrap().into();
    assert!(!auth.claimed() && is_failed(auth.claim(&"AAAAA".into(), "ada", &GOOD.into(), &who())));
    assert!(matches!(auth.claim(&code, "a b", &GOOD.into(), &who()), Err(Refusal::Weak { field: "name", .. })));
    assert!(matches!(auth.claim(&code, "ada", &"short".into(), &who()), Err(Refusal::Weak { field: "password", .. })));
    let signed_in = auth.claim(&code, "Ada", &GOOD.into(), &who()).unwrap();
    assert_eq!((signed_in.login.name.as_str(), signed_in.login.role), ("ada", Role::Administrator));
    assert!(auth.claimed() && !dir.path().join("claim").exists());
    assert!(matches!(auth.claim(&code, "eve", &GOOD.into(), &who()), Err(Refusal::Gone)));
}

#[test]
fn a_plain_user_made_before_the_claim_does_not_close_it() {
    let Box_ { dir, auth } = fresh(settings());
    add(&auth, "bob");
    let code: Secret = Auth::new_claim_code(dir.path()).unwrap().into();
    assert!(matches!(auth.claim(&code, "bob", &GOOD.into(), &who()), Err(Refusal::NameTaken)));
    assert!(auth.claim(&code, "ada", &GOOD.into(), &who()).is_ok());
}

#[test]
fn who_is_disabled_or_changed_while_signing_in_does_not_get_in() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    for change in [|user: &mut User| user.disabled = true, |user: &mut User| remember_password(user, 1)] {
        auth.store.update_user(ada.id, change).unwrap();
        // Where a sign-in stands when its hash is done: `ada` is what it saw before.
        assert!(is_failed(auth.begin(&ada, Stage::Full, DataKey::random(), &who())));
        assert!(auth.logins_of(ada.id, &who().now).is_empty());
        auth.store.update_user(ada.id, |user| *user = ada.clone()).unwrap();
    }
    assert!(auth.begin(&ada, Stage::Full, DataKey::random(), &who()).is_ok());
    auth.store.delete_user(ada.id).unwrap();
    assert!(is_failed(auth.begin(&ada, Stage::Full, DataKey::random(), &who())));
}

/// Two changes of one password at once: the slower one would wrap the key for a password that nobody has verified.
#[test]
fn a_password_is_replaced_only_if_it_is_the_one_that_was_verified() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let yesterday = User { old_verifiers: vec!["of yesterday".into()], ..ada };
    let outcome = auth.renew_lock(&yesterday, &OTHER.into(), &DataKey::random());
    assert!(is_failed(outcome) && auth.sign_in("ada", &GOOD.into(), &who()).is_ok());
}

#[test]
fn only_the_right_name_and_password_sign_in() {
    let Box_ { auth, .. } = fresh(settings());
    add(&auth, "ada");
    let signed_in = auth.sign_in(" ADA ", &GOOD.into(), &who()).unwrap();
    let found = find(&auth, &signed_in.cookie, &who().now).unwrap();
    assert!(found.id == signed_in.login.id && found.data_key(|_| ()).is_some());
    for (name, password) in [("ada", OTHER), ("eve", GOOD), ("ada", "short"), ("", GOOD), ("a b", GOOD)] {
        assert!(is_failed(auth.sign_in(name, &password.into(), &who())), "{name} {password}");
    }
    auth.sign_out(&signed_in.login, &who());
    assert!(find(&auth, &signed_in.cookie, &who().now).is_none());
}

#[test]
fn an_address_that_fails_too_often_waits_and_nothing_is_hashed() {
    let Box_ { auth, .. } = fresh(Settings { failures: 3, ..settings() });
    add(&auth, "ada");
    (0..3).for_each(|_| assert!(is_failed(auth.sign_in("eve", &GOOD.into(), &who()))));
    let refused = auth.sign_in("ada", &GOOD.into(), &who());
    assert!(matches!(refused, Err(Refusal::TooMany(wait)) if wait <= Duration::from_secs(60)));
    let elsewhere = Who { peer: IpAddr::from([10, 0, 0, 2]), ..who() };
    assert!(auth.sign_in("ada", &GOOD.into(), &elsewhere).is_ok());
    assert!(auth.sign_in("ada", &GOOD.into(), &later(61)).is_ok());
}

/// The story: whoever had the password and not the certificate that is demanded was refused as often as they liked, each time with a hash
/// and a line in the audit.
#[test]
fn a_try_without_the_certificate_counts_like_a_wrong_password() {
    let Box_ { auth, .. } = fresh(Settings { failures: 2, ..settings() });
    let ada = add(&auth, "ada");
    auth.store.update_user(ada.id, |user| user.certificate_required = true).unwrap();
    let sign_in = || auth.sign_in("ada", &GOOD.into(), &who());
    (0..2).for_each(|_| assert!(matches!(sign_in(), Err(Refusal::Certificate(_)))));
    let before = auth.hashes();
    assert!(matches!(sign_in(), Err(Refusal::TooMany(_))) && auth.hashes() == before);
}

#[test]
fn five_failures_lock_the_account_over_a_restart_and_nobody_is_told() {
    let Box_ { dir, auth } = fresh(settings());
    let ada = add(&auth, "ada");
    (0..5).for_each(|_| assert!(is_failed(auth.sign_in("ada", &OTHER.into(), &who()))));
    assert!(is_failed(auth.sign_in("ada", &GOOD.into(), &who())));
    let until = clock::Instant::now() + Duration::from_secs(10);
    while auth.store.user(ada.id).unwrap().unwrap().locked_until.is_none() {
        assert!(clock::Instant::now() < until, "the lock was not stored");
        std::thread::sleep(Duration::from_millis(5));
    }
    let store = Arc::downgrade(&auth.store);
    drop(auth);
    while store.strong_count() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let again = open(dir.path(), settings());
    assert!(is_failed(again.sign_in("ada", &GOOD.into(), &who())));
    assert!(again.sign_in("ada", &GOOD.into(), &later(15 * 60 + 1)).is_ok());
    // The story: the lock stayed in the store, and a board that boots in 1970 took it for one that lies ahead, at every start.
    assert_eq!(again.store.user(ada.id).unwrap().unwrap().locked_until, None);
}

/// The story: whether the account is locked was asked before the wait for a place to hash, so that of many guesses at once all counted.
#[test]
fn a_right_guess_that_waited_to_be_hashed_does_not_lift_the_lock_of_the_others() {
    let Box_ { auth, .. } = fresh(Settings { failures: 1, ..settings() });
    let (ada, now) = (add(&auth, "ada"), who().now.since_boot);
    let places = [(); 2].map(|()| auth.hasher.place(Turn::Stranger).unwrap());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| auth.sign_in("ada", &GOOD.into(), &who()));
        while auth.table.wait(Counted::SignIn, Key::address(who().peer), now).is_none() {
            std::thread::yield_now();
        }
        // It has its place in the count. Were this too short for it to come to the hash, the test would say less, and not fail.
        std::thread::sleep(Duration::from_millis(50));
        for _ in 0..5 {
            auth.lockout.failed(ada.id, now);
        }
        drop(places);
        assert!(is_failed(waiting.join().unwrap()));
    });
    assert!(auth.is_locked(ada.id, &who().now));
}

/// A crowd that guesses cannot keep those out who are in, or on a trusted device: they are hashed next. Who counts as what.
#[test]
fn who_is_signed_in_or_on_a_trusted_device_does_not_wait_behind_strangers() {
    let Box_ { auth, .. } = fresh(settings());
    add(&auth, "ada");
    let signed_in = auth.sign_in("ada", &GOOD.into(), &who()).unwrap();
    let places = [(); 2].map(|()| auth.hasher.place(Turn::Stranger).unwrap());
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| auth.sign_in("ada", &GOOD.into(), &who()).map(drop));
        let owner =
            scope.spawn(|| auth.change_password(&signed_in.login, &GOOD.into(), &OTHER.into(), &who()).map(drop));
        while auth.hasher.known_that_wait() == 0 {
            assert!(!owner.is_finished());
            std::thread::yield_now();
        }
        assert_eq!(auth.hasher.known_that_wait(), 1, "the stranger is none");
        drop(places);
        assert!(owner.join().unwrap().is_ok());
        let _ = stranger.join().unwrap();
    });
    let turns = [Giver::of(Some(Id::random())), Giver::SignedIn, Giver::of(None)].map(Giver::turn);
    assert_eq!(turns, [Turn::Known, Turn::Known, Turn::Stranger]);
}

/// A3, without a stopwatch: the one thing that takes time is an Argon2 run of today's cost, and there is one for each of them.
#[test]
fn whoever_is_refused_costs_the_same_work() {
    let Box_ { auth, .. } = fresh(settings());
    let (wrong, locked, disabled) = (add(&auth, "wrong"), add(&auth, "locked"), add(&auth, "disabled"));
    auth.store.update_user(disabled.id, |user| user.disabled = true).unwrap();
    for _ in 0..5 {
        auth.lockout.failed(locked.id, who().now.since_boot);
    }
    assert!(auth.is_locked(locked.id, &who().now) && !auth.is_locked(wrong.id, &who().now));
    assert_eq!(auth.dummy.cost, Verifier::parse(&wrong.verifier).unwrap().cost, "the same cost");
    let work = |name: &str, password: &str| {
        let before = auth.hashes();
        assert!(is_failed(auth.sign_in(name, &password.into(), &who())), "{name}");
        auth.hashes() - before
    };
    for (name, password) in [("nobody", GOOD), ("a b", GOOD), ("wrong", OTHER), ("locked", GOOD), ("locked", OTHER)] {
        assert_eq!(work(name, password), 1, "{name}");
    }
    assert_eq!((work("disabled", GOOD), work("disabled", OTHER)), (1, 1));
    // What cannot be a password is refused before any hashing, whoever it is for (A2).
    for name in ["nobody", "wrong", "locked", "disabled"] {
        assert_eq!(work(name, "short"), 0, "{name}");
    }
    // And an address that has to wait costs nothing (E1).
    let Box_ { auth, .. } = fresh(Settings { failures: 1, ..settings() });
    add(&auth, "ada");
    assert!(is_failed(auth.sign_in("ada", &OTHER.into(), &who())));
    let before = auth.hashes();
    assert!(matches!(auth.sign_in("ada", &GOOD.into(), &who()), Err(Refusal::TooMany(_))) && auth.hashes() == before);
}

#[test]
fn a_disabled_user_fails_like_a_wrong_password() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    auth.store.update_user(ada.id, |user| user.disabled = true).unwrap();
    assert!(is_failed(auth.sign_in("ada", &GOOD.into(), &who())));
}

#[test]
fn a_changed_password_ends_the_others_and_loses_nothing() {
    use crate::vault::About;
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let (first, second) =
        (auth.sign_in("ada", &GOOD.into(), &who()).unwrap(), auth.sign_in("ada", &GOOD.into(), &who()).unwrap());
    let about = About { user: ada.id, record: Id::random(), kind: "k", version: 1 };
    let sealed = first.login.data_key(|key| key.seal(&about, &"hunter2".into())).unwrap();

    assert!(is_failed(auth.change_password(&first.login, &OTHER.into(), &OTHER.into(), &who())));
    let weak = |new: &str| {
        matches!(
            auth.change_password(&first.login, &GOOD.into(), &new.into(), &who()),
            Err(Refusal::Weak { field: "new", .. })
        )
    };
    assert!(weak("short") && weak("password1234") && weak("adaadaadaada") && weak(GOOD));

    let third = auth.change_password(&first.login, &GOOD.into(), &OTHER.into(), &who()).unwrap();
    let now = clock::now();
    assert!(find(&auth, &first.cookie, &now).is_none() && find(&auth, &second.cookie, &now).is_none());
    assert!(find(&auth, &third.cookie, &now).is_some() && second.login.data_key(|_| ()).is_none());
    assert!(is_failed(auth.sign_in("ada", &GOOD.into(), &who())));
    let fourth = auth.sign_in("ada", &OTHER.into(), &who()).unwrap();
    for login in [&third.login, &fourth.login] {
        assert_eq!(login.data_key(|key| key.open(&about, &sealed).unwrap()).unwrap(), "hunter2".into());
    }
    assert!(
        matches!(auth.change_password(&fourth.login, &OTHER.into(), &GOOD.into(), &who()), Err(Refusal::Weak { .. })),
        "used before"
    );
}

/// After another device key. What only a code can wrap anew stays nested, and whoever gives no password changes nothing.
#[test]
fn a_nested_slot_of_a_password_is_plain_after_a_sign_in() {
    let Box_ { auth, .. } = fresh(settings());
    let ada = add(&auth, "ada");
    let code = ("recovery-1".to_owned(), DataKey::random().wrap(&random::key(), &auth.device, ada.id, "recovery-1"));
    let nest = |user: &mut User| {
        user.wrapped.push(code);
        for (slot, wrapped) in &mut user.wrapped {
            *wrapped = wrapped.under(&auth.device, &auth.device, user.id, slot).unwrap();
        }
    };
    auth.store.update_user(ada.id, nest).unwrap();
    let nested = || {
        let user = auth.store.user(ada.id).unwrap().unwrap();
        let mut nested: Vec<_> =
            user.wrapped.iter().map(|(slot, wrapped)| (slot.clone(), wrapped.is_nested())).collect();
        nested.sort();
        nested
    };
    let both = |password| [(PASSWORD_SLOT.to_owned(), password), ("recovery-1".to_owned(), true)];
    assert!(is_failed(auth.sign_in("ada", &OTHER.into(), &who())));
    assert_eq!(nested(), both(true));
    for _ in 0..2 {
        auth.sign_in("ada", &GOOD.into(), &who()).unwrap();
        assert_eq!(nested(), both(false));
    }
}

#[test]
fn a_hash_of_another_cost_is_renewed_at_sign_in() {
    let found = Cost { passes: 3, ..Cost::FLOOR };
    let Box_ { auth, .. } = fresh(Settings { cost: found, ..settings() });
    let ada = add(&auth, "ada");
    let signed_in = auth.sign_in("ada", &GOOD.into(), &who()).unwrap();
    // What an older version with a cheaper hash would have left behind, or a slower machine.
    let old = Cost { kib: 64, passes: 1, lanes: 1 };
    let (verifier, kek) = auth.hasher.make_at(&GOOD.into(), old).unwrap();
    let sealed = signed_in.login.data_key(|key| key.wrap(&kek, &auth.device, ada.id, PASSWORD_SLOT)).unwrap();
    auth.store
        .update_user(ada.id, |user| {
            (user.verifier, user.wrapped) = (verifier.to_text(), vec![(PASSWORD_SLOT.into(), sealed)])
        })
        .unwrap();
    auth.sign_in("ada", &GOOD.into(), &who()).unwrap();
    let renewed = auth.store.user(ada.id).unwrap().unwrap();
    assert_eq!(Verifier::parse(&renewed.verifier).unwrap().cost, found);
    auth.sign_in("ada", &GOOD.into(), &who()).unwrap();
}

#[test]
fn names_are_taken_whatever_their_case() {
    let Box_ { auth, .. } = fresh(settings());
    add(&auth, "ada");
    assert!(matches!(auth.add_user(None, "ADA", Role::User, &GOOD.into(), &who().now), Err(Refusal::NameTaken)));
    assert!(matches!(
        auth.add_user(None, "footbridge", Role::User, &GOOD.into(), &who().now),
        Err(Refusal::Weak { .. })
    ));
}
