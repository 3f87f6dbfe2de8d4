//! One connection's life in HTTP/1.1: read, guard, route, answer.
//!
//! [`serve`] is the main loop of every browser's connection. What it reads is checked by `head` (grammar and caps), `guard` (host,
//! origin, session, CSRF) and the route's own handler in `api`, in this order, and what it says is rendered by `reply`.

mod assets;
mod guard;
mod head;
pub mod plain;
mod proxies;
mod reply;

pub use guard::base_path;
pub use proxies::Proxies;

use crate::api::{self, Context, Method, Problem, ROUTES, Route, Then};
use crate::auth::Shown;
use crate::auth::logins::{Login, Stage};
use crate::bridge::Begin;
use crate::bridge::Viewer;
use crate::clock::{self, Now};
use crate::limits;
use crate::term;
use crate::wire::{self, Wire};
use head::{Bad, Head, Parsed, Verb};
use reply::Reply;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;
use zeroize::{Zeroize, Zeroizing};

/// What a connection serves.
pub struct Site {
    pub context: Arc<Context>,
    /// Host names the box answers to (J3), in lower case.
    pub names: Arc<[String]>,
    pub proxies: Proxies,
    /// Are browsers asked for certificates of their own (R2)?
    pub asks: bool,
    /// Only with a certificate of the owner's (I4): with our own, a browser could never be talked out of it.
    pub hsts: bool,
    /// Where the page lives behind a proxy (J2), with its slashes.
    pub base: String,
}

/// A browser's connection, from its handshake to its end.
pub fn serve(wire: Box<dyn Wire>, site: &Site) {
    let mut connection = Connection { wire, site, bytes: Zeroizing::new(Vec::new()) };
    let mut until = Instant::now() + limits::HEAD_DEADLINE;
    loop {
        match connection.turn(until) {
            Ok(Next::Request) => {}
            Ok(Next::Close) => return connection.part(),
            Ok(Next::Terminal(visit)) => {
                let Visit { viewer, begin, login } = *visit;
                return term::serve(connection.wire, viewer, begin, login);
            }
            Err(error) => {
                log::debug!("a connection ended: {error}");
                return;
            }
        }
        match connection.rest() {
            Ok(true) => until = Instant::now() + limits::HEAD_DEADLINE,
            _ => return connection.part(),
        }
    }
}

/// What comes after a request.
enum Next {
    Request,
    Close,
    Terminal(Box<Visit>),
}

struct Visit {
    viewer: Viewer,
    begin: Begin,
    login: Arc<Login>,
}

/// What a request came to.
enum Outcome {
    Reply(Reply),
    /// The same, and whatever else the client says is not to be read.
    LastReply(Reply),
    Terminal(String, Box<Visit>),
}

struct Connection<'a> {
    wire: Box<dyn Wire>,
    site: &'a Site,
    /// Read and not yet used. May hold a body, and that a password.
    bytes: Zeroizing<Vec<u8>>,
}

impl Connection<'_> {
    /// One request and its answer.
    fn turn(&mut self, until: Instant) -> io::Result<Next> {
        let head = match self.read_head(until)? {
            Ok(head) => head,
            Err(bad) => return self.say(&Reply::bad(bad), None, true),
        };
        match self.handle(&head)? {
            Outcome::Reply(reply) if reply.starts_anew => {
                // Whether or not anybody hears it.
                let said = self.say(&reply, head.verb, true);
                (self.site.context.restore.start_anew)();
                said
            }
            Outcome::Reply(reply) => self.say(&reply, head.verb, head.close),
            Outcome::LastReply(reply) => self.say(&reply, head.verb, true),
            Outcome::Terminal(accept, visit) => {
                self.say(&Reply::switching(accept), None, false)?;
                Ok(Next::Terminal(visit))
            }
        }
    }

    fn say(&mut self, reply: &Reply, verb: Option<Verb>, close: bool) -> io::Result<Next> {
        let until = Instant::now() + limits::WRITE_DEADLINE;
        let body = reply.body_for(verb);
        let mut bytes = reply.head(self.site.hsts, &self.site.base, close).into_bytes();
        // One packet for a small answer; a big one is not copied.
        if body.len() <= limits::SMALL_REPLY_BYTES {
            bytes.extend_from_slice(body);
            wire::send_all(&mut *self.wire, &bytes, until)?;
        } else {
            wire::send_all(&mut *self.wire, &bytes, until)?;
            wire::send_all(&mut *self.wire, body, until)?;
        }
        Ok(if close { Next::Close } else { Next::Request })
    }

    // ---- reading ----

    /// More bytes, or an error once `until` has passed. `Ok(0)`: the client has gone.
    fn read_more(&mut self, until: Instant) -> io::Result<usize> {
        let mut piece = Zeroizing::new([0; limits::READ_BYTES]);
        loop {
            match self.wire.read(&mut piece[..]) {
                Ok(count) => {
                    self.bytes.extend_from_slice(&piece[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if wire::wait(&*self.wire, true, None, until)?.timed_out() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read_head(&mut self, until: Instant) -> io::Result<Result<Box<Head>, Bad>> {
        let mut fresh = self.bytes.len();
        loop {
            let parsed = match head::is_worth_parsing(&self.bytes, fresh) {
                true => head::parse(&self.bytes),
                false => Parsed::Incomplete,
            };
            match parsed {
                Parsed::Whole(head, length) => {
                    self.use_up(length);
                    return Ok(Ok(head));
                }
                Parsed::Bad(bad) => return Ok(Err(bad)),
                Parsed::Incomplete => {}
            }
            match self.read_more(until) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => fresh = count,
                Err(error) if error.kind() == ErrorKind::TimedOut && !self.bytes.is_empty() => {
                    return Ok(Err(Bad { status: 408, why: "The request took too long." }));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn use_up(&mut self, length: usize) {
        self.bytes[..length].zeroize();
        self.bytes.drain(..length);
    }

    /// The whole body, in one allocation that is wiped.
    fn read_body(&mut self, length: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        let until = Instant::now() + limits::BODY_DEADLINE;
        let mut body = Zeroizing::new(Vec::with_capacity(length));
        loop {
            let take = self.bytes.len().min(length - body.len());
            body.extend_from_slice(&self.bytes[..take]);
            self.use_up(take);
            if body.len() == length {
                return Ok(body);
            }
            if self.read_more(until)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Between two requests. False: nothing more comes.
    fn rest(&mut self) -> io::Result<bool> {
        if !self.bytes.is_empty() {
            return Ok(true);
        }
        // A resting connection keeps no buffer.
        self.bytes = Zeroizing::new(Vec::new());
        Ok(self.read_more(Instant::now() + limits::KEEP_ALIVE)? > 0)
    }

    /// Closing over unread bytes would reset the connection, and the answer with it: a bounded rest is read away first.
    fn part(mut self) {
        self.wire.close();
        let until = Instant::now() + limits::GOODBYE;
        let mut left = limits::BODY_BYTES;
        while left > 0 && Instant::now() < until {
            self.bytes.zeroize();
            match self.read_more(until) {
                Ok(count) if count > 0 => left = left.saturating_sub(count),
                _ => return,
            }
        }
    }

    // ---- guard, route, answer ----

    fn handle(&mut self, head: &Head) -> io::Result<Outcome> {
        if let Err(problem) = guard::check_host(&head.host, &self.site.names) {
            return Ok(Outcome::LastReply(Reply::problem(&problem)));
        }
        let now = clock::now();
        match find(head.verb, guard::below(&head.path, &self.site.base)) {
            Found::Route(route, id) => self.take(head, route, id.as_deref(), now),
            Found::Asset(asset) if head.length == 0 => {
                Ok(Outcome::Reply(Reply::asset(asset, head.takes_gzip, head.if_none_match.as_deref())))
            }
            Found::Asset(_) => Ok(Outcome::LastReply(too_large())),
            Found::Nothing => Ok(refuse(head, &Problem::not_found())),
            Found::WrongMethod(allow) => {
                let problem = Problem::new(405, "method_not_allowed", "This route does not take this method.", "");
                let reply = Reply::problem(&problem).with("allow", allow);
                Ok(if head.length == 0 { Outcome::Reply(reply) } else { Outcome::LastReply(reply) })
            }
        }
    }

    /// A proxy's own certificate says nothing about who is behind it.
    fn shown<'c>(&self, certificate: Option<&'c str>) -> Shown<'c> {
        match certificate {
            _ if !self.site.asks => Shown::NotAsked,
            _ if self.site.proxies.trusts(self.wire.peer()) => Shown::Proxied,
            Some(fingerprint) => Shown::This(fingerprint),
            None => Shown::Nothing,
        }
    }

    fn take(&mut self, head: &Head, route: &'static Route, id: Option<&str>, now: Now) -> io::Result<Outcome> {
        let cookie = guard::cookie(&head.cookie, &self.site.base);
        let peer = self.site.proxies.client(self.wire.peer(), &head.forwarded_for);
        let certificate = self.wire.certificate().map(str::to_owned);
        let shown = self.shown(certificate.as_deref());
        let login = cookie.and_then(|cookie| self.site.context.auth.find_any(cookie, peer, shown, &now));
        let stale_cookie =
            login.is_none() && head.cookie.contains(&format!("{}=", guard::cookie_name(&self.site.base)));
        let stale = cookie.filter(|_| login.is_none());
        let ended = stale.and_then(|cookie| self.site.context.auth.why_ended(cookie, peer, shown, &now));
        if let Some(login) = &login {
            // Half a sign-in is a stranger still where places for connections are counted.
            if login.stage() == Stage::Full {
                self.wire.signed_in();
            }
            if guard::is_use(route) {
                login.touch(now.since_boot);
            }
        }
        if let Err(problem) = guard::check(head, route, login.as_deref()) {
            // One that there is a word for is left, so that the page can ask for it.
            return Ok(refuse(head, &Problem { clear_cookie: stale_cookie && ended.is_none(), ..problem }));
        }
        if route.form && !self.form_is_good(head, login.as_deref(), &now) {
            return Ok(refuse(head, &Problem::form_needed()));
        }
        if let Err(wait) = self.site.context.auth.count(route.counted, login.as_deref(), peer, now.since_boot) {
            return Ok(refuse(head, &Problem::too_often(wait)));
        }
        if head.length > route.body_bytes as u64 {
            return Ok(Outcome::LastReply(too_large()));
        }
        if head.length > 0 && !head.json {
            return Ok(refuse(head, &Problem::bad_request("A body is application/json.")));
        }
        if head.length > 0 && head.expects_continue {
            wire::send_all(&mut *self.wire, b"HTTP/1.1 100 Continue\r\n\r\n", Instant::now() + limits::WRITE_DEADLINE)?;
        }
        let body = self.read_body(head.length as usize)?;
        // A body may take its time, and whoever was put out meanwhile does nothing more.
        let login = login.filter(|login| head.length == 0 || login.is_alive(clock::now().since_boot));
        if let Err(problem) = guard::check(head, route, login.as_deref()) {
            // The cookie stays: the browser may have the next sign-in's by now.
            return Ok(Outcome::Reply(Reply::problem(&problem)));
        }
        let request = api::Request {
            id,
            host: &head.host,
            query: &head.query,
            body: &body,
            login,
            stale_cookie,
            ended,
            peer,
            shown,
            user_agent: &head.user_agent,
            now,
        };
        Ok(self.answer(head, route, &request))
    }

    fn form_is_good(&self, head: &Head, login: Option<&Login>, now: &Now) -> bool {
        let (Some(token), Some(login)) = (head.form.as_deref(), login) else { return false };
        self.site.context.auth.redeem_form(token, login, now.since_boot)
    }

    fn answer(&mut self, head: &Head, route: &Route, request: &api::Request<'_>) -> Outcome {
        let outcome = match route.then {
            Then::Answer(handler) => handler(&self.site.context, request).map(Reply::answer).map(Outcome::Reply),
            Then::Attach => self.attach(head, request),
        };
        outcome.unwrap_or_else(|problem| Outcome::Reply(Reply::problem(&problem)))
    }

    fn attach(&mut self, head: &Head, request: &api::Request<'_>) -> Result<Outcome, Problem> {
        // RFC 6455, 4.1: an upgrade is a GET. A HEAD has no answer that could go on as a WebSocket.
        let upgrade = head.upgrade.as_ref().filter(|_| head.verb == Some(Verb::Get)).ok_or_else(|| {
            let remedy = "If a proxy stands in between, it must pass the Upgrade and Connection headers on.";
            Problem { remedy: remedy.into(), ..Problem::bad_request("This route wants an upgrade to a WebSocket.") }
        })?;
        if upgrade.version != "13" {
            let problem =
                Problem::new(426, "bad_request", "Only version 13 of the WebSocket protocol is spoken here.", "");
            return Ok(Outcome::Reply(Reply::problem(&problem).with("sec-websocket-version", "13")));
        }
        if !is_key(&upgrade.key) || !self.bytes.is_empty() {
            return Err(Problem::bad_request("The upgrade's key is not 16 bytes in Base64, or something follows it."));
        }
        let (viewer, begin) = api::sessions::attach(&self.site.context, request)?;
        let login = request.login.clone().ok_or_else(Problem::not_signed_in)?;
        let accept = term::accept_key(&upgrade.key);
        Ok(Outcome::Terminal(accept, Box::new(Visit { viewer, begin, login })))
    }
}

/// Without having read the body, nothing after it can be understood.
fn refuse(head: &Head, problem: &Problem) -> Outcome {
    let reply = Reply::problem(problem);
    if head.length == 0 { Outcome::Reply(reply) } else { Outcome::LastReply(reply) }
}

fn too_large() -> Reply {
    Reply::bad(Bad { status: 413, why: "The body is too long." })
}

/// 16 bytes in Base64: 22 characters and two signs of equality.
fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len() == 24 && text.ends_with("==") && text[..22].bytes().all(plain)
}

enum Found {
    Route(&'static Route, Option<String>),
    Asset(&'static assets::Asset),
    /// The methods that are there.
    WrongMethod(String),
    Nothing,
}

fn find(verb: Option<Verb>, path: &str) -> Found {
    let here: Vec<(&'static Route, Option<&str>)> =
        ROUTES.iter().filter_map(|route| matches(route.path, path).map(|id| (route, id))).collect();
    if let Some((route, id)) = here.iter().find(|(route, _)| fits(route.method, verb)) {
        return Found::Route(route, id.map(str::to_owned));
    }
    match assets::find(path) {
        Some(asset) if fits(Method::Get, verb) => Found::Asset(asset),
        Some(_) => Found::WrongMethod("GET, HEAD".into()),
        None if here.is_empty() => Found::Nothing,
        None => Found::WrongMethod(here.iter().map(|(route, _)| name(route.method)).collect::<Vec<_>>().join(", ")),
    }
}

fn fits(method: Method, verb: Option<Verb>) -> bool {
    use Verb::{Delete, Get, Head, Post, Put};
    matches!(
        (method, verb),
        (Method::Get, Some(Get | Head))
            | (Method::Post, Some(Post))
            | (Method::Put, Some(Put))
            | (Method::Delete, Some(Delete))
    )
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET, HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    }
}

/// Does the path fit the route's, and if so what stands for `{id}`?
fn matches<'p>(route: &str, path: &'p str) -> Option<Option<&'p str>> {
    let Some((before, after)) = route.split_once("{id}") else { return (route == path).then_some(None) };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(verb: Verb, path: &str) -> String {
        match find(Some(verb), path) {
            Found::Route(route, id) => format!("{} {}", route.path, id.unwrap_or_default()),
            Found::Asset(asset) => format!("asset {}", asset.path),
            Found::WrongMethod(allow) => allow,
            Found::Nothing => "nothing".into(),
        }
    }

    #[test]
    fn every_path_leads_somewhere_or_nowhere() {
        assert_eq!(found(Verb::Get, "/"), "asset /");
        assert_eq!(found(Verb::Head, "/"), "asset /");
        assert_eq!(found(Verb::Post, "/"), "GET, HEAD");
        assert_eq!(found(Verb::Get, "/api/hosts"), "/api/hosts ");
        assert_eq!(found(Verb::Put, "/api/hosts/abc"), "/api/hosts/{id} abc");
        assert_eq!(found(Verb::Get, "/api/sessions/abc/attach"), "/api/sessions/{id}/attach abc");
        assert_eq!(found(Verb::Other, "/api/hosts/abc"), "GET, HEAD, PUT, DELETE");
        assert_eq!(found(Verb::Get, "/api/login"), "POST");
        for nowhere in
            ["/api", "/api/", "/api/hosts/", "/api/hosts/a/b", "/../etc/passwd", "/%2e%2e/", "//", "/index.html.gz"]
        {
            assert_eq!(found(Verb::Get, nowhere), "nothing", "{nowhere}");
        }
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(
            !is_key("")
                && !is_key("dGhlIHNhbXBsZSBub25jZQ=")
                && !is_key("dGhlIHNhbXBsZSBub25jZ!==")
                && !is_key(&"é".repeat(12))
        );
    }
}
