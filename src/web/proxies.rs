//! Whose word about the browser's address is believed (J1). Pure.

use super::head::trim;
use crate::network::Network;
use std::net::IpAddr;

/// Networks of trusted proxies.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    pub fn parse(ranges: &[String]) -> Result<Proxies, String> {
        let read = |text: &String| {
            Network::parse(text)
                .map_err(|why| format!("trusted_proxies: '{text}' is no network like 10.0.0.0/8: {why}"))
        };
        ranges.iter().map(read).collect::<Result<_, _>>().map(Proxies)
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Where the browser is: the last address in `X-Forwarded-For` that is not a trusted proxy's, if a trusted proxy says so.
    pub fn client(&self, peer: IpAddr, forwarded_for: &str) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut claims = forwarded_for.split(',').rev().map(trim).filter(|claim| !claim.is_empty());
        while self.trusts(client) {
            match claims.next().and_then(|claim| claim.parse::<IpAddr>().ok()) {
                Some(claimed) => client = claimed.to_canonical(),
                None => break,
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(trusted: &[&str], peer: &str, header: &str) -> String {
        let trusted: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        Proxies::parse(&trusted).unwrap().client(peer.parse().unwrap(), header).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_about_its_neighbour() {
        assert_eq!(client(&[], "10.0.0.1", "1.2.3.4"), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "11.0.0.1", "1.2.3.4"), "11.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "1.2.3.4"), "1.2.3.4");
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, 1.2.3.4"),
            "1.2.3.4",
            "the client's own claim stays behind"
        );
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 10.0.0.2"), "1.2.3.4", "a chain of proxies");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", "junk"), "10.0.0.1");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", ""), "10.0.0.1");
        assert_eq!(client(&["fd00::/8"], "fd00::1", "::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", " 1.2.3.4\t"), "1.2.3.4");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", "\u{a0}1.2.3.4"), "10.0.0.1", "that space is not HTTP's");
        assert!(Proxies::parse(&["10.0.0.0/33".into()]).is_err() && Proxies::parse(&["x".into()]).is_err());
    }

    /// As with targets, a slip of the pen: it would trust sixteen million neighbours.
    #[test]
    fn an_address_with_more_than_its_prefix_is_refused_with_the_reason() {
        let refused = |text: &str| Proxies::parse(&[text.into()]).unwrap_err();
        for text in ["10.0.0.5/8", "fd00::1/8", "::ffff:10.0.0.5/104"] {
            let told = refused(text);
            assert!(told.contains(text) && told.contains("the address has bits beyond its prefix"), "{told}");
        }
        assert!(refused("10.0.0.0/33").contains("the prefix is longer than the address"));
    }

    #[test]
    fn a_mapped_proxy_is_the_proxy() {
        assert_eq!(client(&["::ffff:10.0.0.1"], "10.0.0.1", "1.2.3.4"), "1.2.3.4");
        assert_eq!(client(&["::ffff:10.0.0.0/104"], "::ffff:10.9.9.9", "1.2.3.4"), "1.2.3.4");
    }

    proptest! {
        #[test]
        fn any_header_has_an_answer(text in ".{0,100}") {
            let _ = client(&["0.0.0.0/0"], "10.0.0.1", &text);
        }
    }
}
