//! What the page may ask for. One file per noun; each handler takes facts and gives an answer, and never sees a socket.
//!
//! [`ROUTES`] is the only list of routes: `web` dispatches by it, the guard reads each route's [`Access`] from it, and the tests
//! compare docs/API.md and docs/openapi.json with it, so no route can be forgotten by any of them.

use crate::auth::logins::Login;
use crate::clock::Now;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

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
    /// A signed-in user; if the method changes anything, same origin and the session's CSRF token.
    User,
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
    /// Present on `User` and `Upgrade` routes; on the others if the cookie was good.
    pub login: Option<Arc<Login>>,
    /// A cookie was sent that is no good: the answer should clear it.
    pub stale_cookie: bool,
    pub peer: IpAddr,
    pub user_agent: &'a str,
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
}

pub struct Answer {
    pub status: u16,
    pub content: Content,
    pub cookie: Cookie,
}

/// An error for its reader: a stable code, a sentence, a remedy. Never says more than a stranger may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    pub remedy: String,
    /// The field that was refused (`invalid` only).
    pub field: Option<&'static str>,
    /// `Retry-After`, rounded up to seconds.
    pub retry_after: Option<Duration>,
    /// The cookie is stale: clear it.
    pub clear_cookie: bool,
}

pub const ROUTES: &[Route] = &[];

/// What every handler may use.
pub struct Context {}
