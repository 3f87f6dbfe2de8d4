//! Files that are whole or not there, after a power cut too: written under another name, synced, then given their own name, and the
//! directory synced. Nobody but their owner may read them.

use crate::random::Id;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file under another name, in the directory where it is to be. Gone when dropped, unless it was given its name.
pub struct Beside<'a> {
    path: &'a Path,
    beside: PathBuf,
}

impl Beside<'_> {
    /// A name nobody else has, for a file that is yet to be written: `.NAME.ID`.
    pub fn of(path: &Path) -> Beside<'_> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Beside { path, beside: path.with_file_name(format!(".{name}.{}", Id::random())) }
    }

    /// The whole file, on the disk.
    pub fn write<'a>(path: &'a Path, bytes: &[u8]) -> io::Result<Beside<'a>> {
        let file = Beside::of(path);
        write_new(&file.beside, bytes)?;
        Ok(file)
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.beside
    }

    /// Gives it its name, in place of whatever has it.
    pub fn replace(self) -> io::Result<()> {
        fs::rename(&self.beside, self.path)?;
        sync_dir(folder(self.path))
    }

    /// Gives it its name, unless there is such a file: `AlreadyExists`.
    pub fn place(self) -> io::Result<()> {
        take_free_name(&self.beside, self.path)?;
        let path = self.path;
        drop(self);
        sync_dir(folder(path))
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

/// A file that was not there, and is on the disk. Only [`Beside`] makes it whole or not there.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// FAT, as USB sticks have it, knows no hard links, and some network file systems know no rename that replaces nothing: one of the two
/// is there. Neither ever takes the name of another file.
fn take_free_name(beside: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, beside, CWD, path, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::hard_link(beside, path),
        renamed => Ok(renamed?),
    }
}

/// The names in a directory are on the disk.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// What is not there needs no more doing.
pub fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Out of a directory that is whole, each of these takes its place, in this order. What was moved before a power cut is not missed.
pub fn move_each<'a>(whole: &Path, to: &Path, names: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    for name in names {
        let (from, place) = (whole.join(name), to.join(name));
        if from.is_dir() {
            // A directory takes the place of an empty one only.
            unless_gone(fs::remove_dir_all(&place))?;
        }
        unless_gone(fs::rename(&from, &place))?;
        sync_dir(to)?;
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::os::unix::fs::MetadataExt;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_nothing_stays_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let unfinished = Beside::write(&path, b"never").unwrap();
        assert!(!path.exists() && unfinished.path().exists());
        drop(unfinished);
        Beside::write(&path, b"old").unwrap().place().unwrap();
        let refused = Beside::write(&path, b"second").unwrap().place();
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        Beside::write(&path, b"new").unwrap().replace().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn what_cannot_take_its_name_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(Beside::write(&path, b"x").unwrap().replace().is_err());
        assert_eq!(names(dir.path()), ["taken"]);
    }
}
