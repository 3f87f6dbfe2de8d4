//! The listener: who may come in, TLS, the box's own certificates.
//!
//! [`Door::run`] is the loop every connection begins in: accept, admit, a thread with a small stack, the handshake, and then `web`.

mod admission;
mod certificates;
mod client_certificates;
mod own_names;
mod probe;
mod redirect;
mod tls;

use crate::clock::{self, Instant, Now};
use crate::limits;
use crate::web::Proxies;
use crate::wire::Wire;
pub use certificates::are_of_use;
pub use probe::probe;

use admission::{Admission, Limits, Place};
use certificates::OwnCertificates;
use client_certificates::ByFingerprint;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustls::crypto;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use tls::Tls;

pub struct Settings {
    pub listen: SocketAddr,
    /// Plain HTTP that only redirects.
    pub http_listen: Option<SocketAddr>,
    /// Listeners that whoever started us has opened already; they win over the addresses.
    pub inherited: Inherited,
    /// The owner's chain and key; none: the box makes its own.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Names for the box's own certificate, besides those it has.
    pub names: Vec<String>,
    /// Are browsers asked for certificates of their own?
    pub asks: bool,
    pub connections: usize,
    pub connections_per_address: usize,
    pub connections_anonymous: usize,
    /// Through a proxy everybody comes from one address.
    pub proxies: Proxies,
    pub data_dir: PathBuf,
}

#[derive(Default)]
pub struct Inherited {
    pub page: Option<TcpListener>,
    pub redirect: Option<TcpListener>,
}

/// Where the certificate comes from.
enum Source {
    Owners(PathBuf, PathBuf),
    Own(Box<OwnCertificates>),
}

/// The certificate in use. Changed while connections go on; those that are there keep theirs.
#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    fn now(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, to: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(to);
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

pub struct Door {
    listener: TcpListener,
    redirector: Option<TcpListener>,
    address: SocketAddr,
    names: Arc<[String]>,
    source: Source,
    certificate: Arc<Certificate>,
    renewal_failed: Mutex<Option<Instant>>,
    tls: Arc<ServerConfig>,
    admission: Arc<Admission>,
    /// A word on the one end is heard by the loop that waits at the other.
    orders: (UnixStream, UnixStream),
    /// Rounds of that loop that were asked for, and those that it has made.
    asked: AtomicU32,
    answered: AtomicU32,
}

/// What a connection's thread does once the handshake is done.
pub type Serve = Arc<dyn Fn(Box<dyn Wire>) + Send + Sync>;

impl Door {
    pub fn open(settings: Settings) -> Result<Door, String> {
        let (source, certified) = match settings.certificate {
            Some((chain, key)) => {
                let certified = certificates::load(&chain, &key)?;
                (Source::Owners(chain, key), certified)
            }
            None => {
                let (own, certified) = OwnCertificates::open(&settings.data_dir, &settings.names, &clock::now())?;
                (Source::Own(Box::new(own)), certified)
            }
        };
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(certified))));
        let inherited = settings.inherited;
        let listener = inherited.page.map_or_else(|| listen(settings.listen), ready)?;
        let redirector = match inherited.redirect {
            Some(listener) => Some(ready(listener)?),
            None => settings.http_listen.map(listen).transpose()?,
        };
        let mut names = own_names::host_names();
        names.extend(settings.names.iter().map(|name| name.to_ascii_lowercase()));
        Ok(Door {
            address: listener.local_addr().map_err(|error| error.to_string())?,
            listener,
            redirector,
            names: names.into(),
            source,
            tls: Arc::new(tls_config(certificate.clone(), settings.asks)?),
            certificate,
            renewal_failed: Mutex::new(None),
            admission: Admission::new(Limits {
                total: settings.connections,
                per_address: settings.connections_per_address,
                anonymous: settings.connections_anonymous,
                proxies: settings.proxies,
            }),
            orders: UnixStream::pair().map_err(|error| error.to_string())?,
            asked: AtomicU32::new(0),
            answered: AtomicU32::new(0),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections there are, and how many of them are strangers'.
    pub fn crowd(&self) -> (usize, usize) {
        self.admission.crowd()
    }

    /// SHA-256 of the certificate in use.
    pub fn fingerprint(&self) -> String {
        certificates::fingerprint(&self.certificate.now())
    }

    /// The box's own CA; none when the owner brought a certificate.
    pub fn ca_pem(&self) -> Option<String> {
        match &self.source {
            Source::Own(own) => own.ca_pem().map_err(|error| log::error!("{error}")).ok(),
            Source::Owners(..) => None,
        }
    }

    /// What the box is called, in lower case.
    pub fn names(&self) -> Arc<[String]> {
        self.names.clone()
    }

    /// Reads the owner's certificate again. If it is no good, the old one stays.
    pub fn reload(&self) -> Result<(), String> {
        if let Source::Owners(chain, key) = &self.source {
            self.certificate.change(certificates::load(chain, key)?);
        }
        Ok(())
    }

    /// A new leaf before the old one ends, or when the box has another address.
    pub fn renew_if_due(&self, now: &Now) {
        let Source::Own(own) = &self.source else { return };
        let mut failed = self.renewal_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some_and(|at| now.since_boot.saturating_duration_since(at) < limits::RENEW_AGAIN) {
            return;
        }
        *failed = match own.renew_if_due(now) {
            Ok(None) => None,
            Ok(Some(renewed)) => {
                self.certificate.change(renewed);
                None
            }
            Err(error) => {
                log::error!("the certificate is kept as it was: {error}");
                Some(now.since_boot)
            }
        };
    }

    /// Ends [`Door::run`]. Connections that are there go on.
    pub fn stop(&self) {
        let _ = (&self.orders.0).write_all(&[STOP]);
    }

    /// Has the loop answered since it was last asked? Asks it again. For a watchdog: a loop that hangs lets nobody in.
    pub fn is_alive(&self) -> bool {
        let alive = self.asked.load(Ordering::Relaxed) == self.answered.load(Ordering::Relaxed);
        if alive {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let _ = (&self.orders.0).write_all(&[ANSWER]);
        }
        alive
    }

    /// The loop every connection begins in.
    pub fn run(&self, serve: Serve) {
        // One from each at a time: a flood of connections must neither hide the order to stop nor keep the other port waiting.
        while self.wait() {
            if let Some(stream) = accept(&self.listener) {
                self.let_in(stream, Service::Page(serve.clone()));
            }
            if let Some(stream) = self.redirector.as_ref().and_then(accept) {
                self.let_in(stream, Service::Redirect(self.names.clone(), self.address.port()));
            }
        }
    }

    /// False: told to stop.
    fn wait(&self) -> bool {
        let mut fds = vec![PollFd::new(&self.orders.1, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
        fds.extend(self.redirector.as_ref().map(|listener| PollFd::new(listener, PollFlags::IN)));
        match poll(&mut fds, None) {
            Ok(_) => fds[0].revents().is_empty() || self.obey(),
            Err(Errno::INTR) => true,
            Err(error) => {
                log::error!("waiting for connections: {error}");
                thread::sleep(limits::ACCEPT_PAUSE);
                true
            }
        }
    }

    /// False: told to stop.
    fn obey(&self) -> bool {
        let mut order = [0];
        match (&self.orders.1).read(&mut order) {
            Ok(1) if order == [ANSWER] => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }

    /// A connection beyond the limits is dropped before it costs anything; one that gets no thread, too.
    fn let_in(&self, stream: TcpStream, service: Service) {
        let Ok(peer) = stream.peer_addr() else { return };
        // One descriptor a connection: its own thread has the socket, the admission only knows where it is.
        let stream = Arc::new(stream);
        let known = Arc::downgrade(&stream);
        let end = Box::new(move || drop(known.upgrade().map(|stream| stream.shutdown(Shutdown::Both))));
        let Some(place) = self.admission.admit(peer.ip(), end) else { return };
        let tls = self.tls.clone();
        let life = move || {
            // A panic ends this connection and no other (H2).
            if catch_unwind(AssertUnwindSafe(|| live(stream, place, &tls, service))).is_err() {
                log::error!("a connection's thread panicked; the others go on");
            }
        };
        let thread = thread::Builder::new().name("connection".into()).stack_size(limits::CONNECTION_STACK_BYTES);
        if let Err(error) = thread.spawn(life) {
            log::error!("no thread for a connection: {error}");
        }
    }
}

const STOP: u8 = 1;
const ANSWER: u8 = 2;

enum Service {
    Page(Serve),
    Redirect(Arc<[String]>, u16),
}

fn live(stream: Arc<TcpStream>, place: Place, tls: &Arc<ServerConfig>, service: Service) {
    let outcome = match service {
        Service::Page(serve) => ServerConnection::new(tls.clone())
            .map_err(io::Error::other)
            .and_then(|connection| Tls::accept(stream, connection, place, tls::PATIENCE))
            .map(|wire| serve(Box::new(wire))),
        Service::Redirect(names, port) => redirect::serve(&stream, &names, port, place),
    };
    if let Err(error) = outcome {
        log::debug!("a connection ended at the door: {error}");
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let told = |error: io::Error| format!("cannot listen on {address}: {error}");
    ready(bind(address, TcpListener::bind).map_err(told)?)
}

fn ready(listener: TcpListener) -> Result<TcpListener, String> {
    listener.set_nonblocking(true).map_err(|error| format!("a listener cannot be used: {error}"))?;
    Ok(listener)
}

/// `[::]` is the default and takes IPv4 too. A router's kernel may have been built without IPv6: there it means `0.0.0.0`.
fn bind(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<TcpListener>) -> io::Result<TcpListener> {
    let everywhere = address.is_ipv6() && address.ip().is_unspecified();
    match bind(address) {
        Err(error) if everywhere && no_ipv6(&error) => bind((Ipv4Addr::UNSPECIFIED, address.port()).into()),
        outcome => outcome,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// None: nobody is there now. Out of file descriptors or memory: a pause, so that somebody can close something, and then on.
fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept() {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => None,
        Err(error) => {
            log::warn!("no connection can be taken now: {error}");
            thread::sleep(limits::ACCEPT_PAUSE);
            None
        }
    }
}

fn tls_config(certificate: Arc<Certificate>, asks: bool) -> Result<ServerConfig, String> {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| error.to_string())?;
    // Who is not asked is not bothered: a browser that has a certificate would ask its user about it.
    let config = match asks {
        true => config.with_client_cert_verifier(Arc::new(ByFingerprint { provider })),
        false => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Without a ticket, Nagle and delayed ACKs were seen to add 45 ms to the first answer; with more than one, memory.
    config.send_tls13_tickets = 1;
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(limits::TLS_SESSIONS);
    Ok(config)
}

/// Can this chain and key be used?
pub fn check_certificate(chain: &Path, key: &Path) -> Result<(), String> {
    certificates::load(chain, key).map(drop)
}

#[cfg(test)]
mod tests;
