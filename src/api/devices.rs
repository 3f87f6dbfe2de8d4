//! Trusted devices: browsers that keep a key which they cannot give away.

use super::factor::wrong_code;
use super::login::{welcome, who};
use super::users::{prove, prove_removal};
use super::{Answer, Context, Problem, Request, check};
use crate::auth::NewDevice;
use crate::auth::logins::Stage;
use crate::auth::webauthn::Bytes;
use crate::limits;
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    label: String,
    public_key: Bytes,
    challenge: String,
    signature: Bytes,
    code: Option<Secret>,
    proof: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    proof: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Demand {
    required: bool,
    proof: Option<Secret>,
}

/// The account demands a device that has not spoken.
pub fn needed() -> Problem {
    Problem::new(
        403,
        "device_needed",
        "This account opens terminals on trusted devices only.",
        "Use a browser that you have trusted, or let this one in from there.",
    )
}

pub fn challenge(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let Nothing {} = request.read()?;
    Answer::json(200, &json!({"challenge": context.auth.device_challenge(request.now.since_boot)}))
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (required, devices) = context.auth.devices(request.login()?)?;
    Answer::json(200, &json!({"required": required, "devices": devices}))
}

/// A sign-in that lacks only this brings a code from a trusted device; a whole one a fresh proof.
pub fn trust(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: New = request.read()?;
    check::label(&fields.label)?;
    let login = request.any_login()?;
    if login.stage() == Stage::Full {
        prove(context, request, fields.proof.as_ref(), "trust device")?;
    }
    let New { label, public_key, challenge, signature, code, .. } = fields;
    let new = NewDevice { label, public_key, challenge, signature };
    let done = context.auth.trust_device(login, &new, code.as_ref(), request.host, &who(request));
    match done.map_err(wrong_code)? {
        (id, None) => Answer::json(201, &json!({"id": id})),
        (id, Some(signed_in)) => {
            let mut body = super::login::welcome_body(&signed_in.login);
            body["id"] = json!(id);
            let answer = welcome(201, signed_in)?;
            Ok(Answer { content: Answer::json(201, &body)?.content, ..answer })
        }
    }
}

pub fn code(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Proof = request.read()?;
    prove(context, request, Some(&fields.proof), "trust device")?;
    let code = context.auth.device_code(request.login()?, &who(request))?;
    let expires = request.now.calendar + limits::DEVICE_CODE_SECONDS;
    Answer::json(200, &json!({"code": code.as_str(), "expires": expires}))
}

pub fn demand(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Demand = request.read()?;
    prove(context, request, fields.proof.as_ref(), "demand device")?;
    let login = request.login()?;
    context.auth.demand_device(login, fields.required, &who(request))?;
    context.registry.recheck(login.user);
    Ok(Answer::nothing())
}

pub fn remove(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (login, id) = (request.login()?, request.id()?);
    prove_removal(context, request, "device", |user| user.devices.iter().any(|one| one.id == id))?;
    context.auth.remove_device(login, id, &who(request))?;
    context.registry.recheck(login.user);
    Ok(Answer::nothing())
}
