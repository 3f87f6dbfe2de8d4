//! Private keys that users bring, in every form ssh-keygen and openssl write them, and keys made on the box (F4).
//!
//! What is kept is OpenSSH's own format without a passphrase: it is sealed in the vault, and opened for the handshake only.

use super::short_scalar;
use crate::budget::{Budget, Part};
use crate::limits;
use crate::random;
use crate::secret::Secret;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::{Error as KeyTrouble, Kdf, LineEnding};
use russh::keys::{Algorithm, Error as PemTrouble, HashAlg, PrivateKey, decode_secret_key};
use zeroize::Zeroizing;

/// A key that can be used.
#[derive(Debug)]
pub struct Imported {
    /// `ssh-ed25519`, …
    pub algorithm: String,
    /// For `authorized_keys`.
    pub public_line: String,
    /// As `ssh-keygen -lf` prints it.
    pub fingerprint: String,
    /// OpenSSH's format, without a passphrase: what [`super::Login::Key`] takes.
    pub secret: Secret,
}

/// Why a key cannot be used, for the person who brought it.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyError {
    NeedsPassphrase,
    WrongPassphrase,
    /// It is a key, and not one we take.
    Refused(String),
    /// It is no key.
    Unreadable(String),
    /// Others are being opened, and it was not this one's turn for the whole wait.
    Busy,
}

fn refused(why: &str) -> KeyError {
    KeyError::Refused(why.to_owned())
}

fn unreadable() -> KeyError {
    KeyError::Unreadable(
        "This is not a private key that can be read. Paste the whole file, from -----BEGIN to -----END.".into(),
    )
}

/// Opening an encrypted key costs whatever its file says, up to the limits: one at a time for the box, or they add up.
static OPENING: Budget<()> = Budget::new(1, 1, limits::KEY_OPENING_WAIT);

type Turns = &'static Budget<()>;

fn turn(turns: Turns) -> Result<Part<()>, KeyError> {
    turns.take((), 1).ok_or(KeyError::Busy)
}

/// `comment` is written into the public line if the key has none of its own.
pub fn import(text: &Secret, passphrase: Option<&Secret>, comment: &str) -> Result<Imported, KeyError> {
    import_in(&OPENING, text, passphrase, comment)
}

fn import_in(turns: Turns, text: &Secret, passphrase: Option<&Secret>, comment: &str) -> Result<Imported, KeyError> {
    if text.len() > limits::KEY_TEXT_BYTES {
        return Err(KeyError::Unreadable("This is too long for a private key.".into()));
    }
    let text = tidy(text.expose_str().ok_or_else(unreadable)?);
    let text = without_parameters(&text);
    let passphrase = passphrase.filter(|given| !given.is_empty());
    let key = match kind(text)? {
        Kind::OpenSsh => openssh(turns, text, passphrase)?,
        Kind::Pem => decode_secret_key(text, None).map_err(|_| unreadable())?,
        Kind::EncryptedPem => encrypted_pem(turns, text, passphrase)?,
    };
    accept(key, comment)
}

/// A new Ed25519 key, made of the kernel's randomness.
pub fn generate(comment: &str) -> Imported {
    let seed = Zeroizing::new(random::bytes::<32>());
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
    #[allow(clippy::expect_used)] // An Ed25519 key of 32 bytes can always be written down.
    PrivateKey::new(pair, "")
        .map_err(|_| unreadable())
        .and_then(|key| accept(key, comment))
        .expect("a new key is a good one")
}

/// Line ends of one kind, nothing before or after.
fn tidy(text: &str) -> Zeroizing<String> {
    let mut tidy = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.trim().lines() {
        tidy.push_str(line.trim());
        tidy.push('\n');
    }
    tidy
}

/// `openssl ecparam -genkey` writes the name of the curve in a block of its own first; the key repeats it.
fn without_parameters(text: &str) -> &str {
    match text.split_once("-----END EC PARAMETERS-----\n") {
        Some((before, key)) if before.starts_with("-----BEGIN EC PARAMETERS-----") => key,
        _ => text,
    }
}

enum Kind {
    OpenSsh,
    Pem,
    EncryptedPem,
}

fn kind(text: &str) -> Result<Kind, KeyError> {
    let first = text.lines().next().unwrap_or_default();
    match first {
        "-----BEGIN OPENSSH PRIVATE KEY-----" => Ok(Kind::OpenSsh),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----" => Ok(Kind::EncryptedPem),
        _ if text.contains("Proc-Type: 4,ENCRYPTED") => Err(refused(
            "This is the old PEM encryption, which is weak (one round of MD5). Convert a copy of the key with: ssh-keygen -p -f FILE",
        )),
        "-----BEGIN RSA PRIVATE KEY-----" | "-----BEGIN EC PRIVATE KEY-----" | "-----BEGIN PRIVATE KEY-----" => {
            Ok(Kind::Pem)
        }
        "-----BEGIN DSA PRIVATE KEY-----" => Err(refused(DSA)),
        _ if first.starts_with("PuTTY-User-Key-File-") => Err(refused(
            "This is PuTTY's format. Convert it with: puttygen FILE.ppk -O private-openssh -o FILE (or in PuTTYgen: Conversions, Export OpenSSH key)",
        )),
        _ if first.starts_with("ssh-") || first.starts_with("ecdsa-") => {
            Err(refused("This is the public half of a key. The private half is in the file without .pub."))
        }
        _ => Err(unreadable()),
    }
}

const DSA: &str = "DSA keys are too weak, and SSH servers refuse them. Make a new key.";

fn openssh(turns: Turns, text: &str, passphrase: Option<&Secret>) -> Result<PrivateKey, KeyError> {
    let key = match PrivateKey::from_openssh(text) {
        Err(error) if short_scalar::may_be(&error) => short_scalar::read(text, None).ok_or_else(unreadable)?,
        Err(KeyTrouble::AlgorithmUnsupported { .. } | KeyTrouble::AlgorithmUnknown) => {
            return Err(refused("Keys of this kind are not taken."));
        }
        other => other.map_err(|_| unreadable())?,
    };
    if !key.is_encrypted() {
        return Ok(key);
    }
    if matches!(key.kdf(), Kdf::Bcrypt { rounds, .. } if *rounds > limits::KEY_BCRYPT_ROUNDS) {
        return Err(refused(
            "This key's passphrase costs more rounds than the box can afford. Lower them with: ssh-keygen -p -a 100 -f FILE",
        ));
    }
    let passphrase = passphrase.ok_or(KeyError::NeedsPassphrase)?;
    let _turn = turn(turns)?;
    key.decrypt(passphrase.expose()).or_else(|error| {
        let short = if short_scalar::may_be(&error) { short_scalar::read(text, Some(passphrase)) } else { None };
        short.ok_or(KeyError::WrongPassphrase)
    })
}

fn encrypted_pem(turns: Turns, text: &str, passphrase: Option<&Secret>) -> Result<PrivateKey, KeyError> {
    let passphrase = passphrase.and_then(Secret::expose_str).ok_or(KeyError::NeedsPassphrase)?;
    if !is_affordable(text) {
        return Err(refused(
            "This key's encryption is unknown, or costs more than the box can afford. Convert it with: ssh-keygen -p -f FILE",
        ));
    }
    let _turn = turn(turns)?;
    decode_secret_key(text, Some(passphrase)).map_err(|error| match error {
        PemTrouble::Pkcs8(_) => KeyError::WrongPassphrase,
        _ => unreadable(),
    })
}

/// PBKDF2's and scrypt's object identifiers (RFC 8018, RFC 7914), as DER has them.
const PBKDF2: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
const SCRYPT: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];

/// A key file says itself how long opening it takes; a hostile one says years. So its cost is read before it is paid.
fn is_affordable(text: &str) -> bool {
    use base64::Engine;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let Ok(der) = base64::engine::general_purpose::STANDARD.decode(body) else { return false };
    let after =
        |name: &[u8]| der.windows(name.len()).position(|window| window == name).map(|at| &der[at + name.len()..]);
    match (after(PBKDF2), after(SCRYPT)) {
        (Some(rest), None) => costs(rest, 1).is_some_and(|cost| cost[0] <= limits::KEY_PBKDF2_ROUNDS),
        (None, Some(rest)) => costs(rest, 3)
            .is_some_and(|cost| cost[0].saturating_mul(cost[1]).saturating_mul(cost[2]) <= limits::KEY_SCRYPT_COST),
        _ => false,
    }
}

/// SEQUENCE { OCTET STRING salt, then this many INTEGERs, … }, all short.
fn costs(der: &[u8], count: usize) -> Option<Vec<u64>> {
    let [0x30, length, rest @ ..] = der else { return None };
    let (salt_tag, rest) = rest.get(..usize::from(*length))?.split_first()?;
    let (salt_length, rest) = rest.split_first()?;
    let mut rest = rest.get(usize::from(*salt_length)..).filter(|_| *salt_tag == 4)?;
    let mut numbers = Vec::new();
    for _ in 0..count {
        let [2, length @ 1..=8, tail @ ..] = rest else { return None };
        let (digits, tail) = tail.split_at_checked(usize::from(*length))?;
        numbers.push(digits.iter().fold(0, |number: u64, digit| number << 8 | u64::from(*digit)));
        rest = tail;
    }
    Some(numbers)
}

fn accept(mut key: PrivateKey, comment: &str) -> Result<Imported, KeyError> {
    check_strength(&key)?;
    let own = key.comment().as_str().unwrap_or_default();
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
    let comment = if own.trim().is_empty() { plain(comment) } else { plain(own) };
    key.set_comment(comment);
    let public = key.public_key();
    Ok(Imported {
        algorithm: key.algorithm().to_string(),
        public_line: public.to_openssh().map_err(|_| unreadable())?,
        fingerprint: public.fingerprint(HashAlg::Sha256).to_string(),
        secret: key
            .to_openssh(LineEnding::LF)
            .map(|text| Secret::new(text.as_bytes().to_vec()))
            .map_err(|_| unreadable())?,
    })
}

fn check_strength(key: &PrivateKey) -> Result<(), KeyError> {
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(()),
        Algorithm::Rsa { .. } => match key.public_key().key_data().rsa().map_or(0, |rsa| rsa.key_size()) {
            2048..=16384 => Ok(()),
            bits => Err(KeyError::Refused(format!(
                "This RSA key has {bits} bits. Keys of 2048 to 16384 bits are taken; better still, make an Ed25519 key."
            ))),
        },
        Algorithm::Dsa => Err(refused(DSA)),
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {
            Err(refused("This key needs its hardware token at hand; the box cannot touch it. Bring another key."))
        }
        _ => Err(refused("Keys of this kind are not taken.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{self, depth};
    use crate::ssh::authenticate::{read_key, signs_deeply};
    use proptest::prelude::*;
    use russh::keys::signature::Signer;
    use russh::keys::ssh_key::Signature;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    fn run(program: &str, arguments: &[&str]) -> String {
        let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    struct Keys(tempfile::TempDir);

    impl Keys {
        fn new() -> Keys {
            Keys(tempfile::tempdir().unwrap())
        }

        /// A key made by ssh-keygen, in a file.
        fn make(&self, kind: &[&str], passphrase: &str) -> PathBuf {
            let path = self.0.path().join(random::Id::random().to_string());
            run(
                "ssh-keygen",
                &[&["-q", "-N", passphrase, "-C", "its own", "-f", path.to_str().unwrap()], kind].concat(),
            );
            path
        }
    }

    fn read(path: &Path) -> Secret {
        Secret::new(std::fs::read(path).unwrap())
    }

    /// What ssh-keygen says of the public half.
    fn printed_fingerprint(path: &Path) -> String {
        run("ssh-keygen", &["-lf", path.to_str().unwrap()]).split(' ').nth(1).unwrap().to_owned()
    }

    const KINDS: [&[&str]; 6] = [
        &["-t", "ed25519"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "rsa", "-b", "3072"],
    ];

    #[test]
    fn every_kind_that_ssh_keygen_makes_is_read() {
        let keys = Keys::new();
        for kind in KINDS {
            let path = keys.make(kind, "");
            let key = import(&read(&path), None, "comment").unwrap();
            assert_eq!(key.fingerprint, printed_fingerprint(&path));
            let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
            assert_eq!(key.public_line, line.trim());
            assert!(line.starts_with(&key.algorithm));
            assert!(PrivateKey::from_openssh(key.secret.expose()).is_ok());
            // The same in the older forms.
            for format in ["PEM", "PKCS8"].iter().filter(|_| kind[1] != "ed25519") {
                run("ssh-keygen", &["-q", "-p", "-N", "", "-m", format, "-f", path.to_str().unwrap()]);
                let again = import(&read(&path), None, "comment").unwrap();
                assert_eq!(again.fingerprint, key.fingerprint, "{kind:?} {format}");
                assert!(again.public_line.ends_with(" comment"), "these forms have no comment of their own");
            }
        }
    }

    #[test]
    fn a_passphrase_is_asked_for_and_checked() {
        let keys = Keys::new();
        for kind in KINDS {
            let path = keys.make(kind, "open sesame");
            let text = read(&path);
            assert_eq!(import(&text, None, "").unwrap_err(), KeyError::NeedsPassphrase);
            assert_eq!(import(&text, Some(&"".into()), "").unwrap_err(), KeyError::NeedsPassphrase);
            assert_eq!(import(&text, Some(&"open barley".into()), "").unwrap_err(), KeyError::WrongPassphrase);
            assert_eq!(import(&text, Some(&"open sesame".into()), "").unwrap().fingerprint, printed_fingerprint(&path));
        }
    }

    #[test]
    fn what_costs_something_to_open_waits_for_its_turn_and_nothing_else_does() {
        static TURNS: Budget<()> = Budget::new(1, 1, std::time::Duration::ZERO);
        let keys = Keys::new();
        for kind in [&["-t", "ed25519"][..], &["-t", "ecdsa", "-m", "PKCS8"]] {
            let [plain, encrypted] = ["", "open sesame"].map(|passphrase| read(&keys.make(kind, passphrase)));
            let opened = |text: &Secret| import_in(&TURNS, text, Some(&"open sesame".into()), "").map(drop);
            let held = turn(&TURNS).unwrap();
            assert_eq!((opened(&plain), opened(&encrypted)), (Ok(()), Err(KeyError::Busy)));
            drop(held);
            assert_eq!(opened(&encrypted), Ok(()));
        }
    }

    #[test]
    fn an_encrypted_pkcs8_key_is_read_within_its_cost() {
        let keys = Keys::new();
        let (path, out) = (keys.make(&["-t", "rsa", "-b", "2048", "-m", "PKCS8"], ""), keys.0.path().join("out"));
        let encrypt = |how: &[&str]| {
            let base = [
                "pkcs8",
                "-topk8",
                "-in",
                path.to_str().unwrap(),
                "-out",
                out.to_str().unwrap(),
                "-passout",
                "pass:open sesame",
            ];
            run("openssl", &[&base[..], how].concat());
            read(&out)
        };
        for how in [&["-v2", "aes-256-cbc"][..], &["-v2", "aes-128-cbc", "-iter", "100000"], &["-scrypt"]] {
            let text = encrypt(how);
            assert_eq!(import(&text, None, "").unwrap_err(), KeyError::NeedsPassphrase);
            assert_eq!(
                import(&text, Some(&"open barley".into()), "").unwrap_err(),
                KeyError::WrongPassphrase,
                "{how:?}"
            );
            assert_eq!(
                import(&text, Some(&"open sesame".into()), "").unwrap().fingerprint,
                printed_fingerprint(&path),
                "{how:?}"
            );
        }
        let dear = encrypt(&["-v2", "aes-256-cbc", "-iter", "3000000"]);
        assert!(
            matches!(import(&dear, Some(&"open sesame".into()), ""), Err(KeyError::Refused(why)) if why.contains("ssh-keygen -p"))
        );
    }

    #[test]
    fn what_openssl_makes_is_read() {
        let keys = Keys::new();
        let path = keys.0.path().join("key");
        let made = |arguments: &[&str]| {
            let (command, rest) = arguments.split_first().unwrap();
            run("openssl", &[&[*command, "-out", path.to_str().unwrap()], rest].concat())
        };
        let kinds: [&[&str]; 6] = [
            &["ecparam", "-genkey", "-name", "prime256v1"],
            &["ecparam", "-genkey", "-name", "secp384r1", "-noout"],
            &["genpkey", "-algorithm", "ed25519"],
            &["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:open sesame"],
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-521",
                "-aes256",
                "-pass",
                "pass:open sesame",
            ],
            &["genrsa", "-traditional", "2048"],
        ];
        for kind in kinds {
            made(kind);
            let key = import(&read(&path), Some(&"open sesame".into()), "new")
                .unwrap_or_else(|why| panic!("{kind:?}: {why:?}"));
            assert!(key.public_line.ends_with(" new") && PrivateKey::from_openssh(key.secret.expose()).is_ok());
        }
    }

    #[test]
    fn what_is_not_taken_says_why() {
        let keys = Keys::new();
        let refusal = |text: &str| match import(&text.into(), Some(&"x".into()), "") {
            Err(KeyError::Refused(why) | KeyError::Unreadable(why)) => why,
            other => panic!("{other:?}"),
        };
        let short = keys.make(&["-t", "rsa", "-b", "1024"], "");
        assert!(refusal(read(&short).expose_str().unwrap()).contains("1024 bits"));
        let old = keys.make(&["-t", "rsa", "-b", "2048", "-m", "PEM"], "open sesame");
        assert!(refusal(read(&old).expose_str().unwrap()).contains("ssh-keygen -p"));
        assert!(refusal(&std::fs::read_to_string(old.with_extension("pub")).unwrap()).contains("public half"));
        assert!(refusal("PuTTY-User-Key-File-3: ssh-ed25519\n").contains("puttygen"));
        assert!(refusal("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----").contains("DSA"));
        assert!(refusal("hello").contains("-----BEGIN"));
        assert!(refusal(&"x".repeat(limits::KEY_TEXT_BYTES + 1)).contains("too long"));
        let dear = keys.make(&["-t", "ed25519", "-a", "600"], "x");
        assert!(refusal(read(&dear).expose_str().unwrap()).contains("rounds"));
    }

    #[test]
    fn line_ends_and_blanks_do_not_matter() {
        let path = Keys::new();
        let file = path.make(&["-t", "ed25519"], "");
        let text = std::fs::read_to_string(&file).unwrap();
        let fingerprint = printed_fingerprint(&file);
        for variant in [text.replace('\n', "\r\n"), format!("\n\n  {}", text.trim_end()), text.replace('\n', " \n")] {
            assert_eq!(import(&variant.as_str().into(), None, "").unwrap().fingerprint, fingerprint);
        }
    }

    #[test]
    fn a_new_key_is_one_that_openssh_reads() {
        let (dir, key) = (tempfile::tempdir().unwrap(), generate("ada@footbridge"));
        let path = dir.path().join("key");
        std::fs::write(&path, key.secret.expose()).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(run("ssh-keygen", &["-y", "-f", path.to_str().unwrap()]).trim(), key.public_line);
        assert!(key.public_line.ends_with(" ada@footbridge") && key.algorithm == "ssh-ed25519");
        assert_ne!(generate("").fingerprint, key.fingerprint);
    }

    /// A private key, and what is computed with it, lies about on the stack until that is wiped.
    #[test]
    fn whatever_is_done_with_a_key_goes_no_deeper_than_is_wiped() {
        let (keys, passphrase) = (Keys::new(), Secret::from("open sesame"));
        let [wiped, deeply] = [depth::of(secret::wipe_stack), depth::of(secret::wipe_stack_deeply)];
        let fits =
            |what: &str, depth: usize, wiped: usize| assert!(depth <= wiped, "{what}: {depth} bytes, of {wiped}");
        let imported = |path: &Path| depth::of(|| import(&read(path), Some(&passphrase), "").unwrap());
        fits("generate", depth::of(|| generate("comment")), wiped);
        for kind in KINDS {
            let (path, out) = (keys.make(kind, "open sesame"), keys.0.path().join("out"));
            let [file, pkcs8] = [&path, &out].map(|path| path.to_str().unwrap());
            let convert = |how: &[&str]| run("ssh-keygen", &[&["-q", "-p", "-f", file], how].concat());
            fits(&format!("import, encrypted {kind:?}"), imported(&path), wiped);
            convert(&["-P", "open sesame", "-N", ""]);
            fits(&format!("import {kind:?}"), imported(&path), wiped);

            let stored = import(&read(&path), None, "").unwrap().secret;
            fits(&format!("read {kind:?}"), depth::of(|| read_key(&stored).unwrap()), wiped);
            let key = read_key(&stored).unwrap();
            let signed = depth::of(|| -> Signature { key.try_sign(&[7; 400]).unwrap() });
            fits(&format!("sign {kind:?}"), signed, if signs_deeply(&key) { deeply } else { wiped });

            for format in ["PEM", "PKCS8"].iter().filter(|_| kind[1] != "ed25519") {
                convert(&["-N", "", "-m", format]);
                fits(&format!("import {format} {kind:?}"), imported(&path), wiped);
            }
            for cipher in [&["-v2", "aes-256-cbc"][..], &["-scrypt"]].iter().filter(|_| kind[1] != "ed25519") {
                let encrypt = ["pkcs8", "-topk8", "-in", file, "-out", pkcs8, "-passout", "pass:open sesame"];
                run("openssl", &[&encrypt[..], cipher].concat());
                fits(&format!("import {cipher:?} {kind:?}"), imported(&out), wiped);
            }
        }
    }

    proptest! {
        #[test]
        fn junk_is_no_key(text in ".{0,200}") {
            prop_assert!(import(&text.as_str().into(), None, "").is_err());
        }

        #[test]
        fn junk_in_an_envelope_is_no_key(junk in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..4usize) {
            use base64::Engine;
            let name = ["OPENSSH PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY"][kind];
            let body = base64::engine::general_purpose::STANDARD.encode(junk);
            let text = format!("-----BEGIN {name}-----\n{body}\n-----END {name}-----\n");
            prop_assert!(import(&text.as_str().into(), Some(&"x".into()), "").is_err());
        }
    }
}
