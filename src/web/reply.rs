//! An answer as bytes. Every one carries the hardening headers (D4, D5, D6): there is no other way to make one.

use super::assets::Asset;
use super::guard;
use super::head::{Bad, Verb};
use crate::api::{Answer, Content, Cookie, Problem, Room};
use std::fmt::Write as _;

/// D4: scripts, styles and connections of our own origin, and nothing else.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), \
microphone=(), midi=(), payment=(), serial=(), usb=(), clipboard-read=(self), clipboard-write=(self)";

pub enum Body {
    Nothing,
    Bytes(Vec<u8>),
    Embedded(&'static [u8]),
}

impl Body {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::Nothing => &[],
            Body::Bytes(bytes) => bytes,
            Body::Embedded(bytes) => bytes,
        }
    }
}

pub struct Reply {
    pub status: u16,
    /// Lines of this answer alone.
    lines: Vec<(&'static str, String)>,
    cookie: Cookie,
    kind: Option<&'static str>,
    cache: &'static str,
    pub body: Body,
    /// The memory of the body: given back with it.
    _room: Room,
    /// When it has been sent, the box starts anew.
    pub starts_anew: bool,
}

const NO_STORE: &str = "no-store";

impl Reply {
    fn new(status: u16) -> Reply {
        Reply {
            status,
            lines: Vec::new(),
            cookie: Cookie::Keep,
            kind: None,
            cache: NO_STORE,
            body: Body::Nothing,
            _room: None,
            starts_anew: false,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.lines.push((name, value.into()));
        self
    }

    fn json(status: u16, body: Vec<u8>) -> Reply {
        Reply { kind: Some("application/json"), body: Body::Bytes(body), ..Reply::new(status) }
    }

    pub fn answer(answer: Answer) -> Reply {
        let reply = match answer.content {
            Content::Nothing => Reply::new(answer.status),
            Content::Json(bytes) => Reply::json(answer.status, bytes),
            Content::Backup(bytes) => {
                let (kind, body) = (Some("application/octet-stream"), Body::Bytes(bytes));
                Reply { kind, body, ..Reply::new(answer.status) }
                    .with("content-disposition", "attachment; filename=\"footbridge.backup\"")
            }
            Content::Pem(text) => {
                let (kind, body) = (Some("application/x-pem-file"), Body::Bytes(text.into_bytes()));
                Reply { kind, body, ..Reply::new(answer.status) }
                    .with("content-disposition", "attachment; filename=\"footbridge-ca.pem\"")
            }
        };
        Reply { cookie: answer.cookie, _room: answer.room, starts_anew: answer.starts_anew, ..reply }
    }

    pub fn problem(problem: &Problem) -> Reply {
        let mut reply = Reply::json(problem.status, problem.body());
        if let Some(after) = problem.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            reply = reply.with("retry-after", seconds.max(1).to_string());
        }
        if problem.clear_cookie {
            reply.cookie = Cookie::Clear;
        }
        reply
    }

    pub fn bad(bad: Bad) -> Reply {
        let code = if matches!(bad.status, 413 | 414 | 431) { "too_large" } else { "bad_request" };
        Reply::problem(&Problem::new(bad.status, code, bad.why, ""))
    }

    /// A file of the page, or word that the browser has it already.
    pub fn asset(asset: &'static Asset, takes_gzip: bool, known: Option<&str>) -> Reply {
        let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        if known == Some(asset.etag) {
            return Reply { cache, ..Reply::new(304) }.with("etag", asset.etag);
        }
        let reply = Reply { kind: Some(asset.kind), cache, ..Reply::new(200) }
            .with("etag", asset.etag)
            .with("vary", "accept-encoding");
        if takes_gzip {
            return Reply { body: Body::Embedded(asset.gzipped), ..reply }.with("content-encoding", "gzip");
        }
        match asset.inflated() {
            Some(bytes) => Reply { body: Body::Embedded(bytes), ..reply },
            None => Reply::problem(&Problem::internal(&"a file of the page does not unpack")),
        }
    }

    pub fn text(status: u16, text: &'static str) -> Reply {
        let (kind, body) = (Some("text/plain; charset=utf-8"), Body::Embedded(text.as_bytes()));
        Reply { kind, body, ..Reply::new(status) }
    }

    pub fn moved(to: String) -> Reply {
        Reply::new(301).with("location", to)
    }

    pub fn switching(accept: String) -> Reply {
        Reply::new(101).with("upgrade", "websocket").with("connection", "upgrade").with("sec-websocket-accept", accept)
    }

    /// What follows the head: nothing, if that is all that was asked for.
    pub fn body_for(&self, verb: Option<Verb>) -> &[u8] {
        if verb == Some(Verb::Head) { &[] } else { self.body.bytes() }
    }

    /// The head, for a page that lives below `base`. `close`: the connection ends after it.
    pub fn head(&self, hsts: bool, base: &str, close: bool) -> String {
        let mut head = String::with_capacity(1536);
        let _ = write!(head, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let mut line = |name: &str, value: &str| {
            let _ = write!(head, "{name}: {value}\r\n");
        };
        if let Some(kind) = self.kind {
            line("content-type", kind);
        }
        if !matches!(self.status, 101 | 204 | 304) {
            line("content-length", &self.body.bytes().len().to_string());
        }
        self.lines.iter().for_each(|(name, value)| line(name, value));
        match &self.cookie {
            Cookie::Keep => {}
            Cookie::Set(value) => line("set-cookie", &guard::set_cookie(value, base)),
            Cookie::Clear => line("set-cookie", &guard::clear_cookie(base)),
        }
        line("cache-control", self.cache);
        line("content-security-policy", POLICY);
        line("x-frame-options", "DENY");
        line("x-content-type-options", "nosniff");
        line("referrer-policy", "no-referrer");
        line("permissions-policy", PERMISSIONS);
        line("cross-origin-opener-policy", "same-origin");
        line("cross-origin-resource-policy", "same-origin");
        line("cross-origin-embedder-policy", "require-corp");
        if hsts {
            line("strict-transport-security", "max-age=31536000");
        }
        if close && self.status != 101 {
            line("connection", "close");
        }
        head.push_str("\r\n");
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_wait_is_rounded_up_and_never_nought() {
        let lines =
            |millis| Reply::problem(&Problem::too_many("", "", Duration::from_millis(millis))).head(false, "/", false);
        assert!(
            lines(1).contains("retry-after: 1\r\n")
                && lines(1001).contains("retry-after: 2\r\n")
                && lines(0).contains("retry-after: 1\r\n")
        );
    }

    #[test]
    fn hsts_is_said_only_when_told() {
        let reply = Reply::bad(Bad { status: 400, why: "x" });
        assert!(
            !reply.head(false, "/", true).contains("strict-transport")
                && reply.head(true, "/", true).contains("strict-transport")
        );
        assert!(reply.head(false, "/", true).contains("connection: close\r\n"));
    }
}
