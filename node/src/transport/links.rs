//! Connections to peers: dialled when first used, shared, redialled with a pause after a failure.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use quorate_proto::v1::peer_client::PeerClient;
use quorate_raft_store::backlog::Backlog;
use quorate_raft_store::meta::Identity;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::Service;

use super::acquaintances::Acquaintances;
use super::{CLUSTER, CONNECTION_WINDOW, DATABASE, FOUNDING, FROM, KEEP_ALIVE, MAX_MESSAGE, MET, STREAM_WINDOW, TO};
use crate::net::Net;

/// How long a connection may take to be made.
const DIAL_TIMEOUT: Duration = Duration::from_millis(500);
/// The pause between dials of a peer that refuses: doubles from the first to the second.
const DIAL_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// A client of one peer.
pub(super) type Client = PeerClient<InterceptedService<Channel, Introduction>>;
type Dial = dyn Fn(&str) -> DialFuture + Send + Sync;
type DialFuture = Pin<Box<dyn Future<Output = io::Result<TokioIo<Box<dyn Io>>>> + Send>>;

/// A connection of any kind.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// What a connection is for: bulk must not stand in the way of what keeps the zone alive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Purpose {
    /// Entries.
    Log,
    /// Votes, heartbeats, handing leadership over: small, and late is as bad as never.
    Urgent,
    /// Snapshots.
    Bulk,
    /// Forwarded proposals and reads.
    Forward,
}

/// The connections of a node to its peers. Clones share them.
#[derive(Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

struct Inner {
    node_id: u64,
    cluster: MetadataValue<Ascii>,
    /// None: this node asks to be taken in, and has no database yet.
    acquaintances: Option<Acquaintances>,
    dial: Arc<Dial>,
    channels: Mutex<BTreeMap<(String, Purpose), Channel>>,
    backlog: Backlog,
}

impl Links {
    /// Connections over `net`, on which this node introduces itself as `me`, with its database if it has one.
    ///
    /// # Errors
    /// When the zone's id has characters that do not fit a header.
    pub fn new<N: Net>(net: N, me: &Identity, acquaintances: Option<Acquaintances>) -> io::Result<Links> {
        let cluster = me.cluster.parse().map_err(|_| io::Error::other("the zone's id must be visible ASCII"))?;
        let dial = move |address: &str| -> DialFuture {
            let connected = net.connect(address);
            Box::pin(async move { Ok(TokioIo::new(Box::new(connected.await?) as Box<dyn Io>)) })
        };
        let inner = Inner {
            node_id: me.node_id,
            cluster,
            acquaintances,
            dial: Arc::new(dial),
            channels: Mutex::default(),
            backlog: Backlog::default(),
        };
        Ok(Links { inner: Arc::new(inner) })
    }

    /// This node's id.
    pub(super) fn node_id(&self) -> u64 {
        self.inner.node_id
    }

    /// What they tell who purges this node's log, and are told.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.inner.backlog.clone()
    }

    /// A client of the node `to` (`None`: whoever is there) at `address`; connects when it is used.
    pub(super) fn client(&self, to: Option<u64>, address: &str, purpose: Purpose) -> Client {
        let introduction = Introduction {
            cluster: self.inner.cluster.clone(),
            from: self.inner.node_id.into(),
            to: to.map(Into::into),
            founding: self.inner.acquaintances.as_ref().and_then(|known| known.founding()).map(Into::into),
            database: self.inner.acquaintances.as_ref().map(|known| known.own().into()),
            met: to.and_then(|to| self.inner.acquaintances.as_ref()?.of(to)).map(Into::into),
        };
        PeerClient::with_interceptor(self.channel(address, purpose), introduction)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    fn channel(&self, address: &str, purpose: Purpose) -> Channel {
        // The map is never left half changed.
        let mut channels = self.inner.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (address.to_owned(), purpose);
        channels.entry(key).or_insert_with(|| self.connect_lazily(address, purpose)).clone()
    }

    fn connect_lazily(&self, address: &str, purpose: Purpose) -> Channel {
        // The others are checked while somebody waits for an answer: each check wakes both nodes.
        let always = matches!(purpose, Purpose::Log | Purpose::Urgent);
        // The connector knows where to go; the URI only names the service in requests.
        Endpoint::from_static("http://quorate-peer")
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(always)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_with_connector_lazy(Connector {
                address: address.into(),
                dial: self.inner.dial.clone(),
                pause: Arc::default(),
            })
    }
}

/// Says on every call who calls whom.
#[derive(Clone)]
pub(super) struct Introduction {
    cluster: MetadataValue<Ascii>,
    from: MetadataValue<Ascii>,
    to: Option<MetadataValue<Ascii>>,
    founding: Option<MetadataValue<Ascii>>,
    database: Option<MetadataValue<Ascii>>,
    met: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Introduction {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(CLUSTER, self.cluster.clone());
        metadata.insert(FROM, self.from.clone());
        let told = [(TO, &self.to), (FOUNDING, &self.founding), (DATABASE, &self.database), (MET, &self.met)];
        for (key, value) in told {
            if let Some(value) = value {
                metadata.insert(key, value.clone());
            }
        }
        Ok(request)
    }
}

/// Dials one address.
#[derive(Clone)]
struct Connector {
    address: Arc<str>,
    dial: Arc<Dial>,
    pause: Arc<Mutex<Option<Pause>>>,
}

/// After a failure: how long, and until when.
#[derive(Clone, Copy)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl Connector {
    fn pause(&self) -> MutexGuard<'_, Option<Pause>> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(self) -> io::Result<TokioIo<Box<dyn Io>>> {
        let pause = *self.pause();
        if let Some(pause) = pause {
            sleep_until(pause.until).await;
        }
        let dialled = timeout(DIAL_TIMEOUT, (self.dial)(&self.address)).await;
        let result = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        *self.pause() = result.is_err().then(|| {
            let (shortest, longest) = DIAL_PAUSE;
            let length = pause.map_or(shortest, |pause| (pause.length * 2).min(longest));
            Pause { length, until: Instant::now() + length }
        });
        result
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = io::Error;
    type Future = DialFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> DialFuture {
        Box::pin(self.clone().connect())
    }
}
