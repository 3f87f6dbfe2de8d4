//! Claim, sign-in, sign-out, change of password.

use super::{Answer, Context, Cookie, Problem, Request};
use crate::auth::logins::{Login, Stage};
use crate::auth::{DeviceProof, SignedIn, Who};
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

pub fn user(login: &Login) -> Value {
    json!({"id": login.user, "name": login.name, "role": login.role})
}

pub fn who<'a>(request: &Request<'a>) -> Who<'a> {
    Who { peer: request.peer, user_agent: request.user_agent, shown: request.shown, now: request.now }
}

/// What a browser is told of its new sign-in: also how far it has come.
pub fn welcome_body(login: &Login) -> Value {
    json!({"user": user(login), "csrf": login.csrf, "stage": stage(login)})
}

/// docs/API.md's words for how far a sign-in has come.
pub fn stage(login: &Login) -> &'static str {
    match login.stage() {
        Stage::Factor => "factor",
        Stage::Device => "device",
        Stage::Enrol => "enrol",
        Stage::Recovered => "recovered",
        Stage::Full => "full",
    }
}

pub fn welcome(status: u16, signed_in: SignedIn) -> Result<Answer, Problem> {
    Ok(Answer::json(status, &welcome_body(&signed_in.login))?.with(Cookie::Set(signed_in.cookie)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    code: Secret,
    name: String,
    password: Secret,
}

pub fn claim(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let claim: Claim = request.read()?;
    welcome(201, context.auth.claim(&claim.code, &claim.name, &claim.password, &who(request))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    password: Secret,
    device: Option<DeviceProof>,
}

pub fn sign_in(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: SignIn = request.read()?;
    let device = fields.device.as_ref().map(|proof| (proof, request.host));
    welcome(200, context.auth.sign_in_on(&fields.name, &fields.password, device, &who(request))?)
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Terminals {
    Keep,
    End,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignOut {
    terminals: Terminals,
}

pub fn sign_out(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: SignOut = request.read()?;
    // A half sign-in ends itself and nothing else: a password alone is no word over anybody's terminals.
    let login = match fields.terminals {
        Terminals::Keep => request.any_login()?,
        Terminals::End => request.login()?,
    };
    context.auth.sign_out(login, &who(request));
    match fields.terminals {
        Terminals::Keep => context.registry.recheck(login.user),
        Terminals::End => context.registry.end_all_of(login.user),
    }
    Ok(Answer::nothing().with(Cookie::Clear))
}

/// Terminals that run go on, for they need no key. One that is still on its way holds an opened one, and ends.
pub fn lock(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let Nothing {} = request.read()?;
    let login = request.login()?;
    context.auth.lock_now(login, &who(request));
    context.registry.end_unfinished_of(login.user);
    context.registry.recheck(login.user);
    Ok(Answer::nothing().with(Cookie::Clear))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// D2: good for one sending of one form that changes security.
pub fn form(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let Nothing {} = request.read()?;
    let token = context.auth.issue_form(request.any_login()?, request.now.since_boot).ok_or_else(Problem::busy)?;
    Answer::json(200, &json!({"form": token}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    current: Secret,
    new: Secret,
}

pub fn change_password(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Change = request.read()?;
    let login = request.login()?;
    let signed_in = context.auth.change_password(login, &fields.current, &fields.new, &who(request))?;
    context.registry.recheck(login.user);
    let answer = Answer::json(200, &json!({"csrf": signed_in.login.csrf}))?;
    Ok(answer.with(Cookie::Set(signed_in.cookie)))
}
