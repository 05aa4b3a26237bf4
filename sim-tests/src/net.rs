//! The simulated network as a node's [`Net`], with a running digest of everything that is sent over it.
//!
//! Two runs with the same digest sent the same bytes between the same ends at the same simulated times.

use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use quorate_node::net::Net;
use quorate_xmlrpc_edge::server::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

/// A digest of what was sent so far. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Sent>>);

#[derive(Debug, Default)]
struct Sent {
    digest: u64,
    writes: u64,
}

impl Trace {
    /// The digest, and how many writes it covers.
    #[must_use]
    pub fn digest(&self) -> (u64, u64) {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (sent.digest, sent.writes)
    }

    fn sent(&self, ends: (SocketAddr, SocketAddr), bytes: &[u8]) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Its keys are fixed, so the digest is comparable between processes.
        let mut hasher = DefaultHasher::new();
        (sent.digest, turmoil::sim_elapsed(), ends, bytes).hash(&mut hasher);
        sent.digest = hasher.finish();
        sent.writes += 1;
    }
}

/// The simulated network.
#[derive(Clone, Debug, Default)]
pub struct SimNet(pub Trace);

impl Net for SimNet {
    type Stream = SimStream;
    type Listener = SimListener;

    fn connect(&self, address: &str) -> impl Future<Output = io::Result<SimStream>> + Send + 'static {
        let (address, trace) = (address.to_owned(), self.0.clone());
        async move { SimStream::new(TcpStream::connect(address).await?, trace) }
    }

    fn resolve(&self, address: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        std::future::ready(Ok(vec![turmoil::lookup(host)]))
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<SimListener> {
        Ok(SimListener { listener: TcpListener::bind(address).await?, trace: self.0.clone() })
    }
}

/// A listening socket.
pub struct SimListener {
    listener: TcpListener,
    trace: Trace,
}

impl Accept for SimListener {
    type Stream = SimStream;

    async fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        let (stream, from) = self.listener.accept().await?;
        Ok((SimStream::new(stream, self.trace.clone())?, from))
    }
}

/// A connection.
pub struct SimStream {
    stream: TcpStream,
    ends: (SocketAddr, SocketAddr),
    trace: Trace,
}

impl SimStream {
    fn new(stream: TcpStream, trace: Trace) -> io::Result<SimStream> {
        let ends = (stream.local_addr()?, stream.peer_addr()?);
        Ok(SimStream { stream, ends, trace })
    }
}

impl AsyncRead for SimStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.trace.sent(self.ends, &buf[..written]);
        Poll::Ready(Ok(written))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
