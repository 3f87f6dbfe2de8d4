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
