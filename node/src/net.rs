//! The network as a seam: simulation plugs its own connect and listen.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use quorate_xmlrpc_edge::server::Accept;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::ports;

/// Connects and listens.
pub trait Net: Clone + Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A listening socket.
    type Listener: Accept<Stream = Self::Stream>;
    /// Connects to `host:port`.
    fn connect(&self, address: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
    /// Listens on an address.
    fn listen(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;
}

/// The machine's TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Net for Tcp {
    type Stream = TcpStream;
    type Listener = TcpAccept;

    fn connect(&self, address: &str) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        let address = address.to_owned();
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<TcpAccept> {
        TcpListener::bind(address).await.map(TcpAccept).map_err(|e| ports::explain(address, &e))
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct TcpAccept(TcpListener);

impl Accept for TcpAccept {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, from))
    }
}
