//! The device key: 32 random bytes in a file outside the database (docs/FORMAT.md, "Keys").

use super::{VaultError, derive};
use crate::disk::Beside;
use crate::random;
use crate::secret::Key32;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Its name in the data directory.
pub const FILE: &str = "device.key";

/// What makes a copied database worthless on its own.
#[derive(Clone, Debug)]
pub struct DeviceKey(Key32);

impl DeviceKey {
    /// Reads `DIR/device.key`, or makes it if there is none. A file that is not as we made it is never replaced: with another
    /// key nothing in the database opens again.
    pub fn load_or_make(dir: &Path) -> Result<DeviceKey, VaultError> {
        let path = dir.join(FILE);
        match File::open(&path) {
            Ok(file) => read(file, &path),
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path),
            Err(error) => Err(VaultError::Io(error)),
        }
    }

    /// One that was brought back from a backup. None: it is none.
    pub fn from_backup(bytes: &[u8]) -> Option<DeviceKey> {
        bytes.try_into().ok().map(|bytes| DeviceKey(Key32::new(bytes)))
    }

    /// One key for one purpose of the device's own.
    pub fn derive(&self, purpose: &str) -> Key32 {
        derive(self.0.expose(), &format!("device {purpose}"))
    }
}

fn read(mut file: File, path: &Path) -> Result<DeviceKey, VaultError> {
    let odd = |why: &str| VaultError::DeviceKey(format!("{} {why}", path.display()));
    let entry = file.metadata().map_err(VaultError::Io)?;
    if entry.mode() & 0o077 != 0 {
        return Err(odd("can be read by others; chmod 600 it"));
    }
    if entry.len() != 32 {
        return Err(odd("is not 32 bytes long; put the right one back, from a backup"));
    }
    let mut bytes = Zeroizing::new([0; 32]);
    file.read_exact(&mut bytes[..]).map_err(VaultError::Io)?;
    Ok(DeviceKey(Key32::new(*bytes)))
}

/// Another process may be first: then its key is ours.
fn make(path: &Path) -> Result<DeviceKey, VaultError> {
    let key = random::key();
    match Beside::write(path, key.expose()).and_then(Beside::place) {
        Ok(()) => Ok(DeviceKey(key)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(File::open(path).map_err(VaultError::Io)?, path),
        Err(error) => Err(VaultError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let first = DeviceKey::load_or_make(dir.path()).unwrap();
        let again = DeviceKey::load_or_make(dir.path()).unwrap();
        assert_eq!(first.derive("x").expose(), again.derive("x").expose());
        assert_ne!(first.derive("x").expose(), first.derive("y").expose());
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_short_or_open_file_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, [7; 31]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(
            matches!(DeviceKey::load_or_make(dir.path()), Err(VaultError::DeviceKey(why)) if why.contains("32 bytes"))
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            matches!(DeviceKey::load_or_make(dir.path()), Err(VaultError::DeviceKey(why)) if why.contains("chmod 600"))
        );
        assert_eq!(fs::read(&path).unwrap(), [7; 31]);
    }
}
