//! What handshakes need, made from the contents of files and checked before anybody depends on it.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::server::danger::ClientCertVerifier as _;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore, ServerConfig};

use super::of_zone::OfZone;
use super::{ZONES, blame, pem, provider};

/// The keys of one listener, as of one content of its files.
pub struct Keys {
    /// For those who connect to it.
    pub server: Arc<ServerConfig>,
    /// For dialling others like it, and the name that they must prove; clients' listeners dial nobody.
    pub client: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Unix seconds at which the first of these certificates ceases to be valid.
    pub expires: u64,
}

/// The name that certificates of a zone's nodes must have among their DNS names.
pub fn zone_name(cluster: &str) -> anyhow::Result<ServerName<'static>> {
    // DNS names do not tell capitals apart: two zones could have the same name.
    ensure!(!cluster.contains(|c: char| c.is_ascii_uppercase()), "zone.cluster_id must have no capitals with peer_tls");
    let name = ServerName::try_from(format!("{cluster}.{ZONES}"));
    name.with_context(|| format!("zone.cluster_id {cluster} cannot be part of a DNS name, as peer_tls needs it"))
}

/// Keys between nodes: both sides show a certificate of the zone `name`, of a CA in `authorities`.
pub fn peers(cert: &[u8], key: &[u8], authorities: &[u8], name: &ServerName<'static>) -> anyhow::Result<Keys> {
    let chain = pem::chain(cert).context("cert")?;
    let key = pem::key(key).context("key")?;
    let authorities = pem::chain(authorities).context("ca")?;
    let expires = first_end(&chain)?;
    let roots = Arc::new(pem::roots(&authorities).context("ca")?);
    // Of several CAs an old one may end while it is being replaced.
    let authorities_end = pem::validity(&authorities).context("ca")?.iter().map(|(_, end)| *end).max();
    let nodes = Arc::new(OfZone::new(roots, name.clone()).context("ca")?);
    check_own(&chain, &nodes)?;

    let mut server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(nodes.clone())
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(mismatch)?;
    // Every connection shows its certificates: a resumed one would be judged by what was true earlier.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        // Dangerous is what rustls calls any judgement but its own: this one adds a condition to that.
        .dangerous()
        .with_custom_certificate_verifier(nodes)
        .with_client_auth_cert(chain, key)
        .map_err(mismatch)?;
    client.resumption = Resumption::disabled();
    Ok(Keys {
        server: Arc::new(server),
        client: Some((Arc::new(client), name.clone())),
        expires: authorities_end.map_or(expires, |end| end.min(expires)),
    })
}

/// Keys for clients: they check this node's certificate and show none.
pub fn edge(cert: &[u8], key: &[u8]) -> anyhow::Result<Keys> {
    let chain = pem::chain(cert).context("cert")?;
    let key = pem::key(key).context("key")?;
    let expires = first_end(&chain)?;
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(mismatch)?;
    Ok(Keys { server: Arc::new(server), client: None, expires })
}

/// For this program's own commands: what they trust, and no certificate of their own.
pub fn commands(roots: RootCertStore) -> anyhow::Result<Arc<ClientConfig>> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The end of the first certificate that ends; none may have ended, or begin later.
fn first_end(chain: &[CertificateDer<'static>]) -> anyhow::Result<u64> {
    let now = UnixTime::now().as_secs();
    let validity = pem::validity(chain).context("cert")?;
    for (begin, end) in &validity {
        ensure!(now <= *end, "cert: it expired on {}", pem::shown(*end));
        ensure!(*begin <= now, "cert: it is not valid before {}", pem::shown(*begin));
    }
    Ok(validity.iter().map(|(_, end)| *end).min().unwrap_or_default())
}

/// Others will check this node's certificate: it is better to know at once what they will say.
fn check_own(chain: &[CertificateDer<'static>], nodes: &OfZone) -> anyhow::Result<()> {
    let (own, intermediates) = chain.split_first().context("cert")?;
    let now = UnixTime::now();
    let as_server = nodes.verify_server_cert(own, intermediates, nodes.name(), &[], now).map(drop);
    let as_client = nodes.verify_client_cert(own, intermediates, now).map(drop);
    for (role, verdict) in [("server", as_server), ("client", as_client)] {
        match verdict {
            Ok(()) => {}
            Err(Error::InvalidCertificate(wrong)) => {
                bail!("cert: as a {role}'s certificate it {}", blame(&wrong, &nodes.name().to_str()))
            }
            Err(e) => bail!("cert: {e}"),
        }
    }
    Ok(())
}

fn mismatch(e: Error) -> anyhow::Error {
    match e {
        Error::InconsistentKeys(_) => anyhow!("cert: it does not belong to the key"),
        other => anyhow!("key: {other}"),
    }
}
