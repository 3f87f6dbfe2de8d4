//! What is said to who speaks plain HTTP: where the page is, and nothing else (I3). Pure.

use super::guard;
use super::head::{self, Head, Parsed, Verb};
use super::reply::Reply;

/// On the page's own port a word, not a riddle.
pub fn word() -> Vec<u8> {
    bytes(&Reply::text(400, "This port speaks HTTPS. Put https:// before its name.\n"), None)
}

/// On the port that only redirects: the way to the page at `port`, once the head is whole or refused. `fresh` bytes of it are new.
pub fn way(read: &[u8], fresh: usize, names: &[String], port: u16) -> Option<Vec<u8>> {
    if !head::is_worth_parsing(read, fresh) {
        return None;
    }
    match head::parse(read) {
        Parsed::Incomplete => None,
        Parsed::Whole(head, _) => Some(bytes(&redirect(&head, names, port), head.verb)),
        Parsed::Bad(bad) => Some(bytes(&Reply::bad(bad), None)),
    }
}

/// To the name or address that was asked for, if the page answers to it. The path is not carried over: the page has one.
fn redirect(head: &Head, names: &[String], port: u16) -> Reply {
    if let Err(problem) = guard::check_host(&head.host, names) {
        return Reply::problem(&problem);
    }
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    Reply::moved(format!("https://{}{port}/", guard::without_port(&head.host)))
}

/// The connection's only answer. RFC 6797, 7.2: HSTS is not said over plain HTTP.
fn bytes(reply: &Reply, verb: Option<Verb>) -> Vec<u8> {
    [reply.head(false, "/", true).as_bytes(), reply.body_for(verb)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(head: &[u8], port: u16) -> Option<String> {
        let names = ["box.local".to_owned(), "box".to_owned()];
        way(head, head.len(), &names, port).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// The status, and where to.
    fn sent(head: &str, port: u16) -> (u16, Option<String>) {
        let answer = answer(head.as_bytes(), port).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned))
    }

    #[test]
    fn who_asks_for_the_box_is_sent_to_the_page() {
        for (host, port, to) in [
            ("box.local:80", 8443, "https://box.local:8443/"),
            ("BOX", 443, "https://box/"),
            ("[fd00::1]:80", 8443, "https://[fd00::1]:8443/"),
            ("[fd00::1]", 443, "https://[fd00::1]/"),
            ("192.168.1.9:80", 8443, "https://192.168.1.9:8443/"),
        ] {
            let head = format!("GET /x?y HTTP/1.1\r\nhOST: {host}\r\n\r\n");
            assert_eq!(sent(&head, port), (301, Some(to.to_owned())), "{host}");
        }
    }

    #[test]
    fn nobody_is_sent_to_a_name_that_is_not_the_box_s() {
        for host in ["evil.example", "box.local.evil.example", "xbox:80", "[box]"] {
            assert_eq!(sent(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 8443), (421, None), "{host}");
        }
        for lines in ["Host: evil/../@x\r\n", "Host: box@evil.example\r\n", "", "Host: box\r\nHost: evil.example\r\n"] {
            assert_eq!(sent(&format!("GET / HTTP/1.1\r\n{lines}\r\n"), 8443), (400, None), "{lines}");
        }
    }

    #[test]
    fn a_head_is_waited_for_and_one_without_an_end_is_not() {
        assert_eq!(answer(b"GET / HTTP/1.1\r\nHost: box\r\n", 443), None);
        assert_eq!(sent(&"x".repeat(crate::limits::REQUEST_LINE_BYTES + 1), 443), (414, None));
    }

    #[test]
    fn what_is_asked_for_by_head_has_no_body() {
        let answer = answer(b"HEAD / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 443).unwrap();
        assert!(answer.starts_with("HTTP/1.1 421 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    }

    proptest! {
        #[test]
        fn no_request_puts_anything_but_an_own_name_into_the_answer(
            host in "(box|box\\.local|BOX|\\[::1\\]|10\\.0\\.0\\.1|[a-z.]{0,6})(:[0-9]{0,5})?(\\PC|\r|\n|\t){0,3}"
        ) {
            let answer = answer(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), 8443).unwrap();
            let to = answer.split_once("location: https://").map(|(_, rest)| rest.split_once("\r\n").unwrap().0);
            let ours = ["box:8443/", "box.local:8443/", "[::1]:8443/", "10.0.0.1:8443/"];
            prop_assert!(to.is_none_or(|to| ours.contains(&to)), "{:?}", to);
        }

        #[test]
        fn junk_is_answered_or_waited_for(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = answer(&junk, 443);
        }
    }
}
