//! What a user may know of their own account: where they are signed in, what was done lately, what they have to be told.

use super::login::who;
use super::{Answer, Context, Problem, Request};
use crate::audit;
use crate::auth::logins::Login;
use crate::clock::{Now, Seconds};
use crate::limits;
use serde::Deserialize;
use serde_json::{Value, json};

/// Deadlines run on the clock since boot; people want the calendar's.
fn last_use(login: &Login, now: &Now) -> Seconds {
    let ago = now.since_boot.saturating_duration_since(login.last_use());
    now.calendar.saturating_sub_unsigned(ago.as_secs())
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let own = request.login()?;
    let show = |login: &Login| {
        json!({
            "id": login.id, "current": login.id == own.id, "address": login.peer.to_string(),
            "user_agent": login.user_agent, "created": login.created, "last_use": last_use(login, &request.now),
        })
    };
    let logins = context.auth.logins_of(own.user, &request.now);
    Answer::json(200, &json!({"logins": logins.iter().map(|login| show(login)).collect::<Vec<_>>()}))
}

pub fn end(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let own = request.login()?;
    if !context.auth.revoke(own.user, request.id()?, &who(request)) {
        return Err(Problem::not_found());
    }
    context.registry.recheck(own.user);
    Ok(Answer::nothing())
}

pub fn activity(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let own = &request.login()?.name;
    let lines = audit::tail_of(&context.audit, own, limits::ACTIVITY_SHOWN);
    let lines = lines.map_err(|error| Problem::internal(&error))?;
    // What an administrator did to them is theirs to know; who that was, and from where, is the box's.
    let told = parsed(&lines).map(|event| match event["user"] == own.as_str() {
        true => event,
        false => json!({"time": event["time"], "event": event["event"], "user": own}),
    });
    Answer::json(200, &json!({"events": told.collect::<Vec<_>>()}))
}

/// Lines of the audit, as they are.
pub fn parsed(lines: &[String]) -> impl Iterator<Item = Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok())
}

pub fn notices(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let notices = context.auth.notices(request.login()?)?;
    let show = |notice: &String| {
        let (what, time) = notice.split_once(' ')?;
        Some(json!({"what": what, "time": time.parse::<Seconds>().ok()?}))
    };
    // One that cannot be read still counts, or the wrong ones would be dismissed.
    let unreadable = || json!({"what": "unknown", "time": 0});
    let shown: Vec<Value> = notices.iter().map(|notice| show(notice).unwrap_or_else(unreadable)).collect();
    Answer::json(200, &json!({"notices": shown}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dismiss {
    count: usize,
}

pub fn dismiss(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Dismiss = request.read()?;
    context.auth.dismiss_notices(request.login()?, fields.count)?;
    Ok(Answer::nothing())
}
