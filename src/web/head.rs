//! The head of a request: bytes in, facts out, nothing guessed. Pure.
//!
//! httparse reads the grammar; the strictness it lacks is here. Whatever two programs could read differently (a bare LF, two lengths, a
//! length and chunks) is refused, because that is what request smuggling is made of.

use crate::limits;
use httparse::{EMPTY_HEADER, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Other,
}

/// Why a head is refused: the status and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad {
    pub status: u16,
    pub why: &'static str,
}

const fn bad(status: u16, why: &'static str) -> Bad {
    Bad { status, why }
}

/// Without the white space of RFC 9110, 5.6.3. Rust's own `trim` takes Unicode's too: behind U+2000 begins another name to a browser and to
/// a proxy, and would begin ours here.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// What was said in a head, as far as anybody here cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub verb: Option<Verb>,
    pub path: String,
    /// Without `?`.
    pub query: String,
    /// In lower case, with its port.
    pub host: String,
    pub origin: Option<String>,
    pub fetch_site: Option<String>,
    /// All Cookie lines, joined.
    pub cookie: String,
    pub csrf: Option<String>,
    pub form: Option<String>,
    pub length: u64,
    pub json: bool,
    /// The client wants the connection to end after this request.
    pub close: bool,
    pub expects_continue: bool,
    pub takes_gzip: bool,
    pub if_none_match: Option<String>,
    pub user_agent: String,
    pub forwarded_for: String,
    pub upgrade: Option<Upgrade>,
}

/// The wish to become a WebSocket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    pub key: String,
    pub version: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed.
    Incomplete,
    /// The head, and how many bytes it took.
    Whole(Box<Head>, usize),
    Bad(Bad),
}

pub fn parse(bytes: &[u8]) -> Parsed {
    match check_bounds(bytes).and_then(|()| read(bytes)) {
        Ok(Some((head, length))) => Parsed::Whole(Box::new(head), length),
        Ok(None) => Parsed::Incomplete,
        Err(bad) => Parsed::Bad(bad),
    }
}

/// Can the last `fresh` bytes have changed what [`parse`] says? A head that drips in byte by byte must not be read from its beginning
/// at every byte: 16 KiB would be read sixteen thousand times.
pub fn is_worth_parsing(bytes: &[u8], fresh: usize) -> bool {
    let (old, new) = bytes.split_at(bytes.len().saturating_sub(fresh));
    let too_long =
        bytes.len() > limits::HEAD_BYTES || (bytes.len() > limits::REQUEST_LINE_BYTES && !bytes.contains(&b'\n'));
    old.is_empty() || new.contains(&b'\n') || too_long
}

/// Caps and line ends, before anything is parsed.
fn check_bounds(bytes: &[u8]) -> Result<(), Bad> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    let head = &bytes[..end.unwrap_or(bytes.len())];
    let line = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    if line > limits::REQUEST_LINE_BYTES {
        return Err(bad(414, "The request line is too long."));
    }
    if head.len() > limits::HEAD_BYTES {
        return Err(bad(431, "The header lines are too long."));
    }
    let alone = |pair: &[u8]| (pair[1] == b'\n' && pair[0] != b'\r') || (pair[0] == b'\r' && pair[1] != b'\n');
    if head.first() == Some(&b'\n') || head.windows(2).any(alone) {
        return Err(bad(400, "Lines must end in CR LF."));
    }
    Ok(())
}

fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Bad> {
    let mut lines = [EMPTY_HEADER; limits::HEADERS];
    let mut request = httparse::Request::new(&mut lines);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(bad(431, "There are too many header lines.")),
        Err(httparse::Error::Version) => return Err(bad(505, "Only HTTP/1.1 is spoken here.")),
        Err(_) => return Err(bad(400, "The request cannot be read.")),
    };
    // httparse skips empty lines before a request; two programs may disagree about them.
    if bytes.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
        return Err(bad(400, "The request cannot be read."));
    }
    let mut head = Head { verb: Some(verb(request.method.unwrap_or_default())), ..Head::default() };
    (head.path, head.query) = target(request.path.unwrap_or_default())?;
    let old = request.version == Some(0);
    Lines::read(&mut head, request.headers)?.finish(&mut head, old)?;
    Ok(Some((head, length)))
}

fn verb(method: &str) -> Verb {
    match method {
        "GET" => Verb::Get,
        "HEAD" => Verb::Head,
        "POST" => Verb::Post,
        "PUT" => Verb::Put,
        "DELETE" => Verb::Delete,
        _ => Verb::Other,
    }
}

/// The path as it is; nothing is decoded, because no path here needs it.
fn target(target: &str) -> Result<(String, String), Bad> {
    if !target.starts_with('/') {
        return Err(bad(400, "The target must be a path."));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if query.contains('#') || path.contains('#') {
        return Err(bad(400, "The target must be a path."));
    }
    Ok((path.to_owned(), query.to_owned()))
}

/// Header lines that may appear once, while they are collected.
#[derive(Default)]
struct Lines {
    host: Option<String>,
    length: Option<u64>,
    chunked: bool,
    connection: String,
    upgrade: String,
    key: Option<String>,
    version: Option<String>,
}

impl Lines {
    fn read(head: &mut Head, headers: &[httparse::Header<'_>]) -> Result<Lines, Bad> {
        let mut lines = Lines::default();
        for header in headers {
            // httparse has taken away the white space around it.
            let value = || std::str::from_utf8(header.value).map_err(|_| bad(400, "A header line is not text."));
            let lossy = || String::from_utf8_lossy(header.value);
            match header.name.to_ascii_lowercase().as_str() {
                "host" => once(&mut lines.host, host(value()?)?)?,
                "content-length" => once(&mut lines.length, length(value()?)?)?,
                "transfer-encoding" => lines.chunked = true,
                "connection" => lines.connection += &format!("{},", value()?.to_ascii_lowercase()),
                "upgrade" => lines.upgrade += &value()?.to_ascii_lowercase(),
                "sec-websocket-key" => once(&mut lines.key, value()?.to_owned())?,
                "sec-websocket-version" => once(&mut lines.version, value()?.to_owned())?,
                "origin" => once(&mut head.origin, value()?.to_ascii_lowercase())?,
                "sec-fetch-site" => once(&mut head.fetch_site, value()?.to_owned())?,
                "x-footbridge-csrf" => once(&mut head.csrf, value()?.to_owned())?,
                "x-footbridge-form" => once(&mut head.form, value()?.to_owned())?,
                "if-none-match" => once(&mut head.if_none_match, value()?.to_owned())?,
                // One cookie of somebody else's that is no text must not shut out the browser that has it.
                "cookie" => head.cookie += &format!("{};", lossy()),
                "content-type" => head.json = is_json(value()?),
                "expect" => match value()?.eq_ignore_ascii_case("100-continue") {
                    true => head.expects_continue = true,
                    false => return Err(bad(417, "Only 100-continue can be expected.")),
                },
                "accept-encoding" => head.takes_gzip |= takes_gzip(value()?),
                "user-agent" => head.user_agent = lossy().into_owned(),
                "x-forwarded-for" => head.forwarded_for += &format!("{},", lossy()),
                _ => {}
            }
        }
        Ok(lines)
    }

    fn finish(self, head: &mut Head, old: bool) -> Result<(), Bad> {
        head.host = self.host.ok_or(bad(400, "A Host line is needed."))?;
        match (self.chunked, self.length) {
            (true, Some(_)) => return Err(bad(400, "A length and a transfer encoding contradict each other.")),
            (true, None) => return Err(bad(501, "Transfer encodings are not taken; send a Content-Length.")),
            (false, length) => head.length = length.unwrap_or_default(),
        }
        let says = |word: &str| self.connection.split(',').any(|token| trim(token) == word);
        head.close = old || says("close");
        if says("upgrade") && self.upgrade == "websocket" {
            let (key, version) = (self.key.unwrap_or_default(), self.version.unwrap_or_default());
            head.upgrade = Some(Upgrade { key, version });
        }
        Ok(())
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Bad> {
    match place.replace(value) {
        Some(_) => Err(bad(400, "A header line that must be single is there twice.")),
        None => Ok(()),
    }
}

fn length(text: &str) -> Result<u64, Bad> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| bad(413, "The body is too long.")),
        false => Err(bad(400, "The Content-Length is not a number.")),
    }
}

/// A name or an address, perhaps with a port; in lower case.
fn host(text: &str) -> Result<String, Bad> {
    let wrong = bad(400, "The Host line names no host.");
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(wrong)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok());
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte) || (text.starts_with('[') && byte == b':');
    match port_fits && !name.is_empty() && name.bytes().all(plain) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(wrong),
    }
}

fn is_json(text: &str) -> bool {
    text.split(';').next().is_some_and(|kind| trim(kind).eq_ignore_ascii_case("application/json"))
}

/// `gzip` or `*`, unless its weight is nought.
fn takes_gzip(text: &str) -> bool {
    text.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.replace(' ', "").strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0f32));
        matches!(trim(name).to_ascii_lowercase().as_str(), "gzip" | "*") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Head {
        match parse(text.as_bytes()) {
            Parsed::Whole(head, length) if length == text.len() => *head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn refused(text: &str) -> u16 {
        match parse(text.as_bytes()) {
            Parsed::Bad(bad) => bad.status,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read() {
        let head = whole(
            "POST /api/x?a=1 HTTP/1.1\r\nHost: Box.Local:8443\r\nOrigin: https://Box.local:8443\r\nCookie: a=b\r\nCookie: c=d\r\n\
             X-Footbridge-Csrf: t\r\nContent-Length: 7\r\nContent-Type: application/json; charset=utf-8\r\nAccept-Encoding: br, gzip\r\n\r\n",
        );
        assert_eq!((head.verb, head.path.as_str(), head.query.as_str()), (Some(Verb::Post), "/api/x", "a=1"));
        assert_eq!((head.host.as_str(), head.origin.as_deref()), ("box.local:8443", Some("https://box.local:8443")));
        assert_eq!((head.cookie.as_str(), head.csrf.as_deref(), head.length), ("a=b;c=d;", Some("t"), 7));
        assert!(head.json && head.takes_gzip && !head.close && head.upgrade.is_none());
    }

    #[test]
    fn an_upgrade_is_recognised() {
        let head = whole(
            "GET /a HTTP/1.1\r\nHost: [fd00::1]:1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n",
        );
        assert_eq!(head.upgrade, Some(Upgrade { key: "k".into(), version: "13".into() }));
        assert!(whole("GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n").upgrade.is_none());
        assert!(whole("GET /a HTTP/1.0\r\nHost: h\r\n\r\n").close);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (text, status) in [
            ("GET / HTTP/1.1\nHost: h\n\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n", 400),
            ("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
            ("POST / HTTP/1.1\r\nHost: h\r\nOrigin: a\r\nOrigin: b\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: h\r\nExpect: 200\r\n\r\n", 417),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n", 400),
            ("\u{16}\u{3}\u{1}", 400),
        ] {
            assert_eq!(refused(text), status, "{text:?}");
        }
    }

    #[test]
    fn white_space_is_a_space_or_a_tab_and_nothing_of_unicode_s() {
        let said = |space: &str| {
            let head = whole(&format!(
                "POST / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive,{space}close\r\n\
                 Content-Type: application/json{space}; charset=utf-8\r\nAccept-Encoding: br,{space}gzip\r\n\r\n"
            ));
            (head.close, head.json, head.takes_gzip)
        };
        assert_eq!(said(" \t "), (true, true, true));
        assert_eq!(whole("GET / HTTP/1.1\r\nHost: \t h \t \r\nContent-Length:\t2 \r\n\r\n").length, 2);
        for space in ["\u{a0}", "\u{85}", "\u{2000}", "\u{3000}"] {
            assert_eq!(said(space), (false, false, false), "{space:?}");
            for line in
                [format!("Content-Length: {space}2"), format!("Content-Length: 2{space}"), format!("Host:{space}h")]
            {
                let host = if line.starts_with("Host") { "" } else { "Host: h\r\n" };
                assert_eq!(refused(&format!("POST / HTTP/1.1\r\n{host}{line}\r\n\r\n")), 400, "{line:?}");
            }
        }
    }

    #[test]
    fn caps_hold_before_the_head_is_whole() {
        let long = "x".repeat(limits::REQUEST_LINE_BYTES);
        assert_eq!(refused(&format!("GET /{long}")), 414);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nA: {long}\r\nB: {long}")), 431);
        let many = "A: b\r\n".repeat(limits::HEADERS);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n")), 431);
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost: h\r\n"), Parsed::Incomplete);
    }

    #[test]
    fn a_dripping_head_is_parsed_once_a_line() {
        let head = format!("GET /{} HTTP/1.1\r\nHost: h\r\n{}\r\n", "x".repeat(4000), "A: bcdefgh\r\n".repeat(50));
        let bytes = head.as_bytes();
        let parsed = (1..=bytes.len()).filter(|end| is_worth_parsing(&bytes[..*end], 1)).count();
        assert_eq!(parsed, head.matches('\n').count() + 1);
        assert!(is_worth_parsing(bytes, bytes.len()) && is_worth_parsing(bytes, 2) && !is_worth_parsing(b"GET", 1));
        assert!(is_worth_parsing(&[b'x'; limits::REQUEST_LINE_BYTES + 1], 1), "the cap of a line without an end");
        let long = [b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'x'; limits::HEAD_BYTES]].concat();
        assert!(is_worth_parsing(&long, 1), "the cap of the head");
    }

    #[test]
    fn gzip_is_taken_unless_refused() {
        assert!(takes_gzip("gzip") && takes_gzip("br;q=1.0, *;q=0.5") && takes_gzip("deflate, GZIP;q=0.1"));
        assert!(!takes_gzip("") && !takes_gzip("br") && !takes_gzip("gzip;q=0") && !takes_gzip("gzip; q=0.0"));
    }

    proptest! {
        #[test]
        fn junk_is_answered_and_a_prefix_never_says_more_than_the_whole(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&junk);
        }

        #[test]
        fn a_good_head_is_incomplete_until_it_is_whole(cut in 0usize..60) {
            let text = b"GET /api/state HTTP/1.1\r\nHost: box:8443\r\nCookie: a=b\r\n\r\n";
            let cut = cut.min(text.len() - 1);
            prop_assert_eq!(parse(&text[..cut]), Parsed::Incomplete);
        }

        #[test]
        fn near_misses_are_answered(text in "(GET|POST|PRI) [/*a-z]{0,4} HTTP/[12]\\.[01](\r\n|\n|\r)((Host|Content-Length|Transfer-Encoding): ?[a-z0-9,]{0,5}(\r\n|\n)){0,5}(\r\n|\n)?") {
            let _ = parse(text.as_bytes());
        }
    }
}
