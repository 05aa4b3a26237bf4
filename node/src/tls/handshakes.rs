//! Handshakes that are under way with those who have connected: beside each other, bounded in time and number.
//!
//! Whoever says nothing must not keep others waiting: when there are too many, the oldest has to go of those that come
//! from where most come from.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_gateway::site::Site;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::certificates::Store;
use super::explain;
use super::stream::Stream;
use crate::refusals::Refusals;

/// How long a handshake may take.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// How many may be under way; they take milliseconds where both sides mean it.
pub const MAX_HANDSHAKES: usize = 256;

/// How long the other side may take to hear why it was refused.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// A connection that has proved what it must, and where it is from.
pub type Accepted<S> = (Stream<S>, SocketAddr);

/// The handshakes of one listener; they end with it.
pub struct Handshakes<S> {
    store: Arc<Store>,
    refusals: Refusals,
    running: JoinSet<Option<Accepted<S>>>,
    /// The oldest first; some may have ended.
    order: VecDeque<(SocketAddr, AbortHandle)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Handshakes<S> {
    /// None yet.
    pub fn new(store: Arc<Store>, refusals: Refusals) -> Handshakes<S> {
        Handshakes { store, refusals, running: JoinSet::new(), order: VecDeque::new() }
    }

    /// Which one has to go: the oldest of the address that has most under way, so that a crowd makes room for others.
    fn crowding(&self) -> Option<usize> {
        let mut each: BTreeMap<Site, usize> = BTreeMap::new();
        for (from, _) in &self.order {
            *each.entry(from.ip().into()).or_default() += 1;
        }
        let (crowd, _) = each.into_iter().max_by_key(|(_, count)| *count)?;
        self.order.iter().position(|(from, _)| Site::from(from.ip()) == crowd)
    }

    /// Begins one, with the newest keys.
    pub fn begin(&mut self, stream: S, from: SocketAddr) {
        if self.order.len() >= MAX_HANDSHAKES {
            self.order.retain(|(_, handshake)| !handshake.is_finished());
        }
        if self.order.len() >= MAX_HANDSHAKES
            && let Some((who, oldest)) = self.crowding().and_then(|at| self.order.remove(at))
        {
            oldest.abort();
            self.refusals.say(who.ip(), "it is the slowest of too many: given up".to_owned());
        }
        let keys = self.store.keys();
        let refusals = self.refusals.clone();
        let handshake = self.running.spawn(async move {
            // What a client's certificate must name, where one is asked for.
            let name = keys.client.as_ref().map_or("".into(), |(_, name)| name.to_str());
            let accepting = TlsAcceptor::from(keys.server.clone()).accept(stream).into_fallible();
            match timeout(HANDSHAKE_TIME, accepting).await {
                Ok(Ok(stream)) => Some((Stream::Tls(Box::new(TlsStream::Server(stream))), from)),
                // Whoever leaves was not refused: a load balancer that looks whether the port is open, say.
                Ok(Err((e, _))) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
                Ok(Err((e, stream))) => {
                    refusals.say(from.ip(), explain(&e, &name));
                    part(stream).await;
                    None
                }
                Err(_) => {
                    refusals.say(from.ip(), "it took too long".to_owned());
                    None
                }
            }
        });
        self.order.push_back((from, handshake));
    }

    /// The next that has ended: its connection, or `None` where it failed. `None` outside while none is under way.
    /// May be dropped and asked again.
    pub async fn next(&mut self) -> Option<Option<Accepted<S>>> {
        let ended = self.running.join_next().await?;
        // One that was given up has no result.
        Some(ended.ok().flatten())
    }
}

/// Lets the other side hear why it was refused: a socket that is closed with something unread takes back what it said.
async fn part(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let heard = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // It is refused either way.
    let _ = timeout(PARTING_TIME, heard).await;
}
