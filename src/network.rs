//! Addresses: which of them are one customer's. Pure.

use std::net::{IpAddr, Ipv6Addr};

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
