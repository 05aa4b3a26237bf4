//! Handshakes over loopback TCP with certificates of every kind, and what files may say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quorate_xmlrpc_edge::server::Accept as _;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certificates::Look;
use super::handshakes::MAX_HANDSHAKES;
use super::{Certificates, Secure, pem, provider};
use crate::config::Config;
use crate::net::{Net, Tcp};
use crate::ports::GivenPort;

const ZONE: &str = "zone-1";
const NAME: &str = "zone-1.quorate.internal";
/// What begins a gRPC connection.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

/// A CA.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
struct Issued {
    cert: String,
    key: String,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        Issued { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    fn expired(&self) -> Issued {
        self.issue_with(&[NAME], |params| params.not_after = date_time_ymd(2021, 1, 1))
    }
}

impl Issued {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        pem::chain(self.cert.as_bytes()).unwrap()
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

/// The files of a node.
struct Files(tempfile::TempDir);

impl Files {
    fn new(ca: &str, own: &Issued) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.write("ca", ca);
        files.put(own);
        files
    }

    fn put(&self, own: &Issued) {
        self.write("cert", &own.cert);
        self.write("key", &own.key);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn load_as(&self, cluster: &str) -> anyhow::Result<Certificates> {
        let [cert, key, ca] = ["cert", "key", "ca"].map(|name| self.path(name).display().to_string());
        let config: Config = toml::from_str(&format!(
            "data_dir = \"\"\nlisten = \"127.0.0.1:1\"\npeer_listen = \"127.0.0.1:2\"\n\
             [zone]\ncluster_id = \"{cluster}\"\nendpoint = \"\"\nauth_file = \"\"\n\
             [peer_tls]\ncert = \"{cert}\"\nkey = \"{key}\"\nca = \"{ca}\"\n[tls]\ncert = \"{cert}\"\nkey = \"{key}\"\n"
        ))
        .unwrap();
        Certificates::load(&config)
    }

    fn load(&self) -> Certificates {
        self.load_as(ZONE).unwrap()
    }

    fn refusal(&self) -> String {
        format!("{:#}", self.load_as(ZONE).map(drop).unwrap_err())
    }
}

fn node(certificates: &Certificates) -> Secure<Tcp> {
    Secure::of_node(Tcp, certificates.peers.clone())
}

fn edge(certificates: &Certificates) -> Secure<Tcp> {
    Secure::of_node(Tcp, certificates.edge.clone())
}

/// Greets everybody whom the listener lets in.
async fn greet(net: Secure<Tcp>) -> (SocketAddr, JoinHandle<()>) {
    let port = GivenPort::new().unwrap();
    let at = port.address();
    let mut listener = net.listen(at).await.unwrap();
    let greeting = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                // Who is gone is not greeted.
                let _ = stream.write_all(b"hello").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (at, greeting)
}

/// What the other side says; nothing when it closes the connection or lets nobody in.
async fn heard(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut said = Vec::new();
    // Whoever is refused sees an error, an alert or an end.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("in time");
    String::from_utf8_lossy(&said).into_owned()
}

async fn hears(net: &Secure<Tcp>, at: SocketAddr) -> Result<String, String> {
    match net.connect(&at.to_string()).await {
        Ok(mut stream) => Ok(heard(&mut stream).await),
        Err(e) => Err(e.to_string()),
    }
}

/// A client that trusts `ca`, with any certificate or none.
fn stranger(ca: &str, own: Option<&Issued>) -> TlsConnector {
    let roots = pem::roots(&pem::chain(ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    TlsConnector::from(Arc::new(match own {
        Some(own) => config.with_client_auth_cert(own.chain(), own.private()).unwrap(),
        None => config.with_no_client_auth(),
    }))
}

/// What a stranger is told when it is refused.
async fn stranger_is_told(stranger: &TlsConnector, at: SocketAddr) -> String {
    let stream = TcpStream::connect(at).await.unwrap();
    let mut stream = stranger.connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap();
    stream.write_all(HTTP2).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("in time");
    heard.unwrap_err().to_string()
}

async fn stranger_hears(stranger: &TlsConnector, at: SocketAddr) -> String {
    let stream = TcpStream::connect(at).await.unwrap();
    match stranger.connect(ServerName::try_from(NAME).unwrap(), stream).await {
        Ok(mut stream) => heard(&mut stream).await,
        Err(_) => String::new(),
    }
}

#[tokio::test]
async fn only_who_proves_to_be_of_the_zone_gets_in() {
    let (ca, other) = (Authority::new(), Authority::new());
    let own = Files::new(&ca.pem, &ca.issue(&[NAME])).load();
    let (at, _greeting) = greet(node(&own)).await;
    assert_eq!(hears(&node(&own), at).await.unwrap(), "hello");
    let good = ca.issue(&["elsewhere.example.org", NAME]);
    assert_eq!(stranger_hears(&stranger(&ca.pem, Some(&good)), at).await, "hello");
    let only_server = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    for (who, own) in [
        ("shows no certificate", None),
        ("is of another CA", Some(other.issue(&[NAME]))),
        ("is of another zone", Some(ca.issue(&["zone-2.quorate.internal"]))),
        ("names no zone", Some(ca.issue(&["one-1.example.org"]))),
        ("names every zone", Some(ca.issue(&["*.quorate.internal"]))),
        ("has expired", Some(ca.expired())),
        ("is not for clients", Some(ca.issue_with(&[NAME], only_server))),
    ] {
        assert_eq!(stranger_hears(&stranger(&ca.pem, own.as_ref()), at).await, "", "who {who} got in");
    }
    let told = stranger_is_told(&stranger(&ca.pem, Some(&other.issue(&[NAME]))), at).await;
    assert!(told.contains("fatal alert"), "{told}");
    let mut plain = TcpStream::connect(at).await.unwrap();
    plain.write_all(HTTP2).await.unwrap();
    assert!(!heard(&mut plain).await.contains("hello"));
    assert_eq!(hears(&node(&own), at).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_node_talks_only_to_who_proves_to_be_of_the_zone() {
    let (ca, other) = (Authority::new(), Authority::new());
    let own = Files::new(&ca.pem, &ca.issue(&[NAME])).load();
    for (shown, expected) in [
        (other.issue(&[NAME]), "not of a trusted CA"),
        (ca.issue(&["zone-2.quorate.internal"]), "does not name zone-1.quorate.internal"),
        (ca.issue(&["*.quorate.internal"]), "does not name zone-1.quorate.internal"),
        (ca.expired(), "expired"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(shown.chain(), shown.private()).unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_ok()
        });
        let refusal = hears(&node(&own), at).await.unwrap_err();
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!serving.await.unwrap());
    }
    let (plain, _greeting) = greet(Secure::plain(Tcp)).await;
    let refusal = hears(&node(&own), plain).await.unwrap_err();
    assert!(refusal.contains("does not speak TLS"), "{refusal}");
}

#[tokio::test]
async fn whoever_says_nothing_holds_nobody_up() {
    let ca = Authority::new();
    let own = Files::new(&ca.pem, &ca.issue(&[NAME])).load();
    let (at, _greeting) = greet(node(&own)).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_HANDSHAKES + 1 {
        silent.push(TcpStream::connect(at).await.unwrap());
    }
    assert_eq!(hears(&node(&own), at).await.unwrap(), "hello");
    // The oldest made room.
    assert_eq!(heard(&mut silent[0]).await, "");
}

#[tokio::test]
async fn a_crowd_that_goes_on_coming_makes_room_for_others_not_they_for_it() {
    let ca = Authority::new();
    let own = Files::new(&ca.pem, &ca.issue(&[NAME])).load();
    let (at, _greeting) = greet(node(&own)).await;
    let mut crowd = Vec::new();
    for _ in 0..MAX_HANDSHAKES {
        crowd.push(TcpStream::connect(at).await.unwrap());
    }
    // Somebody else, in the middle of a handshake while as many come again.
    let somebody = TcpSocket::new_v4().unwrap();
    somebody.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let somebody = somebody.connect(at).await.unwrap();
    for _ in 0..MAX_HANDSHAKES {
        crowd.push(TcpStream::connect(at).await.unwrap());
    }
    // All that came before the other have been given up.
    assert_eq!(heard(&mut crowd[MAX_HANDSHAKES - 1]).await, "");
    let end = somebody.try_read(&mut [0; 1]).map_err(|e| e.kind());
    assert_eq!(end, Err(std::io::ErrorKind::WouldBlock), "the other must not be given up");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_takes_too_long_is_given_up() {
    let ca = Authority::new();
    let own = Files::new(&ca.pem, &ca.issue(&[NAME])).load();
    let (at, _greeting) = greet(node(&own)).await;
    let mut silent = TcpStream::connect(at).await.unwrap();
    assert_eq!(heard(&mut silent).await, "");
}

#[tokio::test]
async fn new_files_count_for_new_handshakes_and_wrong_ones_change_nothing() {
    let (ca, new_ca) = (Authority::new(), Authority::new());
    let files = Files::new(&ca.pem, &ca.issue(&[NAME]));
    let own = files.load();
    let store = own.peers.clone().unwrap();
    let (at, _greeting) = greet(node(&own)).await;
    let new_comer = stranger(&format!("{}{}", ca.pem, new_ca.pem), Some(&new_ca.issue(&[NAME])));
    assert_eq!(store.look(), Look::Same);
    assert_eq!(stranger_hears(&new_comer, at).await, "");

    // A new CA beside the old one, then a certificate of it: nobody is shut out on the way.
    files.write("ca", &format!("{}{}", ca.pem, new_ca.pem));
    assert_eq!(store.look(), Look::New);
    assert_eq!(stranger_hears(&new_comer, at).await, "hello");
    let renewed = new_ca.issue(&[NAME]);
    files.write("cert", &renewed.cert);
    let wrong = "cert: it does not belong to the key".to_owned();
    assert_eq!(store.look(), Look::Wrong(wrong.clone()));
    assert_eq!(store.look(), Look::StillWrong(wrong));
    assert_eq!(hears(&node(&own), at).await.unwrap(), "hello");
    files.put(&renewed);
    assert_eq!(store.look(), Look::New);
    assert_eq!(stranger_hears(&stranger(&new_ca.pem, Some(&ca.issue(&[NAME]))), at).await, "hello");

    // The old CA goes, and with it those who show its certificates.
    files.write("ca", &new_ca.pem);
    assert_eq!(store.look(), Look::New);
    assert_eq!(stranger_hears(&stranger(&new_ca.pem, Some(&ca.issue(&[NAME]))), at).await, "");
    std::fs::remove_file(files.path("key")).unwrap();
    assert!(matches!(store.look(), Look::Wrong(wrong) if wrong.contains("key: No such file")));
    assert_eq!(hears(&node(&own), at).await.unwrap(), "hello");
}

#[test]
fn wrong_files_are_refused_at_the_start_and_named() {
    let (ca, other) = (Authority::new(), Authority::new());
    let good = ca.issue(&[NAME]);
    let with = |ca: &str, own: &Issued| Files::new(ca, own).refusal();
    let for_servers_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    for (refusal, expected) in [
        (with(&other.pem, &good), "not of a trusted CA"),
        (with(&ca.pem, &ca.issue(&["zone-2.quorate.internal"])), "does not name zone-1.quorate.internal"),
        (with(&ca.pem, &ca.issue(&["*.quorate.internal"])), "does not name zone-1.quorate.internal"),
        (with(&ca.pem, &ca.expired()), "cert: it expired on 2021-01-01"),
        (with(&ca.pem, &ca.issue_with(&[NAME], |p| p.not_before = date_time_ymd(2900, 1, 1))), "not valid before 2900"),
        (with(&ca.pem, &ca.issue_with(&[NAME], for_servers_only)), "as a client's certificate it is not for this use"),
        (with(&ca.pem, &Issued { key: ca.issue(&[NAME]).key, ..good.clone() }), "does not belong to the key"),
        (with(&ca.pem, &Issued { key: good.cert.clone(), ..good.clone() }), "key: there is no private key"),
        (with("", &good), "ca: there is no certificate in it"),
    ] {
        assert!(refusal.starts_with("[peer_tls]") && refusal.contains(expected), "{refusal}");
    }
    let files = Files::new(&ca.pem, &good);
    assert!(files.load_as("Zone-1").is_err_and(|e| e.to_string().contains("capitals")));
    assert!(files.load_as("zone 1").is_err_and(|e| e.to_string().contains("DNS name")));
    std::fs::remove_file(files.path("cert")).unwrap();
    assert!(files.refusal().contains("cert: No such file"));
}

#[tokio::test]
async fn a_command_believes_only_servers_that_prove_their_name() {
    let (ca, other) = (Authority::new(), Authority::new());
    let trusting = |ca: &Authority| {
        let files = Files::new(&ca.pem, &ca.issue(&[NAME]));
        Secure::of_command(Tcp, Some(&files.path("ca"))).unwrap()
    };
    let (at, _greeting) = greet(edge(&Files::new(&ca.pem, &ca.issue(&[NAME, "127.0.0.1"])).load())).await;
    assert_eq!(hears(&trusting(&ca), at).await.unwrap(), "hello");
    assert!(hears(&trusting(&other), at).await.unwrap_err().contains("not of a trusted CA"));
    let (at, _greeting) = greet(edge(&Files::new(&ca.pem, &ca.issue(&[NAME])).load())).await;
    assert!(hears(&trusting(&ca), at).await.unwrap_err().contains("does not name 127.0.0.1"));
    assert!(Secure::of_command(Tcp, Some(Path::new("/nonexistent"))).is_err());
}

#[test]
fn the_first_end_is_told() {
    let ca = Authority::new();
    let own = ca.issue_with(&[NAME], |params| params.not_after = date_time_ymd(2030, 1, 1));
    let ends: Vec<_> = Files::new(&ca.pem, &own).load().ends().collect();
    let end = date_time_ymd(2030, 1, 1).unix_timestamp().unsigned_abs();
    assert_eq!(ends, [("peer_tls", end), ("tls", end)]);
}
