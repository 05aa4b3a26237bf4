//! The PROXY protocol, versions 1 and 2: a load balancer says for whom it connects, before anything else, also before
//! TLS. A network whose listener reads that of the load balancers that the configuration names.
//!
//! Nobody else is believed: what others send reaches whoever listens as it came. A load balancer that does not say it, or
//! says something else, is closed.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use ppp::{HeaderResult, v1, v2};
use quorate_xmlrpc_edge::address::is_in;
use quorate_xmlrpc_edge::server::Accept;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::net::Net;

/// How long a load balancer may take to say for whom it connects.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// How many may be about to; then further connections wait.
pub const MAX_HEADERS: usize = 256;
/// Bytes of the longest header of version 1 (the specification, section 2.1).
const MAX_V1: usize = 107;
/// Bytes of a header of version 2 before its addresses.
const V2_START: usize = 16;
/// Bytes of a header of version 2 that we take: far more than its addresses, and what else it may say, need.
const MAX_V2: usize = 4096;

/// A network behind load balancers.
#[derive(Clone)]
pub struct BehindBalancers<N> {
    net: N,
    balancers: Arc<[IpNet]>,
}

impl<N: Net> BehindBalancers<N> {
    /// A network in which these load balancers say for whom they connect; without any it is as it was.
    pub fn new(net: N, balancers: Arc<[IpNet]>) -> BehindBalancers<N> {
        BehindBalancers { net, balancers }
    }
}

impl<N: Net> Net for BehindBalancers<N> {
    type Stream = N::Stream;
    type Listener = Listener<N::Listener>;

    fn connect(&self, address: &str) -> impl Future<Output = io::Result<N::Stream>> + Send + 'static {
        self.net.connect(address)
    }

    fn resolve(&self, address: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static {
        self.net.resolve(address)
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<Self::Listener> {
        let listener = self.net.listen_for_clients(address).await?;
        Ok(Listener { listener, balancers: self.balancers.clone(), headers: JoinSet::new() })
    }
}

/// A listening socket behind load balancers.
pub struct Listener<L: Accept> {
    listener: L,
    balancers: Arc<[IpNet]>,
    headers: JoinSet<Option<(L::Stream, SocketAddr)>>,
}

impl<L: Accept> Accept for Listener<L> {
    type Stream = L::Stream;

    async fn accept(&mut self) -> io::Result<(L::Stream, SocketAddr)> {
        loop {
            let has_room = self.headers.len() < MAX_HEADERS;
            tokio::select! {
                biased;
                Some(ended) = self.headers.join_next() => {
                    if let Some(accepted) = ended.ok().flatten() {
                        return Ok(accepted);
                    }
                }
                accepted = self.listener.accept(), if has_room => {
                    let (stream, from) = accepted?;
                    if !is_in(&self.balancers, from.ip()) {
                        return Ok((stream, from));
                    }
                    self.headers.spawn(told(stream, from));
                }
            }
        }
    }
}

/// A load balancer's connection, and for whom it is.
async fn told<S: AsyncRead + Unpin>(mut stream: S, balancer: SocketAddr) -> Option<(S, SocketAddr)> {
    match timeout(HEADER_TIME, read_client(&mut stream)).await {
        Ok(Ok(client)) => Some((stream, client.unwrap_or(balancer))),
        // A load balancer that looks whether the port is open.
        Ok(Err(e)) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => None,
        Ok(Err(e)) => {
            tracing::warn!(%balancer, error = %e, "a load balancer does not say for whom it connects: closed");
            None
        }
        Err(_) => {
            tracing::warn!(%balancer, "a load balancer takes too long to say for whom it connects: closed");
            None
        }
    }
}

/// Reads a header, and no byte more; `None`: the load balancer connects for itself.
async fn read_client(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    // No header is shorter: version 2 has its signature here, version 1 its first word.
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        header.resize(V2_START, 0);
        stream.read_exact(&mut header[v2::PROTOCOL_PREFIX.len()..]).await?;
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if rest > MAX_V2 {
            return Err(invalid("its header is too long"));
        }
        header.resize(V2_START + rest, 0);
        stream.read_exact(&mut header[V2_START..]).await?;
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        while !header.ends_with(b"\n") {
            if header.len() >= MAX_V1 {
                return Err(invalid("its header is too long"));
            }
            header.push(stream.read_u8().await?);
        }
    } else {
        return Err(invalid("it does not speak the PROXY protocol"));
    }
    client_of(&header)
}

/// Whom a whole header names.
fn client_of(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(a) => Some((a.source_address, a.source_port).into()),
            v1::Addresses::Tcp6(a) => Some((a.source_address, a.source_port).into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => Ok(None),
        HeaderResult::V2(Ok(header)) => Ok(match header.addresses {
            v2::Addresses::IPv4(a) => Some((a.source_address, a.source_port).into()),
            v2::Addresses::IPv6(a) => Some((a.source_address, a.source_port).into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        }),
        HeaderResult::V1(Err(e)) => Err(invalid(e)),
        HeaderResult::V2(Err(e)) => Err(invalid(e)),
    }
}

fn invalid(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::mpsc;

    use super::*;

    struct Incoming(mpsc::UnboundedReceiver<(DuplexStream, SocketAddr)>);

    impl Accept for Incoming {
        type Stream = DuplexStream;
        async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
            match self.0.recv().await {
                Some(accepted) => Ok(accepted),
                None => std::future::pending().await,
            }
        }
    }

    const BALANCER: &str = "10.0.0.9:4000";

    /// Who is taken to have sent these bytes from an address, and what of them is left to read.
    async fn accepted(from: &str, sent: &[u8]) -> Option<(String, Vec<u8>)> {
        let (dial, incoming) = mpsc::unbounded_channel();
        let balancers = ["10.0.0.0/24".parse().unwrap()].into();
        let mut listener = Listener { listener: Incoming(incoming), balancers, headers: JoinSet::new() };
        let (mut client, server) = duplex(1 << 17);
        dial.send((server, from.parse().unwrap())).unwrap();
        client.write_all(sent).await.unwrap();
        drop(client);
        let (mut stream, from) = timeout(Duration::from_secs(60), listener.accept()).await.ok()?.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        Some((from.to_string(), rest))
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, addresses, b"GET /"].concat()
    }

    #[tokio::test(start_paused = true)]
    async fn both_versions_name_the_client_and_leave_what_follows() {
        let told = |from: &str| Some((from.to_owned(), b"GET /".to_vec()));
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 2633\r\nGET /";
        assert_eq!(accepted(BALANCER, v1).await, told("192.0.2.7:5000"));
        let v1 = b"PROXY TCP6 2001:db8::7 fd00::1 5000 2633\r\nGET /";
        assert_eq!(accepted(BALANCER, v1).await, told("[2001:db8::7]:5000"));
        assert_eq!(accepted(BALANCER, b"PROXY UNKNOWN\r\nGET /").await, told(BALANCER));
        let addresses = [192, 0, 2, 7, 10, 0, 0, 1, 0x13, 0x88, 0x0a, 0x49];
        assert_eq!(accepted(BALANCER, &v2(1, 0x11, &addresses)).await, told("192.0.2.7:5000"));
        let with_more = [&addresses[..], &[4, 0, 1, 0]].concat();
        assert_eq!(accepted(BALANCER, &v2(1, 0x11, &with_more)).await, told("192.0.2.7:5000"));
        assert_eq!(accepted(BALANCER, &v2(0, 0, &[])).await, told(BALANCER), "its own health check");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_else_is_believed() {
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 2633\r\nGET /";
        let from = "10.0.1.9:4000";
        assert_eq!(accepted(from, v1).await, Some((from.to_owned(), v1.to_vec())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_balancer_that_does_not_say_it_is_closed() {
        for sent in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"PROXY TCP4 x", b"PROXY NONSENSE a b c d e\r\n"] {
            assert_eq!(accepted(BALANCER, sent).await, None);
        }
        let long = [b"PROXY TCP4 ", [b'1'; 200].as_slice(), b"\r\n"].concat();
        assert_eq!(accepted(BALANCER, &long).await, None);
        assert_eq!(accepted(BALANCER, &v2(1, 0x11, &[0; 5000])).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_keeps_nobody_waiting() {
        let (dial, incoming) = mpsc::unbounded_channel();
        let balancers = ["10.0.0.0/24".parse().unwrap()].into();
        let mut listener = Listener { listener: Incoming(incoming), balancers, headers: JoinSet::new() };
        let (_silent, server) = duplex(100);
        dial.send((server, BALANCER.parse().unwrap())).unwrap();
        let (_client, server) = duplex(100);
        dial.send((server, "192.0.2.1:1".parse().unwrap())).unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(from.to_string(), "192.0.2.1:1");
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), signed in 0_usize..3) {
            let prefix = [&b""[..], b"PROXY ", v2::PROTOCOL_PREFIX][signed];
            let sent = [prefix, &bytes].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            drop(runtime.block_on(accepted(BALANCER, &sent)));
        }
    }
}
