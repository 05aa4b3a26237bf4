//! Addresses as the reference reads and writes them: MAC, IPv4, IPv6, and IPv6 derived from a prefix and a MAC.
//!
//! It must not know ranges or leases.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A MAC address: its first two bytes and its last four, which count up within a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mac {
    /// The first two bytes.
    pub high: u32,
    /// The last four bytes.
    pub low: u32,
}

impl Mac {
    /// Reads six hexadecimal bytes with five colons between them. Only the colons are checked: a byte that cannot be
    /// read counts as 0, and so do all after it (the reference: `AddressRange.cc`, `mac_to_i`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Mac> {
        if text.matches(':').count() != 5 {
            return None;
        }
        let spaced = text.replace(':', " ");
        let mut rest = spaced.as_str();
        let mut byte = || -> u32 {
            let trimmed = rest.trim_start();
            let end = trimmed.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(trimmed.len());
            let value = u32::from_str_radix(&trimmed[..end], 16);
            // After something unreadable the rest stays where it is: nothing more is read.
            rest = if value.is_ok() { &trimmed[end..] } else { "?" };
            value.unwrap_or(0)
        };
        let mut join = |bytes: u32| (0..bytes).fold(0_u32, |all, _| (all << 8).wrapping_add(byte()));
        Some(Mac { high: join(2), low: join(4) })
    }

    /// The address `index` after this one.
    #[must_use]
    pub fn plus(self, index: u32) -> Mac {
        Mac { high: self.high, low: self.low.wrapping_add(index) }
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [.., a, b] = self.high.to_be_bytes();
        let [c, d, e, g] = self.low.to_be_bytes();
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Reads an IPv4 address; nothing but digits and three points may stand in it.
#[must_use]
pub fn parse_ip(text: &str) -> Option<u32> {
    if text.matches('.').count() != 3 || text.contains(|c: char| !c.is_ascii_digit() && c != '.') {
        return None;
    }
    let bytes: Vec<u8> = text.split('.').filter_map(|part| part.parse::<u32>().ok()?.try_into().ok()).collect();
    bytes.try_into().ok().map(u32::from_be_bytes)
}

/// Writes an IPv4 address.
#[must_use]
pub fn ip_text(ip: u32) -> String {
    Ipv4Addr::from(ip).to_string()
}

/// Reads an IPv6 address.
#[must_use]
pub fn parse_ip6(text: &str) -> Option<u128> {
    text.parse::<Ipv6Addr>().ok().map(u128::from)
}

/// Writes an IPv6 address as `inet_ntop` does.
#[must_use]
pub fn ip6_text(ip: u128) -> String {
    match u32::try_from(ip) {
        // The C library writes addresses of six leading zero words with their IPv4 part.
        Ok(low) if low > 0xffff => format!("::{}", ip_text(low)),
        _ => Ipv6Addr::from(ip).to_string(),
    }
}

/// The address `index` after `ip`: only the last 32 bits count up (the reference: `AddressRange.cc`,
/// `set_ip6_static`).
#[must_use]
pub fn ip6_plus(ip: u128, index: u32) -> u128 {
    let [.., a, b, c, d] = ip.to_be_bytes();
    let low = u32::from_be_bytes([a, b, c, d]).wrapping_add(index);
    (ip >> 32 << 32) | u128::from(low)
}

/// The address `last` after `ip`. Each 32 bits of the last 64 count by themselves (the reference: `AddressRange.cc`,
/// `to_xml`).
#[must_use]
pub fn ip6_end(ip: u128, last: u64) -> u128 {
    let word = |n: u128, shift: u32| u32::try_from((n >> shift) & 0xffff_ffff).unwrap_or(0);
    let sum = |shift: u32| u128::from(word(ip, shift).wrapping_add(word(u128::from(last), shift))) << shift;
    (ip >> 64 << 64) | sum(32) | sum(0)
}

/// Reads the 64 bits of an IPv6 prefix; an empty text is the prefix 0, which stands for none.
#[must_use]
pub fn parse_prefix(text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    let [a, b, c, d, e, f, g, h, ..] = parse_ip6(text)?.to_be_bytes();
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// The address with this prefix whose last 64 bits are derived from a MAC (EUI-64).
#[must_use]
pub fn eui64(prefix: u64, mac: Mac) -> u128 {
    let [a, b, c, d] = mac.low.to_be_bytes();
    let upper = ((mac.high ^ 0x0200) << 16) | (u32::from(a) << 8) | 0xff;
    let lower = u32::from_be_bytes([0xfe, b, c, d]);
    (u128::from(prefix) << 64) | (u128::from(upper) << 32) | u128::from(lower)
}

/// The prefix of link-local addresses.
pub const LINK_LOCAL: u64 = 0xfe80_0000_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_read_up_to_what_is_no_number() {
        assert_eq!(Mac::parse("02:00:0a:01:01:fe").map(|m| m.plus(2).to_string()), Some("02:00:0a:01:02:00".into()));
        assert_eq!(Mac::parse("02:00:0a:zz:01:fe").map(|m| m.to_string()), Some("02:00:0a:00:00:00".into()));
        assert_eq!(Mac::parse("02:00:01"), None);
    }

    #[test]
    fn an_ip_is_four_bytes() {
        assert_eq!(parse_ip("10.0.0.255").map(ip_text), Some("10.0.0.255".into()));
        for wrong in ["10.0.0.256", "10.0.1", "10..0.1", "10.0.0.1.", "", "a.b.c.d", " 1.2.3.4"] {
            assert_eq!(parse_ip(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ip6_is_written_as_the_c_library_writes_it() {
        let written = |text: &str| parse_ip6(text).map(ip6_text).unwrap_or_default();
        assert_eq!(written("2001:db8:1:2:0:ff:fe00:aa01"), "2001:db8:1:2:0:ff:fe00:aa01");
        assert_eq!(written("::0102:0304"), "::1.2.3.4");
        assert_eq!(written("::1"), "::1");
        assert_eq!(parse_ip6("::ffff").map(|ip| ip6_text(ip6_plus(ip, 1))), Some("::0.1.0.0".into()));
        assert_eq!(parse_prefix("2001:db8"), None);
    }

    #[test]
    fn the_host_part_comes_from_the_mac() {
        let mac = Mac::parse("02:00:c0:a8:33:01");
        let prefix = parse_prefix("fd50::");
        let ip = prefix.zip(mac).map(|(prefix, mac)| ip6_text(eui64(prefix, mac)));
        assert_eq!(ip.as_deref(), Some("fd50::c0ff:fea8:3301"));
    }
}
