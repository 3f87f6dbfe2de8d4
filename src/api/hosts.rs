//! A user's hosts: where they want to go.

use super::room::{list as list_of, room};
use super::{Answer, Context, Problem, Request, check};
use crate::limits;
use crate::random::Id;
use crate::store::Host;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    label: String,
    address: String,
    #[serde(default = "ssh_port")]
    port: u16,
    user: String,
    credential_id: Option<Id>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    favourite: bool,
    #[serde(default)]
    colour: String,
    #[serde(default)]
    notes: String,
    #[serde(default)]
    osc52: bool,
}

pub(super) fn ssh_port() -> u16 {
    22
}

impl Fields {
    fn check(&self) -> Result<(), Problem> {
        check::label(&self.label)?;
        check::address(&self.address)?;
        check::port(self.port)?;
        check::user(&self.user)?;
        check::tags(&self.tags)?;
        check::colour(&self.colour)?;
        check::notes(&self.notes)
    }

    fn into_host(self, id: Id, created: i64, last_used: Option<i64>) -> Host {
        let Fields { label, address, port, user, credential_id, tags, favourite, colour, notes, osc52 } = self;
        Host {
            id,
            label,
            address,
            port,
            user,
            credential_id,
            created,
            last_used,
            tags,
            favourite,
            colour,
            notes,
            osc52,
        }
    }
}

/// The fields, with a credential that is the user's own.
fn read(context: &Context, request: &Request<'_>) -> Result<Fields, Problem> {
    let fields: Fields = request.read()?;
    fields.check()?;
    if let Some(id) = fields.credential_id {
        let own = context.store.credential(request.login()?.user, id)?;
        own.ok_or_else(|| Problem::invalid("credential_id", "You have no such credential."))?;
    }
    Ok(fields)
}

pub fn list(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let user = request.login()?.user;
    let room = room(user, context.store.hosts_size(user)?)?;
    let mut hosts = context.store.hosts(user)?;
    hosts.sort_by(|a, b| (&a.label, &a.address, a.id).cmp(&(&b.label, &b.address, b.id)));
    list_of(room, "hosts", hosts)
}

pub fn add(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let host = read(context, request)?.into_host(Id::random(), request.now.calendar, None);
    context.store.put_host(request.login()?.user, &host, limits::HOSTS_PER_USER)?;
    Answer::json(201, &host)
}

pub fn get(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let host = context.store.host(request.login()?.user, request.id()?)?;
    Answer::json(200, &host.ok_or_else(Problem::not_found)?)
}

pub fn put(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    let user = request.login()?.user;
    let id = request.id()?;
    context.store.host(user, id)?.ok_or_else(Problem::not_found)?;
    let host = read(context, request)?.into_host(id, request.now.calendar, None);
    Answer::json(200, &context.store.replace_host(user, host)?.ok_or_else(Problem::not_found)?)
}

pub fn delete(context: &Context, request: &Request<'_>) -> Result<Answer, Problem> {
    match context.store.delete_host(request.login()?.user, request.id()?)? {
        true => Ok(Answer::nothing()),
        false => Err(Problem::not_found()),
    }
}
