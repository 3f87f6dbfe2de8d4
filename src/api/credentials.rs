//! What a user signs in to hosts with. A secret goes in and never comes out (F3).

use super::{Answer, Context, Problem, Request, check};
use crate::auth::logins::Login;
use crate::limits;
use crate::random::Id;
use crate::secret::Secret;
use crate::ssh::keys::{self, Imported, KeyError};
use crate::store::{Credential, CredentialKind, Host, User};
use crate::vault::{About, Sealed};
use serde::Deserialize;
use serde_json::{Value, json};

/// One flat form for the three kinds: serde would copy the secrets of a tagged one into buffers that nobody wipes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    label: String,
    kind: Kind,
    password: Option<Secret>,
    private_key: Option<Secret>,
    passphrase: Option<Secret>,
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
struct Rename {
    label: String,
}

/// What the owner sees of a credential.
fn show(credential: &Credential, hosts: &[Host]) -> Value {
    let used_by = hosts.iter().filter(|host| host.credential_id == Some(credential.id)).count();
    json!({
        "id": credential.id, "label": credential.label, "kind": credential.kind, "algorithm": credential.algorithm,
        "public_key": credential.public_key, "fingerprint": credential.fingerprint, "created": credential.created, "used_by": used_by,
    })
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let user = request.login()?.user;
    let hosts = context.store.hosts(user)?;
    let mut credentials = context.store.credentials(user)?;
    credentials.sort_by(|a, b| (&a.label, a.id).cmp(&(&b.label, b.id)));
    let shown: Vec<Value> = credentials.iter().map(|credential| show(credential, &hosts)).collect();
    Answer::json(200, &json!({"credentials": shown}))
}

pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Fields = request.read()?;
    check::label(&fields.label)?;
    let login = request.login()?;
    let comment = format!("{}@footbridge", login.name);
    let id = Id::random();
    let (key, secret) = match (fields.kind, fields.password, fields.private_key) {
        (Kind::Password, Some(password), None) if fields.passphrase.is_none() => (None, check_password(password)?),
        (Kind::Key, None, Some(text)) => split(keys::import(&text, fields.passphrase.as_ref(), &comment)?),
        (Kind::Generate, None, None) if fields.passphrase.is_none() => split(keys::generate(&comment)),
        _ => return Err(Problem::bad_request("These fields do not belong to this kind of credential.")),
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
    };
    // Sealed under the key of this sign-in: if a forgotten password was replaced meanwhile, that is nobody's any more.
    let has = |user: &User| login.stands_on(user);
    context.store.put_credential(login.user, &credential, limits::CREDENTIALS_PER_USER, has)?;
    Answer::json(201, &show(&credential, &[]))
}

type Public = (String, String, String);

fn split(key: Imported) -> (Option<Public>, Secret) {
    (Some((key.algorithm, key.public_line, key.fingerprint)), key.secret)
}

fn check_password(password: Secret) -> Result<Secret, Problem> {
    match password.len() {
        1..=1024 => Ok(password),
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

pub fn rename(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Rename = request.read()?;
    check::label(&fields.label)?;
    let user = request.login()?.user;
    let renamed =
        context.store.rename_credential(user, request.id()?, &fields.label)?.ok_or_else(Problem::not_found)?;
    Answer::json(200, &show(&renamed, &context.store.hosts(user)?))
}

pub fn delete(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    match context.store.delete_credential(request.login()?.user, request.id()?)? {
        true => Ok(Answer::nothing()),
        false => Err(Problem::not_found()),
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Problem {
        match error {
            KeyError::NeedsPassphrase => {
                Problem::invalid("passphrase", "This key is encrypted; its passphrase is needed.")
            }
            KeyError::WrongPassphrase => Problem::invalid("passphrase", "This passphrase does not open the key."),
            KeyError::Refused(why) | KeyError::Unreadable(why) => Problem::invalid("private_key", &why),
        }
    }
}
