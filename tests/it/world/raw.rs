//! Bytes that no well-behaved client sends, from addresses that are not the usual one.

use super::browser::{Browser, Reply, head, read_reply, read_some};
use super::patience::PATIENCE;
use super::tls::{self, Tls};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
use rustls::{ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A TCP connection from that loopback address: another neighbour, as far as the box can tell.
pub fn tcp_from(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((from, 0)))?;
    connect(&socket, &to)?;
    Ok(socket.into())
}

/// The same with the smallest receive buffer there is, for a client that does not read.
pub fn narrow_tcp_from(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, 2048)?;
    bind(&socket, &SocketAddr::from((from, 0)))?;
    connect(&socket, &to)?;
    Ok(socket.into())
}

/// TLS over a connection that is there, before its handshake.
fn tls_over(stream: TcpStream, fingerprint: &str) -> Tls {
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(stream.peer_addr().unwrap().ip().into());
    StreamOwned::new(ClientConnection::new(tls::config(fingerprint), name).unwrap(), stream)
}

/// A connection of its own, with these bytes written.
pub fn say(browser: &Browser, bytes: &[u8]) -> Tls {
    let mut stream = browser.connect().unwrap();
    // A server that refuses early may close while we still write: what it said is what counts.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    stream
}

/// The answer to these bytes, on a connection of its own.
pub fn ask(browser: &Browser, bytes: &[u8]) -> Reply {
    read_reply(&mut say(browser, bytes), false).unwrap_or_else(|error| panic!("no answer: {error}"))
}

/// A request with exactly these header lines besides Host, on a connection of its own.
pub fn request(browser: &Browser, method: &str, path: &str, lines: &[(&str, &str)], body: Option<&str>) -> Reply {
    let mut headers = vec![("Host".to_string(), browser.address.to_string())];
    headers.extend(lines.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    if body.is_some() {
        headers.push(("Content-Type".into(), "application/json".into()));
    }
    let bytes = head(method, path, &headers, body.map(str::as_bytes));
    let is_head = method == "HEAD";
    read_reply(&mut say(browser, &bytes), is_head).unwrap_or_else(|error| panic!("no answer: {error}"))
}

/// Reads without ever writing: what the box said before it closed is still there when our own words find nobody.
pub struct Ear<'a>(pub &'a mut Tls);

impl Read for Ear<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.0.conn.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.0.conn.read_tls(&mut self.0.sock)?;
            self.0.conn.process_new_packets().map_err(std::io::Error::other)?;
        }
    }
}

/// What still comes until the box ends the connection; panics if it never does.
pub fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        match read_some(stream, &mut piece) {
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(_) => return all,
        }
    }
    panic!("the connection stays open; got {:?}", String::from_utf8_lossy(&all));
}

/// Does the box let this connection in? A TLS handshake is the proof.
pub fn is_let_in(stream: TcpStream, fingerprint: &str) -> Option<Tls> {
    let mut tls = tls_over(stream, fingerprint);
    tls::shake_hands(&mut tls).ok().map(|()| tls)
}
