//! Where a client is: whose word about another's address is believed.
//!
//! It must not believe anybody whom the configuration does not name.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// The header in which load balancers of HTTP say for whom they ask, one address after the other, the nearest last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whether one of these networks has the address.
#[must_use]
pub fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The client of a request that came from `peer`: where `believed` load balancers say that it came from, the last
/// address of the header `X-Forwarded-For` that is not one of theirs.
#[must_use]
pub fn client(believed: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !is_in(believed, peer) {
        return peer;
    }
    let lines: Vec<&HeaderValue> = headers.get_all(FORWARDED_FOR).iter().collect();
    let mut nearest = peer;
    for hop in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        // What stands before an entry that nobody can read is nobody's word.
        let Some(address) = address_of(hop) else { break };
        nearest = address;
        if !is_in(believed, address) {
            break;
        }
    }
    nearest
}

/// An address, perhaps in brackets or with a port.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let plain = hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(hop, |(address, _)| address);
    plain.parse().ok().or_else(|| hop.parse().map(|socket: std::net::SocketAddr| socket.ip()).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let believed = ["10.0.0.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()];
        client(&believed, peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_configured_balancer_is_believed_and_nobody_else() {
        assert_eq!(from("10.0.0.9", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(from("::ffff:10.0.0.9", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(from("10.0.1.9", &["192.0.2.7"]), "10.0.1.9");
        assert_eq!(from("10.0.0.9", &[]), "10.0.0.9");
    }

    #[test]
    fn what_a_client_wrote_itself_before_the_balancers_entry_counts_for_nothing() {
        assert_eq!(from("10.0.0.9", &["198.51.100.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(from("10.0.0.9", &["198.51.100.1", "192.0.2.7, 10.0.0.8"]), "192.0.2.7");
        assert_eq!(from("10.0.0.9", &["198.51.100.1, unknown"]), "10.0.0.9");
        assert_eq!(from("10.0.0.9", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(from("fd00::5", &["192.0.2.7:80"]), "192.0.2.7");
    }

    #[test]
    fn nothing_before_a_line_that_is_not_ascii_is_believed() {
        assert_eq!(from("10.0.0.9", &["198.51.100.1", "\u{e9}"]), "10.0.0.9");
        assert_eq!(from("10.0.0.9", &["198.51.100.1", "192.0.2.7 \u{e9}", "10.0.0.8"]), "10.0.0.8");
        assert_eq!(from("10.0.0.9", &["198.51.100.1, \u{e9}, 192.0.2.7"]), "192.0.2.7");
    }

    proptest! {
        #[test]
        fn a_stranger_is_never_believed(line in "[0-9a-f:., \\[\\]]{0,60}") {
            prop_assert_eq!(from("203.0.113.5", &[&line]), "203.0.113.5");
        }
    }
}
