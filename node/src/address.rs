//! Addresses as operators write them: `host:port`, and URLs of XML-RPC endpoints.
//!
//! Only their form is judged here, never whether somebody is there.

use std::net::IpAddr;

use http::Uri;
use http::uri::Authority;

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

/// A `host:port` that others can dial.
///
/// # Errors
/// When the text has another form; the error names the text and what is wrong, for the operator.
pub fn host_and_port(text: &str) -> Result<String, String> {
    let authority: Authority = text.parse().map_err(|e| format!("'{text}': {e}"))?;
    let whole = authority.host().len() + authority.port().map_or(0, |port| port.as_str().len() + 1) == text.len();
    if whole && !authority.host().is_empty() && authority.port_u16().is_some_and(|port| port > 0) {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not of the form host:port"))
    }
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
        for good in ["10.0.0.4:2683", "one-4.example.org:2683", "[fd00::4]:2683"] {
            assert_eq!(host_and_port(good).as_deref(), Ok(good));
        }
        for bad in ["", "10.0.0.4", "10.0.0.4:", ":2683", "10.0.0.4:0", "10.0.0.4:99999", "me@one:2683", "http://one:1"]
        {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
        assert_eq!(literal("[::1]:7"), Some((Some("::1".parse().unwrap()), 7)));
        assert_eq!(literal("one:7"), Some((None, 7)));
    }
}
