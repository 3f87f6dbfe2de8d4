//! What a user trusts: host keys seen and accepted, or pinned beforehand (G3).

use super::room::{Room, list as list_of, room, within};
use super::users::{proof_of, prove};
use super::{Answer, Context, Problem, Request, check};
use crate::auth::logins::Login;
use crate::bridge::trust;
use crate::random::Id;
use crate::secret::Secret;
use crate::ssh::known_hosts::{self, Skipped};
use crate::store::KnownHostKey;
use crate::{audit, clock::Seconds};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    known_hosts: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    fingerprint: Option<String>,
    proof: Option<Secret>,
}

#[derive(Serialize)]
struct Shown {
    id: Id,
    address: String,
    port: u16,
    algorithm: Option<String>,
    fingerprint: String,
    global: bool,
    added: Seconds,
}

fn show(key: KnownHostKey) -> Shown {
    let KnownHostKey { id, user, address, port, algorithm, fingerprint, added } = key;
    Shown { id, address, port, algorithm, fingerprint, global: user.is_none(), added }
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (room, mut keys) = known(context, request.login()?.user, 0)?;
    keys.sort_by(|a, b| (&a.address, a.port, &a.algorithm, a.id).cmp(&(&b.address, b.port, &b.algorithm, b.id)));
    list_of(room, "host_keys", keys.into_iter().map(show).collect())
}

/// All that are trusted, with room for them and so many bytes more.
fn known(context: &Context, user: Id, more: usize) -> Result<(Room, Vec<KnownHostKey>), Problem> {
    let room = room(user, context.store.host_keys_size(user)? + more)?;
    Ok((room, context.store.host_keys(user)?))
}

/// B8: who pins another key than is trusted says yes to a changed one, beforehand.
pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Fields = request.read()?;
    let login = request.login()?;
    // A line of two bytes that is skipped is told in sixty.
    let (room, known) = known(context, login.user, 32 * request.body.len())?;
    let (keys, skipped) = match (fields.known_hosts, fields.address, fields.fingerprint) {
        (Some(text), None, None) if fields.port.is_none() => pasted(&text, login, request.now.calendar),
        (None, Some(address), Some(fingerprint)) => {
            (vec![pinned(address, fields.port.unwrap_or(22), fingerprint, login, request.now.calendar)?], Vec::new())
        }
        _ => return Err(Problem::bad_request("Send known_hosts, or address, port and fingerprint.")),
    };
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
    Answer::json(201, &Taken { added, skipped }).map(|answer| within(room, answer))
}

#[derive(Serialize)]
struct Taken {
    added: usize,
    skipped: Vec<Skipped>,
}

fn pasted(text: &str, login: &Login, now: Seconds) -> (Vec<KnownHostKey>, Vec<Skipped>) {
    let (lines, skipped) = known_hosts::parse(text);
    let record = |line: known_hosts::Line| {
        KnownHostKey::new(Some(login.user), &line.address, line.port, Some(line.algorithm), line.fingerprint, now)
    };
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
    let (_room, all) = known(context, login.user, 0)?;
    let key = all.into_iter().find(mine).ok_or_else(Problem::not_found)?;
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
