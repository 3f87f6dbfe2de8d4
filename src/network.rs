//! Addresses: ranges of them (CIDR), and which of them are one customer's. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// The addresses that begin with the first `prefix` bits of `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    pub const fn new(address: IpAddr, prefix: u8) -> Network {
        Network { address, prefix }
    }

    /// `10.0.0.0/8`, `fd00::/8`, `[fd00::]/8`, or a single address. `::ffff:10.0.0.0/104` is `10.0.0.0/8`: addresses are compared unmapped.
    /// The error says why it is none. `10.0.0.5/8` is a slip of the pen for `10.0.0.5`, and would be sixteen million others.
    pub fn parse(text: &str) -> Result<Network, &'static str> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let unbracketed = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        let address: IpAddr = unbracketed.parse().map_err(|_| "the address cannot be read")?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(widest), |digits| parse_prefix(digits, widest))?;
        let network = Network { address, prefix };
        if network.has_host_bits() {
            return Err("the address has bits beyond its prefix");
        }
        Ok(network.unmapped())
    }

    /// `address` must be canonical.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = bits(self.address) ^ bits(address);
        self.address.is_ipv4() == address.is_ipv4() && differ.leading_zeros() >= u32::from(self.prefix)
    }

    fn has_host_bits(&self) -> bool {
        bits(self.address).checked_shl(self.prefix.into()).unwrap_or(0) != 0
    }

    fn unmapped(self) -> Network {
        match (self.address, self.prefix.checked_sub(96)) {
            (IpAddr::V6(v6), Some(prefix)) if v6.to_ipv4_mapped().is_some() => {
                Network { address: self.address.to_canonical(), prefix }
            }
            _ => self,
        }
    }
}

fn parse_prefix(digits: &str, widest: u8) -> Result<u8, &'static str> {
    let wrong = "the prefix is longer than the address";
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err("the prefix must be a number");
    }
    digits.parse().ok().filter(|prefix| *prefix <= widest).ok_or(wrong)
}

/// The address as 128 bits, left-aligned.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Whom an address stands for when it is counted: itself, or for IPv6 the network of one customer (/64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    pub fn of(peer: IpAddr) -> Origin {
        match peer.to_canonical() {
            IpAddr::V6(v6) => Origin(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()),
            v4 => Origin(v4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    proptest! {
        #[test]
        fn a_network_contains_exactly_its_prefix(network: u32, prefix in 0u8..=32, to: u32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let parse = |bits| Network::parse(&format!("{}/{prefix}", Ipv4Addr::from_bits(bits)));
            let range = parse(network & mask).unwrap();
            prop_assert_eq!(range.contains(Ipv4Addr::from_bits(to).into()), to & mask == network & mask);
            prop_assert_eq!(parse(network).is_err(), network & !mask != 0);
        }

        #[test]
        fn junk_is_refused_and_never_panics(text in "\\PC{0,40}|[0-9a-f:./\\[\\]]{0,40}") {
            let _ = Network::parse(&text);
        }
    }
}
