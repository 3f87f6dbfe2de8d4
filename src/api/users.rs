//! Administrators' care for the accounts of others. What a user has stored is out of their reach (F3).

use super::factor::wrong_code;
use super::login::who;
use super::logins::parsed;
use super::room::{list as list_of, room, within};
use super::{Answer, Context, Problem, Request};
use crate::audit;
use crate::journal;
use crate::limits;
use crate::random::Id;
use crate::secret::Secret;
use crate::store::{Role, User};
use serde::Deserialize;
use serde_json::{Value, json};

/// B8: some deeds want a proof that is given for them alone. `what` names the deed and whom it is done to.
pub fn prove(context: &Context, request: &Request<'_>, proof: Option<&Secret>, what: &str) -> Result<(), Problem> {
    let proof = proof.ok_or_else(Problem::proof_needed)?;
    let (login, who) = (request.login()?, who(request));
    context.auth.step_up(login, proof, what, &who).map_err(wrong_code)?;
    match context.auth.take_step_up(login, what, &who) {
        true => Ok(()),
        false => Err(Problem::busy()),
    }
}

/// One line per deed: who did it, to whom, and from where.
pub fn note(request: &Request<'_>, event: &str, target: &str) -> Result<(), Problem> {
    note_with(request, event, target, &[])
}

fn note_with(request: &Request<'_>, event: &str, target: &str, more: &[(&str, &str)]) -> Result<(), Problem> {
    let peer = request.peer.to_string();
    let who = [("user", request.login()?.name.as_str()), ("target", target), ("peer", &peer)];
    audit::note(event, &[&who[..], more].concat());
    Ok(())
}

fn show(context: &Context, request: &Request<'_>, user: &User) -> Value {
    let terminals = context.registry.of(user.id).iter().filter(|session| session.ended_at().is_none()).count();
    json!({
        "id": user.id, "name": user.name, "role": user.role, "created": user.created, "disabled": user.disabled,
        "locked": context.auth.is_locked(user.id, &request.now), "factor": user.has_factor(),
        "recovery_left": user.recovery.len(), "sign_ins": context.auth.logins_of(user.id, &request.now).len(),
        "terminals": terminals,
    })
}

fn find(context: &Context, request: &Request<'_>) -> Result<User, Problem> {
    context.store.user(request.id()?)?.ok_or_else(Problem::not_found)
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let mut users = context.store.users()?;
    users.sort_by(|a, b| a.name.cmp(&b.name));
    let users: Vec<Value> = users.iter().map(|user| show(context, request, user)).collect();
    Answer::json(200, &json!({"users": users}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: String,
    role: Role,
    password: Secret,
    proof: Option<Secret>,
}

pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Fields = request.read()?;
    if fields.role == Role::Administrator {
        prove(context, request, fields.proof.as_ref(), "add administrator")?;
    }
    let by = Some(&**request.login()?);
    let user = context.auth.add_user(by, &fields.name, fields.role, &fields.password, &request.now)?;
    note_with(request, "admin.user.add", &user.name, &[("role", user.role.word())])?;
    Answer::json(201, &show(context, request, &user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    role: Option<Role>,
    disabled: Option<bool>,
    proof: Option<Secret>,
}

/// Only what differs is changed, because every change ends the user's sign-ins.
pub fn change(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Changes = request.read()?;
    let user = find(context, request)?;
    let role = fields.role.filter(|role| *role != user.role);
    let disabled = fields.disabled.filter(|disabled| *disabled != user.disabled);
    if role == Some(Role::Administrator) {
        prove(context, request, fields.proof.as_ref(), &format!("make administrator {}", user.id))?;
    } else if disabled == Some(false) && role.unwrap_or(user.role) == Role::Administrator {
        prove(context, request, fields.proof.as_ref(), &format!("enable administrator {}", user.id))?;
    }
    if role.is_some() || disabled.is_some() {
        context.auth.set_standing(request.login()?, user.id, role, disabled)?;
        let_go(context, user.id, role != Some(Role::CommandOnly) && disabled != Some(true));
    }
    if let Some(role) = role {
        note_with(request, "admin.user.role", &user.name, &[("role", role.word())])?;
    }
    if let Some(disabled) = disabled {
        note(request, if disabled { "admin.user.disable" } else { "admin.user.enable" }, &user.name)?;
    }
    Answer::json(200, &show(context, request, &find(context, request)?))
}

/// A9: the sign-ins have ended; now whoever looks at a terminal lets go of it, or the terminals end too.
fn let_go(context: &Context, user: Id, keeps_terminals: bool) {
    match keeps_terminals {
        true => context.registry.recheck(user),
        false => context.registry.end_all_of(user),
    }
}

pub fn delete(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (proof, user) = (proof_of(request)?, find(context, request)?);
    prove(context, request, proof.as_ref(), &format!("delete user {}", user.id))?;
    context.auth.delete_user(Some(request.login()?), user.id)?;
    note(request, "admin.user.delete", &user.name)?;
    let_go(context, user.id, false);
    Ok(Answer::nothing())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub fn unlock(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let Nothing {} = request.read()?;
    let user = find(context, request)?;
    context.auth.unlock(Some(request.login()?), user.id)?;
    note(request, "admin.user.unlock", &user.name)?;
    Ok(Answer::nothing())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    proof: Option<Secret>,
}

/// The proof of a `DELETE`, which may come without a body.
pub fn proof_of(request: &Request<'_>) -> Result<Option<Secret>, Problem> {
    let fields: Proof = if request.body.is_empty() { Proof::default() } else { request.read()? };
    Ok(fields.proof)
}

/// B8: what protects an account is removed with a proof only, so that a stolen cookie takes nothing of it away. What is not there, or
/// another's, spends none.
pub fn prove_removal(
    context: &Context,
    request: &Request<'_>,
    kind: &str,
    is_theirs: impl Fn(&User) -> bool,
) -> Result<(), Problem> {
    let (proof, id) = (proof_of(request)?, request.id()?);
    let user = context.store.user(request.login()?.user)?.ok_or_else(Problem::not_signed_in)?;
    match is_theirs(&user) {
        true => prove(context, request, proof.as_ref(), &format!("remove {kind} {id}")),
        false => Err(Problem::not_found()),
    }
}

pub fn reset_factor(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Proof = request.read()?;
    let user = find(context, request)?;
    prove(context, request, fields.proof.as_ref(), &format!("reset factor {}", user.id))?;
    context.auth.reset_factor(Some(request.login()?), user.id, &request.now)?;
    note(request, "admin.user.reset-mfa", &user.name)?;
    let_go(context, user.id, true);
    Ok(Answer::nothing())
}

/// The log's newest lines, oldest first.
pub fn log(_: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let room = room(request.login()?.user, limits::JOURNAL_BYTES)?;
    list_of(room, "lines", journal::tail(usize::MAX))
}

/// What happened on the box, oldest first; and the mark to ask with for what was before.
pub fn audit(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let last = match request.query("last") {
        Some(text) => text.parse().ok().filter(|last| (1..=limits::AUDIT_SHOWN_AT_MOST).contains(last)),
        None => Some(limits::AUDIT_SHOWN),
    };
    let last = last.ok_or_else(|| Problem::bad_request("last is a number from 1 to 1000."))?;
    let until = match request.query("until") {
        Some(text) => Some(text.parse().map_err(|_| Problem::bad_request("until is a time in seconds since 1970."))?),
        None => None,
    };
    let (user, event, before) = (request.query("user"), request.query("event"), request.query("before"));
    if before.as_deref().is_some_and(|mark| !audit::is_mark(mark)) {
        return Err(Problem::bad_request("before is what an answer calls older."));
    }
    let filter = audit::Filter { user: user.as_deref(), event: event.as_deref(), until };
    let room = room(request.login()?.user, last * limits::AUDIT_LINE_BYTES)?;
    let page = audit::page(&context.audit, last, &filter, before.as_deref());
    let page = page.map_err(|error| Problem::internal(&error))?;
    let answer = json!({"events": parsed(&page.lines).collect::<Vec<_>>(), "older": page.older});
    Ok(within(room, Answer::json(200, &answer)?))
}
