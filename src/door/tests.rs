use super::*;
use std::io::Read;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

fn settings(dir: &TempDir) -> Settings {
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        http_listen: Some(([127, 0, 0, 1], 0).into()),
        inherited: Inherited::default(),
        certificate: None,
        names: vec!["Box.example".into()],
        connections: 3,
        connections_per_address: 3,
        asks: false,
        connections_anonymous: 3,
        proxies: Proxies::default(),
        data_dir: dir.path().into(),
    }
}

/// Runs a door that answers each byte with the next one, until `work` is done.
fn with_door(settings: Settings, work: impl FnOnce(&Door)) {
    let door = Door::open(settings).unwrap();
    let serve: Serve = Arc::new(|mut wire| {
        let mut byte = [0];
        loop {
            match wire.read(&mut byte) {
                Ok(1) if byte[0] == b'!' => panic!("this connection crashes"),
                Ok(1) => crate::wire::send_all(&mut *wire, &[byte[0] + 1], Instant::now() + PATIENCE).unwrap(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    crate::wire::wait(&*wire, true, None, Instant::now() + PATIENCE).unwrap();
                }
                _ => return wire.close(),
            }
        }
    });
    thread::scope(|scope| {
        scope.spawn(|| door.run(serve));
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&door)));
        door.stop();
        outcome.unwrap();
    });
}

fn client(
    door: &Door,
    version: &'static rustls::SupportedProtocolVersion,
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(door.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = rustls::ClientConnection::new(Arc::new(config), "box.example".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(door.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    rustls::StreamOwned::new(connection, stream)
}

fn answers(client: &mut impl Stream, byte: u8) -> bool {
    let mut answer = [0];
    client.write_all(&[byte]).and_then(|()| client.read_exact(&mut answer)).is_ok() && answer[0] == byte + 1
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

#[test]
fn a_loop_that_does_not_answer_is_not_alive() {
    let dir = tempfile::tempdir().unwrap();
    let door = Door::open(settings(&dir)).unwrap();
    assert!(door.is_alive(), "nobody has asked yet");
    assert!(!door.is_alive(), "asked, and nobody answers: the loop does not run");
    thread::scope(|scope| {
        scope.spawn(|| door.run(Arc::new(|_| {})));
        let end = Instant::now() + PATIENCE;
        while !door.is_alive() {
            assert!(Instant::now() < end, "the loop runs and does not answer");
            thread::sleep(Duration::from_millis(1));
        }
        door.stop();
    });
}

#[test]
fn both_versions_of_tls_are_spoken_under_a_chain_that_verifies() {
    let dir = tempfile::tempdir().unwrap();
    with_door(settings(&dir), |door| {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            assert!(answers(&mut client(door, version), b'a'));
        }
    });
}

#[test]
fn a_crash_stays_in_its_connection() {
    let dir = tempfile::tempdir().unwrap();
    with_door(settings(&dir), |door| {
        let mut other = client(door, &rustls::version::TLS13);
        assert!(answers(&mut other, b'a'));
        assert!(!answers(&mut client(door, &rustls::version::TLS13), b'!'));
        assert!(answers(&mut other, b'b'));
    });
}

#[test]
fn one_too_many_is_turned_away_and_a_place_comes_free() {
    let dir = tempfile::tempdir().unwrap();
    with_door(settings(&dir), |door| {
        let mut inside: Vec<_> = (0..3).map(|_| client(door, &rustls::version::TLS13)).collect();
        assert!(inside.iter_mut().all(|client| answers(client, b'a')));
        assert!(!answers(&mut client(door, &rustls::version::TLS13), b'a'));
        assert!(inside.iter_mut().all(|client| answers(client, b'b')));
        inside.pop();
        let until = Instant::now() + PATIENCE;
        while !answers(&mut client(door, &rustls::version::TLS13), b'a') {
            assert!(Instant::now() < until, "the place does not come free");
        }
    });
}

#[test]
fn plain_http_gets_a_word_and_the_other_port_a_way() {
    let dir = tempfile::tempdir().unwrap();
    with_door(settings(&dir), |door| {
        let ask = |address: SocketAddr| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: box.example\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let word = ask(door.address());
        assert!(word.starts_with("HTTP/1.1 400") && word.contains("https://"), "{word}");
        let way = ask(door.redirector.as_ref().unwrap().local_addr().unwrap());
        assert!(way.contains(&format!("location: https://box.example:{}/", door.address().port())), "{way}");
    });
}

#[test]
fn a_silent_client_is_let_go_at_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let door = Door::open(settings(&dir)).unwrap();
    let silent = TcpStream::connect(door.address()).unwrap();
    let stream = loop {
        if let Some(stream) = accept(&door.listener) {
            break stream;
        }
    };
    let place = door.admission.admit(silent.local_addr().unwrap().ip(), Box::new(|| ())).unwrap();
    let connection = ServerConnection::new(door.tls.clone()).unwrap();
    let outcome = Tls::accept(stream.into(), connection, place, Duration::from_millis(50));
    assert_eq!(outcome.map(drop).unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn the_owner_s_certificate_is_read_again_and_a_bad_one_changes_nothing() {
    let (ours, dir, next) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    OwnCertificates::open(dir.path(), &[], &clock::now()).unwrap();
    OwnCertificates::open(next.path(), &[], &clock::now()).unwrap();
    let file = |dir: &TempDir, name: &str| dir.path().join("tls").join(name);
    let (chain, key) = (file(&dir, "leaf.pem"), file(&dir, "leaf.key"));
    let door = Door::open(Settings { certificate: Some((chain.clone(), key.clone())), ..settings(&ours) }).unwrap();
    let first = door.fingerprint();
    assert!(door.ca_pem().is_none() && !ours.path().join("tls").exists());
    std::fs::copy(file(&next, "leaf.pem"), &chain).unwrap();
    assert!(door.reload().unwrap_err().contains("do not go together"));
    assert_eq!(door.fingerprint(), first);
    std::fs::copy(file(&next, "leaf.key"), &key).unwrap();
    door.reload().unwrap();
    assert_ne!(door.fingerprint(), first);
}

/// The story: on a router whose kernel has no IPv6 the default address could not be bound, and the box did not start.
#[test]
fn without_ipv6_the_default_address_is_ipv4_s() {
    let without = |address: SocketAddr| match address.is_ipv6() {
        true => Err(Errno::AFNOSUPPORT.into()),
        false => TcpListener::bind(address),
    };
    let anywhere = bind("[::]:0".parse().unwrap(), without).unwrap();
    assert_eq!(anywhere.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
    assert!(bind("[::1]:0".parse().unwrap(), without).is_err(), "an address that was chosen is not another");
    let taken = |_: SocketAddr| Err::<TcpListener, _>(Errno::ADDRINUSE.into());
    assert_eq!(bind("[::]:0".parse().unwrap(), taken).unwrap_err().kind(), ErrorKind::AddrInUse);
}
