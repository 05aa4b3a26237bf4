//! Certificates and keys in PEM files, and until when they are valid.

use std::path::Path;

use anyhow::{Context as _, ensure};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::der::{DateTime, Decode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate file: its own first, then those that lead to its CA.
pub fn chain(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    ensure!(!chain.is_empty(), "there is no certificate in it");
    Ok(chain)
}

/// A key file; its error does not quote it.
pub fn key(pem: &[u8]) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).ok().context("there is no private key in it that can be read")
}

/// Certificates of CAs.
pub fn roots(authorities: &[CertificateDer<'static>]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).context("a certificate in it is not a CA's")?;
    }
    Ok(roots)
}

/// When each of these certificates begins and ceases to be valid, in Unix seconds.
pub fn validity(certificates: &[CertificateDer<'static>]) -> anyhow::Result<Vec<(u64, u64)>> {
    let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
    let of = |der: &CertificateDer<'static>| {
        let validity = x509_cert::Certificate::from_der(der)?.tbs_certificate.validity;
        Ok((seconds(validity.not_before), seconds(validity.not_after)))
    };
    certificates.iter().map(of).collect()
}

/// The DNS names in a certificate, as they stand there.
pub fn dns_names(certificate: &CertificateDer<'_>) -> anyhow::Result<Vec<String>> {
    let certificate = x509_cert::Certificate::from_der(certificate)?;
    let names = certificate.tbs_certificate.get::<SubjectAltName>()?.map(|(_, names)| names.0).unwrap_or_default();
    let dns = |name| match name {
        GeneralName::DnsName(name) => {
            let name: &str = name.as_ref();
            Some(name.to_owned())
        }
        _ => None,
    };
    Ok(names.into_iter().filter_map(dns).collect())
}

/// Unix seconds as people read them.
pub fn shown(seconds: u64) -> String {
    let time = DateTime::from_unix_duration(std::time::Duration::from_secs(seconds));
    time.map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// The CAs that a command believes: those in a file, or else those of this machine.
pub fn trusted(cacert: Option<&Path>) -> anyhow::Result<RootCertStore> {
    if let Some(file) = cacert {
        let text = std::fs::read(file).with_context(|| file.display().to_string())?;
        return chain(&text).and_then(|authorities| roots(&authorities)).with_context(|| file.display().to_string());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Machines have some that nobody can read; what counts is that the one that is needed is there.
    roots.add_parsable_certificates(found.certs);
    ensure!(!roots.is_empty(), "this machine trusts no CA: name one with --cacert");
    Ok(roots)
}
