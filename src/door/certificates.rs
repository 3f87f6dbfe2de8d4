//! The box's certificates: its own CA and leaf (I1), or those the owner brought (I2).
//!
//! The CA lives for ten years and is installed once; the leaf for a year, and is made anew before it ends and when the box has
//! another name or address. Both keys are ECDSA P-256, which every browser takes.

use super::own_names;
use crate::clock::{BUILT_AFTER, Now, Seconds};
use crate::disk::Beside;
use crate::hex;
use crate::limits;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls::crypto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

const DAY: Seconds = 24 * 3600;

/// What the leaf says, so that nobody must read it back from its DER.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Leaf {
    names: BTreeSet<String>,
    not_before: Seconds,
    not_after: Seconds,
}

/// `tls/` in the data directory.
pub struct OwnCertificates {
    dir: PathBuf,
    /// Names the owner configured, besides the box's own.
    names: Vec<String>,
}

fn told(path: &Path) -> impl Fn(std::io::Error) -> String {
    let shown = path.display().to_string();
    move |error| format!("{shown}: {error}")
}

impl OwnCertificates {
    /// Makes what is missing or due, and loads it.
    pub fn open(data: &Path, names: &[String], now: &Now) -> Result<(OwnCertificates, CertifiedKey), String> {
        let own = OwnCertificates { dir: data.join("tls"), names: names.to_vec() };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&own.dir).map_err(told(&own.dir))?;
        if !own.path("ca.key").exists() || !own.path("ca.pem").exists() {
            own.make_ca(now)?;
        }
        // A disk that is full when the box gets another address is no reason not to start with the certificate there is.
        if own.is_due(now)
            && let Err(error) = own.make_leaf(now)
        {
            log::error!("the certificate is kept as it was: {error}");
        }
        let certified = own.load().or_else(|_| own.make_leaf(now).and_then(|()| own.load()))?;
        Ok((own, certified))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn ca_pem(&self) -> Result<String, String> {
        fs::read_to_string(self.path("ca.pem")).map_err(told(&self.path("ca.pem")))
    }

    /// A new leaf if it is time for one.
    pub fn renew_if_due(&self, now: &Now) -> Result<Option<CertifiedKey>, String> {
        if !self.is_due(now) {
            return Ok(None);
        }
        self.make_leaf(now)?;
        self.load().map(Some)
    }

    /// The leaf and its CA.
    fn load(&self) -> Result<CertifiedKey, String> {
        load(&self.path("leaf.pem"), &self.path("leaf.key"))
    }

    fn is_due(&self, now: &Now) -> bool {
        let text = fs::read(self.path("leaf.json")).unwrap_or_default();
        match serde_json::from_slice::<Leaf>(&text) {
            Ok(leaf) => is_due(&leaf, &self.wanted_names(), now),
            Err(_) => true,
        }
    }

    fn wanted_names(&self) -> BTreeSet<String> {
        let names = own_names::host_names().into_iter().chain(self.names.iter().map(|name| name.to_ascii_lowercase()));
        names.chain(own_names::addresses().iter().map(ToString::to_string)).collect()
    }

    fn make_ca(&self, now: &Now) -> Result<(), String> {
        let key = KeyPair::generate().map_err(failed)?;
        let ca = ca_params(&key, start_of_validity(now)).self_signed(&key).map_err(failed)?;
        // The key first: a CA without its key would be worse than none.
        write(&self.path("ca.key"), Zeroizing::new(key.serialize_pem()).as_bytes())?;
        write(&self.path("ca.pem"), ca.pem().as_bytes())?;
        let _ = fs::remove_file(self.path("leaf.json"));
        Ok(())
    }

    fn make_leaf(&self, now: &Now) -> Result<(), String> {
        let path = self.path("ca.key");
        let pem = Zeroizing::new(fs::read(&path).map_err(told(&path))?);
        let ca_key = signing_key(&pem).map_err(|error| format!("{}: {error}", path.display()))?;
        let not_before = start_of_validity(now);
        let leaf = Leaf { names: self.wanted_names(), not_before, not_after: not_before + limits::LEAF_DAYS * DAY };
        let key = KeyPair::generate().map_err(failed)?;
        let issuer_params = ca_params(&ca_key, not_before);
        let issuer = Issuer::from_params(&issuer_params, &ca_key);
        let certificate = leaf_params(&leaf)?.signed_by(&key, &issuer).map_err(failed)?;
        let chain = certificate.pem() + &self.ca_pem()?;
        let facts = serde_json::to_vec(&leaf).map_err(failed)?;
        let (key_path, chain_path, facts_path) = (self.path("leaf.key"), self.path("leaf.pem"), self.path("leaf.json"));
        // All are on the disk before any takes its place: a full disk leaves the old ones.
        let key = Beside::write(&key_path, Zeroizing::new(key.serialize_pem()).as_bytes()).map_err(told(&key_path))?;
        let chain = Beside::write(&chain_path, chain.as_bytes()).map_err(told(&chain_path))?;
        let facts = Beside::write(&facts_path, &facts).map_err(told(&facts_path))?;
        // leaf.json goes first and comes last: after a power cut in between, everything is made anew.
        let _ = fs::remove_file(&facts_path);
        for (file, path) in [(key, &key_path), (chain, &chain_path), (facts, &facts_path)] {
            file.replace().map_err(told(path))?;
        }
        log::info!("made a certificate for {}", leaf.names.iter().cloned().collect::<Vec<_>>().join(", "));
        Ok(())
    }
}

fn failed(error: impl Display) -> String {
    format!("a certificate cannot be made: {error}")
}

/// A name or address it lacks makes it due, one it has too many does not: a laptop's dock may come back.
fn is_due(leaf: &Leaf, wanted: &BTreeSet<String>, now: &Now) -> bool {
    let too_old = now.calendar > leaf.not_after - limits::LEAF_RENEW_DAYS * DAY;
    let too_young = now.calendar < leaf.not_before;
    !leaf.names.is_superset(wanted) || (now.is_plausible() && (too_old || too_young))
}

/// A day ago, for browsers whose clock is behind. A board that wakes up in 1970 takes the day this program was made (I5).
fn start_of_validity(now: &Now) -> Seconds {
    now.calendar.max(BUILT_AFTER) - DAY
}

/// rcgen speaks of dates by a crate of its own; this is its way to one.
macro_rules! moment {
    ($seconds:expr) => {
        date_time_ymd(1970, 1, 1) + Duration::from_secs($seconds.max(0) as u64)
    };
}

/// The same key gives the same name, so that a leaf made years later names the CA that is installed.
fn ca_params(key: &KeyPair, not_before: Seconds) -> CertificateParams {
    let digest = Sha256::digest(key.public_key_raw());
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, format!("Footbridge {}", hex::text(&digest[..3])));
    params.distinguished_name.push(DnType::OrganizationName, "Footbridge box's own CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (moment!(not_before), moment!(not_before + limits::CA_DAYS * DAY));
    params
}

fn leaf_params(leaf: &Leaf) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "Footbridge");
    params.subject_alt_names = leaf.names.iter().map(|name| subject(name)).collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (moment!(leaf.not_before), moment!(leaf.not_after));
    Ok(params)
}

fn subject(name: &str) -> Result<SanType, String> {
    match name.parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(name.try_into().map_err(failed)?)),
    }
}

/// The owner's certificate, or ours: a chain and the key that fits it.
pub fn load(chain: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let read = |path: &Path| fs::read(path).map(Zeroizing::new).map_err(told(path));
    certified((&chain.display(), &read(chain)?), (&key.display(), &read(key)?))
}

/// A file's name, for people, and what is in it.
type File<'a> = (&'a dyn Display, &'a [u8]);

fn certified(chain: File<'_>, key: File<'_>) -> Result<CertifiedKey, String> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.1)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: {error}", chain.0))?;
    if certificates.is_empty() {
        return Err(format!("{}: there is no certificate in it", chain.0));
    }
    let private = PrivateKeyDer::from_pem_slice(key.1).map_err(|error| format!("{}: {error}", key.0))?;
    CertifiedKey::from_der(certificates, private, &crypto::ring::default_provider())
        .map_err(|error| format!("{} and {} do not go together: {error}", chain.0, key.0))
}

fn signing_key(pem: &[u8]) -> Result<KeyPair, String> {
    let text = std::str::from_utf8(pem).map_err(failed)?;
    KeyPair::from_pem(text).map_err(|error| error.to_string())
}

/// Could [`OwnCertificates::open`] begin with these files of `tls/`? It makes what is missing, and a leaf that is due or cannot be read;
/// but it puts no other CA in the place of one that browsers trust.
pub fn are_of_use<'a>(file: impl Fn(&str) -> Option<&'a [u8]>) -> bool {
    let (Some(ca), Some(ca_key)) = (file("ca.pem"), file("ca.key")) else { return true };
    let leaf = file("leaf.pem").zip(file("leaf.key"));
    leaf.is_some_and(|(chain, key)| certified((&"leaf.pem", chain), (&"leaf.key", key)).is_ok())
        || (signing_key(ca_key).is_ok() && std::str::from_utf8(ca).is_ok())
}

/// SHA-256 of the leaf, in lower-case hexadecimal, as browsers show it.
pub fn fingerprint(certified: &CertifiedKey) -> String {
    digest(certified.cert.first().map(|leaf| leaf.as_ref()).unwrap_or_default())
}

/// SHA-256 in lower-case hexadecimal.
pub fn digest(der: &[u8]) -> String {
    hex::text(&Sha256::digest(der))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    Beside::write(path, bytes).and_then(Beside::replace).map_err(told(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::time::Instant;

    fn at(calendar: Seconds) -> Now {
        Now { calendar, since_boot: Instant::now() }
    }

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_leaf_is_due_before_it_ends_and_when_a_name_is_missing() {
        let start = BUILT_AFTER + 1000 * DAY;
        let leaf = Leaf { names: names(&["a", "10.0.0.1"]), not_before: start, not_after: start + 397 * DAY };
        let due = |wanted: &[&str], calendar| is_due(&leaf, &names(wanted), &at(calendar));
        assert!(!due(&["a"], start) && !due(&["a", "10.0.0.1"], start + 367 * DAY));
        assert!(due(&["a"], start + 367 * DAY + 1), "thirty days before the end");
        assert!(due(&["a", "b"], start), "another name");
        assert!(due(&["a"], start - 1), "made by a clock that was ahead");
        assert!(!due(&["a"], 0), "in 1970 nothing can be said about time");
    }

    #[test]
    fn the_ca_stays_and_the_leaf_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let now = at(BUILT_AFTER + 300 * DAY);
        let (own, first) = OwnCertificates::open(dir.path(), &["box.example".into()], &now).unwrap();
        let ca = own.ca_pem().unwrap();
        let (_, same) = OwnCertificates::open(dir.path(), &["box.example".into()], &now).unwrap();
        assert_eq!(fingerprint(&first), fingerprint(&same));
        let (own, renamed) = OwnCertificates::open(dir.path(), &["other.example".into()], &now).unwrap();
        assert_ne!(fingerprint(&first), fingerprint(&renamed));
        assert_eq!(own.ca_pem().unwrap(), ca);
        assert!(own.renew_if_due(&now).unwrap().is_none());
        let renewed = own.renew_if_due(&at(now.calendar + 380 * DAY)).unwrap().unwrap();
        assert_ne!(fingerprint(&renamed), fingerprint(&renewed));
        for file in fs::read_dir(dir.path().join("tls")).unwrap().flatten() {
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }

    /// The story: a leaf that could not be made anew, for want of space, kept the box from starting with the good one it had.
    #[test]
    fn a_leaf_that_cannot_be_made_leaves_the_one_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let now = at(BUILT_AFTER + 300 * DAY);
        let (_, first) = OwnCertificates::open(dir.path(), &[], &now).unwrap();
        let tls = dir.path().join("tls");
        let before = fs::read_dir(&tls).unwrap().count();
        fs::write(tls.join("ca.key"), "no key").unwrap();
        let (own, kept) = OwnCertificates::open(dir.path(), &["other.example".into()], &now).unwrap();
        assert_eq!(fingerprint(&kept), fingerprint(&first));
        assert!(own.renew_if_due(&now).is_err());
        assert_eq!(fs::read_dir(&tls).unwrap().count(), before, "nothing is left beside them");
    }

    /// Each answer is what the start itself says.
    #[test]
    fn files_are_of_use_if_the_box_starts_with_them() {
        const NAMES: [&str; 5] = ["ca.pem", "ca.key", "leaf.pem", "leaf.key", "leaf.json"];
        let dir = tempfile::tempdir().unwrap();
        let now = at(BUILT_AFTER + 300 * DAY);
        OwnCertificates::open(dir.path(), &[], &now).unwrap();
        let good = NAMES.map(|name| fs::read(dir.path().join("tls").join(name)).unwrap());
        for (what, changes, use_) in [
            ("all as they were", &[][..], true),
            ("none", &[(0, None), (1, None), (2, None), (3, None), (4, None)], true),
            ("no certificate of the CA", &[(0, None), (2, None)], true),
            ("no key of the CA", &[(1, None), (3, None)], true),
            ("a leaf that can be made anew", &[(2, Some("x")), (3, Some("x")), (4, Some("x"))], true),
            ("another's key", &[(3, Some("ca.key"))], true),
            ("a CA that makes no leaf any more", &[(1, Some("x"))], true),
            ("and has none", &[(1, Some("x")), (2, Some("x"))], false),
            ("and no key of it", &[(1, Some("x")), (3, None)], false),
            ("a CA that is no text", &[(0, Some("\u{fffd}")), (2, None)], false),
            (
                "nothing but junk",
                &[(0, Some("x")), (1, Some("x")), (2, Some("x")), (3, Some("x")), (4, Some("x"))],
                false,
            ),
        ] {
            let mut files = good.clone().map(Some);
            for (at, change) in changes {
                files[*at] = change.map(|text| match text {
                    "ca.key" => good[1].clone(),
                    "\u{fffd}" => vec![0xff],
                    text => text.into(),
                });
            }
            let file = |name: &str| NAMES.iter().position(|known| *known == name).and_then(|at| files[at].as_deref());
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("tls")).unwrap();
            for (name, bytes) in NAMES.into_iter().zip(&files) {
                if let Some(bytes) = bytes {
                    fs::write(dir.path().join("tls").join(name), bytes).unwrap();
                }
            }
            assert_eq!(are_of_use(file), use_, "{what}");
            assert_eq!(OwnCertificates::open(dir.path(), &[], &now).is_ok(), use_, "{what}, at the start");
        }
    }

    #[test]
    fn a_chain_and_a_foreign_key_do_not_go_together() {
        let dir = tempfile::tempdir().unwrap();
        OwnCertificates::open(dir.path(), &[], &at(BUILT_AFTER)).unwrap();
        let tls = dir.path().join("tls");
        assert!(load(&tls.join("leaf.pem"), &tls.join("leaf.key")).is_ok());
        assert!(load(&tls.join("leaf.pem"), &tls.join("ca.key")).unwrap_err().contains("do not go together"));
        assert!(load(&tls.join("ca.key"), &tls.join("leaf.key")).is_err());
        assert!(load(&tls.join("none"), &tls.join("leaf.key")).is_err());
    }
}
