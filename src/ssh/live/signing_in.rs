//! Every way to sign in.

use super::*;

const LEFT: Result<Ending, Failure> = Ok(Ending::Exit { status: 3 });

#[test]
fn a_stored_password_opens_a_shell() {
    let server = Server::openssh("");
    let login = Login::Password(PASSWORD.into());
    let (ending, person) = Running::start(server.destination(), login, Person::default()).works();
    assert_eq!(ending, LEFT);
    assert!(person.asked.is_empty());
    assert_eq!(person.keys[0].algorithm, "ssh-ed25519");
}

#[test]
fn with_nothing_stored_a_person_is_asked_for_the_password_three_times_at_most() {
    let server = Server::openssh("MaxAuthTries 10");
    let person = Person::answering(&[&["wrong"], &[PASSWORD]]);
    let (ending, person) = Running::start(server.destination(), Login::Ask, person).works();
    assert_eq!(ending, LEFT);
    let attempts: Vec<u32> = person.asked.iter().map(|prompts| prompts.attempt).collect();
    assert_eq!(attempts, [1, 2]);

    let person = Person::answering(&[&["wrong"], &["wrong"], &["wrong"], &[PASSWORD]]);
    let (ending, person) = Running::start(server.destination(), Login::Ask, person).finish();
    assert_eq!(ending.unwrap_err().reason, "authentication");
    assert_eq!(person.asked.len(), 3);
}

#[test]
fn dropbear_takes_a_password_too() {
    let server = Server::dropbear();
    let (ending, _) = Running::start(server.destination(), Login::Password(PASSWORD.into()), Person::default()).works();
    assert_eq!(ending, LEFT);
    let (ending, _) = Running::start(server.destination(), Login::Ask, Person::answering(&[&[PASSWORD]])).works();
    assert_eq!(ending, LEFT);
}

#[test]
fn every_kind_of_key_opens_a_shell_and_a_foreign_one_does_not() {
    use crate::ssh::keys;
    let server = Server::openssh("PasswordAuthentication no");
    let made = tempfile::tempdir().unwrap();
    let kinds: [&[&str]; 4] =
        [&["-t", "ed25519"], &["-t", "ecdsa"], &["-t", "rsa", "-b", "2048"], &["-t", "ecdsa", "-b", "521"]];
    for (number, kind) in kinds.into_iter().enumerate() {
        let path = made.path().join(number.to_string());
        keygen(&path, kind, "open sesame");
        let text = Secret::new(fs::read(&path).unwrap());
        let key = keys::import(&text, Some(&"open sesame".into()), "").unwrap();
        server.authorize(&key.public_line);
        let (ending, person) = Running::start(server.destination(), Login::Key(key.secret), Person::default()).works();
        assert_eq!(ending, LEFT, "{kind:?}");
        assert!(person.asked.is_empty());
    }
    let new = keys::generate("new");
    server.authorize(&new.public_line);
    let running = Running::start(server.destination(), Login::Key(new.secret), Person::default());
    assert_eq!(running.works().0, LEFT);
    let foreign = Login::Key(keys::generate("foreign").secret);
    let (ending, _) = Running::start(server.destination(), foreign, Person::default()).finish();
    assert_eq!(ending.unwrap_err().reason, "authentication");
}

#[test]
fn a_terminal_that_is_ended_leaves_nothing_behind() {
    let server = Server::openssh("");
    let running = Running::start(server.destination(), Login::Password(PASSWORD.into()), Person::default());
    running.desk.wait_until("the shell", |shared| shared.started);
    running.desk.type_in(b"echo $((6*7))-here; sleep 600\n");
    running.desk.wait_for_text("42-here");
    running.desk.end();
    assert_eq!(running.finish().0, Ok(Ending::Ended));
}
