//! Open to everybody: is the box well, is it claimed, who am I.

use super::{Answer, Content, Context, Cookie, Problem, Request};
use crate::auth::logins::Stage;
use crate::limits;
use serde_json::json;

pub fn health(_: &Context, _: &Request<'_>) -> Result<Answer, Problem> {
    Answer::json(200, &json!({"status": "ok"}))
}

pub fn ready(context: &Context, _: &Request<'_>) -> Result<Answer, Problem> {
    match context.store.check() {
        Ok(()) => Answer::json(200, &json!({"status": "ok"})),
        Err(error) => {
            log::error!("not ready: {error}");
            Err(Problem::busy())
        }
    }
}

pub fn ca(context: &Context, _: &Request<'_>) -> Result<Answer, Problem> {
    let pem = context.ca_pem.clone().ok_or_else(Problem::not_found)?;
    Ok(Answer { status: 200, content: Content::Pem(pem), ..Answer::nothing() })
}

pub fn state(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let login = request.login.as_ref();
    let settings = context.registry.settings();
    let owes = login.filter(|login| login.stage() == Stage::Factor);
    let factors = owes.map(|login| context.auth.factors(login)).transpose()?;
    let body = json!({
        "claimed": context.auth.claimed(),
        "version": env!("CARGO_PKG_VERSION"),
        "boot": context.boot,
        "time": request.now.calendar,
        "clock_ok": context.auth.knows_the_time(&request.now),
        "user": login.map(|login| super::login::user(login)),
        "csrf": login.map(|login| login.csrf.as_str()),
        "stage": login.map(|login| super::login::stage(login)),
        "factors": factors,
        "ended": request.ended,
        "device": login.and_then(|login| login.device()),
        "factor_required": context.auth.factor_required(),
        "limits": {
            "terminals_per_user": settings.terminals_per_user,
            "password_min": limits::PASSWORD_BYTES.start(),
            "password_max": limits::PASSWORD_BYTES.end(),
            "ring_bytes": settings.ring_bytes,
        },
    });
    let answer = Answer::json(200, &body)?;
    Ok(if request.stale_cookie { answer.with(Cookie::Clear) } else { answer })
}
