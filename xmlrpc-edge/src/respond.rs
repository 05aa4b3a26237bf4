//! What is answered to a request: the API, the probes, what oneadmin asks this node.
//!
//! It must not hold more of a request than it has room for, and must not answer a wrong login before its time.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use quorate_state_machine::settings::own::Own;
use tokio::time::{Instant, sleep_until, timeout};

use crate::address::{self, Block};
use crate::connections::{Phase, Watch};
use crate::decode::decode;
use crate::encode::{self, Segments};
use crate::lanes::LONGEST_WAIT;
use crate::memory::Hold;
use crate::pipeline::{self, AdminReply, AdminRequest, ControlPlane, Origin};
use crate::reply::Reply;
use crate::server::{Probes, Shared};
use crate::value::Fault;

/// Larger calls are read one after the other.
const LARGE: usize = 64 << 10;
/// How long the rest of a call that is too large is thrown away, so that its client reads why.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// A client that sends nothing for this long has finished sending, and now reads the answer.
const DRAIN_PAUSE: Duration = Duration::from_secs(1);

/// What oneadmin asks stands below this path.
const ADMIN: &str = "/admin/";
/// Bytes of such a request's body: the longest is an `oned.conf`.
const ADMIN_BODY: usize = 1 << 20;

/// Answers a request that came over a connection from an address.
pub(crate) async fn respond<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    watch: &Watch,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Reply> {
    let from = address::client(&shared.limits.forwarders, from, request.headers());
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/RPC2" | "/") => call(shared, watch, request, from).await,
        (&Method::GET | &Method::HEAD, "/livez") => probe(shared.probes.live(), None),
        (&Method::GET | &Method::HEAD, "/readyz") => {
            watch.enter(Phase::Served);
            probe(ready(shared).await, shared.probes.remark())
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let metrics = shared.probes.metrics(&shared.load());
            page(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics)
        }
        (_, "/RPC2" | "/" | "/livez" | "/readyz" | "/metrics") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this HTTP method\n")
        }
        (&Method::GET | &Method::POST, path) if path.starts_with(ADMIN) => admin(shared, watch, request, from).await,
        _ => text(StatusCode::NOT_FOUND, "Nothing here; XML-RPC is served at /RPC2\n"),
    }
}

/// Whether clients should come here: they should not where there is no room for another request.
async fn ready<C: ControlPlane, P: Probes>(shared: &Shared<C, P>) -> Result<(), String> {
    shared.probes.ready().await?;
    for (lanes, sort) in [(&shared.edge.reads, "reads"), (&shared.edge.writes, "writes")] {
        if lanes.full() {
            return Err(format!("there is no room for more {sort}: {} are served or wait", shared.limits.requests));
        }
    }
    Ok(())
}

async fn call<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    watch: &Watch,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Reply> {
    watch.enter(Phase::Receiving);
    let hold = shared.memory.hold(Block::from(from));
    let received = tokio::select! {
        received = timeout(shared.limits.body_time, receive(&hold, message_size(&shared.control), request)) => received,
        () = hold.lost() => Ok(Err(pipeline::no_memory())),
    };
    let body = match received {
        Ok(Ok(body)) => body,
        Ok(Err(fault)) => return xml(encode::fault(&fault), true),
        Err(_) => return xml(encode::fault(&Fault::new(Fault::LIMIT, "The request took too long to arrive")), true),
    };
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    let decoded = {
        // It is never closed.
        let _alone = if body.len() > LARGE {
            tokio::select! {
                biased;
                () = hold.lost() => return xml(encode::fault(&pipeline::no_memory()), false),
                turn = timeout(LONGEST_WAIT, shared.large.acquire()) => match turn {
                    Ok(alone) => alone.ok(),
                    Err(_) => {
                        let text = "Too many large calls are read, this one waited too long, try again";
                        return xml(encode::fault(&Fault::new(Fault::LIMIT, text)), false);
                    }
                },
            }
        } else {
            None
        };
        decode(&body)
    };
    drop(body);
    match decoded {
        Ok(call) => {
            let origin = Origin { address: from, hold: &hold, watch };
            let answer = pipeline::answer(&shared.control, &shared.edge, &origin, call, number).await;
            // Who waits for the answer to a wrong login holds nothing.
            drop(hold);
            hold_back(watch, answer.not_before).await;
            let mut response = xml(answer.body, false);
            response.body_mut().keep(answer.place);
            response
        }
        Err(fault) => {
            // Not the text: it quotes the request, in which anything may be a secret.
            tracing::info!(id = number, fault = fault.code, "request refused");
            xml(encode::fault(&fault), false)
        }
    }
}

/// Waits until the answer to a wrong login may be sent.
async fn hold_back(watch: &Watch, not_before: Option<Instant>) {
    if let Some(not_before) = not_before {
        watch.enter(Phase::Held);
        sleep_until(not_before).await;
    }
}

/// Bytes of a call at most.
fn message_size<C: ControlPlane>(control: &C) -> usize {
    usize::try_from(control.local().settings().number(Own::MessageSize)).unwrap_or(usize::MAX)
}

/// A call's body, of so many bytes at most.
async fn receive(hold: &Hold<'_>, most: usize, request: Request<Incoming>) -> Result<BytesMut, Fault> {
    let too_large = || Fault::new(Fault::LIMIT, format!("The call is larger than MESSAGE_SIZE, {most} bytes"));
    let asks_first = request.headers().contains_key(header::EXPECT);
    let mut body = request.into_body();
    if body.size_hint().lower() > most as u64 {
        if !asks_first {
            drain(body).await;
        }
        return Err(too_large());
    }
    let mut received = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Fault::new(Fault::PARSE, format!("The request did not arrive whole: {e}")))?;
        // Trailers mean nothing to us.
        let Ok(data) = frame.into_data() else { continue };
        if received.len() + data.len() > most {
            drop(received);
            drain(body).await;
            return Err(too_large());
        }
        hold.grow(data.len()).map_err(|_| pipeline::no_memory())?;
        received.extend_from_slice(&data);
    }
    Ok(received)
}

/// Throws the rest of a body away: a client that is still sending does not read.
async fn drain(mut body: Incoming) {
    let rest = async { while let Ok(Some(Ok(_))) = timeout(DRAIN_PAUSE, body.frame()).await {} };
    // Who takes longer does not hear why.
    let _ = timeout(DRAIN_TIME, rest).await;
}

/// What oneadmin asks this node beside the API.
async fn admin<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    watch: &Watch,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Reply> {
    let session = request.headers().get(header::AUTHORIZATION).and_then(session_of);
    let known = match &session {
        Some(session) => pipeline::oneadmin(&shared.control, &shared.edge, from, session).map_err(Some),
        None => Err(None),
    };
    let actor = match known {
        Ok(actor) => actor,
        Err(not_before) => {
            hold_back(watch, not_before).await;
            return text(StatusCode::UNAUTHORIZED, "Only oneadmin, with HTTP basic authentication\n");
        }
    };
    let acts = request.method() == Method::POST;
    let name = request.uri().path().strip_prefix(ADMIN).unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), ADMIN_BODY).collect();
    let Ok(Ok(body)) = timeout(shared.limits.body_time, body).await else {
        return text(StatusCode::BAD_REQUEST, "The request did not arrive whole\n");
    };
    watch.enter(Phase::Served);
    let argument = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match shared.control.admin(AdminRequest { acts, name, argument, actor }).await {
        Ok(AdminReply::Json(json)) => page(StatusCode::OK, "application/json", json),
        Ok(AdminReply::File(parts)) => {
            let mut response = Response::new(Reply::of_parts(parts));
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
