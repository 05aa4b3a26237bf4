//! A network whose connections are encrypted where there are certificates, and plain where there are none.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use quorate_xmlrpc_edge::server::Accept;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, TlsStream};

use super::certificates::Store;
use super::handshakes::{Accepted, Handshakes};
use super::stream::Stream;
use super::{explain, keys, pem};
use crate::net::Net;
use crate::refusals::Refusals;

/// A network with or without TLS above another one.
#[derive(Clone)]
pub struct Secure<N> {
    net: N,
    tls: Option<Tls>,
    /// Of those who connect to this node.
    refusals: Refusals,
    /// Of those whom it dials: strangers cannot crowd these out.
    dials: Refusals,
}

#[derive(Clone)]
enum Tls {
    /// A node's: as its certificates say.
    Node(Arc<Store>),
    /// A command's: servers must prove the name by which they were dialled.
    Command(Arc<ClientConfig>),
}

impl<N: Net> Secure<N> {
    fn new(net: N, tls: Option<Tls>) -> Secure<N> {
        let refusals = || Refusals::new("TLS handshake failed");
        Secure { net, tls, refusals: refusals(), dials: refusals() }
    }

    /// A node's network: plain without certificates.
    pub fn of_node(net: N, certificates: Option<Arc<Store>>) -> Secure<N> {
        Secure::new(net, certificates.map(Tls::Node))
    }

    /// A plain one.
    pub fn plain(net: N) -> Secure<N> {
        Secure::new(net, None)
    }

    /// A command's network: believes servers whose certificate is of a CA in the PEM file `cacert`, or else of one
    /// that this machine trusts.
    ///
    /// # Errors
    /// When the file cannot be read, or there is no CA to believe.
    pub fn of_command(net: N, cacert: Option<&std::path::Path>) -> anyhow::Result<Secure<N>> {
        let config = keys::commands(pem::trusted(cacert)?)?;
        Ok(Secure::new(net, Some(Tls::Command(config))))
    }

    /// How to dial, and the name that must be proved; `None`: plain.
    fn dialling(&self, address: &str) -> io::Result<Option<(Arc<ClientConfig>, ServerName<'static>)>> {
        match &self.tls {
            None => Ok(None),
            Some(Tls::Node(store)) => match &store.keys().client {
                Some(client) => Ok(Some(client.clone())),
                None => Err(io::ErrorKind::Unsupported.into()),
            },
            Some(Tls::Command(config)) => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                Ok(Some((config.clone(), ServerName::try_from(host).map_err(io::Error::other)?)))
            }
        }
    }
}

impl<N: Net> Net for Secure<N> {
    type Stream = Stream<N::Stream>;
    type Listener = SecureListener<N::Listener>;

    fn connect(&self, address: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let (connected, dialling) = (self.net.connect(address), self.dialling(address));
        let (address, dials) = (address.to_owned(), self.dials.clone());
        async move {
            let stream = connected.await?;
            let Some((config, name)) = dialling? else { return Ok(Stream::Plain(stream)) };
            match TlsConnector::from(config).connect(name.clone(), stream).await {
                Ok(stream) => Ok(Stream::Tls(Box::new(TlsStream::Client(stream)))),
                Err(e) => {
                    let reason = explain(&e, &name.to_str());
                    dials.say_of(&address, reason.clone());
                    Err(io::Error::new(e.kind(), format!("TLS handshake: {reason}")))
                }
            }
        }
    }

    fn resolve(&self, address: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static {
        self.net.resolve(address)
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<Self::Listener> {
        let handshakes = match &self.tls {
            None => None,
            Some(Tls::Node(store)) => Some(Handshakes::new(store.clone(), self.refusals.clone())),
            Some(Tls::Command(_)) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(SecureListener { listener: self.net.listen(address).await?, handshakes })
    }
}

/// A listening socket.
pub struct SecureListener<L: Accept> {
    listener: L,
    handshakes: Option<Handshakes<L::Stream>>,
}

impl<L: Accept> Accept for SecureListener<L> {
    type Stream = Stream<L::Stream>;

    async fn accept(&mut self) -> io::Result<Accepted<L::Stream>> {
        let Some(handshakes) = &mut self.handshakes else {
            let (stream, from) = self.listener.accept().await?;
            return Ok((Stream::Plain(stream), from));
        };
        loop {
            tokio::select! {
                biased;
                Some(ended) = handshakes.next() => {
                    if let Some(accepted) = ended {
                        return Ok(accepted);
                    }
                }
                accepted = self.listener.accept() => {
                    let (stream, from) = accepted?;
                    handshakes.begin(stream, from);
                }
            }
        }
    }
}
