//! TLS between nodes, for clients, and for this program's own commands, as a layer over a [`Net`](crate::net::Net).
//!
//! What is above it (the transport, the edge) and below it (sockets) must not know of it. The rule between nodes: both
//! sides show a certificate of the zone's CA whose DNS names include `<cluster_id>.quorate.internal`, not by a wildcard,
//! valid for servers and for clients. Anything else is refused at the handshake.

mod certificates;
mod handshakes;
mod keys;
mod of_zone;
mod pem;
mod secure;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::{CertificateError, Error};

pub use certificates::Certificates;
pub use handshakes::MAX_HANDSHAKES;
pub use secure::Secure;
pub use stream::Stream;

/// The domain of the names by which nodes know their zone; `.internal` is reserved for private use.
const ZONES: &str = "quorate.internal";

/// The one implementation of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Why a handshake with another side failed, for the operator: `name` is what its certificate should prove.
fn explain(failure: &io::Error, name: &str) -> String {
    let Some(error) = failure.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match failure.kind() {
            io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
            _ => failure.to_string(),
        };
    };
    match error {
        Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        Error::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Error::InvalidCertificate(wrong) => format!("its certificate {}", blame(wrong, name)),
        Error::AlertReceived(alert) => format!("it refuses with the alert {alert:?}"),
        other => other.to_string(),
    }
}

/// What is wrong with a certificate that should prove `name`.
fn blame(wrong: &CertificateError, name: &str) -> String {
    match wrong {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => "is not of a trusted CA".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("does not name {name}")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for this use (extended key usage)".to_owned()
        }
        other => format!("is refused: {other:?}"),
    }
}
