//! A TLS client that believes exactly one certificate: the one whose fingerprint was printed on the console.

use super::patience::PATIENCE;
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A certificate of a browser's own, and its key.
#[derive(Debug)]
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Signed by itself, as a person makes one.
    pub fn fresh(name: &str) -> Arc<Identity> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Identity::of(&key, &params)
    }

    /// Longer than any that a person has.
    pub fn long() -> Arc<Identity> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = (0..300).map(|number| format!("name-{number}-of-this-browser.example")).collect();
        Identity::of(&key, &rcgen::CertificateParams::new(names).unwrap())
    }

    fn of(key: &rcgen::KeyPair, params: &rcgen::CertificateParams) -> Arc<Identity> {
        let certificate = params.self_signed(key).unwrap().der().clone();
        Arc::new(Identity { certificate, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() })
    }

    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(&self.certificate))
    }
}

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Reads give up this often, so that their callers can look at the clock.
const TICK: Duration = Duration::from_millis(200);

pub fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Tls> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TICK))?;
    let name = ServerName::IpAddress(address.ip().into());
    let session = ClientConnection::new(config, name).unwrap();
    let mut tls = StreamOwned::new(session, socket);
    shake_hands(&mut tls)?;
    Ok(tls)
}

/// The whole handshake. Left to the first write, it would fail that write as soon as the box takes longer than a tick.
pub fn shake_hands(tls: &mut Tls) -> std::io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while tls.conn.is_handshaking() {
        match tls.conn.complete_io(&mut tls.sock) {
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && Instant::now() < end => {}
            done => drop(done?),
        }
    }
    Ok(())
}

pub fn config(fingerprint: &str) -> Arc<ClientConfig> {
    Arc::new(pinned(fingerprint, rustls::ALL_VERSIONS).with_no_client_auth())
}

/// The same, with this certificate for whoever asks.
pub fn config_as(fingerprint: &str, me: &Identity) -> Arc<ClientConfig> {
    let chain = vec![me.certificate.clone()];
    Arc::new(pinned(fingerprint, rustls::ALL_VERSIONS).with_client_auth_cert(chain, me.key.clone_key()).unwrap())
}

pub fn pinned(
    fingerprint: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Arc::new(Pinned { fingerprint: fingerprint.into(), provider: provider.clone() });
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(pinned)
}

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
        let seen = hex(&Sha256::digest(leaf));
        if seen == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
