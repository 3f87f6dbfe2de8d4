//! The second factor, from the first scan to the last recovery code.

use super::*;
use crate::auth::totp;
use crate::store::Passkey;
use crate::vault::About;

/// Ada's telephone: it shows the code of any time.
pub struct Phone(Secret);

impl Phone {
    pub fn code(&self, who: &Who<'_>) -> Secret {
        totp::code_at(&self.0, who.now.calendar)
    }
}

fn required() -> Box_ {
    fresh(Settings { factor: Policy::Required, ..settings() })
}

pub fn enrol(auth: &Auth, login: &Login, who: &Who<'_>) -> (Phone, Enrolled) {
    let phone = Phone(totp::from_text(&auth.enrol_begin(login, Some(&GOOD.into()), who).unwrap().secret));
    let enrolled = auth.enrol_finish(login, &phone.code(who), who).unwrap();
    (phone, enrolled)
}

/// Ada with a factor, signed in.
pub fn ada(auth: &Auth) -> (Phone, Enrolled) {
    add(auth, "ada");
    let half = sign_in(auth, &who());
    enrol(auth, &half, &who())
}

fn sign_in(auth: &Auth, who: &Who<'_>) -> Arc<Login> {
    auth.sign_in("ada", &GOOD.into(), who).unwrap().login
}

fn is_not_now<T>(outcome: Result<T, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::NotNow(_)))
}

#[test]
fn before_its_factor_a_sign_in_is_good_for_nothing_else() {
    let Box_ { auth, .. } = required();
    add(&auth, "ada");
    let half = auth.sign_in("ada", &GOOD.into(), &who()).unwrap();
    assert_eq!(half.login.stage(), Stage::Enrol);
    assert!(
        find(&auth, &half.cookie, &who().now).is_none()
            && auth.find_any(&half.cookie, who().peer, Shown::NotAsked, &who().now).is_some()
    );
    assert!(half.login.data_key(|_| ()).is_none());
    assert!(auth.issue_ticket(&half.login, Id::random(), who().now.since_boot).is_none());
    assert!(is_not_now(auth.change_password(&half.login, &GOOD.into(), &OTHER.into(), &who())));
    assert!(is_not_now(auth.verify_factor(&half.login, &"123456".into(), &who())));
    assert!(is_not_now(auth.step_up(&half.login, &GOOD.into(), "x", &who())));

    let (_, enrolled) = enrol(&auth, &half.login, &who());
    let whole = enrolled.signed_in;
    assert!(whole.login.stage() == Stage::Full && whole.cookie != half.cookie && whole.login.id != half.login.id);
    assert!(find(&auth, &whole.cookie, &who().now).is_some() && whole.login.data_key(|_| ()).is_some());
    assert!(
        auth.find_any(&half.cookie, who().peer, Shown::NotAsked, &who().now).is_none(),
        "the half session is over (C5)"
    );
}

#[test]
fn where_it_is_optional_nobody_needs_one_and_who_has_one_is_asked() {
    let Box_ { auth, .. } = fresh(settings());
    let (phone, enrolled) = ada(&auth);
    assert_eq!(enrolled.signed_in.login.stage(), Stage::Full);
    let half = sign_in(&auth, &later(60));
    assert_eq!(half.stage(), Stage::Factor);
    assert!(is_not_now(auth.enrol_begin(&half, None, &later(60))), "the password alone replaces no factor");
    let whole = auth.verify_factor(&half, &phone.code(&later(60)), &later(60)).unwrap();
    assert!(!half.is_alive(later(60).now.since_boot), "the half session is over (C5)");
    assert!(is_failed(auth.disable_factor(&whole.login, &"000000".into(), &later(120))));
    auth.disable_factor(&whole.login, &phone.code(&later(120)), &later(120)).unwrap();
    assert_eq!(sign_in(&auth, &later(180)).stage(), Stage::Full);
}

#[test]
fn it_is_set_up_with_a_valid_code_within_five_minutes() {
    let Box_ { auth, .. } = required();
    let user = add(&auth, "ada");
    let half = sign_in(&auth, &who());
    assert!(is_not_now(auth.enrol_finish(&half, &"123456".into(), &who())), "nothing was begun");
    let enrolment = auth.enrol_begin(&half, None, &who()).unwrap();
    assert!(enrolment.uri.contains(enrolment.secret.as_str()) && enrolment.uri.contains("Footbridge:ada?"));
    let phone = Phone(totp::from_text(&enrolment.secret));
    assert!(is_failed(auth.enrol_finish(&half, &phone.code(&later(90)), &who())));
    assert!(is_not_now(auth.enrol_finish(&half, &phone.code(&later(300)), &later(300))), "too late");
    assert!(auth.store.user(user.id).unwrap().unwrap().factor.is_none());
    let enrolled = auth.enrol_finish(&half, &phone.code(&who()), &who()).unwrap();
    assert_eq!(enrolled.recovery_codes.len(), 10);

    let stored = serde_json::to_string(&auth.store.user(user.id).unwrap().unwrap()).unwrap();
    assert!(!stored.contains(enrolment.secret.as_str()), "B5");
}

#[test]
fn a_code_works_once_also_after_a_restart() {
    let Box_ { dir, auth } = required();
    let (phone, _) = ada(&auth);
    let (half, other) = (sign_in(&auth, &who()), sign_in(&auth, &later(60)));
    assert!(is_failed(auth.verify_factor(&half, &phone.code(&who()), &who())), "it set the factor up");
    auth.verify_factor(&half, &phone.code(&later(60)), &later(60)).unwrap();
    assert!(is_failed(auth.verify_factor(&other, &phone.code(&later(60)), &later(60))));
    drop((auth, half, other));
    let again = open(dir.path(), settings());
    let half = sign_in(&again, &later(61));
    assert!(is_failed(again.verify_factor(&half, &phone.code(&later(60)), &later(61))));
    assert!(again.verify_factor(&half, &phone.code(&later(120)), &later(120)).is_ok());
}

/// Two sign-ins that have looked at the account before either wrote to it.
#[test]
fn a_code_works_once_also_when_two_bring_it_at_once() {
    let Box_ { auth, .. } = required();
    let (phone, enrolled) = ada(&auth);
    let login = enrolled.signed_in.login;
    let (seen, at) = (auth.user(login.user).unwrap(), later(60));
    assert!(auth.spend_code(&login, &seen, &phone.code(&at), &at).is_ok());
    assert!(is_failed(auth.spend_code(&login, &seen, &phone.code(&at), &at)));
    // Nor is a code of the app that was replaced meanwhile.
    let seen = auth.user(login.user).unwrap();
    auth.enrol_begin(&login, Some(&phone.code(&later(120))), &later(120)).unwrap();
    let about = About { user: login.user, record: login.user, kind: "totp", version: 1 };
    let another = DataKey::random().seal(&about, &"another app".into());
    auth.store.update_user(login.user, |user| user.factor = Some(another)).unwrap();
    let late = auth.spend_code(&login, &seen, &phone.code(&later(180)), &later(180));
    assert!(matches!(late, Err(Refusal::Ended)));
}

/// One that nobody can use: what it is about lies sealed under another key.
fn give_passkey(auth: &Auth, user: Id) {
    let sealed = DataKey::random().seal(&About { user, record: user, kind: "k", version: 1 }, &"x".into());
    let passkey = Passkey { id: Id::random(), label: "lost".into(), created: 1, last_used: None, sealed };
    auth.store.update_user(user, |user| user.passkeys.push(passkey)).unwrap();
}

/// Whoever comes with a recovery code has lost what there was, and somebody may have found it.
#[test]
fn a_new_app_after_a_recovery_code_leaves_no_passkey() {
    let Box_ { auth, .. } = required();
    let (_, enrolled) = ada(&auth);
    let user = enrolled.signed_in.login.user;
    give_passkey(&auth, user);
    let code = enrolled.recovery_codes[0].as_str().into();
    let recovered = auth.use_recovery(&sign_in(&auth, &who()), &code, &who()).unwrap();
    enrol(&auth, &recovered.login, &who());
    assert!(auth.user(user).unwrap().passkeys.is_empty());
}

#[test]
fn turned_off_is_all_of_it() {
    let Box_ { auth, .. } = fresh(settings());
    let (phone, enrolled) = ada(&auth);
    let login = enrolled.signed_in.login;
    give_passkey(&auth, login.user);
    auth.disable_factor(&login, &phone.code(&later(60)), &later(60)).unwrap();
    assert_eq!(sign_in(&auth, &later(90)).stage(), Stage::Full);
}

/// E3: whoever is right is not kept out for it.
#[test]
fn right_codes_do_not_count() {
    let Box_ { auth, .. } = required();
    let (phone, enrolled) = ada(&auth);
    let login = enrolled.signed_in.login;
    for n in 1..=8 {
        let at = later(30 * n);
        assert!(auth.step_up(&login, &phone.code(&at), "x", &at).is_ok(), "{n}");
    }
}

#[test]
fn five_wrong_codes_are_all_an_account_takes_whatever_the_address() {
    let Box_ { auth, .. } = required();
    let (phone, enrolled) = ada(&auth);
    let from = |n: u8, seconds| Who { peer: IpAddr::from([10, 0, 1, n]), ..later(seconds) };
    for n in 0..5 {
        let half = sign_in(&auth, &from(n, 60));
        assert!(is_failed(auth.verify_factor(&half, &"wrong!".into(), &from(n, 60))));
    }
    let half = sign_in(&auth, &from(9, 60));
    let refused = auth.verify_factor(&half, &phone.code(&from(9, 60)), &from(9, 60));
    assert!(matches!(refused, Err(Refusal::TooMany(wait)) if wait <= Duration::from_secs(300)));
    // Its owner is not kept out by it: a recovery code still works.
    assert!(auth.use_recovery(&half, &enrolled.recovery_codes[0].as_str().into(), &from(9, 60)).is_ok());
    let half = sign_in(&auth, &from(9, 361));
    assert!(auth.verify_factor(&half, &phone.code(&from(9, 361)), &from(9, 361)).is_ok());
}

#[test]
fn wrong_codes_count_by_address_like_wrong_passwords() {
    let Box_ { auth, .. } = fresh(Settings { failures: 3, ..settings() });
    let (_, enrolled) = ada(&auth);
    let half = sign_in(&auth, &who());
    assert!(is_failed(auth.verify_factor(&half, &"000000".into(), &who())));
    assert!(is_failed(auth.use_recovery(&half, &"AAAAA-AAAAA-AAAAA-AAAAA".into(), &who())));
    assert!(is_failed(auth.sign_in("eve", &GOOD.into(), &who())));
    let refused = auth.use_recovery(&half, &enrolled.recovery_codes[0].as_str().into(), &who());
    assert!(matches!(refused, Err(Refusal::TooMany(_))));
    assert!(matches!(auth.verify_factor(&half, &"000000".into(), &who()), Err(Refusal::TooMany(_))));
}

#[test]
fn a_recovery_code_works_once_and_leads_to_a_new_factor_only() {
    let Box_ { auth, .. } = required();
    let (old_phone, enrolled) = ada(&auth);
    let about = About { user: enrolled.signed_in.login.user, record: Id::random(), kind: "k", version: 1 };
    let sealed = enrolled.signed_in.login.data_key(|key| key.seal(&about, &"hunter2".into())).unwrap();
    let code: Secret = enrolled.recovery_codes[3].as_str().into();
    assert!(is_not_now(auth.use_recovery(&enrolled.signed_in.login, &code, &who())));

    let recovered = auth.use_recovery(&sign_in(&auth, &who()), &code, &who()).unwrap();
    assert_eq!(recovered.login.stage(), Stage::Recovered);
    assert!(find(&auth, &recovered.cookie, &who().now).is_none() && recovered.login.data_key(|_| ()).is_none());
    assert!(is_not_now(auth.verify_factor(&recovered.login, &old_phone.code(&later(60)), &later(60))));
    assert!(is_failed(auth.use_recovery(&sign_in(&auth, &who()), &code, &who())), "used");

    let (phone, replaced) = enrol(&auth, &recovered.login, &who());
    let (first, now) = (enrolled.signed_in, clock::now());
    assert!(find(&auth, &first.cookie, &now).is_none(), "all other sessions end");
    let opened = replaced.signed_in.login.data_key(|key| key.open(&about, &sealed).unwrap());
    assert_eq!(opened.unwrap(), "hunter2".into());
    let half = sign_in(&auth, &later(60));
    assert!(is_failed(auth.verify_factor(&half, &old_phone.code(&later(60)), &later(60))));
    assert!(
        is_failed(auth.use_recovery(&half, &enrolled.recovery_codes[4].as_str().into(), &later(60))),
        "replaced too"
    );
    assert!(auth.verify_factor(&half, &phone.code(&later(60)), &later(60)).is_ok());
    let notices = auth.notices(&replaced.signed_in.login).unwrap();
    assert!(notices.len() == 1 && notices[0].starts_with("recovery-code-used "));
}

#[test]
fn a_factor_is_replaced_only_by_who_has_it() {
    let Box_ { auth, .. } = required();
    let (phone, enrolled) = ada(&auth);
    let login = enrolled.signed_in.login;
    assert!(is_failed(auth.enrol_begin(&login, None, &later(60))));
    assert!(is_failed(auth.enrol_begin(&login, Some(&"000000".into()), &later(60))));
    assert!(is_not_now(auth.disable_factor(&login, &phone.code(&later(60)), &later(60))), "required");
    auth.enrol_begin(&login, Some(&phone.code(&later(60))), &later(60)).unwrap();
    let codes = auth.renew_recovery(&login, &phone.code(&later(120)), &later(120)).unwrap();
    let half = sign_in(&auth, &later(120));
    assert!(is_failed(auth.use_recovery(&half, &enrolled.recovery_codes[0].as_str().into(), &later(120))));
    assert!(auth.use_recovery(&half, &codes[0].as_str().into(), &later(120)).is_ok());
}

#[test]
fn a_box_without_the_time_says_so_and_a_recovery_code_still_works() {
    let Box_ { auth, .. } = required();
    let (phone, enrolled) = ada(&auth);
    let in_1970 = Who { now: Now { calendar: 100, ..who().now }, ..who() };
    let half = sign_in(&auth, &in_1970);
    assert!(is_not_now(auth.verify_factor(&half, &phone.code(&in_1970), &in_1970)));
    let recovered = auth.use_recovery(&half, &enrolled.recovery_codes[0].as_str().into(), &in_1970).unwrap();
    auth.enrol_begin(&recovered.login, None, &in_1970).unwrap();
    assert!(is_not_now(auth.enrol_finish(&recovered.login, &"000000".into(), &in_1970)));
    // A year ahead and back again: the code of then is not good now, and those of now are.
    let half = sign_in(&auth, &who());
    assert!(is_failed(auth.verify_factor(&half, &phone.code(&later(365 * 86_400)), &who())));
    assert!(auth.verify_factor(&half, &phone.code(&later(30)), &who()).is_ok());
}

/// The same moment since boot, by a calendar that somebody has set.
fn with_calendar(who: &Who<'static>, shift: i64) -> Who<'static> {
    Who { now: Now { calendar: who.now.calendar + shift, ..who.now }, ..*who }
}

const YEAR: i64 = 365 * 86_400;

/// I5, B3: the last accepted step is on the disk, and a clock set back replays nothing, over a restart too.
#[test]
fn a_clock_set_back_replays_no_code() {
    let Box_ { dir, auth } = required();
    let (phone, _) = ada(&auth);
    let (half, other) = (sign_in(&auth, &later(60)), sign_in(&auth, &later(60)));
    auth.verify_factor(&half, &phone.code(&later(60)), &later(60)).unwrap();
    let back = with_calendar(&later(90), -30);
    assert!(is_failed(auth.verify_factor(&other, &phone.code(&back), &back)), "the moment of the code comes again");
    let long_ago = with_calendar(&later(91), -3600);
    let never_used = auth.verify_factor(&other, &phone.code(&long_ago), &long_ago);
    assert!(is_not_now(never_used) && !auth.knows_the_time(&long_ago.now));
    drop((auth, half, other));
    let again = open(dir.path(), Settings { factor: Policy::Required, ..settings() });
    let half = sign_in(&again, &back);
    assert!(is_failed(again.verify_factor(&half, &phone.code(&back), &back)));
    assert!(again.verify_factor(&half, &phone.code(&later(120)), &later(120)).is_ok());
}

/// The floor is everybody's: a code that somebody overheard and nobody used is good no more once another user's newer one was accepted.
#[test]
fn a_clock_set_back_below_anybody_s_code_accepts_none() {
    let Box_ { dir, auth } = required();
    let (_, enrolled) = ada(&auth);
    add(&auth, "bob");
    let set_up = auth.sign_in("bob", &GOOD.into(), &who()).unwrap().login;
    let (phone, _) = enrol(&auth, &set_up, &who());
    let half = |auth: &Auth, who: &Who<'_>| auth.sign_in("bob", &GOOD.into(), who).unwrap().login;
    let (overheard, at) = (phone.code(&later(120)), later(120));
    let mine = auth.store.user(enrolled.signed_in.login.user).unwrap().unwrap();
    let newer = later(3600).now.calendar as u64 / 30;
    assert!(auth.take_step(&enrolled.signed_in.login, newer).unwrap());
    assert!(is_not_now(auth.verify_factor(&half(&auth, &at), &overheard, &at)));
    drop(auth);
    let again = open(dir.path(), Settings { factor: Policy::Required, ..settings() });
    assert!(is_not_now(again.verify_factor(&half(&again, &at), &overheard, &at)));
    assert!(again.verify_factor(&half(&again, &later(3600)), &phone.code(&later(3600)), &later(3600)).is_ok());
    // If that code was the wrong one, whoever holds the box takes it away, and the others go on.
    again.reset_factor(None, mine.id, &at.now).unwrap();
    let bob = again.store.user_by_name("bob").unwrap().unwrap();
    again.store.update_user(bob.id, |user| user.last_step = 0).unwrap();
    again.reckon_floor().unwrap();
    assert!(again.verify_factor(&half(&again, &at), &overheard, &at).is_ok());
}

/// A clock that jumps a year ahead and comes back: what was used then stands, and a recovery code is the way on.
#[test]
fn after_a_jump_of_a_year_and_back_a_recovery_code_leads_on() {
    let Box_ { auth, .. } = required();
    let (phone, enrolled) = ada(&auth);
    let ahead = with_calendar(&later(60), YEAR);
    let whole = auth.verify_factor(&sign_in(&auth, &ahead), &phone.code(&ahead), &ahead).unwrap();
    assert!(
        auth.find_any(&whole.cookie, who().peer, Shown::NotAsked, &later(61).now).is_some(),
        "a sign-in does not notice the jump"
    );
    let half = sign_in(&auth, &later(90));
    assert!(is_not_now(auth.verify_factor(&half, &phone.code(&later(90)), &later(90))));
    let code = enrolled.recovery_codes[0].as_str().into();
    let recovered = auth.use_recovery(&half, &code, &later(90)).unwrap();
    let (phone, _) = enrol(&auth, &recovered.login, &later(90));
    let half = sign_in(&auth, &later(150));
    assert!(auth.verify_factor(&half, &phone.code(&later(150)), &later(150)).is_ok());
}

/// Sign-ins, half ones, limits and locks run on the clock since boot: no calendar makes them longer or shorter.
#[test]
fn sessions_and_locks_do_not_look_at_the_calendar() {
    let Box_ { auth, .. } = fresh(settings());
    let user = add(&auth, "ada");
    let started = auth.sign_in("ada", &GOOD.into(), &who()).unwrap();
    (0..5).for_each(|_| assert!(is_failed(auth.sign_in("ada", &OTHER.into(), &who()))));
    let in_1970 = 100 - who().now.calendar;
    for shift in [0, YEAR, -YEAR, in_1970] {
        let soon = with_calendar(&later(29 * 60), shift);
        assert!(auth.find_any(&started.cookie, soon.peer, Shown::NotAsked, &soon.now).is_some(), "{shift}");
        let idle = with_calendar(&later(30 * 60), shift);
        assert!(auth.find_any(&started.cookie, idle.peer, Shown::NotAsked, &idle.now).is_none(), "{shift}");
        let locked = with_calendar(&later(15 * 60 - 1), shift);
        assert!(auth.is_locked(user.id, &locked.now), "{shift}");
        assert!(is_failed(auth.sign_in("ada", &GOOD.into(), &locked)), "{shift}");
        let over = with_calendar(&later(15 * 60), shift);
        assert!(!auth.is_locked(user.id, &over.now), "{shift}");
    }
    let over = with_calendar(&later(15 * 60), in_1970);
    assert!(auth.sign_in("ada", &GOOD.into(), &over).is_ok(), "a board without a clock signs in (I5)");
}

#[test]
fn a_step_up_is_for_one_thing_of_one_session_once() {
    let Box_ { auth, .. } = fresh(settings());
    let (phone, enrolled) = ada(&auth);
    let (login, at) = (enrolled.signed_in.login, later(60));
    assert!(is_failed(auth.step_up(&login, &GOOD.into(), "backup", &at)), "a password is no code");
    auth.step_up(&login, &phone.code(&at), "backup", &at).unwrap();
    let half = sign_in(&auth, &later(90));
    let other = auth.verify_factor(&half, &phone.code(&later(90)), &later(90)).unwrap().login;
    assert!(!auth.take_step_up(&other, "backup", &at));
    assert!(auth.take_step_up(&login, "backup", &at) && !auth.take_step_up(&login, "backup", &at));

    auth.add_user(None, "bob", Role::User, &GOOD.into(), &who().now).unwrap();
    let bob = auth.sign_in("bob", &GOOD.into(), &who()).unwrap().login;
    assert!(is_failed(auth.step_up(&bob, &OTHER.into(), "backup", &who())));
    auth.step_up(&bob, &GOOD.into(), "backup", &who()).unwrap();
    assert!(!auth.take_step_up(&bob, "role eve", &who()) && !auth.take_step_up(&bob, "backup", &who()));
}
