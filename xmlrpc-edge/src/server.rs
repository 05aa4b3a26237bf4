//! The HTTP/1.1 server: connections in, requests bounded in size, time and number, replies streamed out.
//!
//! It must not block, start threads or read the machine's clock: simulation runs it on simulated time.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use quorate_gateway::control::ControlPlane;
use quorate_gateway::gateway::Gateway;
use quorate_gateway::rarely::Rarely;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connections::{Bounds, Connections, Open, Phase};
use crate::memory::Memory;
use crate::respond::respond;
use crate::stream::{Pace, Watched};

/// A listening socket.
pub trait Accept: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The next connection and where it is from.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// What machines that look after a node ask beside the API.
pub trait Probes: Send + Sync + 'static {
    /// `/livez`: whether the process works.
    ///
    /// # Errors
    /// When the process should be restarted; the text says why.
    fn live(&self) -> Result<(), String>;
    /// `/readyz`: whether this node can serve clients.
    ///
    /// # Errors
    /// When clients should be sent to another node; the text says why.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;
    /// What `/readyz` says beside: something is wrong, but clients need not be sent elsewhere.
    fn remark(&self) -> Option<String> {
        None
    }
    /// `/metrics`, as OpenMetrics text.
    fn metrics(&self, load: &Load) -> String;
}

/// What the edge says of itself to machines that look after the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Open connections.
    pub connections: usize,
    /// Connections that had to make room for others, since the start.
    pub connections_ended: u64,
    /// Bytes of requests that are held.
    pub bytes: usize,
    /// Of each sort of requests its name, how many are under way, and how many wait for their turn.
    pub requests: [(&'static str, usize, usize); 4],
}

/// Bounds of what clients may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the bodies of all requests that are held at the same time: the oldest has to go of those that are not
    /// served yet.
    pub bodies: usize,
    /// How long a client may take to send a request's head.
    pub head_time: Duration,
    /// How long a client may take to send a request's body.
    pub body_time: Duration,
    /// How slowly a client may read its replies.
    pub pace: Pace,
    /// Open connections; then one has to make room.
    pub connections: usize,
    /// Open connections of one address (of the /48 network of an IPv6 address).
    pub connections_by_address: usize,
    /// Load balancers, which connect for many clients: the connections of one address are not bounded for them.
    pub balancers: Arc<[IpNet]>,
    /// Those of them whose header `X-Forwarded-For` is believed.
    pub forwarders: Arc<[IpNet]>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bodies: 256 << 20,
            head_time: Duration::from_secs(15),
            body_time: Duration::from_secs(60),
            pace: Pace { time: Duration::from_secs(30), bytes: 64 << 10 },
            connections: 4096,
            connections_by_address: 2048,
            balancers: Arc::default(),
            forwarders: Arc::default(),
        }
    }
}

/// How long requests in flight may take once the server is told to stop.
const STOP_TIME: Duration = Duration::from_secs(5);
/// Pause after a failed accept (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections share.
pub(crate) struct Shared<C, P> {
    pub gateway: Arc<Gateway<C>>,
    pub probes: P,
    pub limits: Limits,
    pub memory: Arc<Memory>,
    pub connections: Arc<Connections>,
    /// Large calls are read one after the other, so that they do not take all processors from small ones.
    pub large: Semaphore,
    pub numbers: AtomicU64,
}

impl<C, P> Shared<C, P> {
    pub fn load(&self) -> Load {
        let (connections, connections_ended) = self.connections.figures();
        let gateway = &self.gateway;
        let sorts = [
            ("reads", &gateway.reads),
            ("writes", &gateway.writes),
            ("strangers", &gateway.strangers),
            ("operators", &gateway.operators),
        ];
        let requests = sorts.map(|(sort, lanes)| {
            let (under_way, waiting) = lanes.figures();
            (sort, under_way, waiting)
        });
        Load { connections, connections_ended, bytes: self.memory.used(), requests }
    }
}

/// Serves until `stop` is done, then lets requests in flight finish.
pub async fn serve<A: Accept, C: ControlPlane, P: Probes>(
    mut listener: A,
    gateway: Arc<Gateway<C>>,
    probes: P,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) {
    let shared = Arc::new(Shared {
        gateway,
        probes,
        memory: Memory::new(limits.bodies),
        connections: Connections::new(Bounds {
            all: limits.connections,
            by_address: limits.connections_by_address,
            balancers: limits.balancers.clone(),
        }),
        large: Semaphore::new(1),
        numbers: AtomicU64::new(0),
        limits,
    });
    let (closing, closed) = tokio::sync::watch::channel(false);
    let (mut tasks, full, failing) = (JoinSet::new(), Rarely::default(), Rarely::default());
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            // A connection's own end says nothing to us.
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => match shared.connections.accept(from.ip()) {
                    Some(open) => {
                        tasks.spawn(connection(shared.clone(), stream, open, from, closed.clone()));
                    }
                    None => if let Some(unsaid) = full.due() {
                        tracing::warn!(%from, unsaid, "too many connections with a request under way: closed");
                    }
                }
                Err(e) => {
                    if let Some(unsaid) = failing.due() {
                        tracing::warn!(error = %e, unsaid, "accept failed");
                    }
                    // Mostly because there are no file descriptors left.
                    shared.connections.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    closing.send_replace(true);
    let finish = async { while tasks.join_next().await.is_some() {} };
    if timeout(STOP_TIME, finish).await.is_err() {
        tracing::warn!("requests still in flight at the end are dropped");
    }
}

async fn connection<S, C: ControlPlane, P: Probes>(
    shared: Arc<Shared<C, P>>,
    stream: S,
    open: Open,
    from: SocketAddr,
    mut closed: tokio::sync::watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (head_time, pace) = (shared.limits.head_time, shared.limits.pace);
    let stream = Watched::new(stream, open.watch.clone(), pace);
    let watch = open.watch.clone();
    let service = service_fn(move |request| {
        let (shared, watch) = (shared.clone(), watch.clone());
        async move {
            // In a box, here and where a call is answered: together it is deeper than the compiler follows.
            let response = Box::pin(respond(&shared, &watch, request, from.ip())).await;
            watch.enter(Phase::Idle);
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    // The machine's date would make simulated traffic differ from run to run, and no client needs it.
    http.timer(TokioTimer::new()).header_read_timeout(head_time).auto_date_header(false).max_buf_size(64 << 10);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let stopping = async { closed.wait_for(|closed| *closed).await.is_ok() };
    let ended = tokio::select! {
        biased;
        ended = &mut serving => ended,
        () = open.watch.must_go() => {
            tracing::debug!(%from, "a connection makes room for others");
            // Its request may have begun to be served since it was told to go: that one is answered first.
            if !open.watch.is_served() {
                return;
            }
            serving.as_mut().graceful_shutdown();
            serving.await
        }
        _ = stopping => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!(%from, error = %e, "connection ended");
    }
}
