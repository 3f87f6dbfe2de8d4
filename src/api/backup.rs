//! A backup for whoever administers the box from afar: the same file as `footbridge backup create` makes.

use super::users::{note, prove};
use super::{Answer, Content, Context, Problem, Request};
use crate::auth;
use crate::secret::Secret;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    passphrase: Secret,
    proof: Option<Secret>,
}

/// The proof comes last: a passphrase that will not do costs nobody a code.
pub fn create(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let fields: Fields = request.read()?;
    auth::strong_enough(&fields.passphrase).map_err(|why| Problem::invalid("passphrase", &why))?;
    prove(context, request, fields.proof.as_ref(), "export backup")?;
    // Others' backups come before it, and it takes its time: whoever was put out meanwhile gets none.
    let (auth, login) = (&context.auth, request.login()?);
    let file = (context.make_backup)(&fields.passphrase, &|| Ok(auth.in_turn(login, || ())?))?;
    auth.in_turn(login, || note(request, "admin.backup", "box"))??;
    Ok(Answer { status: 200, content: Content::Backup(file), ..Answer::nothing() })
}
