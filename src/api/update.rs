//! A newer program, brought by an administrator's browser. It is taken here; whether it is fit, and the way back, are the updater's.

use super::users::{note, prove};
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

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        match refused {
            Refused::NotHere(why) => Problem::conflict("This box cannot be updated from the page.", &sentence(&why)),
            Refused::Gone => Problem::not_found(),
            Refused::OutOfPlace(have) => Problem::conflict(
                "This piece does not begin where the last one ended, or is too long.",
                &format!("{have} bytes are there."),
            ),
            Refused::NotSigned => {
                Problem::invalid("signature", "The file is not what was signed, or another key signed it.")
            }
            // In the same words as where the database meets it.
            Refused::Disk(error) => StoreError::Io(error).into(),
        }
    }
}

/// The command line's words, as the page shows them.
pub fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
}

pub fn get(context: &Context, _: &Request<'_>) -> Result<Answer, Problem> {
    let inbox = &context.inbox;
    Answer::json(
        200,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "kind": inbox.kind,
            "closed": inbox.closed().map(sentence),
            "upload": inbox.progress().map(|(have, bytes)| json!({"have": have, "bytes": bytes})),
            "last": inbox.last_ending(),
        }),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    bytes: u64,
    signature: String,
    proof: Option<Secret>,
}

/// The proof comes last: a file that will not do costs nobody a code.
pub fn begin(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Begin = request.read()?;
    if let Some(why) = context.inbox.closed() {
        return Err(Refused::NotHere(why.to_owned()).into());
    }
    if !(1..=limits::UPDATE_BYTES).contains(&fields.bytes) {
        let most = limits::UPDATE_BYTES;
        return Err(Problem::invalid("bytes", &format!("A program has from 1 to {most} bytes.")));
    }
    let signature = BASE64.decode(&fields.signature).ok().filter(|it| it.len() as u64 == limits::SIGNATURE_BYTES);
    let signature = signature
        .ok_or_else(|| Problem::invalid("signature", "An Ed25519 signature has 64 bytes; it is the file NAME.sig."))?;
    prove(context, request, fields.proof.as_ref(), "update")?;
    let id = context.inbox.begin(request.login()?.id, fields.bytes, signature)?;
    note(request, "admin.update", "box")?;
    Answer::json(201, &json!({"upload": id}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    upload: Id,
    at: u64,
    data: String,
}

pub fn put(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Piece = request.read()?;
    let piece = BASE64.decode(&fields.data).map_err(|_| Problem::invalid("data", "This is not Base64."))?;
    let (have, whole) = context.inbox.put(request.login()?.id, fields.upload, fields.at, &piece)?;
    Answer::json(200, &json!({"have": have, "whole": whole}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    upload: Id,
}

/// How it ends is read from [`get`] afterwards, perhaps of the new program.
pub fn install(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Which = request.read()?;
    let login = request.login()?;
    context.inbox.install(login.id, fields.upload, || Ok::<_, Problem>(context.auth.in_turn(login, || ())?))?;
    note(request, "admin.update.install", "box")?;
    Ok(Answer { status: 202, ..Answer::nothing() })
}

pub fn forget(context: &Context, _: &Request<'_>) -> Result<Answer, Problem> {
    context.inbox.forget();
    Ok(Answer::nothing())
}
