//! Does a page answer there? Asked as a browser would, over TLS, of a box whose certificate's fingerprint is known.

use super::certificates;
use crate::limits;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;

const QUESTION: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const WELL: &[u8; 15] = b"HTTP/1.1 200 OK";

/// `fingerprint`: SHA-256 of the certificate in lower-case hexadecimal. An address that means "any" is asked on loopback.
pub fn probe(address: SocketAddr, fingerprint: &str) -> Result<(), String> {
    let tcp = TcpStream::connect_timeout(&reachable(address), limits::PROBE).map_err(told)?;
    tcp.set_read_timeout(Some(limits::PROBE))
        .and_then(|()| tcp.set_write_timeout(Some(limits::PROBE)))
        .map_err(told)?;
    let name = ServerName::try_from("localhost").map_err(told)?;
    let mut tls = StreamOwned::new(ClientConnection::new(config(fingerprint)?, name).map_err(told)?, tcp);
    tls.write_all(QUESTION).map_err(told)?;
    let mut answer = [0; WELL.len()];
    tls.read_exact(&mut answer).map_err(told)?;
    if answer == *WELL { Ok(()) } else { Err(String::from_utf8_lossy(&answer).into_owned()) }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn config(fingerprint: &str) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Arc::new(Pinned { fingerprint: fingerprint.into(), provider: provider.clone() });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(told)?;
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth()))
}

/// This one certificate, whatever it names and whatever the clock says.
#[derive(Debug)]
struct Pinned {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match certificates::digest(leaf) == self.fingerprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::General("another certificate than the box says it has".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
