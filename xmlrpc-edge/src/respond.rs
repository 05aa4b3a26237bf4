//! What is answered to a request: the API, the probes, what oneadmin asks this node.
//!
//! It must not hold more of a request than it has room for, and must not answer a wrong login before its time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use quorate_gateway::admission::Attempt;
use quorate_gateway::busy::Busy;
use quorate_gateway::caller::Caller;
use quorate_gateway::client::Origin;
use quorate_gateway::control::{AdminReply, AdminRequest, ControlPlane};
use quorate_gateway::lanes::NO_ROOM_AFTER;
use quorate_gateway::site::Site;
use tokio::time::{sleep_until, timeout, timeout_at};

use crate::address;
use crate::client::HttpClient;
use crate::connections::{Phase, Watch};
use crate::decode::decode;
use crate::encode::{self, Segments};
use crate::memory::Hold;
use crate::pipeline;
use crate::reply::Reply;
use crate::server::{Probes, Shared};
use crate::value::Fault;

/// Larger calls are read one after the other.
const LARGE: usize = 64 << 10;

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
    watch.begins(request.body().is_end_stream());
    let from = address::client(&shared.limits.forwarders, from, request.headers());
    let mut response = answer(shared, watch, request, from).await;
    if watch.leaves_unread() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn answer<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    watch: &Watch,
    request: Request<Incoming>,
    from: IpAddr,
) -> Response<Reply> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/RPC2" | "/") => call(shared, watch, request, from).await,
        (&Method::GET | &Method::HEAD, "/livez") => probe(shared.probes.live(), None),
        (&Method::GET | &Method::HEAD, "/readyz") => {
            // This connection may be closed to make room, after all idle ones: anybody can ask, and the answer can take as
            // long as there is no majority.
            watch.enter(Phase::Receiving);
            probe(ready(shared).await, shared.probes.remark())
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let metrics = shared.probes.metrics(&shared.load());
            page(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics)
        }
        (_, "/RPC2" | "/" | "/livez" | "/readyz" | "/metrics") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this HTTP method\n")
        }
        (&Method::GET | &Method::POST, path) if path.starts_with(ADMIN) => {
            let no_turn = |busy: Busy| text(StatusCode::SERVICE_UNAVAILABLE, format!("{busy}\n"));
            admin(shared, watch, request, from).await.unwrap_or_else(no_turn)
        }
        _ => text(StatusCode::NOT_FOUND, "Nothing here; XML-RPC is served at /RPC2\n"),
    }
}

/// Whether clients should come here: they should not where another one's request would wait for long. A queue of one user,
/// however long, is no reason: it would take one node after the other from all the others.
async fn ready<C: ControlPlane, P: Probes>(shared: &Shared<C, P>) -> Result<(), String> {
    shared.probes.ready().await?;
    for (lanes, sort) in [(&shared.gateway.reads, "reads"), (&shared.gateway.writes, "writes")] {
        if lanes.full() {
            let seconds = NO_ROOM_AFTER.as_secs();
            return Err(format!("there is no room for more {sort}: the next one has waited for {seconds} s or longer"));
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
    let hold = Arc::new(shared.memory.hold(Site::from(from)));
    let most = shared.gateway.message_size();
    let body = match received(shared, watch, &hold, request, most).await {
        Ok(body) => body,
        Err(NotReceived::TooLarge) => {
            let text = format!("The call is larger than MESSAGE_SIZE, {most} bytes");
            return xml(encode::fault(&Fault::new(Fault::LIMIT, text)));
        }
        Err(why @ (NotReceived::TooSlow | NotReceived::NoRoom(_))) => {
            return xml(encode::fault(&Fault::new(Fault::LIMIT, why.to_string())));
        }
        Err(why @ NotReceived::Broken(_)) => return xml(encode::fault(&Fault::new(Fault::PARSE, why.to_string()))),
    };
    let client = HttpClient { address: from, hold: &hold, watch };
    let origin = Origin::new(&client);
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    let decoded = {
        // The semaphore `large` is never closed, so `acquire` cannot fail.
        let _alone = if body.len() > LARGE {
            tokio::select! {
                biased;
                () = hold.lost() => return xml(encode::fault(&Busy::NoMemory.into())),
                turn = timeout_at(origin.deadline, shared.large.acquire()) => match turn {
                    Ok(alone) => alone.ok(),
                    Err(_) => {
                        let text = "Too many large calls are read, this one waited too long, try again";
                        return xml(encode::fault(&Fault::new(Fault::LIMIT, text)));
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
            let answer = Box::pin(pipeline::answer(&shared.gateway, &origin, call, number)).await;
            // Who waits for the answer to a wrong login holds nothing.
            drop(hold);
            hold_back(watch, answer.attempt).await;
            let mut response = xml(answer.body);
            response.body_mut().keep(answer.place);
            response
        }
        Err(fault) => {
            // Not the text: it quotes the request, in which anything may be a secret.
            tracing::info!(id = number, fault = fault.code, "request refused");
            xml(encode::fault(&fault))
        }
    }
}

/// Waits until the answer to a wrong login may be sent.
async fn hold_back(watch: &Watch, attempt: Option<Attempt>) {
    if let Some(attempt) = attempt {
        watch.enter(Phase::Held);
        sleep_until(attempt.not_before()).await;
        attempt.is_heard();
    }
}

/// Why a request's body is not here.
#[derive(Debug, thiserror::Error)]
enum NotReceived {
    #[error("The request is too large")]
    TooLarge,
    #[error("The request took too long to arrive")]
    TooSlow,
    #[error(transparent)]
    NoRoom(#[from] Busy),
    #[error("The request did not arrive whole: {0}")]
    Broken(#[from] hyper::Error),
}

/// A request's body, if it is here in time and there is room for it.
async fn received<C, P>(
    shared: &Shared<C, P>,
    watch: &Watch,
    hold: &Hold,
    request: Request<Incoming>,
    most: usize,
) -> Result<BytesMut, NotReceived> {
    let body = tokio::select! {
        body = timeout(shared.limits.body_time, receive(hold, request.into_body(), most)) => body,
        () = hold.lost() => return Err(Busy::NoMemory.into()),
    };
    let body = body.map_err(|_| NotReceived::TooSlow)??;
    watch.is_read();
    Ok(body)
}

/// A body, of so many bytes at most.
async fn receive(hold: &Hold, mut body: Incoming, most: usize) -> Result<BytesMut, NotReceived> {
    if body.size_hint().lower() > most as u64 {
        return Err(NotReceived::TooLarge);
    }
    let mut received = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers mean nothing to us.
        let Ok(data) = frame?.into_data() else { continue };
        if received.len() + data.len() > most {
            return Err(NotReceived::TooLarge);
        }
        hold.grow(data.len())?;
        received.extend_from_slice(&data);
    }
    Ok(received)
}

/// What oneadmin asks this node beside the API.
///
/// # Errors
/// When there is no room in memory for the request.
async fn admin<C: ControlPlane, P: Probes>(
    shared: &Shared<C, P>,
    watch: &Watch,
    request: Request<Incoming>,
    from: IpAddr,
) -> Result<Response<Reply>, Busy> {
    let refused = || text(StatusCode::UNAUTHORIZED, "Only oneadmin, with HTTP basic authentication\n");
    let Some(session) = request.headers().get(header::AUTHORIZATION).and_then(session_of) else {
        return Ok(refused());
    };
    let hold = Arc::new(shared.memory.hold(Site::from(from)));
    let client = HttpClient { address: from, hold: &hold, watch };
    let caller = Caller { gateway: &shared.gateway, origin: &Origin::new(&client), session: &session };
    let actor = match caller.oneadmin().await? {
        Ok(actor) => actor,
        Err(attempt) => {
            drop(hold);
            hold_back(watch, Some(attempt)).await;
            return Ok(refused());
        }
    };
    watch.enter(Phase::Receiving);
    let acts = request.method() == Method::POST;
    let name = request.uri().path().strip_prefix(ADMIN).unwrap_or_default().to_owned();
    let body = match received(shared, watch, &hold, request, ADMIN_BODY).await {
        Ok(body) => body,
        Err(why) => {
            let status = match why {
                NotReceived::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                NotReceived::TooSlow => StatusCode::REQUEST_TIMEOUT,
                NotReceived::NoRoom(_) => StatusCode::SERVICE_UNAVAILABLE,
                NotReceived::Broken(_) => StatusCode::BAD_REQUEST,
            };
            return Ok(text(status, format!("{why}\n")));
        }
    };
    let argument = String::from_utf8_lossy(&body).into_owned();
    drop(body);
    let asked = AdminRequest { acts, name, argument, actor };
    let (reply, place) = shared.gateway.administer(&Origin::new(&client), asked).await?;
    let mut response = match reply {
        Ok(AdminReply::Json(json)) => page(StatusCode::OK, "application/json", json),
        Ok(AdminReply::File(parts)) => {
            let mut response = Response::new(Reply::of_parts(parts));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            response
        }
        Err(reason) => text(StatusCode::CONFLICT, format!("{reason}\n")),
    };
    // A backup, which costs most while it is sent, keeps its place until then.
    response.body_mut().keep(Some(place));
    Ok(response)
}

/// `user:password` of basic authentication.
fn session_of(value: &HeaderValue) -> Option<String> {
    let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()
}

/// A response of XML-RPC.
fn xml(segments: Segments) -> Response<Reply> {
    let mut response = Response::new(Reply::new(segments));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
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
