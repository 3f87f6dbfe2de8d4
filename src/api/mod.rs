//! What the page may ask for. One file per noun; each handler takes facts and gives an answer, and never sees a socket.
//!
//! [`ROUTES`] is the only list of routes: `web` dispatches by it, the guard reads each route's [`Access`] from it, and the tests
//! compare docs/API.md and docs/openapi.json with it, so no route can be forgotten by any of them.

mod certificates;
mod check;
mod credentials;
mod devices;
mod factor;
mod hostkeys;
mod hosts;
mod invites;
mod login;
mod logins;
mod passkeys;
mod preferences;
mod problem;
mod restore;
mod room;
pub mod sessions;
mod state;
mod update;
mod users;
mod backup;

pub use problem::Problem;
pub use restore::{Restore, Unfit};
pub use room::Room;

use crate::auth::logins::{Login, Stage};
use crate::auth::{Auth, Shown, Why};
use crate::bridge::Registry;
use crate::clock::Now;
use crate::limits::{self, Counted};
use crate::random::Id;
use crate::release::Inbox;
use crate::secret::Secret;
use crate::store::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// Who may take a route. The guard (`web::guard`) decides before any handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, nothing changes.
    Open,
    /// A stranger's sign-in or claim: same origin, no session, small body.
    Stranger,
    /// A sign-in however far it has come, also one that owes its second factor; the token and origin as for `User`.
    Half,
    /// A signed-in user; if the method changes anything, same origin and the session's CSRF token.
    User,
    /// The same, and their role is administrator.
    Administrator,
    /// The WebSocket upgrade: signed in, exact Origin; the ticket is checked by the handler.
    Upgrade,
}

/// A request whose head was read, whose route was found and which the guard let pass.
pub struct Request<'a> {
    /// What stood for `{id}` in the route's path.
    pub id: Option<&'a str>,
    /// The raw query, without `?`.
    pub query: &'a str,
    pub body: &'a [u8],
    /// Present on all but `Open` and `Stranger` routes, and there too if the cookie was good. Half sign-ins come only to `Open`,
    /// `Stranger` and `Half` routes.
    pub login: Option<Arc<Login>>,
    /// The `Host` header: one of the box's own names, or an address.
    pub host: &'a str,
    /// A cookie was sent that is no good: the answer should clear it.
    pub stale_cookie: bool,
    /// Why its sign-in has ended, if it was good here.
    pub ended: Option<Why>,
    pub peer: IpAddr,
    pub user_agent: &'a str,
    /// The certificate of the browser's connection, or why there is none.
    pub shown: Shown<'a>,
    pub now: Now,
}

pub type Handler = fn(&Context, &Request<'_>) -> Result<Answer, Problem>;

/// What a route leads to.
#[derive(Clone, Copy)]
pub enum Then {
    Answer(Handler),
    /// Becomes a WebSocket: `web` upgrades and hands the wire to `term`.
    Attach,
}

pub struct Route {
    pub method: Method,
    /// `{id}` stands for one segment.
    pub path: &'static str,
    pub access: Access,
    pub body_bytes: usize,
    /// What it is counted as (E): tries before the handler runs, failures within it.
    pub counted: &'static [Counted],
    /// It changes who may do what: wants the single-use token of a form besides the session's own (D2).
    pub form: bool,
    pub then: Then,
}

/// What happens to the cookie.
pub enum Cookie {
    Keep,
    Set(String),
    Clear,
}

pub enum Content {
    Nothing,
    Json(Vec<u8>),
    Pem(String),
    Backup(Vec<u8>),
}

pub struct Answer {
    pub status: u16,
    pub content: Content,
    pub cookie: Cookie,
    /// Its memory, until it has been sent.
    pub room: Room,
    /// When it has been sent, the box starts anew.
    pub starts_anew: bool,
}

impl Answer {
    pub fn json(status: u16, body: &impl Serialize) -> Result<Answer, Problem> {
        let text = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
        Ok(Answer { status, content: Content::Json(text), ..Answer::nothing() })
    }

    /// `204`.
    pub fn nothing() -> Answer {
        Answer { status: 204, content: Content::Nothing, cookie: Cookie::Keep, room: None, starts_anew: false }
    }

    fn with(self, cookie: Cookie) -> Answer {
        Answer { cookie, ..self }
    }
}

impl Request<'_> {
    /// The user behind a `User` or `Administrator` route. The guard has seen to it; a route that was declared wrongly refuses.
    fn login(&self) -> Result<&Arc<Login>, Problem> {
        self.any_login().and_then(|login| match login.stage() {
            Stage::Full => Ok(login),
            _ => Err(Problem::second_factor()),
        })
    }

    /// The one behind a `Half` route, who may owe a second factor.
    fn any_login(&self) -> Result<&Arc<Login>, Problem> {
        self.login.as_ref().ok_or_else(Problem::not_signed_in)
    }

    /// The body, read strictly: unknown fields are refused by the types.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(self.body).map_err(|error| Problem::bad_request(&describe(&error)))
    }

    /// What stood for `{id}`. A text that is no id looks like an id of nothing.
    fn id(&self) -> Result<Id, Problem> {
        self.id.and_then(|text| text.parse().ok()).ok_or_else(Problem::not_found)
    }

    /// The value of `name` in the query, decoded as forms are.
    fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| decoded(key) == name).map(|(_, value)| decoded(value))
    }
}

/// `+` and `%41` as a browser's URLSearchParams writes them. What is no such sign stands for itself.
fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8);
    let (bytes, mut plain, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let (byte, length) = match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => (high << 4 | low, 3),
            (b'+', ..) => (b' ', 1),
            (byte, ..) => (byte, 1),
        };
        plain.push(byte);
        at += length;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// serde's words for a bad body, without what the body said: it may hold a password.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "has the wrong fields",
        serde_json::error::Category::Eof => "ends too early",
        _ => "is not JSON",
    };
    format!("The body {what} (line {}, column {}).", error.line(), error.column())
}

/// What every handler may use.
pub struct Context {
    pub auth: Arc<Auth>,
    pub store: Arc<Store>,
    pub registry: Arc<Registry>,
    /// Another one after every start, so that a page can say plainly that the box was restarted.
    pub boot: Id,
    /// The box's own CA; none when the owner brought a certificate.
    pub ca_pem: Option<String>,
    /// Where the audit is.
    pub audit: PathBuf,
    /// No terminal begins that the audit does not know of.
    pub audit_required: bool,
    /// Makes a backup under this passphrase, when its turn has come and it may still be made. The room that knows how is above.
    pub make_backup: MakeBackup,
    /// Where a newer program is put.
    pub inbox: Arc<Inbox>,
    /// Where a backup is put while nobody has claimed the box.
    pub restore: Arc<Restore>,
}

pub type MakeBackup = Box<dyn Fn(&Secret, &dyn Fn() -> Result<(), Problem>) -> Result<Vec<u8>, Problem> + Send + Sync>;

const fn route(method: Method, path: &'static str, access: Access, handler: Handler) -> Route {
    let body_bytes = match (method, access) {
        (Method::Get | Method::Delete, _) => 0,
        (_, Access::Stranger) => limits::SIGN_IN_BODY_BYTES,
        _ => limits::BODY_BYTES,
    };
    Route { method, path, access, body_bytes, counted: &[], form: false, then: Then::Answer(handler) }
}

const fn small(mut route: Route) -> Route {
    route.body_bytes = limits::SIGN_IN_BODY_BYTES;
    route
}

const fn counted(counted: &'static [Counted], mut route: Route) -> Route {
    route.counted = counted;
    route
}

const fn form(mut route: Route) -> Route {
    route.form = true;
    route
}

/// A step of the second factor that takes a code.
const CODE: &[Counted] = &[Counted::Factor, Counted::Code, Counted::SignIn];
/// What may want a proof (B8): a code, or a password.
const PROOF: &[Counted] = &[Counted::Code, Counted::SignIn];

use Access::{Administrator, Half, Open, Stranger, Upgrade, User};
use Method::{Delete, Get, Post, Put};

/// Every route there is.
pub const ROUTES: &[Route] = &[
    route(Get, "/health", Open, state::health),
    route(Get, "/ready", Open, state::ready),
    route(Get, "/ca.pem", Open, state::ca),
    route(Get, "/api/state", Open, state::state),
    counted(&[Counted::SignIn], route(Post, "/api/claim", Stranger, login::claim)),
    counted(&[Counted::SignIn], route(Post, "/api/restore", Stranger, restore::begin)),
    counted(&[Counted::SignIn], route(Put, "/api/restore", Stranger, restore::put)),
    counted(&[Counted::SignIn], route(Post, "/api/restore/finish", Stranger, restore::finish)),
    counted(&[Counted::SignIn, Counted::Device, Counted::Half], route(Post, "/api/login", Stranger, login::sign_in)),
    counted(&[Counted::Link, Counted::SignIn], route(Post, "/api/invite", Stranger, invites::accept)),
    counted(&[Counted::Link, Counted::SignIn], route(Post, "/api/reset", Stranger, invites::reset)),
    small(route(Post, "/api/logout", Half, login::sign_out)),
    small(route(Post, "/api/lock", User, login::lock)),
    counted(CODE, small(route(Post, "/api/factor/verify", Half, factor::verify))),
    counted(CODE, small(route(Post, "/api/factor/recover", Half, factor::recover))),
    form(counted(CODE, small(route(Post, "/api/factor/begin", Half, factor::begin)))),
    form(counted(CODE, small(route(Post, "/api/factor/finish", Half, factor::finish)))),
    small(route(Post, "/api/factor/passkey/begin", Half, passkeys::offer)),
    counted(CODE, small(route(Post, "/api/factor/passkey/verify", Half, passkeys::verify))),
    counted(PROOF, small(route(Post, "/api/factor/passkey/prove", User, passkeys::prove))),
    small(route(Post, "/api/device/challenge", Stranger, devices::challenge)),
    form(counted(PROOF, small(route(Post, "/api/device/code", User, devices::code)))),
    form(counted(PROOF, small(route(Put, "/api/device/demand", User, devices::demand)))),
    route(Get, "/api/devices", User, devices::list),
    form(counted(PROOF, small(route(Post, "/api/devices", Half, devices::trust)))),
    form(counted(PROOF, small(route(Delete, "/api/devices/{id}", User, devices::remove)))),
    route(Get, "/api/certificates", User, certificates::list),
    form(counted(PROOF, small(route(Post, "/api/certificates", User, certificates::register)))),
    form(counted(PROOF, small(route(Put, "/api/certificate/demand", User, certificates::demand)))),
    form(counted(PROOF, small(route(Delete, "/api/certificates/{id}", User, certificates::remove)))),
    route(Get, "/api/passkeys", User, passkeys::list),
    counted(PROOF, small(route(Post, "/api/factor/passkey/create", Half, passkeys::wish))),
    form(route(Post, "/api/passkeys", Half, passkeys::add)),
    form(counted(PROOF, small(route(Delete, "/api/passkeys/{id}", User, passkeys::remove)))),
    route(Get, "/api/factor", User, factor::get),
    form(counted(CODE, small(route(Post, "/api/factor/disable", User, factor::disable)))),
    form(counted(CODE, small(route(Post, "/api/factor/codes", User, factor::renew_codes)))),
    route(Get, "/api/logins", User, logins::list),
    route(Delete, "/api/logins/{id}", User, logins::end),
    route(Get, "/api/activity", User, logins::activity),
    route(Get, "/api/notices", User, logins::notices),
    small(route(Post, "/api/notices/dismiss", User, logins::dismiss)),
    small(route(Post, "/api/form", Half, login::form)),
    form(counted(PROOF, small(route(Post, "/api/backup", Administrator, backup::create)))),
    route(Get, "/api/update", Administrator, update::get),
    form(counted(PROOF, small(route(Post, "/api/update", Administrator, update::begin)))),
    route(Put, "/api/update", Administrator, update::put),
    route(Delete, "/api/update", Administrator, update::forget),
    small(route(Post, "/api/update/install", Administrator, update::install)),
    route(Get, "/api/users", Administrator, users::list),
    form(counted(PROOF, small(route(Post, "/api/users", Administrator, users::add)))),
    form(counted(PROOF, small(route(Put, "/api/users/{id}", Administrator, users::change)))),
    form(counted(PROOF, small(route(Delete, "/api/users/{id}", Administrator, users::delete)))),
    form(small(route(Post, "/api/users/{id}/unlock", Administrator, users::unlock))),
    form(counted(PROOF, small(route(Post, "/api/users/{id}/reset-factor", Administrator, users::reset_factor)))),
    route(Get, "/api/invites", Administrator, invites::list),
    form(counted(PROOF, small(route(Post, "/api/invites", Administrator, invites::add)))),
    form(route(Delete, "/api/invites/{id}", Administrator, invites::take_back)),
    route(Get, "/api/audit", Administrator, users::audit),
    route(Get, "/api/log", Administrator, users::log),
    form(counted(
        &[Counted::Password, Counted::Code, Counted::SignIn],
        small(route(Post, "/api/password", User, login::change_password)),
    )),
    route(Get, "/api/preferences", User, preferences::get),
    route(Put, "/api/preferences", User, preferences::put),
    route(Get, "/api/hosts", User, hosts::list),
    route(Post, "/api/hosts", User, hosts::add),
    route(Get, "/api/hosts/{id}", User, hosts::get),
    route(Put, "/api/hosts/{id}", User, hosts::put),
    route(Delete, "/api/hosts/{id}", User, hosts::delete),
    route(Get, "/api/credentials", User, credentials::list),
    counted(&[Counted::Key], route(Post, "/api/credentials", User, credentials::add)),
    route(Put, "/api/credentials/{id}", User, credentials::change),
    route(Delete, "/api/credentials/{id}", User, credentials::delete),
    route(Get, "/api/hostkeys", User, hostkeys::list),
    counted(PROOF, route(Post, "/api/hostkeys", User, hostkeys::add)),
    counted(PROOF, small(route(Delete, "/api/hostkeys/{id}", User, hostkeys::delete))),
    route(Get, "/api/sessions", User, sessions::list),
    counted(
        &[Counted::Connect, Counted::Unproven, Counted::Target, Counted::Code, Counted::SignIn],
        route(Post, "/api/sessions", User, sessions::start),
    ),
    route(Get, "/api/sessions/{id}", User, sessions::get),
    route(Delete, "/api/sessions/{id}", User, sessions::end),
    form(counted(PROOF, small(route(Post, "/api/sessions/{id}/hostkey", User, sessions::override_host_key)))),
    route(Post, "/api/sessions/{id}/ticket", User, sessions::ticket),
    Route {
        method: Get,
        path: "/api/sessions/{id}/attach",
        access: Upgrade,
        body_bytes: 0,
        counted: &[Counted::Upgrade],
        form: false,
        then: Then::Attach,
    },
];

#[cfg(test)]
mod tests {
    use super::decoded;
    use proptest::prelude::*;

    #[test]
    fn a_query_is_read_as_browsers_write_it() {
        for (written, meant) in [
            ("signin.failed", "signin.failed"),
            ("j%C3%BCrgen+k", "jürgen k"),
            ("%3Cimg%20src%3Dx%3E", "<img src=x>"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decoded(written), meant, "{written}");
        }
    }

    proptest! {
        #[test]
        fn any_query_has_a_meaning_no_longer_than_itself(text in "\\PC{0,80}") {
            prop_assert!(decoded(&text).chars().count() <= text.chars().count());
        }
    }
}
