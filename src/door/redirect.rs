//! The plain-HTTP port, if there is one: it sends everybody to the page, and does nothing else (I3).

use super::admission::Place;
use super::own_names;
use crate::limits;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

/// One request, one answer, one deadline.
pub fn serve(mut stream: &TcpStream, port: u16, _place: Place) -> io::Result<()> {
    let local = stream.local_addr()?;
    let head = read_head(stream, Instant::now() + limits::HEAD_DEADLINE)?;
    stream.set_write_timeout(Some(limits::WRITE_DEADLINE))?;
    stream.write_all(answer(&head, local, port).as_bytes())?;
    stream.shutdown(Shutdown::Write)
}

fn read_head(mut stream: &TcpStream, until: Instant) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < limits::REQUEST_LINE_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    Ok(head)
}

/// Pure. The host that was asked for, if it is one; else the address that was reached. The path is not carried over: the page has one.
fn answer(head: &[u8], local: SocketAddr, port: u16) -> String {
    let head = String::from_utf8_lossy(head);
    let asked = head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| without_port(value.trim()))
    });
    let host = match asked {
        Some(host) if is_host(host) => host.to_owned(),
        _ => literal(local.ip().to_canonical()),
    };
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    format!(
        "HTTP/1.1 301 Moved Permanently\r\nlocation: https://{host}{port}/\r\ncontent-length: 0\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\ncontent-security-policy: default-src 'none'\r\nx-frame-options: DENY\r\n\
         referrer-policy: no-referrer\r\nconnection: close\r\n\r\n"
    )
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn literal(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

fn is_host(text: &str) -> bool {
    let v6 = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    v6.map_or_else(|| own_names::is_name(text), |inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn location(head: &str) -> String {
        let answer = answer(head.as_bytes(), "192.168.1.9:80".parse().unwrap(), 8443);
        answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned()
    }

    #[test]
    fn everybody_is_sent_to_the_page() {
        assert_eq!(location("GET /x HTTP/1.1\r\nHost: box.local:80\r\n\r\n"), "https://box.local:8443/");
        assert_eq!(location("GET / HTTP/1.1\r\nhOST: [fd00::1]:80\r\n\r\n"), "https://[fd00::1]:8443/");
        assert_eq!(location("GET / HTTP/1.1\r\nHost: [fd00::1]\r\n\r\n"), "https://[fd00::1]:8443/");
        assert_eq!(location("GET / HTTP/1.0\r\n\r\n"), "https://192.168.1.9:8443/");
        assert_eq!(location("GET / HTTP/1.1\r\nHost: evil/../@x\r\n\r\n"), "https://192.168.1.9:8443/");
    }

    proptest! {
        #[test]
        fn no_request_puts_anything_but_a_host_into_the_answer(junk in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut head = b"GET / HTTP/1.1\r\nHost: ".to_vec();
            head.extend_from_slice(&junk);
            let answer = answer(&head, "192.168.1.9:80".parse().unwrap(), 443);
            prop_assert_eq!(answer.matches("\r\n").count(), 10);
        }
    }
}
