//! Does the page of this box answer? Asked over TLS on loopback. Whose certificate it is does not matter here: the owner may have brought
//! one that names other hosts, and a wrong clock must not make a good image look bad.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Longer than any answer of a loaded ARMv6 board; the caller counts several refusals before it acts.
const PATIENCE: Duration = Duration::from_secs(10);
const QUESTION: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

pub fn ask(port: &str) -> Result<(), String> {
    let port: u16 = port.parse().map_err(|_| format!("'{port}' is not a port"))?;
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(told)?;
    tcp.set_read_timeout(Some(PATIENCE)).and_then(|()| tcp.set_write_timeout(Some(PATIENCE))).map_err(told)?;
    let name = ServerName::try_from("localhost").map_err(told)?;
    let mut tls = StreamOwned::new(ClientConnection::new(config()?, name).map_err(told)?, tcp);
    tls.write_all(QUESTION).map_err(told)?;
    let mut answer = [0; 15];
    tls.read_exact(&mut answer).map_err(told)?;
    if answer == *b"HTTP/1.1 200 OK" { Ok(()) } else { Err(String::from_utf8_lossy(&answer).into_owned()) }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn config() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(default_provider());
    let anybody = Arc::new(Anybody(provider.clone()));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(told)?;
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()))
}

/// Any certificate will do, but its key must have signed this handshake.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
