//! Addresses as operators write them: `host:port`, and URLs of XML-RPC endpoints.
//!
//! Only their form is judged here, never whether somebody is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::Authority;

/// Characters of a name of a host at most, and of one of its labels.
const LONGEST_NAME: (usize, usize) = (253, 63);

/// An `http://` or `https://` URL with a host and a path.
///
/// # Errors
/// When the text has another form; the error names the text and what is wrong, for the operator.
pub fn url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|e| format!("'{text}': {e}"))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if known && uri.host().is_some_and(|host| !host.is_empty()) && uri.path().len() > 1 {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not of the form http://host:port/RPC2 or https://host:port/RPC2"))
    }
}

/// A `host:port` that others can dial, in its canonical form: names in lower case and without a dot at their end, IP
/// addresses in their shortest form, an IPv4 address that is written as an IPv6 one as what it is.
///
/// # Errors
/// When the text has another form, or nobody can dial such an address; the error names the text and what is wrong, for the
/// operator.
pub fn host_and_port(text: &str) -> Result<String, String> {
    let authority: Authority = text.parse().map_err(|e| format!("'{text}': {e}"))?;
    let whole = authority.host().len() + authority.port().map_or(0, |port| port.as_str().len() + 1) == text.len();
    let Some(port) = authority.port_u16().filter(|port| *port > 0 && whole) else {
        return Err(format!("'{text}' is not of the form host:port"));
    };
    let host = host(authority.host()).map_err(|what| format!("'{text}': {what}"))?;
    Ok(format!("{host}:{port}"))
}

/// Whether two URLs of endpoints lead to the same place, as far as their texts tell.
#[must_use]
pub fn is_same_url(one: &str, other: &str) -> bool {
    let place = |text: &str| {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some((host(uri.host()?).ok()?, port, uri.path().to_owned()))
    };
    one == other || place(one).is_some_and(|place_of_one| place(other) == Some(place_of_one))
}

/// A host's canonical form, or what is wrong with it.
fn host(text: &str) -> Result<String, &'static str> {
    if let Some(inside) = text.strip_prefix('[') {
        let ip = inside.strip_suffix(']').and_then(|inside| inside.parse::<Ipv6Addr>().ok());
        let ip = ip.ok_or("what is between the brackets is no IPv6 address")?;
        return match dialled(ip.to_canonical())? {
            IpAddr::V4(ip) => Ok(ip.to_string()),
            IpAddr::V6(ip) => Ok(format!("[{ip}]")),
        };
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(dialled(ip.into())?.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = |label: &str| {
        let known = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (1..=LONGEST_NAME.1).contains(&label.len()) && label.bytes().all(known)
    };
    if name.len() > LONGEST_NAME.0 || !name.split('.').all(fits) {
        return Err("it has no name and no IP address of a host");
    }
    // Resolvers read such texts as addresses, each in its own way: 010 may be 8.
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_hex = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if is_hex || last.bytes().all(|c| c.is_ascii_digit()) {
        return Err("an IPv4 address has four decimal numbers, without zeros before them");
    }
    Ok(name.to_ascii_lowercase())
}

/// Refuses addresses at which no single server can be.
fn dialled(ip: IpAddr) -> Result<IpAddr, &'static str> {
    let nobody = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if nobody { Err("nobody can reach one server at such an address") } else { Ok(ip) }
}

/// The address and port of a `host:port` whose host is no name; the port alone of one whose host is.
#[must_use]
pub fn literal(host_and_port: &str) -> Option<(Option<IpAddr>, u16)> {
    let authority: Authority = host_and_port.parse().ok()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    Some((host.parse().ok(), authority.port_u16()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_others_can_reach_is_an_address() {
        for good in ["http://10.0.0.4:2633/RPC2", "https://one.example.org/RPC2", "http://[fd00::4]:2633/RPC2"] {
            assert_eq!(url(good).as_deref(), Ok(good));
        }
        for bad in ["", "10.0.0.4:2633", "ftp://one/RPC2", "http://", "http:///RPC2", "http://one", "http://o ne/RPC2"]
        {
            assert!(url(bad).is_err(), "{bad}");
        }
        for good in ["10.0.0.4:2683", "one-4.example.org:2683", "[fd00::4]:2683", "one_4:1", "4.example.org:1"] {
            assert_eq!(host_and_port(good).as_deref(), Ok(good));
        }
        for bad in ["", "10.0.0.4", "10.0.0.4:", ":2683", "10.0.0.4:0", "10.0.0.4:99999", "me@one:2683", "http://one:1"]
        {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
        assert_eq!(literal("[::1]:7"), Some((Some("::1".parse().unwrap()), 7)));
        assert_eq!(literal("one:7"), Some((None, 7)));
    }

    #[test]
    fn what_listens_everywhere_or_is_no_host_cannot_be_dialled() {
        for bad in [
            "*:5",
            "0.0.0.0:5",
            "[::]:5",
            "[0:0::0]:5",
            "[::ffff:0.0.0.0]:5",
            "224.0.0.1:5",
            "255.255.255.255:5",
            "[ff02::1]:5",
            "127.0.0.001:5",
            "127.1:5",
            "2130706433:5",
            "0x7f.0.0.1:5",
            "1.2.3.0x4:5",
            "1.2.3.4.:5",
            "one..org:5",
            ".one:5",
            ".:5",
            "one,two:5",
            "[one]:5",
            "[fe80::1%25eth0]:5",
            "[::1:5",
            "[127.0.0.1]:5",
        ] {
            let refused = host_and_port(bad).expect_err(bad);
            assert!(refused.contains(bad), "{refused}");
        }
    }

    #[test]
    fn each_address_has_one_spelling() {
        for (spelled, canonical) in [
            ("One.Example.ORG:2683", "one.example.org:2683"),
            ("one.example.org.:2683", "one.example.org:2683"),
            ("one:02683", "one:2683"),
            ("[0:0:0::1]:7", "[::1]:7"),
            ("[FD00::000A]:7", "[fd00::a]:7"),
            ("[::ffff:10.0.0.1]:7", "10.0.0.1:7"),
        ] {
            assert_eq!(host_and_port(spelled).as_deref(), Ok(canonical), "{spelled}");
        }
    }

    #[test]
    fn two_endpoints_may_be_one_in_two_spellings() {
        for (one, other) in [
            ("http://One.example.org:2633/RPC2", "http://one.example.org.:2633/RPC2"),
            ("http://one/RPC2", "http://one:80/RPC2"),
            ("https://[::1]/RPC2", "https://[0::1]:443/RPC2"),
        ] {
            assert!(is_same_url(one, other), "{one} {other}");
        }
        for (one, other) in [("http://one/RPC2", "https://one/RPC2"), ("http://one/a", "http://one/b")] {
            assert!(!is_same_url(one, other), "{one} {other}");
        }
    }

    proptest! {
        /// A canonical form is its own, and leads to the same place.
        #[test]
        fn a_canonical_form_stays_and_is_what_it_stands_for(
            ip in any::<IpAddr>(), port in any::<u16>(), text in "[A-Za-z0-9.:\\[\\]*-]{1,20}",
        ) {
            if let Ok(canonical) = host_and_port(&text) {
                prop_assert_eq!(host_and_port(&canonical), Ok(canonical.clone()));
                prop_assert_eq!(host_and_port(&canonical.to_ascii_uppercase()), Ok(canonical));
            }
            let written = std::net::SocketAddr::new(ip, port).to_string();
            if let Ok(canonical) = host_and_port(&written) {
                prop_assert_eq!(literal(&canonical), Some((Some(ip.to_canonical()), port)));
            } else {
                let nobody = ip.to_canonical().is_unspecified() || ip.to_canonical().is_multicast();
                prop_assert!(port == 0 || nobody || ip.to_canonical().to_string() == "255.255.255.255");
            }
        }
    }
}
