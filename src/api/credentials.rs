//! What a user signs in to hosts with. A secret goes in and never comes out (F3).

use super::room::{list as list_of, room};
use super::users::prove;
use super::{Answer, Context, Problem, Request, check};
use crate::audit;
use crate::auth::Key;
use crate::auth::logins::Login;
use crate::clock::Seconds;
use crate::limits::{self, Counted};
use crate::random::Id;
use crate::secret::{self, Secret};
use crate::ssh::Destination;
use crate::ssh::keys::{self, Imported, KeyError};
use crate::store::{Credential, CredentialKind, Place, User};
use crate::vault::{About, Sealed};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One flat form for the three kinds: serde would copy the secrets of a tagged one into buffers that nobody wipes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    label: String,
    kind: Kind,
    password: Option<Secret>,
    private_key: Option<Secret>,
    passphrase: Option<Secret>,
    /// The host that a password was typed for.
    address: Option<String>,
    port: Option<u16>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Password,
    Key,
    Generate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    label: String,
    /// The places that stay. It adds none.
    sent_to: Option<Vec<Named>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    address: String,
    port: u16,
}

/// K1. A label may say anything, so it is not in it.
fn note(request: &Request<'_>, event: &str, credential: &Credential) -> Result<(), Problem> {
    let (user, peer) = (&request.login()?.name, request.peer.to_string());
    let kind = match credential.kind {
        CredentialKind::Key => "key",
        CredentialKind::Password => "password",
    };
    let mut fields = vec![("user", user.as_str()), ("kind", kind), ("peer", &peer)];
    fields.extend(credential.fingerprint.as_deref().map(|fingerprint| ("fingerprint", fingerprint)));
    audit::note(event, &fields);
    Ok(())
}

/// What the owner sees of a credential.
#[derive(Serialize)]
struct Shown {
    id: Id,
    label: String,
    kind: CredentialKind,
    algorithm: Option<String>,
    public_key: Option<String>,
    fingerprint: Option<String>,
    created: Seconds,
    used_by: usize,
    sent_to: Vec<Place>,
    last_used: Option<Seconds>,
}

fn show(credential: Credential, uses: &Uses) -> Shown {
    let Credential { id, label, kind, algorithm, public_key, fingerprint, created, secret: _, sent_to, last_used } =
        credential;
    let used_by = uses.get(&id).copied().unwrap_or_default();
    Shown { id, label, kind, algorithm, public_key, fingerprint, created, used_by, sent_to, last_used }
}

/// How many hosts use each.
type Uses = HashMap<Id, usize>;

fn uses(context: &Context, user: Id) -> Result<Uses, Problem> {
    let _room = room(user, context.store.hosts_size(user)?)?;
    let mut uses = Uses::new();
    for id in context.store.hosts(user)?.iter().filter_map(|host| host.credential_id) {
        *uses.entry(id).or_default() += 1;
    }
    Ok(uses)
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let user = request.login()?.user;
    let uses = uses(context, user)?;
    let room = room(user, context.store.credentials_size(user)?)?;
    let mut credentials = context.store.credentials(user)?;
    credentials.sort_by(|a, b| (&a.label, a.id).cmp(&(&b.label, b.id)));
    list_of(room, "credentials", credentials.into_iter().map(|credential| show(credential, &uses)).collect())
}

pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Fields = request.read()?;
    let login = request.login()?;
    spare(context, login, fields.passphrase.as_ref());
    check::label(&fields.label)?;
    let comment = format!("{}@footbridge", login.name);
    let id = Id::random();
    let typed_for = typed_for(fields.kind, fields.address, fields.port)?;
    let (key, secret) = match (fields.kind, fields.password, fields.private_key) {
        (Kind::Password, Some(password), None) if fields.passphrase.is_none() => (None, check_password(password)?),
        (Kind::Key, None, Some(text)) => {
            split(secret::on_a_wiped_stack(|| keys::import(&text, fields.passphrase.as_ref(), &comment))?)
        }
        (Kind::Generate, None, None) if fields.passphrase.is_none() => {
            split(secret::on_a_wiped_stack(|| keys::generate(&comment)))
        }
        _ => return Err(other_kind()),
    };
    let kind = if key.is_some() { CredentialKind::Key } else { CredentialKind::Password };
    let (algorithm, public_key, fingerprint) = key.map_or((None, None, None), |(a, p, f)| (Some(a), Some(p), Some(f)));
    let sealed = seal(login, id, kind, &secret)?;
    let credential = Credential {
        id,
        label: fields.label,
        kind,
        algorithm,
        public_key,
        fingerprint,
        created: request.now.calendar,
        secret: sealed,
        sent_to: typed_for.into_iter().collect(),
        last_used: None,
    };
    // Sealed under the key of this sign-in: if a forgotten password was replaced meanwhile, that is nobody's any more.
    let has = |user: &User| login.stands_on(user);
    context.store.put_credential(login.user, &credential, limits::CREDENTIALS_PER_USER, has)?;
    note(request, "credential.add", &credential)?;
    Answer::json(201, &show(credential, &Uses::new()))
}

/// Without a passphrase nothing is opened that costs anything, so that it does not count.
fn spare(context: &Context, login: &Login, passphrase: Option<&Secret>) {
    if passphrase.is_none_or(Secret::is_empty) {
        context.auth.table().give_back(Counted::Key, Key::User(login.user));
    }
}

fn other_kind() -> Problem {
    Problem::bad_request("These fields do not belong to this kind of credential.")
}

/// Whoever sends a password knows it: that it may go where they say tells them nothing new.
fn typed_for(kind: Kind, address: Option<String>, port: Option<u16>) -> Result<Option<Place>, Problem> {
    match (kind, address, port) {
        (_, None, None) => Ok(None),
        (Kind::Password, Some(address), port) => {
            let port = port.unwrap_or_else(super::hosts::ssh_port);
            check::address(&address)?;
            check::port(port)?;
            Ok(Some(Place::new(&address, port)))
        }
        _ => Err(other_kind()),
    }
}

type Public = (String, String, String);

fn split(key: Imported) -> (Option<Public>, Secret) {
    (Some((key.algorithm, key.public_line, key.fingerprint)), key.secret)
}

fn check_password(password: Secret) -> Result<Secret, Problem> {
    match password.len() {
        1..=limits::HOST_PASSWORD_BYTES => Ok(password),
        _ => Err(Problem::invalid("password", "A password for a host has 1 to 1024 bytes.")),
    }
}

fn about(login: &Login, record: Id, kind: CredentialKind) -> About<'static> {
    let kind = match kind {
        CredentialKind::Key => "ssh-key",
        CredentialKind::Password => "ssh-password",
    };
    About { user: login.user, record, kind, version: 1 }
}

fn seal(login: &Login, record: Id, kind: CredentialKind, secret: &Secret) -> Result<Sealed, Problem> {
    login.data_key(|key| key.seal(&about(login, record, kind), secret)).ok_or_else(Problem::not_signed_in)
}

/// The secret itself, for the length of a handshake (F5). Only `sessions` asks.
pub(super) fn open(login: &Login, credential: &Credential) -> Result<Secret, Problem> {
    let about = about(login, credential.id, credential.kind);
    let opened = login.data_key(|key| key.open(&about, &credential.secret)).ok_or_else(Problem::not_signed_in)?;
    opened.map_err(|error| Problem::internal(&error))
}

/// A stored password leaves the box only for where it was typed for, or where somebody proved that they want it to go (B8). A stolen
/// cookie could else send it to an address of the thief's own, say yes to the key there, and read it.
pub(super) fn allow(
    context: &Context,
    request: &Request<'_>,
    credential: &Credential,
    to: &Destination,
    proof: Option<&Secret>,
) -> Result<(), Problem> {
    let place = Place::new(&to.host, to.port);
    if credential.kind == CredentialKind::Key || credential.sent_to.contains(&place) {
        return Ok(());
    }
    let what = format!("send password {} to {} {}", credential.id, place.address, place.port);
    prove(context, request, proof, &what)?;
    // It was proven for this terminal: a full disk is no reason to keep it from its user, who is asked again another time.
    let user = request.login()?.user;
    if let Err(error) = context.store.allow_place(user, credential.id, &place, limits::PLACES_PER_PASSWORD) {
        log::error!("where a password may be sent cannot be noted: {error}");
    }
    Ok(())
}

pub fn change(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Changes = request.read()?;
    check::label(&fields.label)?;
    let user = request.login()?.user;
    let change = |credential: &mut Credential| {
        credential.label = fields.label;
        if let Some(stay) = fields.sent_to {
            let stay: Vec<Place> = stay.iter().map(|named| Place::new(&named.address, named.port)).collect();
            credential.sent_to.retain(|place| stay.contains(place));
        }
    };
    let changed = context.store.update_credential(user, request.id()?, change)?.ok_or_else(Problem::not_found)?;
    Answer::json(200, &show(changed, &uses(context, user)?))
}

pub fn delete(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let (user, id) = (request.login()?.user, request.id()?);
    let credential = context.store.credential(user, id)?.ok_or_else(Problem::not_found)?;
    if !context.store.delete_credential(user, id)? {
        return Err(Problem::not_found());
    }
    note(request, "credential.remove", &credential)?;
    Ok(Answer::nothing())
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Problem {
        match error {
            KeyError::NeedsPassphrase => {
                Problem::invalid("passphrase", "This key is encrypted; its passphrase is needed.")
            }
            KeyError::WrongPassphrase => Problem::invalid("passphrase", "This passphrase does not open the key."),
            KeyError::Busy => Problem::busy(),
            KeyError::Refused(why) | KeyError::Unreadable(why) => Problem::invalid("private_key", &why),
        }
    }
}
