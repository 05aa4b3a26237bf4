//! The fixed path of a call: find its method, type its arguments, let the gateway answer, write the response.

use bytes::Bytes;
use quorate_gateway::admission::Attempt;
use quorate_gateway::busy::Busy;
use quorate_gateway::caller::{Caller, Done};
use quorate_gateway::client::Origin;
use quorate_gateway::control::ControlPlane;
use quorate_gateway::gateway::Gateway;
use quorate_gateway::lanes::Place;
use quorate_gateway::route::Route;
use quorate_model::api::{ApiReply, Arg};

use crate::arguments::typed;
use crate::client::HttpClient;
use crate::encode::{self, Segments};
use crate::value::{Fault, MethodCall, Value};
use crate::{introspection, multicall};

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

/// The reply to one call, not yet written out.
pub enum Reply {
    /// Of a method of the API, with its name.
    Api(&'static str, ApiReply),
    /// Of an introspection method.
    Value(Value),
    /// Of what could not even become a call.
    Fault(Fault),
}

impl Reply {
    /// To a call of this method.
    pub(crate) fn of(route: Route, done: Result<ApiReply, Busy>) -> Reply {
        match done {
            Ok(reply) => Reply::Api(route.name(), reply),
            Err(busy) => Reply::Fault(busy.into()),
        }
    }
}

/// Answers a decoded call; `number` is the request's in logs.
pub async fn answer<C: ControlPlane>(
    gateway: &Gateway<C>,
    origin: &Origin<'_, HttpClient<'_>>,
    call: MethodCall,
    number: u64,
) -> Answer {
    if call.method == multicall::NAME {
        let answer = multicall::answer(gateway, origin, call.params, number).await;
        return answer.unwrap_or_else(|fault| Answer::new(encode::fault(&fault), None, None));
    }
    let (reply, attempt, place) = match prepared(call, number) {
        Ok(call) => {
            let route = call.route;
            let Done { reply, attempt, place } = call.run(gateway, origin, number).await;
            (Reply::of(route, reply), attempt, place)
        }
        Err(reply) => (reply, None, None),
    };
    let body = match reply {
        Reply::Api(method, reply) => encode::reply(method, &reply),
        Reply::Value(value) => encode::single(&value),
        Reply::Fault(fault) => encode::fault(&fault),
    };
    Answer::new(body, attempt, place)
}

/// A call of the API that is ready to be carried out.
pub(crate) struct Prepared {
    pub route: Route,
    session: String,
    args: Vec<Arg>,
}

/// Finds a call's method and types its arguments.
///
/// # Errors
/// The reply to a call for which nobody has to be known: an introspection method, or a mistake.
pub(crate) fn prepared(call: MethodCall, number: u64) -> Result<Prepared, Reply> {
    let Some(route) = Route::find(&call.method) else {
        return Err(introspection::answer(&call).map_or_else(Reply::Fault, Reply::Value));
    };
    match typed(route, call.params) {
        Ok((session, args)) => Ok(Prepared { route, session, args }),
        Err(fault) => {
            tracing::info!(method = route.name(), id = number, outcome = %fault, "call refused");
            Err(Reply::Fault(fault))
        }
    }
}

impl Prepared {
    /// Carries the call out, once it is its caller's turn.
    pub async fn run<C: ControlPlane>(
        self,
        gateway: &Gateway<C>,
        origin: &Origin<'_, HttpClient<'_>>,
        number: u64,
    ) -> Done {
        let Prepared { route, session, args } = self;
        Caller { gateway, origin, session: &session }.call(route, args, number).await
    }
}
