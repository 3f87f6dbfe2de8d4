//! What a browser does, without the page: HTTP/1.1 over TLS with a cookie, an Origin and a CSRF token. Written from docs/API.md.

use super::patience::PATIENCE;
use super::terminal::Terminal;
use super::tls::{self, Identity, Tls};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

pub struct Browser {
    pub address: SocketAddr,
    pub fingerprint: String,
    /// The host name it says that it came by, instead of the address.
    pub name: Option<String>,
    /// `name=value`, as it is sent back.
    pub cookie: Option<String>,
    pub csrf: Option<String>,
    /// What was last typed into it: the proof of who has no second factor.
    pub password: Option<String>,
    /// The certificate that it shows to whoever asks. See [`Browser::show`].
    pub identity: Option<Arc<Identity>>,
    connection: Option<Tls>,
}

/// A copy shares the sign-in session, not the connection.
impl Clone for Browser {
    fn clone(&self) -> Browser {
        Browser {
            address: self.address,
            fingerprint: self.fingerprint.clone(),
            name: self.name.clone(),
            cookie: self.cookie.clone(),
            csrf: self.csrf.clone(),
            password: self.password.clone(),
            identity: self.identity.clone(),
            connection: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The `error` code of a refusal that must have this status.
    #[track_caller]
    pub fn refusal(self, status: u16) -> String {
        self.expect(status)["error"].as_str().expect("a refusal has a code").into()
    }
}

/// Where a terminal should lead.
pub struct Target<'a> {
    pub address: &'a str,
    pub port: u16,
    pub user: &'a str,
    pub credential: Option<&'a str>,
}

impl Browser {
    pub fn new(address: SocketAddr, fingerprint: &str) -> Browser {
        let fingerprint = fingerprint.into();
        Browser {
            address,
            fingerprint,
            name: None,
            cookie: None,
            csrf: None,
            password: None,
            identity: None,
            connection: None,
        }
    }

    pub fn origin(&self) -> String {
        format!("https://{}", self.host())
    }

    fn host(&self) -> String {
        self.name.as_ref().map_or(self.address.to_string(), |name| format!("{name}:{}", self.address.port()))
    }

    /// Closes the browser and shows this certificate from now on, or none.
    pub fn show(&mut self, identity: Option<&Arc<Identity>>) {
        self.identity = identity.cloned();
        self.connection = None;
    }

    pub fn connect(&self) -> std::io::Result<Tls> {
        let config = match &self.identity {
            Some(identity) => tls::config_as(&self.fingerprint, identity),
            None => tls::config(&self.fingerprint),
        };
        tls::connect(self.address, config)
    }

    // ---- requests ----

    pub fn get(&mut self, path: &str) -> Reply {
        self.request("GET", path, None)
    }

    pub fn post(&mut self, path: &str, body: Value) -> Reply {
        self.request("POST", path, Some(body))
    }

    pub fn put(&mut self, path: &str, body: Value) -> Reply {
        self.request("PUT", path, Some(body))
    }

    pub fn delete(&mut self, path: &str) -> Reply {
        self.request("DELETE", path, None)
    }

    /// Something that is removed with a proof only.
    pub fn remove(&mut self, path: &str, proof: &str) -> Reply {
        self.request("DELETE", path, Some(json!({"proof": proof})))
    }

    /// As the page sends it: with Origin and CSRF token wherever something changes.
    pub fn request(&mut self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let mut headers = vec![("Host".to_string(), self.host())];
        if method != "GET" && method != "HEAD" {
            headers.push(("Origin".into(), self.origin()));
            headers.extend(self.csrf.clone().map(|csrf| ("X-Footbridge-Csrf".into(), csrf)));
        }
        headers.extend(self.cookie.clone().map(|cookie| ("Cookie".into(), cookie)));
        let body = body.map(|body| body.to_string().into_bytes());
        if body.is_some() {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        let mut reply = self.exchange(&head(method, path, &headers, body.as_deref()), method == "HEAD");
        if reply.status == 403 && reply.json()["error"] == "form_needed" {
            headers.push(("X-Footbridge-Form".into(), self.form()));
            reply = self.exchange(&head(method, path, &headers, body.as_deref()), method == "HEAD");
        }
        self.remember_cookie(&reply);
        reply
    }

    /// A token for one form that changes security.
    pub fn form(&mut self) -> String {
        self.post("/api/form", json!({})).expect(200)["form"].as_str().unwrap().into()
    }

    /// A request to a box that may be killed under it: an error, or the whole answer.
    pub fn try_post(&self, path: &str, body: &Value) -> std::io::Result<Reply> {
        let body = body.to_string().into_bytes();
        let headers = [
            ("Host", self.host()),
            ("Origin", self.origin()),
            ("X-Footbridge-Csrf", self.csrf.clone().unwrap_or_default()),
            ("Cookie", self.cookie.clone().unwrap_or_default()),
            ("Content-Type", "application/json".into()),
        ];
        let headers = headers.map(|(name, value)| (name.to_string(), value));
        let mut stream = self.connect()?;
        stream.write_all(&head("POST", path, &headers, Some(&body)))?;
        stream.flush()?;
        read_reply(&mut stream, false)
    }

    /// Exactly these bytes, over the connection that is open if it still is; the answer is read as HTTP.
    pub fn exchange(&mut self, bytes: &[u8], is_head: bool) -> Reply {
        if let Some(mut open) = self.connection.take()
            && open.write_all(bytes).and_then(|()| open.flush()).is_ok()
            && let Ok(reply) = read_reply(&mut open, is_head)
        {
            self.keep(open, &reply);
            return reply;
        }
        let mut fresh = self.connect().unwrap();
        // A server that refuses early may close while we still write: what it said is what counts.
        let _ = fresh.write_all(bytes).and_then(|()| fresh.flush());
        let reply = read_reply(&mut fresh, is_head).unwrap_or_else(|error| panic!("no answer: {error}"));
        self.keep(fresh, &reply);
        reply
    }

    fn keep(&mut self, connection: Tls, reply: &Reply) {
        let closes = reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.connection = (!closes).then_some(connection);
    }

    fn remember_cookie(&mut self, reply: &Reply) {
        for (_, cookie) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            let cleared = pair.ends_with('=') || cookie.to_ascii_lowercase().contains("max-age=0");
            self.cookie = (!cleared).then(|| pair.into());
        }
    }

    // ---- what people do ----

    pub fn claim(&mut self, code: &str, (name, password): (&str, &str)) {
        self.password = Some(password.into());
        let body = self.post("/api/claim", json!({"code": code, "name": name, "password": password})).expect(201);
        self.csrf = Some(body["csrf"].as_str().unwrap().into());
    }

    pub fn try_sign_in(&mut self, name: &str, password: &str) -> Reply {
        self.password = Some(password.into());
        self.post("/api/login", json!({"name": name, "password": password}))
    }

    pub fn sign_in(&mut self, (name, password): (&str, &str)) {
        let body = self.try_sign_in(name, password).expect(200);
        self.csrf = Some(body["csrf"].as_str().unwrap().into());
    }

    pub fn is_signed_in(&mut self) -> bool {
        !self.get("/api/state").expect(200)["user"].is_null()
    }

    /// Answers the host's id.
    pub fn add_host(&mut self, target: &Target<'_>) -> String {
        let body = json!({"label": "", "address": target.address, "port": target.port, "user": target.user,
            "credential_id": target.credential});
        id_of(&self.post("/api/hosts", body).expect(201))
    }

    pub fn add_password(&mut self, password: &str) -> String {
        id_of(
            &self
                .post("/api/credentials", json!({"label": "password", "kind": "password", "password": password}))
                .expect(201),
        )
    }

    /// Typed for that host, so that it is sent there without a proof.
    pub fn add_password_for(&mut self, target: &Target<'_>, password: &str) -> String {
        let body = json!({"label": "password", "kind": "password", "password": password, "address": target.address,
            "port": target.port});
        id_of(&self.post("/api/credentials", body).expect(201))
    }

    pub fn add_key(&mut self, private_key: &str, passphrase: Option<&str>) -> String {
        let body = json!({"label": "key", "kind": "key", "private_key": private_key, "passphrase": passphrase});
        id_of(&self.post("/api/credentials", body).expect(201))
    }

    /// Starts a session and attaches from its first byte.
    pub fn open(&mut self, target: &Target<'_>) -> Terminal {
        let started = self.start_session(target).expect(201);
        let id = started["session"]["id"].as_str().unwrap();
        self.attach_with(id, started["ticket"].as_str().unwrap(), Some(0))
    }

    /// The same, to a host whose key nobody knows yet: it is accepted for good, and the prompt is there.
    pub fn open_accepting(&mut self, target: &Target<'_>) -> Terminal {
        let mut terminal = self.open(target);
        terminal.accept_host_key(true);
        terminal.until_prompt();
        terminal
    }

    /// As the page does: a password that was not sent there before wants a proof.
    pub fn start_session(&mut self, target: &Target<'_>) -> Reply {
        let mut body = json!({"address": target.address, "port": target.port, "user": target.user,
            "credential_id": target.credential, "cols": 80, "rows": 24});
        let first = self.post("/api/sessions", body.clone());
        if target.credential.is_none() || first.status != 403 || first.json()["error"] != "proof_needed" {
            return first;
        }
        body["proof"] = json!(self.password);
        self.post("/api/sessions", body)
    }

    pub fn ticket(&mut self, session: &str) -> String {
        let answer = self.post(&format!("/api/sessions/{session}/ticket"), json!({})).expect(200);
        answer["ticket"].as_str().unwrap().into()
    }

    pub fn attach(&mut self, session: &str, offset: Option<u64>) -> Terminal {
        let ticket = self.ticket(session);
        self.attach_with(session, &ticket, offset)
    }

    pub fn attach_with(&self, session: &str, ticket: &str, offset: Option<u64>) -> Terminal {
        Terminal::attach(self, session, ticket, offset)
    }

    /// An upgrade request with these headers besides those of RFC 6455; the answer, and the stream for what follows.
    pub fn upgrade(&self, path: &str, headers: &[(&str, &str)]) -> (Reply, Tls) {
        let mut all = vec![
            ("Host".to_string(), self.host()),
            ("Upgrade".into(), "websocket".into()),
            ("Connection".into(), "Upgrade".into()),
            ("Sec-WebSocket-Version".into(), "13".into()),
            ("Sec-WebSocket-Key".into(), "dGhlIHNhbXBsZSBub25jZQ==".into()),
        ];
        all.extend(headers.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let mut stream = self.connect().unwrap();
        stream.write_all(&head("GET", path, &all, None)).unwrap();
        stream.flush().unwrap();
        let reply = read_reply(&mut stream, false).unwrap();
        (reply, stream)
    }
}

fn id_of(value: &Value) -> String {
    value["id"].as_str().unwrap().into()
}

pub fn head(method: &str, path: &str, headers: &[(String, String)], body: Option<&[u8]>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        text += &format!("Content-Length: {}\r\n", body.len());
    } else if method != "GET" && method != "HEAD" {
        text += "Content-Length: 0\r\n";
    }
    let mut bytes = (text + "\r\n").into_bytes();
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

/// One byte at a time as far as the head goes, so that nothing behind it (a WebSocket's first frame) is swallowed.
pub fn read_reply(stream: &mut impl Read, is_head: bool) -> std::io::Result<Reply> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        read_some(stream, &mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not an HTTP answer: {text:?}"));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
        .collect();
    let mut reply = Reply { status, headers, body: Vec::new() };
    let length = reply.header("content-length").map_or(0, |value| value.parse().unwrap());
    if !is_head && status != 101 && status != 204 && status != 304 {
        reply.body = vec![0; length];
        let mut filled = 0;
        while filled < length {
            filled += read_some(stream, &mut reply.body[filled..])?;
        }
    }
    Ok(reply)
}

/// At least one byte, with patience; the end of the stream is an error.
pub fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let end = Instant::now() + PATIENCE;
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(count),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                if Instant::now() > end {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}
