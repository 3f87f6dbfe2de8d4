//! Which addresses terminals may go to (H8). Pure, but for the one question whether an address is the box's own.
//!
//! A box inside a network must not be a bridge to what trusts the box itself: its loopback services, a cloud's metadata, its own
//! administration pages. Those are denied unless the owner allows them; what the owner denies is denied whatever is allowed.

use crate::network::Network;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

/// A range of addresses, and perhaps one port: `10.0.0.0/8`, `10.0.0.0/8:22`, `[fd00::]/8:22`, `192.168.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    network: Network,
    port: Option<u16>,
}

/// Why a text is not a range, for the owner who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotARange {
    text: String,
    why: &'static str,
}

impl fmt::Display for NotARange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotARange { text, why } = self;
        write!(out, "{text:?} is not a range of addresses: {why}; write 10.0.0.0/8, 10.0.0.0/8:22 or [fd00::]/8:22")
    }
}

impl std::error::Error for NotARange {}

impl FromStr for Range {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Range, NotARange> {
        parse(text.trim()).map_err(|why| NotARange { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<Range, &'static str> {
    // An IPv6 address without brackets has no port: its colons are its own.
    let bare_v6 = !text.starts_with('[') && text.matches(':').count() > 1;
    let (range, port) = match text.rsplit_once(':') {
        Some((range, port)) if !bare_v6 && !port.contains(']') => (range, Some(parse_port(port)?)),
        _ => (text, None),
    };
    Ok(Range { network: Network::parse(range)?, port })
}

fn parse_port(digits: &str) -> Result<u16, &'static str> {
    let wrong = "the port must be 1 to 65535";
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong);
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or(wrong)
}

impl Range {
    const fn new(network: IpAddr, prefix: u8) -> Range {
        Range { network: Network::new(network, prefix), port: None }
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Range {
        Range::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix)
    }

    const fn v6(bits: u128, prefix: u8) -> Range {
        Range::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix)
    }

    fn covers(&self, to: SocketAddr) -> bool {
        self.network.contains(to.ip()) && self.port.is_none_or(|port| port == to.port())
    }
}

/// What no terminal goes to unless the owner says so.
const DENIED: &[Range] = &[
    // "This network": on Linux, 0.0.0.0 is the box itself.
    Range::v4(0, 0, 0, 0, 8),
    Range::v4(127, 0, 0, 0, 8),
    // Link-local, and with it the metadata service of most clouds.
    Range::v4(169, 254, 0, 0, 16),
    // Alibaba's metadata service; AWS's on IPv6.
    Range::v4(100, 100, 100, 200, 32),
    Range::v6(0xfd00_0ec2_0000_0000_0000_0000_0000_0254, 128),
    // Multicast, and what was reserved for ever, the broadcast address at its end.
    Range::v4(224, 0, 0, 0, 4),
    Range::v4(240, 0, 0, 0, 4),
    // Unspecified, loopback, link-local, the retired site-local, multicast.
    Range::v6(0, 128),
    Range::v6(1, 128),
    Range::v6(0xfe80 << 112, 10),
    Range::v6(0xfec0 << 112, 10),
    Range::v6(0xff00 << 112, 8),
];

/// The target policy.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    pub allow: Vec<Range>,
    pub deny: Vec<Range>,
}

impl Targets {
    /// Two lists of ranges as an owner writes them; the first that cannot be read is reported.
    pub fn parse<A: AsRef<str>, D: AsRef<str>>(allow: &[A], deny: &[D]) -> Result<Targets, NotARange> {
        Ok(Targets {
            allow: allow.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>()?,
            deny: deny.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>()?,
        })
    }

    /// Asked for the very address that is about to be connected to. `own`: it is one of the box's own.
    pub fn permits(&self, to: SocketAddr, own: bool) -> bool {
        let to = SocketAddr::new(embedded(to.ip()), to.port());
        if self.deny.iter().any(|range| range.covers(to)) {
            return false;
        }
        let denied = own || DENIED.iter().any(|range| range.network.contains(to.ip()));
        !denied || self.allow.iter().any(|range| range.covers(to))
    }
}

/// An IPv4 address in IPv6 clothing is judged as what it is: mapped (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`), NAT64
/// (`64:ff9b::a.b.c.d`) and 6to4 (`2002:aabb:ccdd::`).
fn embedded(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip.to_canonical() else { return ip.to_canonical() };
    let whole = v6.to_bits();
    let low = Ipv4Addr::from_bits(whole as u32);
    if whole >> 32 == 0x0064_ff9b << 64 || (whole >> 32 == 0 && whole > 1) {
        return low.into();
    }
    if whole >> 112 == 0x2002 {
        return Ipv4Addr::from_bits((whole >> 80) as u32).into();
    }
    v6.into()
}

/// Is this an address of the box itself? A socket can be bound to exactly those, whatever the interface; the port is the kernel's
/// choice and nothing is sent.
pub fn is_own_address(ip: IpAddr) -> bool {
    UdpSocket::bind((embedded(ip), 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permits(allow: &[&str], deny: &[&str], to: &str) -> bool {
        let targets = Targets::parse(allow, deny).unwrap();
        targets.permits(to.parse().unwrap(), false)
    }

    #[test]
    fn what_trusts_the_box_itself_is_denied_by_default() {
        for to in [
            "127.0.0.1:22",
            "127.8.8.8:22",
            "0.0.0.0:22",
            "169.254.169.254:80",
            "100.100.100.200:22",
            "224.0.0.1:22",
            "255.255.255.255:22",
            "[::]:22",
            "[::1]:22",
            "[fe80::1]:22",
            "[fec0::1]:22",
            "[ff02::1]:22",
            "[fd00:ec2::254]:22",
            "[::ffff:127.0.0.1]:22",
            "[::127.0.0.1]:22",
            "[64:ff9b::7f00:1]:22",
            "[2002:7f00:1::]:22",
            "[::ffff:169.254.169.254]:22",
        ] {
            assert!(!permits(&[], &[], to), "{to}");
        }
        for to in ["10.0.0.1:22", "192.168.1.1:22", "8.8.8.8:22", "[fd00::1]:22", "[2001:db8::1]:22", "172.16.0.1:2222"]
        {
            assert!(permits(&[], &[], to), "{to}");
        }
    }

    #[test]
    fn the_owner_allows_what_is_denied_and_denies_what_is_allowed() {
        assert!(permits(&["127.0.0.0/8"], &[], "127.0.0.1:22"));
        assert!(permits(&["127.0.0.1:2222"], &[], "127.0.0.1:2222"));
        assert!(!permits(&["127.0.0.1:2222"], &[], "127.0.0.1:22"));
        assert!(permits(&["::1"], &[], "[::1]:22"));
        assert!(permits(&["[::1]:22"], &[], "[::1]:22"));
        assert!(!permits(&["[::1]:22"], &[], "[::1]:23"));
        assert!(!permits(&["127.0.0.0/8"], &["127.0.0.1"], "127.0.0.1:22"));
        assert!(!permits(&[], &["10.0.0.0/8:22"], "10.1.2.3:22"));
        assert!(permits(&[], &["10.0.0.0/8:22"], "10.1.2.3:23"));
        assert!(!permits(&[], &["0.0.0.0/0"], "8.8.8.8:22"));
        assert!(permits(&[], &["0.0.0.0/0"], "[2001:db8::1]:22"));
        assert!(!permits(&[], &["[fd00::]/8:22"], "[fd12::1]:22"));
        assert!(permits(&["::ffff:127.0.0.0/104"], &[], "127.0.0.1:22"));
    }

    #[test]
    fn the_box_itself_is_denied_by_any_of_its_addresses() {
        let targets = Targets::default();
        assert!(!targets.permits("192.168.1.2:22".parse().unwrap(), true));
        let allowing = Targets::parse(&["192.168.1.2"], &[] as &[&str]).unwrap();
        assert!(allowing.permits("192.168.1.2:22".parse().unwrap(), true));
        assert!(is_own_address("127.0.0.1".parse().unwrap()));
        // TEST-NET-1 (RFC 5737) belongs to nobody.
        assert!(!is_own_address("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn an_unreadable_range_says_why() {
        for (text, why) in [
            ("", "the address cannot be read"),
            ("example.org", "the address cannot be read"),
            ("10.0.0.0/33", "the prefix is longer than the address"),
            ("10.0.0.0/", "the prefix must be a number"),
            ("10.0.0.0/+8", "the prefix must be a number"),
            ("10.0.0.1/8", "the address has bits beyond its prefix"),
            ("10.0.0.0/8:0", "the port must be 1 to 65535"),
            ("10.0.0.0/8:65536", "the port must be 1 to 65535"),
            ("10.0.0.0/8:ssh", "the port must be 1 to 65535"),
            ("[fd00::]/129", "the prefix is longer than the address"),
        ] {
            assert_eq!(text.parse::<Range>().unwrap_err().why, why, "{text}");
        }
    }

    proptest! {
        #[test]
        fn junk_is_refused_and_never_panics(text in "\\PC{0,40}|[0-9a-f:./\\[\\]]{0,40}") {
            let _ = text.parse::<Range>();
        }

        #[test]
        fn a_range_contains_exactly_its_prefix(network: u32, prefix in 0u8..=32, to: u32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let range: Range = format!("{}/{prefix}", Ipv4Addr::from_bits(network & mask)).parse().unwrap();
            prop_assert_eq!(range.network.contains(Ipv4Addr::from_bits(to).into()), to & mask == network & mask);
        }
    }
}
