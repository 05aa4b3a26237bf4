//! The network as a seam: simulation plugs its own connect and listen.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};

use quorate_xmlrpc_edge::server::Accept;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::ports;

/// Connects and listens.
pub trait Net: Clone + Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A listening socket.
    type Listener: Accept<Stream = Self::Stream>;
    /// Connects to `host:port`.
    fn connect(&self, address: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
    /// The addresses that the host of a `host:port` stands for.
    fn resolve(&self, address: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static;
    /// Listens on an address.
    fn listen(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;
    /// Listens for clients, each of whom may leave little of what is sent to it unread.
    fn listen_for_clients(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        self.listen(address)
    }
}

/// Bytes that the kernel keeps for a client that does not read (it counts twice as many, with its own records). By
/// default it would keep megabytes.
const CLIENT_SEND_BUFFER: u32 = 256 << 10;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 4096;

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

    fn resolve(&self, address: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static {
        let address = address.to_owned();
        async move { Ok(tokio::net::lookup_host(address).await?.map(|address| address.ip()).collect()) }
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<TcpAccept> {
        TcpListener::bind(address).await.map(TcpAccept).map_err(|e| ports::explain(address, &e))
    }

    async fn listen_for_clients(&self, address: SocketAddr) -> io::Result<TcpAccept> {
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            // Connections inherit it.
            socket.set_send_buffer_size(CLIENT_SEND_BUFFER)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        listen().map(TcpAccept).map_err(|e: io::Error| ports::explain(address, &e))
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
