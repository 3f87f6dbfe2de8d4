//! P-256 keys whose secret number begins with zeros, in OpenSSH's format.
//!
//! OpenSSH writes the number without them, as every mpint (RFC 4251, 5); ssh-key 0.7 takes no fewer than 32 bytes, and so refuses one
//! good key of 512. That one is read here with the zeros written out.

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::encoding::{Decode, Encode, Error as Misshapen, Reader};
use russh::keys::ssh_key::{Cipher, Error, Kdf};
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"openssh-key-v1\0";
const KIND: &[u8] = b"ecdsa-sha2-nistp256";
const SCALAR_BYTES: usize = 32;
/// What nothing encrypts is filled up to a multiple of this.
const BLOCK_BYTES: usize = 8;

/// What ssh-key says of such a key, and of others.
pub fn may_be(error: &Error) -> bool {
    matches!(error, Error::Encoding(Misshapen::Length))
}

/// None: it is no such key. The passphrase, if any is needed, is right and affordable.
pub fn read(text: &str, passphrase: Option<&Secret>) -> Option<PrivateKey> {
    let body: Zeroizing<String> = Zeroizing::new(text.lines().filter(|line| !line.starts_with("-----")).collect());
    let body = Zeroizing::new(BASE64.decode(&*body).ok()?);
    let wide = widened(body.strip_prefix(MAGIC)?, passphrase).ok()?;
    PrivateKey::from_bytes(&wide).ok()
}

/// The file without encryption, and with the number as long as it is expected.
fn widened(mut body: &[u8], passphrase: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let reader = &mut body;
    let (cipher, kdf) = (Cipher::decode(reader)?, Kdf::decode(reader)?);
    let (count, public) = (u32::decode(reader)?, Vec::<u8>::decode(reader)?);
    let mut private = Zeroizing::new(Vec::<u8>::decode(reader)?);
    if cipher.is_some() {
        let passphrase = passphrase.ok_or(Error::Encrypted)?;
        let (key, iv) = kdf.derive_key_and_iv(cipher, passphrase.expose())?;
        let mut tag = [0; 16];
        if cipher.has_tag() {
            reader.read(&mut tag)?;
        }
        cipher.decrypt(&key, &iv, &mut private, cipher.has_tag().then(|| tag.into()))?;
    }
    let private = with_zeros(&private)?;
    let mut whole = Zeroizing::new(Vec::with_capacity(MAGIC.len() + public.len() + private.len() + 64));
    whole.extend_from_slice(MAGIC);
    Cipher::None.encode(&mut *whole)?;
    Kdf::None.encode(&mut *whole)?;
    count.encode(&mut *whole)?;
    public.encode(&mut *whole)?;
    private.encode(&mut *whole)?;
    Ok(whole)
}

/// The private half: two equal check numbers, the kind, the curve, the point, the number, the comment, and 1, 2, 3, … up to a block.
fn with_zeros(private: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let reader = &mut &*private;
    reader.read(&mut [0; 8])?;
    let kind = Vec::<u8>::decode(reader)?;
    let (_curve, _point) = (Vec::<u8>::decode(reader)?, Vec::<u8>::decode(reader)?);
    let before = &private[..private.len() - reader.len()];
    let number = Zeroizing::new(Vec::<u8>::decode(reader)?);
    let comment = Vec::<u8>::decode(reader)?;
    let zeros = SCALAR_BYTES.checked_sub(number.len()).filter(|_| kind == KIND).ok_or(Error::AlgorithmUnknown)?;
    let mut wide = Zeroizing::new(Vec::with_capacity(private.len() + zeros + BLOCK_BYTES));
    wide.extend_from_slice(before);
    let mut scalar = Zeroizing::new([0; SCALAR_BYTES]);
    scalar[zeros..].copy_from_slice(&number);
    scalar.as_slice().encode(&mut *wide)?;
    comment.encode(&mut *wide)?;
    let padding = wide.len().next_multiple_of(BLOCK_BYTES) - wide.len();
    wide.extend((1u8..).take(padding));
    Ok(wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::keys::{KeyError, import};
    use std::fs;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// Made by ssh-keygen for this test, the 420th it made: 31 bytes.
    const SHORT: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQRQwIvSyTjwigQ2j27IvStrzQQPrQZx
00dru+VxGgN2hL8tc5FslUnMyh/xJ48FR3rVl3lAlnqMUEYXo44s0VzyAAAAmEYnMlpGJz
JaAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFDAi9LJOPCKBDaP
bsi9K2vNBA+tBnHTR2u75XEaA3aEvy1zkWyVSczKH/EnjwVHetWXeUCWeoxQRhejjizRXP
IAAAAfHy3rcyF1FOPte5TL7J43Ggvi5S80jeMmRVa69NrgXAAAAAAB
-----END OPENSSH PRIVATE KEY-----
";

    fn ssh_keygen(arguments: &[&str], file: &Path) -> String {
        let done =
            Command::new("ssh-keygen").args(arguments).arg("-f").arg(file).stdin(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// The story: a test that brings a new key of each kind was told once in some hundred runs that its key was none.
    #[test]
    fn a_key_that_begins_with_zeros_is_read_in_every_cipher() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, SHORT).unwrap();
        keep_to_owner(&file);
        let public = ssh_keygen(&["-y"], &file);
        let own = |text: &[u8], passphrase: Option<&str>| {
            let passphrase = passphrase.map(Secret::from);
            import(&Secret::new(text.to_vec()), passphrase.as_ref(), "ada")
        };
        let plain = own(SHORT.as_bytes(), None).unwrap();
        assert_eq!(plain.public_line, format!("{} ada", public.trim()));
        // What is kept of it is the same key to OpenSSH, and to us.
        let kept = folder.path().join("kept");
        fs::write(&kept, plain.secret.expose()).unwrap();
        keep_to_owner(&kept);
        assert!(ssh_keygen(&["-y"], &kept).starts_with(public.trim()));
        assert_eq!(own(plain.secret.expose(), None).unwrap().fingerprint, plain.fingerprint);
        let mut old = "";
        for cipher in ["aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
            ssh_keygen(&["-q", "-p", "-P", old, "-N", "open sesame", "-Z", cipher], &file);
            old = "open sesame";
            let text = fs::read(&file).unwrap();
            assert_eq!(own(&text, Some(old)).unwrap().fingerprint, plain.fingerprint, "{cipher}");
            assert_eq!(own(&text, Some("open sesam")).unwrap_err(), KeyError::WrongPassphrase, "{cipher}");
            assert_eq!(own(&text, None).unwrap_err(), KeyError::NeedsPassphrase, "{cipher}");
        }
    }

    /// ssh-keygen looks at nothing that others may read.
    fn keep_to_owner(file: &Path) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
