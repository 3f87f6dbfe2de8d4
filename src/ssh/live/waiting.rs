//! A host that stops answering, at each step, is given up in bounded time (H4).

use super::*;

/// Little for the host that is silent in the test, and plenty for the one that answers.
fn hurried() -> Patience {
    Patience { handshake: Duration::from_millis(300), keepalive: Duration::from_secs(1), ..Patience::default() }
}

/// The processes of the connections to this server.
fn connections(server: u32) -> Vec<String> {
    let mut found = vec![server.to_string()];
    let mut at = 0;
    while at < found.len() {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", found[at])).unwrap();
        found.extend(children.split_whitespace().map(str::to_owned));
        at += 1;
    }
    found.split_off(1)
}

fn signal(name: &str, processes: &[String]) {
    assert!(Command::new("kill").args(["-s", name]).args(processes).status().unwrap().success());
}

#[test]
fn a_host_that_falls_silent_is_dead_after_the_keepalives_and_that_is_said() {
    let server = Server::openssh("");
    let login = Login::Password(PASSWORD.into());
    let patience = Patience { handshake: PLENTY, ..hurried() };
    let running = Running::with(patience, server.destination(), login, Person::default());
    running.desk.wait_until("the shell", |shared| shared.started);
    running.desk.type_in(b"echo $((6*7))-here\n");
    running.desk.wait_for_text("42-here");
    // As long as it answers keepalives, a host with nothing to print is alive.
    thread::sleep(hurried().keepalive * (hurried().keepalives_missed + 3));
    assert!(!running.thread.is_finished(), "a quiet host was taken for a dead one");
    let frozen = connections(server.child.id());
    signal("STOP", &frozen);
    let (ending, _) = running.finish();
    signal("KILL", &frozen);
    assert_eq!(ending, Ok(Ending::Dead));
}

#[test]
fn a_host_that_never_says_a_word_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Destination { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port(), user: USER.into() };
    for words in ["", "SSH-2.0-silence\r\n"] {
        let running = Running::with(hurried(), to.clone(), Login::Ask, Person::default());
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        let (ending, person) = running.finish();
        assert_eq!(ending.unwrap_err(), failures::handshake_took_too_long(), "after {words:?}");
        assert!(person.keys.is_empty() && person.asked.is_empty());
    }
}

#[test]
fn a_host_that_falls_silent_while_it_looks_at_a_password_is_given_up() {
    let server = Server::openssh("");
    let (main, frozen) = (server.child.id(), Arc::new(Mutex::new(Vec::new())));
    let freezes = Arc::clone(&frozen);
    let freeze = move || {
        *freezes.lock().unwrap() = connections(main);
        signal("STOP", &freezes.lock().unwrap());
    };
    let person = Person { before_answering: Some(Box::new(freeze)), ..Person::answering(&[&[PASSWORD]]) };
    let patience = Patience { authenticate: Duration::from_millis(300), handshake: PLENTY, ..Patience::default() };
    let (ending, person) = Running::with(patience, server.destination(), Login::Ask, person).finish();
    signal("KILL", &frozen.lock().unwrap());
    assert_eq!(person.asked.len(), 1);
    assert_eq!(ending.unwrap_err(), failures::step_took_too_long());
}
