//! Links for strangers: an invitation to become a user (A6), and a new password for a forgotten one (A10, A11).

use super::login::{welcome, who};
use super::users::{note, prove};
use super::{Answer, Context, Problem, Request};
use crate::auth::{Refusal, Vault};
use crate::limits;
use crate::secret::Secret;
use crate::store::{Invite, Role};
use serde::Deserialize;
use serde_json::{Value, json};

fn show(invite: &Invite) -> Value {
    let expires = invite.made.saturating_add(limits::INVITE_SECONDS);
    json!({"id": invite.id, "role": invite.role, "made": invite.made, "expires": expires, "by": invite.by})
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let invites = context.auth.invites(&request.now)?;
    Answer::json(200, &json!({"invites": invites.iter().map(show).collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    role: Role,
    proof: Option<Secret>,
}

pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Fields = request.read()?;
    if fields.role == Role::Administrator {
        prove(context, request, fields.proof.as_ref(), "invite administrator")?;
    }
    let by = Some(&**request.login()?);
    let token = context.auth.invite(by, fields.role, Some(request.peer), &request.now)?;
    let expires = request.now.calendar.saturating_add(limits::INVITE_SECONDS);
    Answer::json(201, &json!({"token": token.as_str(), "expires": expires}))
}

pub fn take_back(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let id = request.id()?;
    if !context.auth.take_back_invite(request.login()?, id)? {
        return Err(Problem::not_found());
    }
    note(request, "admin.invite.back", &id.to_string())?;
    Ok(Answer::nothing())
}

fn wrong_token(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Failed => Problem::new(
            401,
            "wrong_token",
            "This link is not good (any more), or the recovery code is not.",
            "Check that the link is whole. If it is, ask for a new one.",
        ),
        other => other.into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {
    token: Secret,
    name: String,
    password: Secret,
}

pub fn accept(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Accept = request.read()?;
    let accepted = context.auth.accept_invite(&fields.token, &fields.name, &fields.password, &who(request));
    welcome(201, accepted.map_err(wrong_token)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    token: Secret,
    password: Secret,
    recovery_code: Option<Secret>,
    discard: Option<bool>,
}

/// The credentials are discarded only when that is said in so many words, and never beside a recovery code.
pub fn reset(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Reset = request.read()?;
    let vault = match (&fields.recovery_code, fields.discard) {
        (Some(code), None | Some(false)) => Vault::Recovery(code),
        (None, Some(true)) => Vault::Discard,
        _ => return Err(Problem::bad_request("Send a recovery_code, or \"discard\": true, and not both.")),
    };
    let user = context.auth.finish_reset(&fields.token, &fields.password, &vault, &who(request));
    context.registry.recheck(user.map_err(wrong_token)?);
    Ok(Answer::nothing())
}
