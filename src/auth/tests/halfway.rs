//! Sign-ins on the way: who only knows the password begins so many, and an owner never meets that limit.

use super::*;
use crate::auth::tests::devices::{Browser, HOST};
use crate::auth::tests::factor::{ada, enrol};

const MOST: u32 = Counted::Half.limit().most;
const WINDOW: u64 = Counted::Half.limit().window.as_secs();

fn sign_in(auth: &Auth, who: &Who<'_>) -> Result<SignedIn, Refusal> {
    auth.sign_in("ada", &GOOD.into(), who)
}

/// Who knows the password begins as many as there are places for, from here and there.
fn use_up(auth: &Auth, who: &Who<'_>) {
    for n in 0..MOST {
        let who = Who { peer: IpAddr::from([10, 0, 2, n as u8]), ..*who };
        assert_ne!(sign_in(auth, &who).unwrap().login.stage(), Stage::Full);
    }
    assert!(is_used_up(auth, who));
}

fn is_used_up(auth: &Auth, who: &Who<'_>) -> bool {
    matches!(sign_in(auth, who), Err(Refusal::TooManyHalf(wait)) if !wait.is_zero() && wait.as_secs() <= WINDOW)
}

#[test]
fn who_only_knows_the_password_begins_so_many_and_no_other_account_waits() {
    let Box_ { auth, .. } = fresh(settings());
    ada(&auth);
    add(&auth, "bob");
    use_up(&auth, &later(60));
    assert!(auth.sign_in("bob", &GOOD.into(), &later(60)).is_ok());
    assert!(is_failed(auth.sign_in("ada", &OTHER.into(), &later(60))), "who guesses learns nothing of it");
    assert!(is_used_up(&auth, &later(59 + WINDOW)));
    assert!(sign_in(&auth, &later(60 + WINDOW)).is_ok());
}

/// Every half minute one, all within one window, and then as many half ones as ever.
#[test]
fn what_becomes_whole_does_not_count() {
    let Box_ { auth, .. } = fresh(settings());
    let (phone, _) = ada(&auth);
    for n in 1..=u64::from(MOST) + 1 {
        let half = sign_in(&auth, &later(30 * n)).unwrap().login;
        auth.verify_factor(&half, &phone.code(&later(30 * n)), &later(30 * n)).unwrap();
    }
    use_up(&auth, &later(30 * (u64::from(MOST) + 1)));
}

/// The place goes from step to step, and is given back by the last of them, whatever the way.
#[test]
fn each_way_to_a_whole_sign_in_gives_its_place_back() {
    let Box_ { auth, .. } = fresh(Settings { factor: Policy::Required, ..settings() });
    let user = add(&auth, "ada");
    let row = || auth.table.admit(Counted::Half, Key::User(user.id), later(60).now.since_boot);
    let free = || {
        let all: Vec<Counting> = std::iter::from_fn(|| row().ok()).collect();
        let count = all.len() as u32;
        all.into_iter().for_each(|one| auth.table.forgive(one));
        count
    };
    // The first factor.
    let half = sign_in(&auth, &who()).unwrap().login;
    assert_eq!((half.stage(), free()), (Stage::Enrol, MOST - 1));
    let (_, enrolled) = enrol(&auth, &half, &who());
    assert_eq!(free(), MOST);
    // A recovery code, and a new factor.
    let half = sign_in(&auth, &who()).unwrap().login;
    let code = enrolled.recovery_codes[0].as_str().into();
    let recovered = auth.use_recovery(&half, &code, &who()).unwrap().login;
    assert_eq!((recovered.stage(), free()), (Stage::Recovered, MOST - 1));
    let (phone, enrolled) = enrol(&auth, &recovered, &who());
    assert_eq!(free(), MOST);
    // The factor, and a code of a trusted device.
    let whole = enrolled.signed_in.login;
    auth.trust_device(&whole, &Browser::new().application(&auth, &who()), None, HOST, &who()).unwrap();
    auth.demand_device(&whole, true, &who()).unwrap();
    let half = sign_in(&auth, &later(60)).unwrap().login;
    let lacks = auth.verify_factor(&half, &phone.code(&later(60)), &later(60)).unwrap().login;
    assert_eq!((lacks.stage(), free()), (Stage::Device, MOST - 1));
    let code: Secret = auth.device_code(&whole, &later(60)).unwrap().as_str().into();
    let new = Browser::new().application(&auth, &later(60));
    let (_, whole) = auth.trust_device(&lacks, &new, Some(&code), HOST, &later(60)).unwrap();
    assert_eq!((whole.unwrap().login.stage(), free()), (Stage::Full, MOST));
    // Given up, it stays taken.
    let half = sign_in(&auth, &later(60)).unwrap().login;
    auth.sign_out(&half, &later(60));
    assert_eq!(free(), MOST - 1);
}

/// E2's promise: whoever keeps an account shut does not keep its owner's device out, and has not used up its places.
#[test]
fn a_trusted_device_has_places_of_its_own() {
    let Box_ { auth, .. } = fresh(settings());
    let (phone, enrolled) = ada(&auth);
    let browser = Browser::new();
    let (id, _) =
        auth.trust_device(&enrolled.signed_in.login, &browser.application(&auth, &who()), None, HOST, &who()).unwrap();
    use_up(&auth, &later(60));
    let half = browser.sign_in(&auth, id, GOOD, &later(60)).unwrap().login;
    assert_eq!(auth.verify_factor(&half, &phone.code(&later(60)), &later(60)).unwrap().login.stage(), Stage::Full);
    (0..MOST).for_each(|_| drop(browser.sign_in(&auth, id, GOOD, &later(60)).unwrap()));
    assert!(matches!(browser.sign_in(&auth, id, GOOD, &later(60)), Err(Refusal::TooManyHalf(_))));
}

/// Who used the places up knows the password no more, or whoever holds the box says that they are the owner's again.
#[test]
fn another_password_and_the_word_of_who_holds_the_box_free_the_places() {
    type Deed = fn(&Auth, &Login);
    let deeds: [(&str, Deed); 3] = [
        (GOOD, |auth, whole| auth.unlock(None, whole.user).unwrap()),
        (OTHER, |auth, whole| drop(auth.change_password(whole, &GOOD.into(), &OTHER.into(), &later(60)).unwrap())),
        (OTHER, |auth, whole| {
            let token: Secret = auth.begin_reset(whole.user, &later(60).now).unwrap().as_str().into();
            auth.finish_reset(&token, &OTHER.into(), &Vault::Discard, &later(60)).map(drop).unwrap();
        }),
    ];
    for (password, deed) in deeds {
        let Box_ { auth, .. } = fresh(settings());
        let whole = ada(&auth).1.signed_in.login;
        use_up(&auth, &later(60));
        deed(&auth, &whole);
        assert!(auth.sign_in("ada", &password.into(), &later(60)).is_ok());
    }
}

/// Who is refused has made the box hash, so their address waits as after a guess; a half sign-in that begins costs it nothing.
#[test]
fn who_is_refused_is_counted_by_address() {
    let Box_ { auth, .. } = fresh(Settings { failures: 3, ..settings() });
    ada(&auth);
    (0..MOST).for_each(|_| drop(sign_in(&auth, &later(60)).unwrap()));
    (0..3).for_each(|_| assert!(is_used_up(&auth, &later(60))));
    let before = auth.hashes();
    assert!(matches!(sign_in(&auth, &later(60)), Err(Refusal::TooMany(_))) && auth.hashes() == before);
}
