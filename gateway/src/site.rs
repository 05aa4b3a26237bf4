//! What counts as one address, and as one customer of a provider, where clients are counted.

use std::net::{IpAddr, Ipv6Addr};

/// What is counted as one address: an IPv4 address, or the /64 network of an IPv6 address, all of which one host may use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Block(IpAddr);

/// What one customer of a provider may have: an IPv4 address, or the /48 network of an IPv6 address, which is 65,536
/// blocks. Bounds of what blocks take count by site, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Site(IpAddr);

impl From<IpAddr> for Block {
    fn from(address: IpAddr) -> Block {
        Block(network(address, 4))
    }
}

impl From<IpAddr> for Site {
    fn from(address: IpAddr) -> Site {
        Site(network(address, 3))
    }
}

impl From<Block> for Site {
    fn from(block: Block) -> Site {
        Site::from(block.0)
    }
}

/// The first so many groups of an IPv6 address; an IPv4 address is whole.
fn network(address: IpAddr, groups: usize) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[groups..].fill(0);
            IpAddr::V6(Ipv6Addr::from(segments))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_cannot_be_many_addresses() {
        let block = |address: &str| Block::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(block("2001:db8::1"), block("2001:db8::ffff:1"));
        assert_ne!(block("2001:db8::1"), block("2001:db8:0:1::1"));
        assert_eq!(block("::ffff:192.0.2.1"), block("192.0.2.1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
    }

    #[test]
    fn one_customer_cannot_be_many_sites() {
        let site = |address: &str| Site::from(Block::from(address.parse::<IpAddr>().unwrap()));
        assert_eq!(site("2001:db8:1:1::1"), site("2001:db8:1:ffff::2"));
        assert_ne!(site("2001:db8:1::1"), site("2001:db8:2::1"));
        assert_eq!(site("::ffff:192.0.2.1"), Site::from("192.0.2.1".parse::<IpAddr>().unwrap()));
        assert_ne!(site("192.0.2.1"), site("192.0.2.2"));
    }
}
