//! What the page remembers for its user on any device: layout, theme, keys. The box keeps it and does not read it.

use super::{Answer, Context, Problem, Request};
use crate::limits;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preferences {
    preferences: Map<String, Value>,
}

pub fn get(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let preferences = context.store.preferences(request.login()?.user)?.unwrap_or_default();
    Answer::json(200, &Preferences { preferences })
}

pub fn put(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    if request.body.len() > limits::PREFERENCES_BYTES {
        return Err(Problem::invalid("preferences", "Preferences have at most 32 KiB."));
    }
    let fields: Preferences = request.read()?;
    // Numbers may be longer once they are written out: 1e15 takes eighteen characters.
    if serde_json::to_vec(&fields.preferences).is_ok_and(|text| text.len() > limits::PREFERENCES_BYTES) {
        return Err(Problem::invalid("preferences", "Preferences have at most 32 KiB."));
    }
    let user = request.login()?.user;
    // An unchanged layout is not written again: every tab that opens sends one.
    if context.store.preferences(user)?.as_ref() != Some(&fields.preferences) {
        context.store.put_preferences(user, &fields.preferences)?;
    }
    Ok(Answer::nothing())
}
