//! Passkeys: asked for at the second step of a sign-in, and cared for by their owner. Bytes are base64url, as browsers have them.

use super::factor::{Standing, wrong_code};
use super::login::{welcome, welcome_body, who};
use super::users::prove_removal;
use super::{Answer, Context, Cookie, Problem, Request, check};
use crate::auth::Refusal;
use crate::auth::webauthn::{Assertion, Bytes, Place};
use serde::Deserialize;
use serde_json::json;

fn place(request: &Request<'_>) -> Result<Place, Problem> {
    Place::of(request.host).ok_or_else(|| {
        Problem::conflict(
            "Browsers keep passkeys for host names, and this page was opened by an address.",
            "Open it by a name of the box, with a certificate that the browser trusts.",
        )
    })
}

/// Whoever reads this has given the password already.
fn wrong_passkey(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Failed => {
            Problem::new(401, "wrong_code", "This passkey does not fit.", "Try again, or use another second factor.")
        }
        other => other.into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    label: String,
    client_data: Bytes,
    attestation: Bytes,
}

pub fn offer(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let Nothing {} = request.read()?;
    let offer = context.auth.offer_passkeys(request.any_login()?, &place(request)?, &who(request));
    Answer::json(200, &offer.map_err(wrong_passkey)?)
}

pub fn verify(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let assertion: Assertion = request.read()?;
    let done = context.auth.verify_passkey(request.any_login()?, &assertion, &place(request)?, &who(request));
    welcome(200, done.map_err(wrong_passkey)?)
}

pub fn prove(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let assertion: Assertion = request.read()?;
    let code = context.auth.prove_passkey(request.login()?, &assertion, &place(request)?, &who(request));
    Answer::json(200, &json!({"code": code.map_err(wrong_passkey)?}))
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    Answer::json(200, &json!({"passkeys": context.auth.passkeys(request.login()?)?}))
}

pub fn wish(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Standing = request.read()?;
    let (login, place) = (request.any_login()?, place(request)?);
    let wish = context.auth.wish_passkey(login, fields.given(), &place, &who(request));
    Answer::json(200, &wish.map_err(wrong_code)?)
}

/// The first factor of a user is a sign-in of its own, like an app's.
pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: New = request.read()?;
    check::label(&fields.label)?;
    let login = request.any_login()?;
    let said = (&fields.client_data, &fields.attestation);
    let made = context.auth.add_passkey(login, &fields.label, said, &place(request)?, &who(request))?;
    let Some(enrolled) = made.enrolled else { return Answer::json(201, &json!({"id": made.id})) };
    context.registry.recheck(login.user);
    let mut body = welcome_body(&enrolled.signed_in.login);
    body["id"] = json!(made.id);
    body["recovery_codes"] = enrolled.recovery_codes.iter().map(|code| code.as_str()).collect();
    Ok(Answer::json(201, &body)?.with(Cookie::Set(enrolled.signed_in.cookie)))
}

pub fn remove(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (login, id) = (request.login()?, request.id()?);
    prove_removal(context, request, "passkey", |user| user.passkeys.iter().any(|one| one.id == id))?;
    context.auth.remove_passkey(login, id, &who(request))?;
    Ok(Answer::nothing())
}
