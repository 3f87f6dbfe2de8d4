//! What this box is called and where it can be reached: the names of its certificate.

use crate::limits;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The host's name, and the same under .local (mDNS).
pub fn host_names() -> Vec<String> {
    let node = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let short = node.split('.').next().unwrap_or_default();
    let mut names = vec!["localhost".to_owned()];
    if is_name(short) && short != "localhost" {
        names.extend([node.clone(), short.to_owned(), format!("{short}.local")]);
    }
    names.retain(|name| is_name(name));
    names.sort();
    names.dedup();
    names
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=limits::HOST_NAME_BYTES).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['-', '.'])
}

/// Loopback and every address that others can reach and that stays: no link-local ones, no temporary ones of IPv6.
pub fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    found.extend(ipv4(&fs::read_to_string("/proc/net/fib_trie").unwrap_or_default()));
    found.extend(ipv6(&fs::read_to_string("/proc/net/if_inet6").unwrap_or_default()));
    // A sandbox may hide /proc/net; the kernel still tells which address it would use. Nothing is sent.
    let outward = UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()));
    found.extend(outward.map(|address| address.ip()).ok().filter(|ip| !ip.is_unspecified()));
    found.sort();
    found.dedup();
    found
}

/// `/proc/net/fib_trie`: an address on one line, `/32 host LOCAL` on the next.
fn ipv4(table: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let local = lines.windows(2).filter(|pair| pair[1].starts_with("/32 host LOCAL"));
    let addresses = local.filter_map(|pair| pair[0].strip_prefix("|-- ")?.parse::<Ipv4Addr>().ok());
    addresses.filter(|address| !address.is_link_local() && !address.is_loopback()).map(IpAddr::from).collect()
}

/// `/proc/net/if_inet6`: address, index, prefix, scope, flags, name. Scope 0 is global; flag 1 is temporary, 0x20 deprecated.
fn ipv6(table: &str) -> Vec<IpAddr> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, _, _, scope, flags, _] = fields[..] else { return None };
        let stays = u32::from_str_radix(flags, 16).ok()? & 0x21 == 0;
        let global = u32::from_str_radix(scope, 16).ok()? == 0;
        (stays && global).then_some(IpAddr::from(Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?)))
    };
    table.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.168.1.0\n        /24 link UNICAST\n     |-- 192.168.1.7\n        /32 host LOCAL\n     |-- 169.254.3.4\n        /32 host LOCAL\n";
        assert_eq!(ipv4(trie), [IpAddr::from([192, 168, 1, 7])]);
        let inet6 = "20010db8000000000000000000000007 02 40 00 80     eth0\n20010db8000000000000000000000008 02 40 00 01     eth0\nfe800000000000000000000000000001 02 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(ipv6(inet6), ["2001:db8::7".parse::<IpAddr>().unwrap()]);
        assert!(addresses().contains(&Ipv4Addr::LOCALHOST.into()) && host_names().contains(&"localhost".to_owned()));
    }

    proptest! {
        #[test]
        fn junk_has_no_addresses(text in "[0-9a-f \n|-]{0,200}") {
            let _ = (ipv4(&text), ipv6(&text));
        }
    }
}
