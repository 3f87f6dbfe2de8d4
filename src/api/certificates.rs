//! Certificates of browsers (R2): that of this very connection is registered, and an account may demand one.

use super::login::who;
use super::users::{prove, prove_removal};
use super::{Answer, Context, Problem, Request, check};
use crate::auth::Shown;
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    label: String,
    /// Of another one than this connection's.
    fingerprint: Option<String>,
    proof: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Demand {
    required: bool,
    proof: Option<Secret>,
}

/// Also what is seen of this connection, so that the page can say what can be done.
pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (required, certificates) = context.auth.certificates(request.login()?)?;
    let seen = match request.shown {
        Shown::NotAsked => "off",
        Shown::Proxied => "proxy",
        Shown::Nothing => "none",
        Shown::This(_) => "shown",
    };
    let shown = request.shown.fingerprint();
    Answer::json(200, &json!({"required": required, "seen": seen, "shown": shown, "certificates": certificates}))
}

pub fn register(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: New = request.read()?;
    check::label(&fields.label)?;
    prove(context, request, fields.proof.as_ref(), "register certificate")?;
    let (login, by_hand) = (request.login()?, fields.fingerprint.as_deref());
    let id = context.auth.register_certificate(login, &fields.label, by_hand, &who(request))?;
    Answer::json(201, &json!({"id": id}))
}

pub fn demand(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Demand = request.read()?;
    prove(context, request, fields.proof.as_ref(), "demand certificate")?;
    let login = request.login()?;
    context.auth.demand_certificate(login, fields.required, &who(request))?;
    context.registry.recheck(login.user);
    Ok(Answer::nothing())
}

pub fn remove(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (login, id) = (request.login()?, request.id()?);
    prove_removal(context, request, "certificate", |user| user.certificates.iter().any(|one| one.id == id))?;
    context.auth.remove_certificate(login, id, &who(request))?;
    context.registry.recheck(login.user);
    Ok(Answer::nothing())
}
