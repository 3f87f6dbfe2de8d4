use super::engine::{Change, Condition, Engine};
use super::table::{Plan, Records, key};
use super::*;
use crate::random::{self, Id};
use crate::vault::{About, DataKey};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::MetadataExt;
use tempfile::TempDir;

fn fresh() -> (TempDir, Key32, Store) {
    let (dir, key) = (tempfile::tempdir().unwrap(), random::key());
    let store = Store::open(dir.path(), key.clone()).unwrap();
    (dir, key, store)
}

fn user(name: &str) -> User {
    User {
        id: Id::random(),
        name: name.into(),
        role: Role::User,
        created: 1,
        disabled: false,
        verifier: "v".into(),
        wrapped: Vec::new(),
        password_changed: 1,
        old_verifiers: Vec::new(),
        locked_until: None,
        factor: None,
        last_step: 0,
        passkeys: Vec::new(),
        devices: Vec::new(),
        device_required: false,
        device_code: None,
        certificates: Vec::new(),
        certificate_required: false,
        recovery: Vec::new(),
        reset: None,
        notices: Vec::new(),
    }
}

fn somebody(store: &Store) -> Id {
    let user = user("somebody");
    store.add_user(&user).unwrap();
    user.id
}

fn host(label: &str) -> Host {
    Host {
        id: Id::random(),
        label: label.into(),
        address: "h".into(),
        port: 22,
        user: "u".into(),
        credential_id: None,
        created: 1,
        last_used: None,
        tags: Vec::new(),
        favourite: false,
        colour: String::new(),
        notes: String::new(),
        osc52: false,
    }
}

fn credential(owner: Id) -> Credential {
    let id = Id::random();
    let secret =
        DataKey::random().seal(&About { user: owner, record: id, kind: "ssh-password", version: 1 }, &"pw".into());
    Credential::password_for_tests(id, secret)
}

fn known(owner: Option<Id>, algorithm: Option<&str>, fingerprint: &str) -> KnownHostKey {
    let algorithm = algorithm.map(Into::into);
    KnownHostKey {
        id: Id::random(),
        user: owner,
        address: "h".into(),
        port: 22,
        algorithm,
        fingerprint: fingerprint.into(),
        added: 1,
    }
}

#[test]
fn a_name_is_taken_once_and_the_first_administrator_is_the_first() {
    let (_dir, _, store) = fresh();
    let first = |name| User { role: Role::Administrator, ..user(name) };
    let ada = first("ada");
    store.add_user(&user("bob")).unwrap();
    store.add_first_administrator(&ada).unwrap();
    assert!(matches!(store.add_first_administrator(&first("eve")), Err(StoreError::Exists)));
    assert!(matches!(store.add_user(&user("ada")), Err(StoreError::Exists)));
    assert_eq!(store.user_by_name("ada").unwrap().unwrap().id, ada.id);
    assert!(store.user_by_name("eve").unwrap().is_none());
    assert!(store.update_user(ada.id, |user| user.last_step = 3).unwrap());
    assert_eq!(store.user(ada.id).unwrap().unwrap().last_step, 3);
    assert!(!store.update_user(Id::random(), |_| ()).unwrap());
}

#[test]
fn twenty_at_once_make_one_first_administrator() {
    let (_dir, _, store) = fresh();
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20)
            .map(|n| {
                scope.spawn({
                    let store = &store;
                    move || {
                        let user = User { role: Role::Administrator, ..user(&format!("u{n}")) };
                        store.add_first_administrator(&user).is_ok()
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|made| *made).count()
    });
    assert_eq!((made, store.users().unwrap().len()), (1, 1));
}

#[test]
fn a_store_gives_way_while_nobody_has_an_account_and_takes_nobody_afterwards() {
    let (_dir, _, store) = fresh();
    let refused = store.give_way(|| Err(std::io::ErrorKind::StorageFull.into()));
    assert!(refused.is_err_and(|error| error.disk() == Some(Disk::Full)));
    store.add_first_administrator(&User { role: Role::Administrator, ..user("ada") }).unwrap();
    assert!(!store.give_way(|| panic!("it would be lost")).unwrap());
    let (_dir, _, store) = fresh();
    assert!(store.give_way(|| Ok(())).unwrap());
    let administrator = User { role: Role::Administrator, ..user("ada") };
    assert!(matches!(store.add_first_administrator(&administrator), Err(StoreError::GivesWay)));
    assert!(matches!(store.add_user(&user("bob")), Err(StoreError::GivesWay)));
    assert!(!store.give_way(|| panic!("twice")).unwrap());
}

#[test]
fn what_belongs_to_a_user_is_theirs_and_goes_with_them() {
    let (_dir, _, store) = fresh();
    let (ada, bob) = (user("ada"), user("bob"));
    store.add_user(&ada).unwrap();
    store.add_user(&bob).unwrap();
    let (hers, his) = (host("hers"), host("his"));
    store.put_host(ada.id, &hers, 10).unwrap();
    store.put_host(bob.id, &his, 10).unwrap();
    store.add_host_keys(&[known(Some(ada.id), None, "x"), known(Some(bob.id), None, "x")]).unwrap();
    assert!(store.host(bob.id, hers.id).unwrap().is_none());
    assert!(!store.delete_host(bob.id, hers.id).unwrap());
    assert!(store.delete_user(ada.id).unwrap() && !store.delete_user(ada.id).unwrap());
    assert!(store.hosts(ada.id).unwrap().is_empty() && store.host_keys(ada.id).unwrap().is_empty());
    assert_eq!(store.hosts(bob.id).unwrap(), [his]);
    store.add_user(&user("ada")).unwrap();
}

/// The story: a request that was on its way while its user was deleted left a host that nobody could see or delete any more.
#[test]
fn nothing_is_written_for_somebody_who_is_gone() {
    let (_dir, _, store) = fresh();
    let me = somebody(&store);
    let is_overtaken = |outcome: Result<(), StoreError>| matches!(outcome, Err(StoreError::Overtaken));
    assert!(is_overtaken(store.put_credential(me, &credential(me), 9, |user| user.verifier == "of yesterday")));
    assert!(store.credentials(me).unwrap().is_empty());
    store.delete_user(me).unwrap();
    let before = store.snapshot().unwrap().0;
    assert!(is_overtaken(store.put_host(me, &host("h"), 9)));
    assert!(is_overtaken(store.put_credential(me, &credential(me), 9, |_| true)));
    assert!(is_overtaken(store.put_preferences(me, &Default::default())));
    let key = known(Some(me), Some("ed"), "1");
    assert!(is_overtaken(store.replace_host_key(&key)) && is_overtaken(store.add_host_keys(&[key]).map(drop)));
    assert!(store.snapshot().unwrap().0 == before);
}

#[test]
fn a_quota_counts_new_things_only() {
    let (_dir, _, store) = fresh();
    let me = somebody(&store);
    let mut first = host("a");
    store.put_host(me, &first, 1).unwrap();
    assert!(matches!(store.put_host(me, &host("b"), 1), Err(StoreError::Full)));
    first.label = "again".into();
    store.put_host(me, &first, 1).unwrap();
    assert_eq!(store.hosts(me).unwrap(), [first]);
}

#[test]
fn a_deleted_credential_leaves_its_hosts_asking() {
    let (_dir, _, store) = fresh();
    let me = somebody(&store);
    let credential = credential(me);
    store.put_credential(me, &credential, 10, |_| true).unwrap();
    let with = Host { credential_id: Some(credential.id), ..host("with") };
    store.put_host(me, &with, 10).unwrap();
    let rename = |credential: &mut Credential| credential.label = "new".into();
    assert_eq!(store.update_credential(me, credential.id, rename).unwrap().unwrap().label, "new");
    assert!(store.delete_credential(me, credential.id).unwrap());
    assert_eq!(store.host(me, with.id).unwrap().unwrap().credential_id, None);
    assert!(!store.delete_credential(me, credential.id).unwrap());
}

#[test]
fn last_use_is_noted_to_the_minute() {
    let (_dir, _, store) = fresh();
    let (me, host) = (somebody(&store), host("h"));
    store.put_host(me, &host, 10).unwrap();
    let last = |now| {
        store.touch(me, Some(host.id), None, now).unwrap();
        store.host(me, host.id).unwrap().unwrap().last_used.unwrap()
    };
    assert_eq!([last(1000), last(1059), last(1060), last(5)], [1000, 1000, 1060, 5]);
}

/// Counts what is written.
struct Counting(Redb, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Engine for Counting {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }

    fn range(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        self.0.range(prefix)
    }

    fn size(&self, prefix: &[u8]) -> Result<usize, StoreError> {
        self.0.size(prefix)
    }

    fn commit(&self, conditions: &[Condition], changes: &[Change]) -> Result<bool, StoreError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.commit(conditions, changes)
    }
}

#[test]
fn the_last_use_of_a_host_and_its_credential_is_one_write() {
    let dir = tempfile::tempdir().unwrap();
    let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let engine = Counting(Redb::open(&dir.path().join(FILE)).unwrap(), written.clone());
    let store = Store {
        records: Records::new(Box::new(engine), random::key()),
        turn: Mutex::new(()),
        gives_way: AtomicBool::new(false),
    };
    let (me, host) = (somebody(&store), host("h"));
    let (used, other) = (credential(me), credential(me));
    store.put_host(me, &host, 9).unwrap();
    store.put_credential(me, &used, 9, |_| true).unwrap();
    store.put_credential(me, &other, 9, |_| true).unwrap();
    let touch = |credential: Option<Id>, now| {
        let before = written.load(std::sync::atomic::Ordering::SeqCst);
        store.touch(me, Some(host.id), credential, now).unwrap();
        written.load(std::sync::atomic::Ordering::SeqCst) - before
    };
    let last = || {
        let of = |id| store.credential(me, id).unwrap().unwrap().last_used;
        (store.host(me, host.id).unwrap().unwrap().last_used, of(used.id), of(other.id))
    };
    assert_eq!((touch(None, 1000), last()), (1, (Some(1000), None, None)));
    assert_eq!((touch(Some(used.id), 1030), last()), (1, (Some(1000), Some(1030), None)), "the host's is fresh enough");
    assert_eq!((touch(Some(used.id), 1050), last()), (0, (Some(1000), Some(1030), None)), "and then both are");
    assert_eq!((touch(Some(used.id), 1090), last()), (1, (Some(1090), Some(1090), None)), "one write for both");
    store.delete_credential(me, used.id).unwrap();
    assert_eq!(touch(Some(used.id), 1095), 0, "what is gone stays gone");
    assert!(store.credential(me, used.id).unwrap().is_none());
}

#[test]
fn host_keys_are_kept_once_and_replaced_by_algorithm() {
    let (_dir, _, store) = fresh();
    let me = somebody(&store);
    let (ed, rsa, pin) =
        (known(Some(me), Some("ed"), "1"), known(Some(me), Some("rsa"), "2"), known(Some(me), None, "3"));
    assert_eq!(store.add_host_keys(&[ed.clone(), rsa, pin, known(Some(me), Some("ed"), "1")]).unwrap(), 3);
    assert_eq!(store.add_host_keys(&[ed]).unwrap(), 0);
    store.add_host_keys(&[known(None, Some("ed"), "global")]).unwrap();
    store.replace_host_key(&known(Some(me), Some("ed"), "new")).unwrap();
    let mut left: Vec<_> = store.known_for(me, "h", 22).unwrap().into_iter().map(|key| key.fingerprint).collect();
    left.sort();
    assert_eq!(left, ["2", "global", "new"]);
    assert!(store.known_for(me, "h", 23).unwrap().is_empty());
    let global = store.all_host_keys().unwrap().into_iter().find(|key| key.user.is_none()).unwrap();
    assert!(!store.delete_host_key(Some(me), global.id).unwrap(), "a user cannot remove everybody's");
    assert!(store.delete_host_key(None, global.id).unwrap());
}

#[test]
fn the_file_is_private_and_has_one_owner() {
    let (dir, key, store) = fresh();
    assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
    assert!(matches!(Store::open(dir.path(), key.clone()), Err(StoreError::AlreadyOpen)));
    drop(store);
    Store::open(dir.path(), key).unwrap().check().unwrap();
}

#[test]
fn another_device_key_opens_nothing() {
    let (dir, _, store) = fresh();
    drop(store);
    assert!(matches!(Store::open(dir.path(), random::key()), Err(StoreError::AnotherKey)));
}

#[test]
fn a_record_moved_to_another_place_is_an_error() {
    let (_dir, _, store) = fresh();
    let (ada, bob) = (user("ada"), user("bob"));
    store.add_user(&ada).unwrap();
    store.add_user(&bob).unwrap();
    let engine = &store.records.engine;
    let (hers, his) = (key("user", &[ada.id]), key("user", &[bob.id]));
    let (a, b) = (engine.get(&hers).unwrap().unwrap(), engine.get(&his).unwrap().unwrap());
    engine.commit(&[], &[Change::Put(hers, b), Change::Put(his, a)]).unwrap();
    assert!(matches!(store.user(ada.id), Err(StoreError::Damaged(why)) if why.contains("moved")));
    assert!(store.user_by_name("bob").is_err() && store.users().is_err());
}

#[test]
fn a_condition_that_does_not_hold_changes_nothing() {
    let (_dir, _, store) = fresh();
    let engine = &store.records.engine;
    let put = |value: &[u8]| [Change::Put(b"k".to_vec(), value.to_vec())];
    assert!(engine.commit(&[(b"k".to_vec(), None)], &put(b"1")).unwrap());
    assert!(!engine.commit(&[(b"k".to_vec(), None)], &put(b"2")).unwrap());
    assert!(!engine.commit(&[(b"k".to_vec(), Some(b"9".to_vec()))], &put(b"2")).unwrap());
    assert_eq!(engine.get(b"k").unwrap().unwrap(), b"1");
    assert!(engine.commit(&[(b"k".to_vec(), Some(b"1".to_vec()))], &put(b"3")).unwrap());
}

fn rename_everybody(records: &Records, plan: &mut Plan) -> Result<(), StoreError> {
    for mut user in records.all::<User>(&key("user", &[]))? {
        user.notices.push("moved".into());
        records.put(plan, key("user", &[user.id]), &user)?;
    }
    Ok(())
}

#[test]
fn an_old_format_is_brought_up_after_a_backup_and_a_newer_one_is_refused() {
    let (dir, record_key, store) = fresh();
    let ada = user("ada");
    store.add_user(&ada).unwrap();
    format::bring_up_to_date(&store.records, dir.path(), &[rename_everybody]).unwrap();
    assert_eq!(store.user(ada.id).unwrap().unwrap().notices, ["moved"]);
    assert_eq!(format::read(&store.records).unwrap(), Some(2));
    assert!(matches!(format::bring_up_to_date(&store.records, dir.path(), &[]), Err(StoreError::Newer(2))));

    let backup = dir.path().join(format!("{FILE}.format-1"));
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    drop(store);
    fs::rename(&backup, dir.path().join(FILE)).unwrap();
    let before = Store::open(dir.path(), record_key).unwrap();
    assert!(before.user(ada.id).unwrap().unwrap().notices.is_empty());
}

#[test]
fn a_step_that_fails_leaves_the_old_format_whole() {
    let (dir, _, store) = fresh();
    store.add_user(&user("ada")).unwrap();
    let fail: format::Step = |_, _| Err(StoreError::TooLong);
    assert!(format::bring_up_to_date(&store.records, dir.path(), &[rename_everybody, fail]).is_err());
    assert_eq!(format::read(&store.records).unwrap(), Some(2), "the first step is whole, the second did not happen");
    store.check().unwrap();
}

/// What is known of a password from before this was written down: nothing, so its owner is asked at each host once.
#[test]
fn a_password_of_an_older_version_goes_nowhere_yet() {
    let (_dir, _, store) = fresh();
    let (me, old) = (Id::random(), credential(Id::random()));
    let mut json = serde_json::to_value(&old).unwrap();
    json.as_object_mut().unwrap().remove("sent_to").unwrap();
    let mut plan = Plan::default();
    store.records.put(&mut plan, key("credential", &[me, old.id]), &json).unwrap();
    assert!(store.records.commit(&plan).unwrap());
    assert_eq!(store.credential(me, old.id).unwrap().unwrap().sent_to, []);
    store.allow_place(me, old.id, &Place::new("Router", 22), 9).unwrap();
    assert_eq!(store.credential(me, old.id).unwrap().unwrap().sent_to, [Place { address: "router".into(), port: 22 }]);
}

#[test]
fn a_password_goes_to_so_many_places_and_the_oldest_gives_way() {
    let (_dir, _, store) = fresh();
    let me = somebody(&store);
    let password = credential(Id::random());
    store.put_credential(me, &password, 9, |_| true).unwrap();
    let most = crate::limits::PLACES_PER_PASSWORD;
    // The longest that there are, and once more the one that would be next to go.
    let place = |n: usize| Place::new(&format!("{n:a>0$}", crate::limits::HOST_NAME_BYTES), 65535 - n as u16);
    for n in (0..most).chain([0, most]) {
        store.allow_place(me, password.id, &place(n), most).unwrap();
    }
    let sent_to = store.credential(me, password.id).unwrap().unwrap().sent_to;
    assert_eq!((sent_to.len(), &sent_to[0], sent_to.contains(&place(0))), (most, &place(2), true));
    store.allow_place(Id::random(), password.id, &place(1), most).unwrap();
    assert!(!store.credential(me, password.id).unwrap().unwrap().sent_to.contains(&place(1)), "another user's");
}

#[test]
fn a_value_beyond_the_bound_is_refused() {
    let (_dir, _, store) = fresh();
    let big = Host { notes: "x".repeat(crate::limits::VALUE_BYTES), ..host("big") };
    assert!(matches!(store.put_host(somebody(&store), &big, 10), Err(StoreError::TooLong)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The file is either refused, or every record in it reads as written or as an error. It never reads as something else.
    #[test]
    fn a_flipped_bit_never_becomes_data(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (dir, key, store) = fresh();
        let ada = user("ada");
        store.add_user(&ada).unwrap();
        let host = host("h");
        store.put_host(ada.id, &host, 10).unwrap();
        drop(store);
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        // Most of a young file is empty; aim at what is written.
        let written: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        bytes[written[at.index(written.len())]] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        if let Ok(store) = Store::open(dir.path(), key) {
            if let Ok(found) = store.user(ada.id) {
                prop_assert_eq!(found.map(|user| user.name), Some("ada".to_owned()));
            }
            if let Ok(found) = store.hosts(ada.id) {
                prop_assert_eq!(found, [host]);
            }
        }
    }

    #[test]
    fn a_file_of_junk_is_refused(junk in proptest::collection::vec(any::<u8>(), 1..5000)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), junk).unwrap();
        prop_assert!(Store::open(dir.path(), random::key()).is_err());
    }
}

/// The story: a change of a host read it, and wrote it back after somebody had deleted it or its credential.
#[test]
fn a_change_does_not_bring_back_what_was_deleted() {
    let (_dir, _key, store) = fresh();
    let ada = user("ada");
    store.add_user(&ada).unwrap();
    let login = credential(ada.id);
    store.put_credential(ada.id, &login, 9, |_| true).unwrap();
    let asked = Host { credential_id: Some(login.id), ..host("a") };
    store.put_host(ada.id, &asked, 9).unwrap();
    store.touch(ada.id, Some(asked.id), None, 77).unwrap();
    let changed = Host { label: "b".into(), created: 99, ..asked.clone() };
    let there = store.replace_host(ada.id, changed.clone()).unwrap().unwrap();
    assert_eq!(there, Host { created: 1, last_used: Some(77), ..changed.clone() });
    assert_eq!(store.host(ada.id, asked.id).unwrap(), Some(there));
    store.delete_credential(ada.id, login.id).unwrap();
    assert_eq!(store.replace_host(ada.id, changed.clone()).unwrap().unwrap().credential_id, None);
    let late = Host { credential_id: Some(login.id), ..host("late") };
    store.put_host(ada.id, &late, 9).unwrap();
    assert_eq!(store.host(ada.id, late.id).unwrap().unwrap().credential_id, None);
    store.delete_host(ada.id, late.id).unwrap();
    store.delete_host(ada.id, asked.id).unwrap();
    assert!(store.replace_host(ada.id, changed).unwrap().is_none() && store.hosts(ada.id).unwrap().is_empty());
}

#[test]
fn a_snapshot_is_checked_record_by_record_and_makes_the_same_store() {
    let (_dir, key, store) = fresh();
    let ada = user("ada");
    store.add_user(&ada).unwrap();
    store.put_host(ada.id, &host("a"), 9).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.check(key.clone()).unwrap(), Contents { format: 1, records: 4, users: 1 });
    assert!(matches!(snapshot.check(random::key()), Err(StoreError::Damaged(_))));
    for at in 0..snapshot.0.len() {
        let mut changed = snapshot.clone();
        *changed.0[at].1.last_mut().unwrap() ^= 1;
        assert!(matches!(changed.check(key.clone()), Err(StoreError::Damaged(_))), "record {at}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    snapshot.clone().write(elsewhere.path()).unwrap();
    assert!(matches!(snapshot.write(elsewhere.path()), Err(StoreError::Exists)));
    let again = Store::open(elsewhere.path(), key).unwrap();
    assert_eq!(again.hosts(ada.id).unwrap().len(), 1);
    assert_eq!(again.user_by_name("ada").unwrap().unwrap().id, ada.id);
}

#[test]
fn a_snapshot_under_another_key_is_the_same_and_makes_nothing_good_that_was_changed() {
    let (_dir, key, store) = fresh();
    let ada = user("ada");
    store.add_user(&ada).unwrap();
    store.put_host(ada.id, &host("a"), 9).unwrap();
    let (snapshot, new) = (store.snapshot().unwrap(), random::key());
    let under = |snapshot: Snapshot| {
        snapshot.under(new.clone(), key.clone(), |user| {
            user.notices.push("changed".into());
            Ok(())
        })
    };
    let moved = under(snapshot.clone()).unwrap();
    assert_eq!(moved.check(new.clone()).unwrap(), snapshot.check(key.clone()).unwrap());
    assert!(matches!(moved.check(key.clone()), Err(StoreError::Damaged(_))));
    let elsewhere = tempfile::tempdir().unwrap();
    moved.write(elsewhere.path()).unwrap();
    let again = Store::open(elsewhere.path(), new.clone()).unwrap();
    assert_eq!(again.hosts(ada.id).unwrap(), store.hosts(ada.id).unwrap());
    assert_eq!(again.user(ada.id).unwrap().unwrap().notices, ["changed"]);
    for at in 0..snapshot.0.len() {
        let mut changed = snapshot.clone();
        *changed.0[at].1.first_mut().unwrap() ^= 1;
        assert!(matches!(under(changed), Err(StoreError::Damaged(_))), "record {at}");
    }
}

/// The story: whatever was JSON under a good MAC passed, and the box that it was restored on did not start.
#[test]
fn a_snapshot_with_a_record_that_cannot_be_read_is_no_good_one() {
    let (_dir, secret, store) = fresh();
    let ada = user("ada");
    store.add_user(&ada).unwrap();
    store.put_host(ada.id, &host("h"), 9).unwrap();
    let good = store.snapshot().unwrap();
    let records = Records::new(Box::new(Snapshot(Vec::new())), secret.clone());
    let eve = user("eve");
    let (place, name) = (key("user", &[eve.id]), b"name/eve".to_vec());
    let with = |pairs: &[(&[u8], String)]| {
        let mut snapshot = good.clone();
        for (key, json) in pairs {
            snapshot.0.retain(|(known, _)| known != key);
            snapshot.0.push((key.to_vec(), records.seal(key, json.as_bytes())));
        }
        snapshot.check(secret.clone()).map(|found| found.users).map_err(|error| error.to_string())
    };
    let (whole, id) = (serde_json::to_string(&eve).unwrap(), serde_json::to_string(&eve.id).unwrap());
    assert_eq!(with(&[(&place, whole.clone()), (&name, id.clone())]), Ok(2));
    let of_ada = |table| key(table, &[ada.id, Id::random()]);
    let elsewhere = Id::random();
    let (other, other_id) = (key("user", &[elsewhere]), serde_json::to_string(&elsewhere).unwrap());
    for (what, pairs) in [
        ("a user of another form", &[(&place[..], r#"{"role":"viewer"}"#.into()), (&name, id.clone())][..]),
        ("no name", &[(&place, whole.clone())]),
        ("another's name", &[(&place, whole.clone()), (&name, id.clone()), (b"name/ada", id.clone())]),
        ("a name of nobody", &[(&name, id.clone())]),
        ("a name that is no id", &[(&name, "7".into())]),
        ("a user in another's place", &[(&other, whole.clone()), (&name, id.clone())]),
        ("one whose name leads there", &[(&other, whole.clone()), (&name, other_id)]),
        ("two of a name", &[(&other, whole.clone()), (&place, whole.clone()), (&name, id.clone())]),
        ("a host", &[(&of_ada("host"), "{}".into())]),
        ("a credential", &[(&of_ada("credential"), "{}".into())]),
        ("a host key", &[(&of_ada("hostkey"), "{}".into())]),
        ("preferences", &[(&key("preferences", &[ada.id]), "[]".into())]),
        ("an invitation", &[(&key("invite", &[Id::random()]), "{}".into())]),
    ] {
        assert!(with(pairs).is_err_and(|told| told.contains("damaged")), "{what}");
    }
}

/// Its records are read as the start would read them: after the steps that lead to today's format.
#[test]
fn a_snapshot_of_an_older_format_is_read_after_the_steps_to_today_s() {
    let (_dir, secret, store) = fresh();
    let mut ada = serde_json::to_value(user("ada")).unwrap();
    let id: Id = serde_json::from_value(ada["id"].clone()).unwrap();
    ada["role"] = "operator".into();
    let mut plan = Plan::default();
    store.records.put(&mut plan, key("user", &[id]), &ada).unwrap();
    store.records.put(&mut plan, b"name/ada".to_vec(), &id).unwrap();
    store.records.commit(&plan).unwrap();
    let snapshot = store.snapshot().unwrap();
    let step: format::Step = |records, plan| {
        for mut user in records.all::<serde_json::Value>(&key("user", &[]))? {
            user["role"] = "user".into();
            let id = serde_json::from_value(user["id"].clone()).unwrap();
            records.put(plan, key("user", &[id]), &user)?;
        }
        Ok(())
    };
    assert!(snapshot.check_by(secret.clone(), &[]).is_err());
    assert_eq!(snapshot.check_by(secret.clone(), &[step]).unwrap(), Contents { format: 1, records: 3, users: 1 });
    let refuses: format::Step = |_, _| Err(StoreError::TooLong);
    assert!(snapshot.check_by(secret, &[step, refuses]).is_err());
}

#[test]
fn a_snapshot_of_a_newer_format_is_refused() {
    let (_dir, key, store) = fresh();
    let mut plan = Plan::default();
    store.records.put(&mut plan, key_of_format(), &serde_json::json!({"format": 2})).unwrap();
    store.records.commit(&plan).unwrap();
    assert!(matches!(store.snapshot().unwrap().check(key), Err(StoreError::Newer(2))));
}

fn key_of_format() -> Vec<u8> {
    key("format", &[])
}

#[test]
fn discarded_credentials_leave_their_hosts_and_everybody_elses_alone() {
    let (_dir, _key, store) = fresh();
    let (ada, bob) = (user("ada"), user("bob"));
    for owner in [&ada, &bob] {
        store.add_user(owner).unwrap();
        let credential = credential(owner.id);
        store.put_credential(owner.id, &credential, 9, |_| true).unwrap();
        let host = Host { credential_id: Some(credential.id), ..host("h") };
        store.put_host(owner.id, &host, 9).unwrap();
    }
    assert!(!store.discard_credentials(ada.id, |_| false).unwrap());
    assert_eq!(store.credentials(ada.id).unwrap().len(), 1);
    let changed = |user: &mut User| {
        user.verifier = "new".into();
        true
    };
    assert!(
        store.discard_credentials(ada.id, changed).unwrap()
            && !store.discard_credentials(Id::random(), changed).unwrap()
    );
    assert!(store.credentials(ada.id).unwrap().is_empty() && store.hosts(ada.id).unwrap()[0].credential_id.is_none());
    assert_eq!(store.user(ada.id).unwrap().unwrap().verifier, "new");
    assert!(store.credentials(bob.id).unwrap().len() == 1 && store.hosts(bob.id).unwrap()[0].credential_id.is_some());
}
