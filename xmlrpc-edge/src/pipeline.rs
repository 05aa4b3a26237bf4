//! The fixed path of a call: row, typed arguments, then the [caller](crate::caller)'s, then the response.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_state_machine::api::ApiReply;
use quorate_state_machine::methods;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::admission::Attempt;
use crate::arguments::typed;
use crate::caller::Caller;
use crate::connections::Watch;
use crate::control::ControlPlane;
use crate::edge::Edge;
use crate::encode::{self, Segments};
use crate::introspection;
use crate::lanes::Place;
use crate::memory::Hold;
use crate::multicall;
use crate::value::{Fault, MethodCall, Value};

/// Where a request comes from, and what it holds until it is served.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// Its memory.
    pub hold: &'a Arc<Hold>,
    /// Its connection.
    pub watch: &'a Watch,
}

/// What a client is told.
pub struct Answer {
    /// The response.
    pub body: Segments,
    /// A login failed: what has to be waited for before this is sent.
    pub attempt: Option<Attempt>,
    /// A large response keeps its caller's place until it is sent.
    pub place: Option<Place>,
}

impl Answer {
    /// A response of a caller that had this place.
    pub(crate) fn new(body: Segments, attempt: Option<Attempt>, place: Option<Place>) -> Answer {
        let large = body.iter().map(Bytes::len).sum::<usize>() > LARGE_RESPONSE;
        let mut place = place.filter(|_| large);
        if let Some(place) = &mut place {
            place.sending();
        }
        Answer { body, attempt, place }
    }
}

/// Responses of more bytes are large.
pub(crate) const LARGE_RESPONSE: usize = 64 << 10;

/// What came of one call.
pub(crate) struct Done {
    pub reply: Reply,
    /// Its login failed.
    pub attempt: Option<Attempt>,
    pub place: Option<Place>,
}

impl Done {
    fn at_once(reply: Reply) -> Done {
        Done { reply, attempt: None, place: None }
    }
}

/// The reply to one call, not yet written out.
pub enum Reply {
    /// Of a method of the API, with its name.
    Api(&'static str, ApiReply),
    /// Of an introspection method.
    Value(Value),
    /// Of what could not even become a call.
    Fault(Fault),
}

/// Answers a decoded call.
pub async fn answer<C: ControlPlane>(
    control: &Arc<C>,
    edge: &Edge,
    origin: &Origin<'_>,
    call: MethodCall,
    request_id: u64,
) -> Answer {
    if call.method == multicall::NAME {
        let answer = multicall::answer(control, edge, origin, call.params, request_id).await;
        return answer.unwrap_or_else(|fault| Answer::new(encode::fault(&fault), None, None));
    }
    let Done { reply, attempt, place } = one(control, edge, origin, call, request_id).await;
    let body = match reply {
        Reply::Api(method, reply) => encode::reply(method, &reply),
        Reply::Value(value) => encode::single(&value),
        Reply::Fault(fault) => encode::fault(&fault),
    };
    Answer::new(body, attempt, place)
}

/// Answers one call of the API or an introspection method.
pub(crate) async fn one<C: ControlPlane>(
    control: &Arc<C>,
    edge: &Edge,
    origin: &Origin<'_>,
    call: MethodCall,
    request_id: u64,
) -> Done {
    let Some(method) = methods::find(&call.method) else {
        return Done::at_once(introspection::answer(&call).map_or_else(Reply::Fault, Reply::Value));
    };
    let started = Instant::now();
    let span = tracing::info_span!("call", method = method.name, id = request_id, uid = tracing::field::Empty);
    async {
        let done = match typed(method, call.params) {
            Ok((session, args)) => Caller { control, edge, origin, session: &session }.run(method, args).await,
            Err(fault) => Done::at_once(Reply::Fault(fault)),
        };
        match &done.reply {
            Reply::Api(_, reply) => log(reply, started.elapsed()),
            Reply::Fault(fault) => tracing::info!(outcome = %fault, "call refused"),
            Reply::Value(_) => {}
        }
        done
    }
    .instrument(span)
    .await
}

fn log(reply: &ApiReply, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    match reply {
        Ok(_) => tracing::debug!(outcome = "ok", micros, "call"),
        Err(e) => tracing::info!(outcome = format_args!("{:#x}", e.code as i32), micros, "call"),
    }
}

/// What a client is told whose request had to make room for others.
pub(crate) const NO_MEMORY: &str = "Too much is sent at the same time, try again";

/// The same as a fault.
pub(crate) fn no_memory() -> Fault {
    Fault::new(Fault::LIMIT, NO_MEMORY)
}
