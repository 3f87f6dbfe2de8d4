//! Signed programs on their way in: whose signature counts, and the place where a browser puts one, piece by piece.
//!
//! ```text
//! begin (how long, signature) -> piece, piece, piece -> whole: is it what was signed? -> handed to the updater, which asks again
//!                                                   the updater: our own command, or a service that looks for the file `ready`
//! ```

use crate::clock::{self, Instant, Seconds};
use crate::disk::Beside;
use crate::limits;
use crate::random::Id;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What stands before the key in `openssl pkey -pubout` (RFC 8410).
const DER_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The 32 bytes of an Ed25519 key, out of its PEM text or the middle line of it.
pub fn public_key(text: &str) -> Option<Vec<u8>> {
    let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64.decode(body).ok()?;
    der.strip_prefix(&DER_PREFIX).filter(|key| key.len() == 32).map(<[u8]>::to_vec)
}

pub fn is_signed(bytes: &[u8], signature: &[u8], key: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(bytes, signature).is_ok()
}

/// How the last update of this data directory's box ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ending {
    pub at: Seconds,
    pub installed: bool,
    /// One sentence, as the command line says it.
    pub told: String,
}

/// Beside the program: it is whole, and whoever installs it may begin.
const READY: &str = "ready";

/// What a box is updated with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Program,
    /// A whole root file system.
    Image,
}

/// Starts what installs the program at this path, whose signature lies beside it, and does not wait for it.
pub type Install = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// One program at a time.
pub struct Inbox {
    pub kind: Kind,
    folder: PathBuf,
    /// The key that must have signed it; or why no program can be taken here.
    key: Result<Vec<u8>, String>,
    install: Install,
    upload: Mutex<Option<Upload>>,
}

struct Upload {
    id: Id,
    /// The sign-in that began it. Nobody else's goes on with it.
    by: Id,
    bytes: u64,
    have: u64,
    file: File,
    signature: Vec<u8>,
    touched: Instant,
    whole: bool,
}

#[derive(Debug)]
pub enum Refused {
    /// No program can be taken here, and this is why.
    NotHere(String),
    /// Not this upload, or not of this sign-in.
    Gone,
    /// The piece does not begin where the last one ended, or ends after the end. So much is there.
    OutOfPlace(u64),
    NotSigned,
    Disk(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Disk(error)
    }
}

impl Inbox {
    /// What an earlier process was given is gone: nobody can go on with it.
    pub fn open(data: &Path, kind: Kind, key: Result<Vec<u8>, String>, install: Install) -> Inbox {
        let inbox = Inbox { kind, folder: data.join("update"), key, install, upload: Mutex::new(None) };
        inbox.clear();
        inbox
    }

    /// Why no program can be taken here.
    pub fn closed(&self) -> Option<&str> {
        self.key.as_ref().err().map(String::as_str)
    }

    /// Bytes that are there, and bytes in all.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.lock().as_ref().map(|upload| (upload.have, upload.bytes))
    }

    /// A new one takes the place of whatever was under way.
    pub fn begin(&self, by: Id, bytes: u64, signature: Vec<u8>) -> Result<Id, Refused> {
        if let Some(why) = self.closed() {
            return Err(Refused::NotHere(why.to_owned()));
        }
        let mut upload = self.lock();
        *upload = None;
        self.clear();
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let file = File::options().write(true).create_new(true).mode(0o600).open(self.program())?;
        let id = Id::random();
        *upload = Some(Upload { id, by, bytes, have: 0, file, signature, touched: Instant::now(), whole: false });
        Ok(id)
    }

    /// The next piece. True: it was the last one, and the whole is what was signed.
    pub fn put(&self, by: Id, id: Id, at: u64, piece: &[u8]) -> Result<(u64, bool), Refused> {
        let mut place = self.lock();
        let upload = place.as_mut().filter(|upload| upload.id == id && upload.by == by).ok_or(Refused::Gone)?;
        let end = at.saturating_add(piece.len() as u64);
        if at != upload.have || piece.is_empty() || end > upload.bytes {
            return Err(Refused::OutOfPlace(upload.have));
        }
        let taken = upload.take(piece).and_then(|whole| if whole { self.check(upload) } else { Ok(()) });
        match taken {
            Ok(()) => Ok((upload.have, upload.whole)),
            // Half a piece may be there now: this upload cannot be gone on with.
            Err(refused) => {
                *place = None;
                self.clear();
                Err(refused)
            }
        }
    }

    fn check(&self, upload: &mut Upload) -> Result<(), Refused> {
        let key = self.key.as_ref().map_err(|why| Refused::NotHere(why.clone()))?;
        upload.file.sync_all()?;
        if !is_signed(&fs::read(self.program())?, &upload.signature, key) {
            return Err(Refused::NotSigned);
        }
        Beside::write(&self.signature(), &upload.signature)?.replace()?;
        upload.whole = true;
        Ok(())
    }

    /// The whole one is handed on, if it still may be: a piece that is being written is waited for first.
    pub fn install<E: From<Refused>>(
        &self,
        by: Id,
        id: Id,
        may_still: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut place = self.lock();
        let fits = |upload: &&mut Upload| upload.id == id && upload.by == by && upload.whole;
        place.as_mut().filter(fits).ok_or(Refused::Gone)?;
        may_still()?;
        (self.install)(&self.program()).map_err(Refused::Disk)?;
        *place = None;
        Ok(())
    }

    /// Thought better of it.
    pub fn forget(&self) {
        let mut place = self.lock();
        if place.take().is_some() {
            self.clear();
        }
    }

    /// An upload that nobody goes on with takes no room for long.
    pub fn sweep(&self, now: Instant) {
        let mut place = self.lock();
        let idle = |upload: &Upload| now.saturating_duration_since(upload.touched) > limits::UPLOAD_IDLE;
        if place.as_ref().is_some_and(idle) {
            *place = None;
            self.clear();
        }
    }

    pub fn ended(&self, installed: bool, told: &str) -> io::Result<()> {
        let ending = Ending { at: clock::today(), installed, told: told.to_owned() };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        self.clear();
        Beside::write(&self.folder.join("ending"), &serde_json::to_vec(&ending)?)?.replace()
    }

    pub fn last_ending(&self) -> Option<Ending> {
        serde_json::from_slice(&fs::read(self.folder.join("ending")).ok()?).ok()
    }

    fn program(&self) -> PathBuf {
        self.folder.join("program")
    }

    fn signature(&self) -> PathBuf {
        self.folder.join("program.sig")
    }

    fn clear(&self) {
        // The word first: whoever waits for it finds the file that it stands for, or nothing.
        for path in [self.folder.join(READY), self.program(), self.signature()] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != ErrorKind::NotFound
            {
                log::warn!("{}: {error}", path.display());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Upload>> {
        self.upload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    /// True: everything is there.
    fn take(&mut self, piece: &[u8]) -> Result<bool, Refused> {
        self.file.write_all(piece)?;
        self.have += piece.len() as u64;
        self.touched = Instant::now();
        Ok(self.have == self.bytes)
    }
}

/// For a service of the system that looks for it: the program at this path may be installed.
pub fn hand_over(program: &Path) -> io::Result<()> {
    Beside::write(&program.with_file_name(READY), b"")?.replace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use std::time::Duration;

    #[test]
    fn a_public_key_is_read_as_openssl_writes_it_and_as_one_line() {
        // RFC 8410, section 10.1.
        let line = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n");
        assert_eq!(public_key(line).map(|key| key[0]), Some(0x19));
        assert_eq!(public_key(&pem), public_key(line));
        for junk in ["", "MCow", &line[..line.len() - 4], "!", &line.replace("MCow", "MCox")] {
            assert_eq!(public_key(junk), None, "{junk:?}");
        }
    }

    fn maker() -> Ed25519KeyPair {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()
    }

    fn inbox(data: &Path, maker: &Ed25519KeyPair) -> Inbox {
        Inbox::open(data, Kind::Program, Ok(maker.public_key().as_ref().to_vec()), Box::new(|_| Ok(())))
    }

    fn yes() -> Result<(), Refused> {
        Ok(())
    }

    fn files(data: &Path) -> usize {
        fs::read_dir(data.join("update")).map_or(0, Iterator::count)
    }

    #[test]
    fn pieces_come_in_order_from_one_sign_in_and_make_what_was_signed() {
        let (data, maker, [ada, eve]) = (tempfile::tempdir().unwrap(), maker(), [Id::random(), Id::random()]);
        let inbox = inbox(data.path(), &maker);
        let signature = maker.sign(b"program").as_ref().to_vec();
        let id = inbox.begin(ada, 7, signature).unwrap();
        assert!(matches!(inbox.put(eve, id, 0, b"pro"), Err(Refused::Gone)));
        assert!(matches!(inbox.put(ada, Id::random(), 0, b"pro"), Err(Refused::Gone)));
        assert!(matches!(inbox.put(ada, id, 1, b"pro"), Err(Refused::OutOfPlace(0))));
        assert_eq!(inbox.put(ada, id, 0, b"pro").unwrap(), (3, false));
        for (at, piece) in [(0, &b"pro"[..]), (3, b""), (3, b"grams"), (u64::MAX, b"g")] {
            assert!(matches!(inbox.put(ada, id, at, piece), Err(Refused::OutOfPlace(3))));
        }
        assert!(matches!(inbox.install(ada, id, yes), Err(Refused::Gone)), "half a program");
        assert_eq!(inbox.put(ada, id, 3, b"gram").unwrap(), (7, true));
        assert!(matches!(inbox.install(eve, id, yes), Err(Refused::Gone)));
        assert!(matches!(inbox.install(ada, id, || Err(Refused::NotSigned)), Err(Refused::NotSigned)), "no more");
        inbox.install(ada, id, yes).unwrap();
        assert!(matches!(inbox.install(ada, id, yes), Err(Refused::Gone)), "once");
        assert_eq!(files(data.path()), 2, "the updater reads them");
        inbox.ended(true, "well").unwrap();
        assert_eq!(files(data.path()), 1);
        assert!(inbox.last_ending().is_some_and(|ending| ending.installed && ending.told == "well"));
    }

    #[test]
    fn what_was_not_signed_and_what_was_left_lying_goes() {
        let (data, maker, ada) = (tempfile::tempdir().unwrap(), maker(), Id::random());
        let inbox = inbox(data.path(), &maker);
        let id = inbox.begin(ada, 3, maker.sign(b"abc").as_ref().to_vec()).unwrap();
        assert!(matches!(inbox.put(ada, id, 0, b"abd"), Err(Refused::NotSigned)));
        assert!(files(data.path()) == 0 && inbox.progress().is_none());
        inbox.begin(ada, 3, vec![0; 64]).unwrap();
        inbox.sweep(Instant::now());
        assert_eq!(inbox.progress(), Some((0, 3)));
        inbox.sweep(Instant::now() + limits::UPLOAD_IDLE + Duration::from_secs(1));
        assert!(files(data.path()) == 0 && inbox.progress().is_none());
        inbox.begin(ada, 3, vec![0; 64]).unwrap();
        inbox.forget();
        assert_eq!(files(data.path()), 0);
    }

    #[test]
    fn a_box_that_cannot_take_one_says_why() {
        let data = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(data.path(), Kind::Program, Err("no key".into()), Box::new(|_| Ok(())));
        assert!(matches!(inbox.begin(Id::random(), 1, vec![]), Err(Refused::NotHere(why)) if why == "no key"));
        assert!(!data.path().join("update").exists());
    }
}
