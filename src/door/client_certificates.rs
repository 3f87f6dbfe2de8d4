//! Certificates of browsers (R2): anybody's is taken, from whatever authority or none, if its key signs this handshake. Whose it is, and
//! whether it is good for anything, `auth` decides by its fingerprint.
//!
//! Dates and chains are not looked at: a fingerprint was registered by somebody signed in, and a board may not know what day it is.

use crate::limits;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConnection, SignatureScheme};
use std::sync::Arc;

/// Asks for a certificate, takes none for an answer, and wants proof of the key of each that it is shown.
#[derive(Debug)]
pub struct ByFingerprint {
    pub provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for ByFingerprint {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None are named: browsers then offer all that they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    /// What is kept for resumption is bounded: strangers may show what they like.
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes = others.iter().fold(leaf.len(), |sum, other| sum + other.len());
        match bytes <= limits::CLIENT_CERTIFICATE_BYTES {
            true => Ok(ClientCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
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

/// SHA-256 of the certificate that this connection, or the one that it resumes, has proven to hold the key of.
pub fn shown(tls: &ServerConnection) -> Option<String> {
    tls.peer_certificates().and_then(<[_]>::first).map(|leaf| super::certificates::digest(leaf))
}
