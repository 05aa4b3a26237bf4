//! Zones whose traffic is encrypted: who gets in, who does not, and certificates that change while writes go on.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{TestZone, documents, issue, quorate, run, single, write};
use quorate_model::api::Arg;
use quorate_node::client::records;
use quorate_node::local_zone::SESSION;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What begins a gRPC connection; the answer begins with a SETTINGS frame.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// The kind of a SETTINGS frame, after three bytes of length.
const SETTINGS: u8 = 4;
/// More than may be shaking hands at a time.
const CROWD: usize = 300;

/// Shakes hands with a server of `zone`, or with `127.0.0.1` where it is for clients, with a certificate or none.
async fn shake_hands(
    port: u16,
    ca: &Path,
    zone: Option<&str>,
    own: Option<&Path>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca.join("ca.crt")).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match own {
        Some(own) => {
            let cert = CertificateDer::from_pem_file(own.join("node-0.crt")).unwrap();
            let key = PrivateKeyDer::from_pem_file(own.join("node-0.key")).unwrap();
            config.with_client_auth_cert(vec![cert], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let name = zone.map_or("127.0.0.1".to_owned(), |zone| format!("{zone}.quorate.internal"));
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}

/// Whether a peer listener talks to who shows this certificate.
async fn is_let_in(port: u16, ca: &Path, zone: &str, own: Option<&Path>) -> bool {
    let talk = async {
        let mut stream = shake_hands(port, ca, Some(zone), own).await?;
        stream.write_all(HTTP2).await?;
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).await?;
        Ok::<_, std::io::Error>(frame[3])
    };
    matches!(timeout(common::PATIENCE, talk).await.expect("an answer or an end"), Ok(SETTINGS))
}

/// The certificate that a server shows.
async fn shown(port: u16, ca: &Path, zone: Option<&str>) -> CertificateDer<'static> {
    let stream = shake_hands(port, ca, zone, zone.map(|_| ca)).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn issued(dir: &Path, index: u16) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(dir.join(format!("node-{index}.crt"))).unwrap()
}

async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let started = Instant::now();
    while !check().await {
        assert!(started.elapsed() < common::PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn log(zone: &TestZone, index: u16) -> String {
    std::fs::read_to_string(zone.dir.path().join(format!("node-{index}/quorate.log"))).unwrap()
}

#[test]
fn an_encrypted_zone_works_and_lets_no_stranger_in() {
    run(async {
        let (dir, other_ca, other_zone) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ca = dir.path();
        let zone = TestZone::start_encrypted(3, ca).await;
        let id = zone.zone.cluster_id().to_owned();
        issue(other_ca.path(), &id, 1);
        for file in ["ca.crt", "ca.key"] {
            std::fs::copy(ca.join(file), other_zone.path().join(file)).unwrap();
        }
        issue(other_zone.path(), "another-zone", 1);

        let mut written = Vec::new();
        for index in 0..3 {
            written.push(write(&mut zone.client(index), &format!("through-{index}")).await);
        }
        for index in 0..3 {
            assert_eq!(documents(&mut zone.client(index)).await, written);
        }
        let info = zone.client(1).call("one.zone.info", SESSION, &[Arg::Int(0), Arg::Bool(false)]).await.unwrap();
        let servers = records(&info.into_value().unwrap(), "SERVER").unwrap();
        assert!(servers.iter().all(|s| s["ENDPOINT"].starts_with("https://127.0.0.1:")), "{servers:?}");
        let cacert = ca.join("ca.crt").display().to_string();
        let status = quorate(&zone.plan.url(2), &["zone", "status", "--cacert", &cacert]).unwrap();
        assert_eq!(status.matches(" ok").count(), 3, "{status}");
        let refused = quorate(&zone.plan.url(2), &["zone", "status"]).unwrap_err();
        assert!(refused.contains("its certificate is not of a trusted CA"), "{refused}");
        let plain = quorate(&zone.plan.url(2).replace("https", "http"), &["zone", "status"]).unwrap_err();
        assert_eq!(plain.lines().count(), 1, "{plain}");
        let (_, metrics) = zone.client(0).get("/metrics").await.unwrap();
        let metrics = String::from_utf8_lossy(&metrics).into_owned();
        for section in ["peer_tls", "tls"] {
            let gauge = format!("quorate_certificate_expiry_seconds{{section=\"{section}\"}} ");
            assert!(metrics.contains(&gauge), "{metrics}");
        }

        for peer_port in [0, 1, 2].map(|index| zone.plan.peer_listen(index).port()) {
            assert!(is_let_in(peer_port, ca, &id, Some(ca)).await, "a certificate of the zone");
            assert!(!is_let_in(peer_port, ca, &id, None).await, "no certificate");
            assert!(!is_let_in(peer_port, ca, &id, Some(other_ca.path())).await, "a certificate of another CA");
            assert!(!is_let_in(peer_port, ca, &id, Some(other_zone.path())).await, "a certificate of another zone");
        }
        let said = log(&zone, 0);
        for reason in
            ["it shows no certificate", "is not of a trusted CA", &format!("does not name {id}.quorate.internal")]
        {
            assert!(said.contains(reason), "{reason}: {said}");
        }
    });
}

#[test]
fn silence_and_garbage_on_encrypted_ports_do_no_harm() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let zone = TestZone::start_encrypted(3, dir.path()).await;
        let leader = zone.leader(&[0, 1, 2]).await;
        let mut client = zone.client((leader + 1) % 3);
        write(&mut client, "before").await;
        let mut silent = Vec::new();
        for port in [zone.plan.listen(leader), zone.plan.peer_listen(leader)].map(|address| address.port()) {
            for garbage in
                [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 65536], HTTP2, b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"]
            {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                // It may be closed before it is read whole.
                let _ = stream.write_all(garbage).await;
                silent.push(stream);
            }
            for _ in 0..CROWD {
                silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
            }
        }
        // Over new connections: to the leader's edge, and of a node that has just started to the leader.
        write(&mut zone.client(leader), "beside-a-crowd").await;
        let mut zone = zone;
        let other = (leader + 1) % 3;
        zone.zone.kill(other).await.unwrap();
        zone.zone.restart(other).unwrap().ready().await.unwrap();
        write(&mut zone.client(other), "after-a-restart").await;
        assert!(log(&zone, leader).contains("it does not speak TLS"));
        // Who fails does not fill the log.
        assert!(log(&zone, leader).matches("TLS handshake failed").count() < 20, "{}", log(&zone, leader));
    });
}

#[test]
fn certificates_are_renewed_under_writes_without_a_restart() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().to_owned();
        let mut zone = TestZone::start_encrypted(3, &ca).await;
        let id = zone.zone.cluster_id().to_owned();
        let pids: Vec<_> = zone.zone.nodes().iter().map(|node| node.pid().unwrap()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let writers = [0, 1, 2].map(|index| {
            let (client, stop) = (zone.client(index), stop.clone());
            tokio::spawn(async move {
                let mut written = Vec::new();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // A connection of its own: each shakes hands.
                    let mut client = client.another();
                    let args = [Arg::Str(format!("NAME=w-{index}-{n}")), Arg::Int(100)];
                    let reply = client.call("one.document.allocate", SESSION, &args).await.unwrap();
                    written.push(reply.into_value().unwrap().parse::<i64>().unwrap());
                }
                written
            })
        });

        let before: Vec<_> = (0..3).map(|index| issued(&ca, index)).collect();
        issue(&ca, &id, 3);
        // Node 0 is told, the others find out.
        kill_process(Pid::from_raw(pids[0].cast_signed()).unwrap(), Signal::HUP).unwrap();
        for index in 0..3 {
            let new = issued(&ca, index);
            assert_ne!(new, before[usize::from(index)]);
            eventually("the new certificate is shown to clients", || async {
                shown(zone.plan.listen(index).port(), &ca, None).await == new
            })
            .await;
            eventually("the new certificate is shown to peers", || async {
                shown(zone.plan.peer_listen(index).port(), &ca, Some(&id)).await == new
            })
            .await;
        }
        std::fs::write(ca.join("node-0.crt"), "no certificate").unwrap();
        kill_process(Pid::from_raw(pids[0].cast_signed()).unwrap(), Signal::HUP).unwrap();
        eventually("the error is said", async || log(&zone, 0).contains("the old ones stay in use")).await;
        write(&mut zone.client(0), "with-the-old-ones").await;

        stop.store(true, Ordering::Relaxed);
        let mut written = 0;
        for writer in writers {
            written += writer.await.expect("no write failed").len();
        }
        assert!(written > 0);
        assert_eq!(documents(&mut zone.client(1)).await.len(), written + 1);
        assert_eq!(zone.zone.nodes().iter().map(|node| node.pid().unwrap()).collect::<Vec<_>>(), pids);

        // Peers shake hands with new certificates.
        zone.zone.kill(2).await.unwrap();
        zone.zone.restart(2).unwrap().ready().await.unwrap();
        write(&mut zone.client(2), "after-a-restart").await;
    });
}

#[test]
fn a_server_with_a_certificate_of_another_zone_says_so_and_does_not_start() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let certificates = dir.path().join("certificates");
        issue(&certificates, "another-zone", 1);
        let shown = certificates.display();
        let tls = format!(
            "[peer_tls]\ncert = \"{shown}/node-0.crt\"\nkey = \"{shown}/node-0.key\"\nca = \"{shown}/ca.crt\"\n"
        );
        let mut server = single(dir.path().join("one"), "one", "this-zone", &tls);
        server.start();
        let said = server.ended().await;
        assert!(said.contains("does not name this-zone.quorate.internal"), "{said}");
    });
}
