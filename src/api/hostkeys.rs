//! What a user trusts: host keys seen and accepted, or pinned beforehand (G3).

use super::users::{proof_of, prove};
use super::{Answer, Context, Problem, Request, check};
use crate::auth::logins::Login;
use crate::bridge::trust;
use crate::secret::Secret;
use crate::ssh::known_hosts;
use crate::store::KnownHostKey;
use crate::{audit, clock::Seconds};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    known_hosts: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    fingerprint: Option<String>,
    proof: Option<Secret>,
}

fn show(key: &KnownHostKey) -> Value {
    json!({
        "id": key.id, "address": key.address, "port": key.port, "algorithm": key.algorithm, "fingerprint": key.fingerprint,
        "global": key.user.is_none(), "added": key.added,
    })
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let mut keys = context.store.host_keys(request.login()?.user)?;
    keys.sort_by(|a, b| (&a.address, a.port, &a.algorithm, a.id).cmp(&(&b.address, b.port, &b.algorithm, b.id)));
    let shown: Vec<Value> = keys.iter().map(show).collect();
    Answer::json(200, &json!({"host_keys": shown}))
}

/// B8: who pins another key than is trusted says yes to a changed one, beforehand.
pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Fields = request.read()?;
    let login = request.login()?;
    let (keys, skipped) = match (fields.known_hosts, fields.address, fields.fingerprint) {
        (Some(text), None, None) if fields.port.is_none() => pasted(&text, login, request.now.calendar),
        (None, Some(address), Some(fingerprint)) => {
            (vec![pinned(address, fields.port.unwrap_or(22), fingerprint, login, request.now.calendar)?], Vec::new())
        }
        _ => return Err(Problem::bad_request("Send known_hosts, or address, port and fingerprint.")),
    };
    let known = context.store.host_keys(login.user)?;
    if let Some(changed) = keys.iter().find(|key| trust::is_change(key, &known)) {
        let what = format!("pin host key {} {}", changed.address, changed.fingerprint);
        prove(context, request, fields.proof.as_ref(), &what)?;
    }
    let added = context.store.add_host_keys(&keys)?;
    // Nothing added is nothing to tell, and may be done as often as one likes.
    if added > 0 {
        let (count, peer) = (added.to_string(), request.peer.to_string());
        audit::note("hostkey.add", &[("user", &login.name), ("count", &count), ("peer", &peer)]);
    }
    Answer::json(201, &json!({"added": added, "skipped": skipped}))
}

fn pasted(text: &str, login: &Login, now: Seconds) -> (Vec<KnownHostKey>, Vec<Value>) {
    let (lines, skipped) = known_hosts::parse(text);
    let record = |line: known_hosts::Line| {
        KnownHostKey::new(Some(login.user), &line.address, line.port, Some(line.algorithm), line.fingerprint, now)
    };
    let skipped = skipped.into_iter().map(|skipped| json!({"line": skipped.line, "why": skipped.why})).collect();
    (lines.into_iter().map(record).collect(), skipped)
}

fn pinned(
    address: String,
    port: u16,
    fingerprint: String,
    login: &Login,
    added: Seconds,
) -> Result<KnownHostKey, Problem> {
    check::address(&address)?;
    check::port(port)?;
    let fingerprint = fingerprint.trim().trim_end_matches('=').to_owned();
    if !known_hosts::is_fingerprint(&fingerprint) {
        return Err(Problem::invalid(
            "fingerprint",
            "A fingerprint is SHA256: and 43 characters, as ssh-keygen -lf prints it.",
        ));
    }
    Ok(KnownHostKey::new(Some(login.user), &address, port, None, fingerprint, added))
}

/// B8: without its old key, a host with a changed one looks like one that nobody has seen.
pub fn delete(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (login, id) = (request.login()?, request.id()?);
    let proof = proof_of(request)?;
    let mine = |key: &KnownHostKey| key.id == id && key.user == Some(login.user);
    let key = context.store.host_keys(login.user)?.into_iter().find(mine).ok_or_else(Problem::not_found)?;
    prove(context, request, proof.as_ref(), &format!("remove host key {id}"))?;
    match context.store.delete_host_key(Some(login.user), id)? {
        true => {
            let (host, fingerprint, peer) = (&key.address, &key.fingerprint, request.peer.to_string());
            let fields = [("user", &login.name), ("host", host), ("fingerprint", fingerprint), ("peer", &peer)];
            audit::note("hostkey.remove", &fields.map(|(name, value)| (name, value.as_str())));
            Ok(Answer::nothing())
        }
        false => Err(Problem::not_found()),
    }
}
