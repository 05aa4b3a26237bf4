//! The fixed path of a call: find its row, type its arguments, let [`Caller`] answer, write the response.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_state_machine::api::{ApiReply, Arg};
use quorate_state_machine::methods::Method;
use quorate_state_machine::table;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::admission::Attempt;
use crate::arguments::typed;
use crate::caller::Caller;
use crate::connections::Watch;
use crate::control::ControlPlane;
use crate::edge::Edge;
use crate::encode::{self, Segments};
use crate::introspection;
use crate::lanes::{LONGEST_WAIT, Place};
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
    /// Until when its call may wait for its turns.
    pub deadline: Instant,
}

impl<'a> Origin<'a> {
    /// A call that begins to wait now.
    #[must_use]
    pub fn new(address: IpAddr, hold: &'a Arc<Hold>, watch: &'a Watch) -> Origin<'a> {
        Origin { address, hold, watch, deadline: Instant::now() + LONGEST_WAIT }
    }

    /// The same for the next call of a list, which may wait as long as any other.
    #[must_use]
    pub fn again(&self) -> Origin<'a> {
        Origin::new(self.address, self.hold, self.watch)
    }
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
    let done = match prepared(call, request_id) {
        Ok(call) => call.run(control, edge, origin).await,
        Err(reply) => Done { reply, attempt: None, place: None },
    };
    let Done { reply, attempt, place } = done;
    let body = match reply {
        Reply::Api(method, reply) => encode::reply(method, &reply),
        Reply::Value(value) => encode::single(&value),
        Reply::Fault(fault) => encode::fault(&fault),
    };
    Answer::new(body, attempt, place)
}

/// A call of the API that is ready to be carried out.
pub(crate) struct Prepared {
    method: &'static Method,
    session: String,
    args: Vec<Arg>,
    span: Span,
}

/// Finds a call's row and types its arguments.
///
/// # Errors
/// The reply to a call for which nobody has to be known: an introspection method, or a mistake.
pub(crate) fn prepared(call: MethodCall, request_id: u64) -> Result<Prepared, Reply> {
    let Some(method) = table::find(&call.method) else {
        return Err(introspection::answer(&call).map_or_else(Reply::Fault, Reply::Value));
    };
    let span = tracing::info_span!("call", method = method.name, id = request_id, uid = tracing::field::Empty);
    match typed(method, call.params) {
        Ok((session, args)) => Ok(Prepared { method, session, args, span }),
        Err(fault) => {
            span.in_scope(|| log_refusal(&fault));
            Err(Reply::Fault(fault))
        }
    }
}

impl Prepared {
    /// Carries the call out, once it is its caller's turn.
    pub async fn run<C: ControlPlane>(self, control: &Arc<C>, edge: &Edge, origin: &Origin<'_>) -> Done {
        let Prepared { method, session, args, span } = self;
        let started = Instant::now();
        async {
            let done = Caller { control, edge, origin, session: &session }.run(method, args).await;
            match &done.reply {
                Reply::Api(_, reply) => log(reply, started.elapsed()),
                Reply::Fault(fault) => log_refusal(fault),
                Reply::Value(_) => {}
            }
            done
        }
        .instrument(span)
        .await
    }
}

fn log_refusal(fault: &Fault) {
    tracing::info!(outcome = %fault, "call refused");
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
