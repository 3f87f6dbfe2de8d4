//! A backup for a box that nobody has claimed, brought by whoever holds its claim code. It is kept in memory until it is whole and its
//! passphrase has come, so that what nobody goes on with leaves nothing behind.

use super::login::who;
use super::update::sentence;
use super::{Answer, Context, Problem, Request};
use crate::limits;
use crate::random::Id;
use crate::release::Refused;
use crate::secret::Secret;
use crate::store::StoreError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Why a backup does not take the box's place. Sentences as the command line says them.
#[derive(Debug)]
pub enum Unfit {
    /// It is the file's fault.
    File(String),
    /// It may be the passphrase's.
    Passphrase(String),
    /// Somebody has an account on this box.
    Taken,
    Disk(StoreError),
}

impl From<Unfit> for Problem {
    fn from(unfit: Unfit) -> Problem {
        match unfit {
            Unfit::File(why) => Problem::invalid("backup", &sentence(&why)),
            Unfit::Passphrase(why) => Problem::invalid("passphrase", &sentence(&why)),
            Unfit::Taken => Problem::conflict(
                "Somebody has an account on this box already, and a restore would end it.",
                "Restore the backup on an empty box.",
            ),
            Unfit::Disk(error) => error.into(),
        }
    }
}

/// Checks a backup and lays it ready for the next start, which `peer` wants. How many users it brings.
pub type Stage = Box<dyn Fn(&[u8], &Secret, IpAddr) -> Result<usize, Unfit> + Send + Sync>;

/// One backup at a time.
pub struct Restore {
    arriving: Mutex<Option<Arriving>>,
    stage: Stage,
    /// To be called when the answer has been sent.
    pub start_anew: Box<dyn Fn() + Send + Sync>,
}

struct Arriving {
    id: Id,
    bytes: usize,
    have: Vec<u8>,
    touched: Instant,
}

impl Restore {
    pub fn new(stage: Stage, start_anew: Box<dyn Fn() + Send + Sync>) -> Restore {
        Restore { arriving: Mutex::new(None), stage, start_anew }
    }

    /// One that nobody goes on with takes no memory for long.
    pub fn sweep(&self, now: Instant) {
        let idle = |one: &mut Arriving| now.saturating_duration_since(one.touched) > limits::UPLOAD_IDLE;
        drop(self.lock().take_if(idle));
    }

    /// A new one takes the place of whatever was under way.
    fn begin(&self, bytes: usize) -> Id {
        let id = Id::random();
        *self.lock() = Some(Arriving { id, bytes, have: Vec::new(), touched: Instant::now() });
        id
    }

    /// How much is there now, and whether that is all.
    fn put(&self, id: Id, at: u64, piece: &[u8]) -> Result<(usize, bool), Refused> {
        let mut place = self.lock();
        let one = place.as_mut().filter(|one| one.id == id).ok_or(Refused::Gone)?;
        let have = one.have.len();
        if at != have as u64 || piece.is_empty() || piece.len() > one.bytes - have {
            return Err(Refused::OutOfPlace(have as u64));
        }
        one.have.extend_from_slice(piece);
        one.touched = Instant::now();
        Ok((one.have.len(), one.have.len() == one.bytes))
    }

    /// Taken out while it is looked at, which takes its time, and others only wait their turn.
    fn finish(&self, id: Id, passphrase: &Secret, peer: IpAddr) -> Result<usize, Problem> {
        let whole = |one: &mut Arriving| one.id == id && one.have.len() == one.bytes;
        let one = self.lock().take_if(whole).ok_or(Refused::Gone)?;
        let staged = (self.stage)(&one.have, passphrase, peer);
        if staged.is_err() {
            // For another passphrase, unless another backup is on its way by now.
            self.lock().get_or_insert(Arriving { touched: Instant::now(), ..one });
        }
        Ok(staged?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arriving>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    code: Secret,
    bytes: u64,
}

pub fn begin(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Begin = request.read()?;
    context.auth.check_claim_code(&fields.code, &who(request))?;
    let most = limits::RESTORE_BYTES;
    let bytes = usize::try_from(fields.bytes).ok().filter(|_| (1..=most).contains(&fields.bytes));
    let bytes = bytes.ok_or_else(|| {
        Problem::invalid(
            "backup",
            &format!("This page restores a backup of 1 to {most} bytes; a larger one is restored on the command line."),
        )
    })?;
    Answer::json(201, &json!({"upload": context.restore.begin(bytes)}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    code: Secret,
    upload: Id,
    at: u64,
    data: String,
}

pub fn put(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Piece = request.read()?;
    context.auth.check_claim_code(&fields.code, &who(request))?;
    let piece = BASE64.decode(&fields.data).map_err(|_| Problem::invalid("data", "This is not Base64."))?;
    let (have, whole) = context.restore.put(fields.upload, fields.at, &piece)?;
    Answer::json(200, &json!({"have": have, "whole": whole}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    code: Secret,
    upload: Id,
    passphrase: Secret,
}

pub fn finish(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Finish = request.read()?;
    context.auth.check_claim_code(&fields.code, &who(request))?;
    let users = context.restore.finish(fields.upload, &fields.passphrase, request.peer)?;
    Ok(Answer { starts_anew: true, ..Answer::json(202, &json!({"users": users}))? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Takes what is "whole" under the passphrase "right".
    fn restore() -> Restore {
        let stage = |file: &[u8], passphrase: &Secret, _| match (file, passphrase.expose()) {
            (b"whole", b"right") => Ok(3),
            (b"whole", _) => Err(Unfit::Passphrase("wrong".into())),
            _ => Err(Unfit::File("odd".into())),
        };
        Restore::new(Box::new(stage), Box::new(|| ()))
    }

    #[test]
    fn pieces_come_in_order_and_a_wrong_passphrase_leaves_them_there() {
        let restore = restore();
        let id = restore.begin(5);
        assert!(matches!(restore.put(Id::random(), 0, b"who"), Err(Refused::Gone)));
        assert!(matches!(restore.put(id, 1, b"who"), Err(Refused::OutOfPlace(0))));
        assert_eq!(restore.put(id, 0, b"who").unwrap(), (3, false));
        for (at, piece) in [(0, &b"who"[..]), (3, b""), (3, b"les"), (u64::MAX, b"l")] {
            assert!(matches!(restore.put(id, at, piece), Err(Refused::OutOfPlace(3))));
        }
        assert_eq!(restore.finish(id, &"right".into(), HERE).unwrap_err().status, 404, "half a backup");
        assert_eq!(restore.put(id, 3, b"le").unwrap(), (5, true));
        assert_eq!(restore.finish(Id::random(), &"right".into(), HERE).unwrap_err().status, 404);
        assert_eq!(restore.finish(id, &"left".into(), HERE).unwrap_err().field, Some("passphrase"));
        assert_eq!(restore.finish(id, &"right".into(), HERE).unwrap(), 3);
        assert_eq!(restore.finish(id, &"right".into(), HERE).unwrap_err().status, 404, "once");
    }

    #[test]
    fn a_new_one_takes_the_place_and_what_is_left_lying_goes() {
        let restore = restore();
        let (old, new) = (restore.begin(5), restore.begin(5));
        assert!(matches!(restore.put(old, 0, b"whole"), Err(Refused::Gone)));
        restore.put(new, 0, b"whole").unwrap();
        restore.sweep(Instant::now());
        assert_eq!(restore.finish(new, &"left".into(), HERE).unwrap_err().status, 422);
        restore.sweep(Instant::now() + limits::UPLOAD_IDLE + Duration::from_secs(1));
        assert_eq!(restore.finish(new, &"right".into(), HERE).unwrap_err().status, 404);
    }
}
