//! The HTTP/1.1 server: connections in, requests bounded in size, time and number, replies streamed out.
//!
//! It must not block, start threads or read the machine's clock: simulation runs it on simulated time.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::admission::Admission;
use crate::decode::decode;
use crate::encode::{self, Segments};
use crate::pipeline::{self, AdminReply, AdminRequest, ControlPlane};
use crate::value::Fault;

/// A listening socket.
pub trait Accept: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The next connection and where it is from.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// What machines that look after a node ask beside the API.
pub trait Probes: Send + Sync + 'static {
    /// `/livez`: why the process should be restarted.
    ///
    /// # Errors
    /// The reason.
    fn live(&self) -> Result<(), String>;
    /// `/readyz`: why clients should be sent elsewhere.
    ///
    /// # Errors
    /// The reason.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;
    /// What `/readyz` says beside: something is wrong, but clients need not be sent elsewhere.
    fn remark(&self) -> Option<String> {
        None
    }
    /// `/metrics`, as OpenMetrics text.
    fn metrics(&self) -> String;
}

/// Bounds of what clients may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request body.
    pub body: usize,
    /// Bytes of the bodies of all requests that are handled at the same time; who would exceed them is refused.
    pub bodies: usize,
    /// How long a client may take to send a request's head.
    pub head_time: Duration,
    /// How long a client may take to send a request's body.
    pub body_time: Duration,
    /// Requests handled at the same time; one more is refused at once.
    pub requests: usize,
    /// Open connections; one more is closed at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body: 64 << 20,
            bodies: 256 << 20,
            head_time: Duration::from_secs(15),
            body_time: Duration::from_secs(60),
            requests: 1024,
            connections: 4096,
        }
    }
}

/// How long requests in flight may take once the server is told to stop.
const STOP_TIME: Duration = Duration::from_secs(5);
/// Pause after a failed accept (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What oneadmin asks stands below this path.
const ADMIN: &str = "/admin/";
/// Bytes of such a request's body: the longest is an `oned.conf`.
const ADMIN_BODY: usize = 1 << 20;

struct Shared<C, P> {
    control: C,
    probes: P,
    limits: Limits,
    requests: Semaphore,
    /// Bytes that bodies may still take up.
    bodies: Semaphore,
    numbers: AtomicU64,
    admission: Admission,
}

/// Serves until `stop` is done, then lets requests in flight finish.
pub async fn serve<A: Accept, C: ControlPlane, P: Probes>(
    mut listener: A,
    control: C,
    probes: P,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) {
    let shared = Arc::new(Shared {
        control,
        probes,
        limits,
        requests: Semaphore::new(limits.requests),
        bodies: Semaphore::new(limits.bodies),
        numbers: AtomicU64::new(0),
        admission: Admission::default(),
    });
    let (closing, closed) = tokio::sync::watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            // A connection's own end says nothing to us.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) if connections.len() < limits.connections => {
                    connections.spawn(connection(shared.clone(), stream, from, closed.clone()));
                }
                Ok((_, from)) => tracing::warn!(%from, "too many connections: closed"),
                Err(e) => {
                    tracing::warn!(error = %e, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    closing.send_replace(true);
    let finish = async { while connections.join_next().await.is_some() {} };
    if timeout(STOP_TIME, finish).await.is_err() {
        tracing::warn!("requests still in flight at the end are dropped");
    }
}

async fn connection<S, C: ControlPlane, P: Probes>(
    shared: Arc<Shared<C, P>>,
    stream: S,
    from: SocketAddr,
    mut closed: tokio::sync::watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let head_time = shared.limits.head_time;
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(respond(&shared, request, from.ip()).await) }
    });
    let mut http = http1::Builder::new();
    // The machine's date would make simulated traffic differ from run to run, and no client needs it.
    http.timer(TokioTimer::new()).header_read_timeout(head_time).auto_date_header(false).max_buf_size(64 << 10);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let stopping = async { closed.wait_for(|closed| *closed).await.is_ok() };
    let ended = tokio::select! {
        ended = &mut serving => ended,
        _ = stopping => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!(%from, error = %e, "connection ended");
    }
}

async fn respond<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Reply> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/RPC2" | "/") => call(shared, request, from).await,
        (&Method::GET | &Method::HEAD, "/livez") => probe(shared.probes.live(), None),
        (&Method::GET | &Method::HEAD, "/readyz") => probe(shared.probes.ready().await, shared.probes.remark()),
        (&Method::GET | &Method::HEAD, "/metrics") => {
            page(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", shared.probes.metrics())
        }
        (_, "/RPC2" | "/" | "/livez" | "/readyz" | "/metrics") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this HTTP method\n")
        }
        (&Method::GET | &Method::POST, path) if path.starts_with(ADMIN) => admin(shared, request, from).await,
        _ => text(StatusCode::NOT_FOUND, "Nothing here; XML-RPC is served at /RPC2\n"),
    }
}

async fn call<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Reply> {
    let received = timeout(shared.limits.body_time, receive(shared, request.into_body())).await;
    let (body, _memory) = match received {
        Ok(Ok(received)) => received,
        Ok(Err(fault)) => return xml(encode::fault(&fault), true),
        Err(_) => return xml(encode::fault(&Fault::new(Fault::LIMIT, "The request took too long to arrive")), true),
    };
    // Only now: clients that are slow to send must not keep others from being answered.
    let Ok(_permit) = shared.requests.try_acquire() else {
        return xml(encode::fault(&Fault::new(Fault::LIMIT, "Too many requests at the same time, try again")), false);
    };
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    match decode(&body) {
        Ok(call) => xml(pipeline::answer(&shared.control, &shared.admission, from, call, number).await, false),
        Err(fault) => {
            // Not the text: it quotes the request, in which anything may be a secret.
            tracing::info!(id = number, fault = fault.code, "request refused");
            xml(encode::fault(&fault), false)
        }
    }
}

/// A call's body, and the hold on the memory that it takes up: a client pays for what it has sent, not for what it
/// announces.
async fn receive<C, P>(
    shared: &Shared<C, P>,
    body: Incoming,
) -> Result<(BytesMut, Option<SemaphorePermit<'_>>), Fault> {
    let limits = &shared.limits;
    let too_large = || Fault::new(Fault::LIMIT, format!("The request is larger than {} bytes", limits.body));
    if body.size_hint().lower() > limits.body as u64 {
        return Err(too_large());
    }
    let mut body = Limited::new(body, limits.body);
    let (mut received, mut memory) = (BytesMut::new(), None::<SemaphorePermit<'_>>);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| match e.is::<http_body_util::LengthLimitError>() {
            true => too_large(),
            false => Fault::new(Fault::PARSE, format!("The request did not arrive whole: {e}")),
        })?;
        // Trailers mean nothing to us.
        let Ok(data) = frame.into_data() else { continue };
        let more = u32::try_from(data.len()).ok().and_then(|bytes| shared.bodies.try_acquire_many(bytes).ok());
        let more = more.ok_or_else(|| Fault::new(Fault::LIMIT, "Too much is sent at the same time, try again"))?;
        match &mut memory {
            Some(memory) => memory.merge(more),
            None => memory = Some(more),
        }
        received.extend_from_slice(&data);
    }
    Ok((received, memory))
}

/// What oneadmin asks this node beside the API.
async fn admin<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Reply> {
    let session = request.headers().get(header::AUTHORIZATION).and_then(session_of);
    let known = match &session {
        Some(session) => pipeline::oneadmin(&shared.control, &shared.admission, from, session).await,
        None => None,
    };
    let Some(actor) = known else {
        return text(StatusCode::UNAUTHORIZED, "Only oneadmin, with HTTP basic authentication\n");
    };
    let acts = request.method() == Method::POST;
    let name = request.uri().path().strip_prefix(ADMIN).unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), ADMIN_BODY).collect();
    let Ok(Ok(body)) = timeout(shared.limits.body_time, body).await else {
        return text(StatusCode::BAD_REQUEST, "The request did not arrive whole\n");
    };
    let argument = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match shared.control.admin(AdminRequest { acts, name, argument, actor }).await {
        Ok(AdminReply::Json(json)) => page(StatusCode::OK, "application/json", json),
        Ok(AdminReply::File(parts)) => {
            let mut response = Response::new(Reply { segments: Segments::new(), left: 0, parts: Some(parts) });
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            response
        }
        Err(reason) => text(StatusCode::CONFLICT, format!("{reason}\n")),
    }
}

/// `user:password` of basic authentication.
fn session_of(value: &HeaderValue) -> Option<String> {
    let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()
}

/// A response of XML-RPC; `close` ends the connection after it, where the rest of the request is unread.
fn xml(segments: Segments, close: bool) -> Response<Reply> {
    let mut response = Response::new(Reply::new(segments));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    if close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn probe(result: Result<(), String>, remark: Option<String>) -> Response<Reply> {
    let remark = remark.map(|remark| format!("{remark}\n")).unwrap_or_default();
    match result {
        Ok(()) => text(StatusCode::OK, format!("ok\n{remark}")),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n{remark}")),
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<Reply> {
    page(status, "text/plain; charset=utf-8", body.into())
}

fn page(status: StatusCode, content_type: &'static str, body: String) -> Response<Reply> {
    let mut response = Response::new(Reply::new(Segments::from([Bytes::from(body)])));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A response body: segments sent one after the other; their length is known, so the connection stays usable. Then
/// parts that are made while they are sent.
struct Reply {
    segments: Segments,
    left: u64,
    parts: Option<Box<dyn Iterator<Item = Bytes> + Send>>,
}

impl Reply {
    fn new(segments: Segments) -> Reply {
        let left = segments.iter().map(|s| s.len() as u64).sum();
        Reply { segments, left, parts: None }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let segment = self.segments.pop_front();
        self.left -= segment.as_ref().map_or(0, |s| s.len() as u64);
        let next = segment.or_else(|| self.parts.as_mut()?.next());
        Poll::Ready(next.map(|s| Ok(Frame::data(s))))
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty() && self.parts.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.parts {
            None => SizeHint::with_exact(self.left),
            Some(_) => SizeHint::default(),
        }
    }
}
