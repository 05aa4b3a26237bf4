//! The fixed path of a call: row, session, typed arguments, the caller's turn, zone state, needs, then read or propose.
//!
//! Checks before a proposal only fail fast: apply repeats and decides. A refusal found on a local, possibly
//! stale state is confirmed on a linearizable one before a client hears it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_state_machine::api::{ApiReply, Arg, Type};
use quorate_state_machine::authorize::is_admin;
use quorate_state_machine::command::{Actor, Call, Facts};
use quorate_state_machine::error::{ApiError, ErrorCode};
use quorate_state_machine::kind::Kind;
use quorate_state_machine::login::driver::{self, Accepted, AuthQuestion};
use quorate_state_machine::login::{self, Identity};
use quorate_state_machine::methods::{self, Handler, Method, Question, Request, View};
use quorate_state_machine::settings::own::Own;
use quorate_state_machine::state::State;
use quorate_state_machine::zone_state;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::address::Block;
use crate::admission::Admission;
use crate::connections::{Phase, Watch};
use crate::encode::{self, Segments};
use crate::introspection;
use crate::lanes::{Lanes, Place, Refusal, Who};
use crate::memory::Hold;
use crate::multicall;
use crate::rarely::Rarely;
use crate::value::{Fault, MethodCall, Value};

/// What the edge needs of the node behind it.
pub trait ControlPlane: Send + Sync + 'static {
    /// The newest state applied here; may be stale.
    fn local(&self) -> Arc<State>;
    /// A state that shows every write acknowledged before the call (or the local one, by configuration).
    fn view(&self) -> impl Future<Output = Result<Arc<State>, ApiError>> + Send;
    /// Replicates and applies a call.
    fn propose(&self, call: Call) -> impl Future<Output = ApiReply> + Send;
    /// Asks a driver what a call needs to know before it is proposed.
    fn ask(&self, state: &State, question: &Question) -> impl Future<Output = Result<String, String>> + Send;
    /// Asks the authentication driver; what it says when it consents, or why it does not.
    fn authenticate(&self, _question: &AuthQuestion) -> impl Future<Output = Result<String, String>> + Send {
        async { Err("Authentication driver not enabled".to_owned()) }
    }
    /// Answers a method about this node itself.
    fn node_call(&self, method: &Method, state: &State) -> ApiReply;
    /// Answers what oneadmin asks this node beside the API.
    ///
    /// # Errors
    /// The reason, for the operator.
    fn admin(&self, _request: AdminRequest) -> impl Future<Output = Result<AdminReply, String>> + Send {
        async { Err("Nothing here".to_owned()) }
    }
    /// Unix seconds.
    fn now(&self) -> i64;
}

/// What oneadmin asks a node beside the API, under `/admin/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminRequest {
    /// Whether it asks to do something (POST), not to tell something (GET).
    pub acts: bool,
    /// What: the path behind `/admin/`.
    pub name: String,
    /// The body.
    pub argument: String,
    /// oneadmin, with the credential that it showed.
    pub actor: Actor,
}

/// What a node answers.
pub enum AdminReply {
    /// JSON.
    Json(String),
    /// A file, made while it is sent.
    File(Box<dyn Iterator<Item = Bytes> + Send>),
}

/// What the connections of an edge share.
#[derive(Debug)]
pub struct Edge {
    /// Sessions.
    pub admission: Admission,
    /// Calls that read.
    pub reads: Arc<Lanes>,
    /// Calls that write.
    pub writes: Arc<Lanes>,
    failures: Rarely,
}

/// Calls of each sort, reads and writes, that may be under way.
const UNDER_WAY: usize = 512;
/// Reads of one user that may be under way.
const USER_READS: usize = 16;
/// Calls of each sort, of one address, that may be under way before their sessions are known to be right.
const STRANGER_CALLS: usize = 32;
/// Bytes of a session: longer ones are wrong without being looked at.
const SESSION_LENGTH: usize = 64 << 10;

impl Edge {
    /// An edge that has room for so many calls of each sort, under way and waiting.
    #[must_use]
    pub fn new(room: usize) -> Edge {
        let lanes = || Lanes::new(UNDER_WAY.min(room), room);
        Edge { admission: Admission::default(), reads: lanes(), writes: lanes(), failures: Rarely::default() }
    }
}

/// Where a request comes from, and what it holds until it is served.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// Its memory.
    pub hold: &'a Hold<'a>,
    /// Its connection.
    pub watch: &'a Watch,
}

/// What a client is told.
pub struct Answer {
    /// The response.
    pub body: Segments,
    /// When it may be sent at the earliest: a login failed.
    pub not_before: Option<Instant>,
    /// A large response keeps its caller's place until it is sent.
    pub place: Option<Place>,
}

/// Responses of more bytes are large.
const LARGE_RESPONSE: usize = 64 << 10;

/// What came of one call.
pub(crate) struct Done {
    pub reply: Reply,
    /// When a client may hear it at the earliest: its login failed.
    pub not_before: Option<Instant>,
    pub place: Option<Place>,
}

impl Done {
    fn at_once(reply: Reply) -> Done {
        Done { reply, not_before: None, place: None }
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

/// The actor of a session that is oneadmin's, by what this node knows: it must also work without a leader.
///
/// # Errors
/// When it is not oneadmin's: the time before which the client must not hear that.
pub fn oneadmin<C: ControlPlane>(control: &C, edge: &Edge, from: IpAddr, session: &str) -> Result<Actor, Instant> {
    let known = Caller { control, edge, session }.known(&control.local()).ok();
    known.filter(|actor| actor.uid == ONEADMIN).ok_or_else(|| edge.admission.failed(session, from))
}

/// The administrator.
const ONEADMIN: i32 = 0;

/// Answers a decoded call.
pub async fn answer<C: ControlPlane>(
    control: &C,
    edge: &Edge,
    origin: &Origin<'_>,
    call: MethodCall,
    request_id: u64,
) -> Answer {
    if call.method == multicall::NAME {
        return match multicall::answer(control, edge, origin, call.params, request_id).await {
            Ok((body, not_before)) => Answer { body, not_before, place: None },
            Err(fault) => Answer { body: encode::fault(&fault), not_before: None, place: None },
        };
    }
    let Done { reply, not_before, place } = one(control, edge, origin, call, request_id).await;
    let body = match reply {
        Reply::Api(method, reply) => encode::reply(method, &reply),
        Reply::Value(value) => encode::single(&value),
        Reply::Fault(fault) => encode::fault(&fault),
    };
    let large = body.iter().map(Bytes::len).sum::<usize>() > LARGE_RESPONSE;
    let mut place = place.filter(|_| large);
    if let Some(place) = &mut place {
        place.sending();
    }
    Answer { body, not_before, place }
}

/// Answers one call of the API or an introspection method.
pub(crate) async fn one<C: ControlPlane>(
    control: &C,
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
            Ok((session, args)) => Caller { control, edge, session: &session }.run(origin, method, args).await,
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

/// The session and the arguments by the method's row, defaults filled in.
fn typed(method: &Method, params: Vec<Value>) -> Result<(String, Vec<Arg>), Fault> {
    let missing = || Fault::new(Fault::TYPE, "Not enough parameters");
    let mut params = params.into_iter();
    let session = match argument(params.next().ok_or_else(missing)?, Type::Str)? {
        Arg::Str(session) => session,
        _ => return Err(missing()),
    };
    if method.parameters_unread {
        return Ok((session, method.params.iter().map(|param| param.ty.blank()).collect()));
    }
    let given = params.len();
    let args = method.params.iter().map(|param| match (params.next(), param.default) {
        (Some(value), _) => argument(value, param.ty),
        (None, Some(default)) => Ok(default.to_arg()),
        (None, None) => Err(missing()),
    });
    let args = args.collect::<Result<_, _>>()?;
    if method.one_too_few == Some(given) { Err(missing()) } else { Ok((session, args)) }
}

/// A value as an argument of type `ty`, or the fault that xmlrpc-c gives for another type.
fn argument(value: Value, ty: Type) -> Result<Arg, Fault> {
    let wrong = |what: &str| Fault::new(Fault::TYPE, format!("Parameter that is supposed to be {what} is not"));
    match (ty, value) {
        (Type::Int | Type::Int64, Value::Int(n)) => Ok(Arg::Int(i64::from(n))),
        (Type::Int64, Value::Int64(n)) => Ok(Arg::Int(n)),
        (Type::Bool, Value::Bool(b)) => Ok(Arg::Bool(b)),
        (Type::Str, Value::Str(s)) => Ok(Arg::Str(s)),
        (Type::Ints, Value::Array(values)) => {
            let ints = values.into_iter().map(|v| match v {
                Value::Int(n) => Ok(i64::from(n)),
                _ => Err(wrong("integer")),
            });
            Ok(Arg::Ints(ints.collect::<Result<_, _>>()?))
        }
        (Type::Int, _) => Err(wrong("integer")),
        (Type::Int64, _) => Err(wrong("64-bit integer")),
        (Type::Bool, _) => Err(wrong("boolean")),
        (Type::Str, _) => Err(wrong("a string")),
        (Type::Ints, _) => Err(wrong("an array")),
    }
}

/// Somebody who calls, and what is needed to answer.
struct Caller<'a, C> {
    control: &'a C,
    edge: &'a Edge,
    session: &'a str,
}

impl<C: ControlPlane> Caller<'_, C> {
    async fn run(&self, origin: &Origin<'_>, method: &'static Method, args: Vec<Arg>) -> Done {
        if self.session.len() > SESSION_LENGTH {
            let not_before = Some(self.edge.admission.failed("", origin.address));
            return Done { reply: Reply::Api(method.name, Err(ApiError::authentication())), not_before, place: None };
        }
        let state = self.control.local();
        let known = self.known(&state);
        let place = match self.turn(origin, &state, known.as_ref().ok(), method).await {
            Ok(place) => place,
            Err(fault) => return Done::at_once(Reply::Fault(fault)),
        };
        let reply = tokio::select! {
            biased;
            reply = self.dispatch(origin, method, args, state, known) => reply,
            // Only as long as it is not pinned: nothing was done yet.
            () = origin.hold.lost() => return Done::at_once(Reply::Fault(no_memory())),
        };
        let not_before = match &reply {
            Err(e) if e.code == ErrorCode::Authentication => Some(self.failed(origin.address).await),
            _ => None,
        };
        // The connection stays served: a list of calls may go on, and it must not end in the middle.
        origin.hold.unpin();
        Done { reply: Reply::Api(method.name, reply), not_before, place: Some(place) }
    }

    /// Waits for the caller's turn. Who is not known to this node shares a turn with his address: whatever strangers
    /// do, they do not keep users waiting.
    async fn turn(
        &self,
        origin: &Origin<'_>,
        state: &State,
        actor: Option<&Actor>,
        method: &Method,
    ) -> Result<Place, Fault> {
        let writes = matches!(method.handler, Handler::Write(_));
        let lanes = if writes { &self.edge.writes } else { &self.edge.reads };
        let (who, limit) = match actor {
            None => (Who::Stranger(Block::from(origin.address)), STRANGER_CALLS),
            Some(actor) => {
                let who = Who::User(actor.uid);
                let most = usize::try_from(state.settings().number(Own::UserWritesMax)).unwrap_or(usize::MAX);
                let limit = if writes { most } else { USER_READS };
                // Administrators may nearly fill a zone that nobody else uses.
                let alone = is_admin(state, actor) && !lanes.shared_with_others(who);
                (who, if alone { limit.max(lanes.most_of_one()) } else { limit })
            }
        };
        let turn = tokio::select! {
            biased;
            turn = lanes.enter(who, limit) => turn.map_err(|refusal| refused(refusal, who)),
            () = origin.hold.lost() => Err(no_memory()),
        };
        let place = turn?;
        origin.hold.pin().map_err(|_| no_memory())?;
        if actor.is_none() {
            // Whoever it is may have to be asked about for long, and must not keep memory from users meanwhile.
            origin.hold.unpin();
        }
        origin.watch.enter(Phase::Served);
        Ok(place)
    }

    /// The session did not authenticate: when the client may hear that.
    async fn failed(&self, from: IpAddr) -> Instant {
        let not_before = self.edge.admission.failed(self.session, from);
        let state = self.control.local();
        let name = self.session.split_once(':').map_or("", |(name, _)| name);
        // Only the id: what stands for the name may be a password typed at the wrong place.
        let user = state.id_of(Kind::User, -1, name);
        // Each one, unless there are so many that their answers are held back.
        let unsaid = if not_before <= Instant::now() { Some(0) } else { self.edge.failures.due() };
        if let Some(unsaid) = unsaid {
            tracing::warn!(%from, ?user, unsaid, "a login failed");
        }
        if let Some(call) = login::stale_token(&state, self.session) {
            // The client hears the refusal, whatever becomes of the token.
            let _ = self.control.propose(call).await;
        }
        not_before
    }

    /// By the newest state of this node, in which the caller is, or is not, known.
    async fn dispatch(
        &self,
        origin: &Origin<'_>,
        method: &'static Method,
        args: Vec<Arg>,
        local: Arc<State>,
        known: Result<Actor, ApiError>,
    ) -> ApiReply {
        let control = self.control;
        match method.handler {
            Handler::Write(_) => self.write(origin, method, args, local, known).await,
            Handler::Node => {
                let (_, state) = self.admitted(origin, local, method, &args).await?;
                control.node_call(method, &state)
            }
            Handler::Read(handler) => {
                let (actor, state) = self.admitted(origin, control.view().await?, method, &args).await?;
                let view = View { state: &state, actor: &actor, now: control.now() };
                handler(&view, &Request::new(method, &args)?)
            }
            Handler::Unwritten => {
                self.admitted(origin, control.view().await?, method, &args).await?;
                Err(methods::unwritten_error())
            }
        }
    }

    async fn write(
        &self,
        origin: &Origin<'_>,
        method: &'static Method,
        args: Vec<Arg>,
        local: Arc<State>,
        known: Result<Actor, ApiError>,
    ) -> ApiReply {
        let control = self.control;
        let actor = match known.and_then(|actor| check(&local, actor, method, &args)) {
            Ok(actor) => actor,
            // Perhaps only this node does not know yet what another has acknowledged.
            Err(_) => self.admitted(origin, control.view().await?, method, &args).await?.0,
        };
        // It may wait for long: it must not keep what it has looked at.
        drop(local);
        let mut facts = Facts::default();
        if let Some(question_of) = method.question {
            let state = control.view().await?;
            let view = View { state: &state, actor: &actor, now: control.now() };
            let question = question_of(&view, &Request::new(method, &args)?);
            if let Some(question) = question {
                facts = question.facts(control.ask(&state, &question).await);
            }
        }
        control.propose(Call { method: method.name.to_owned(), actor, args, facts }).await
    }

    /// Who calls, once session, zone and the row's needs allow the call on `state`, or on a newer state in which the
    /// caller was enrolled just now.
    async fn admitted(
        &self,
        origin: &Origin<'_>,
        state: Arc<State>,
        method: &'static Method,
        args: &[Arg],
    ) -> Result<(Actor, Arc<State>), ApiError> {
        let (actor, state) = match login::identify(&state, self.session, self.control.now())? {
            Identity::Actor(actor) => (actor, state),
            Identity::Ask(question) => self.vouched_for(state, question).await?,
        };
        origin.hold.pin().map_err(|_| ApiError::new(ErrorCode::Internal, NO_MEMORY))?;
        Ok((check(&state, actor, method, args)?, state))
    }

    /// The caller, where no driver has to be asked (again).
    fn known(&self, state: &State) -> Result<Actor, ApiError> {
        let question = match login::identify(state, self.session, self.control.now())? {
            Identity::Actor(actor) => return Ok(actor),
            Identity::Ask(question) => question,
        };
        let said = self.edge.admission.consent(self.session).ok_or_else(ApiError::authentication)?;
        match driver::accept(state, &question, &said)? {
            Accepted::Actor(actor) => Ok(actor),
            Accepted::Enrol(_) => Err(ApiError::authentication()),
        }
    }

    /// Asks the driver, unless it consented not long ago, and enrols whom it tells.
    async fn vouched_for(&self, state: Arc<State>, question: AuthQuestion) -> Result<(Actor, Arc<State>), ApiError> {
        let said = match self.edge.admission.consent(self.session) {
            Some(said) => said,
            None => {
                let said = self.control.authenticate(&question).await.map_err(|_| ApiError::authentication())?;
                let seconds = state.settings().all().int("SESSION_EXPIRATION_TIME").unwrap_or(0);
                let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                self.edge.admission.remember(self.session, &said, time);
                said
            }
        };
        let call = match driver::accept(&state, &question, &said)? {
            Accepted::Actor(actor) => return Ok((actor, state)),
            Accepted::Enrol(call) => call,
        };
        self.control.propose(call).await?;
        let state = self.control.view().await?;
        let Identity::Ask(question) = login::identify(&state, self.session, self.control.now())? else {
            return Err(ApiError::authentication());
        };
        match driver::accept(&state, &question, &said)? {
            Accepted::Actor(actor) => Ok((actor, state)),
            Accepted::Enrol(_) => Err(ApiError::authentication()),
        }
    }
}

/// What a client is told whose turn did not come.
fn refused(refusal: Refusal, who: Who) -> Fault {
    let whose = match who {
        Who::User(uid) => format!("user [{uid}]"),
        Who::Stranger(_) => "this address".to_owned(),
    };
    let text = match refusal {
        Refusal::Full => format!("Too many requests at the same time, most of them of {whose}, try again"),
        Refusal::Late => format!("Too many requests of {whose} are under way, this one waited too long, try again"),
    };
    Fault::new(Fault::LIMIT, text)
}

/// What a client is told whose request had to make room for others.
const NO_MEMORY: &str = "Too much is sent at the same time, try again";

/// The same as a fault.
pub(crate) fn no_memory() -> Fault {
    Fault::new(Fault::LIMIT, NO_MEMORY)
}

/// The actor, once zone and the row's needs allow it the call on `state`.
fn check(state: &State, actor: Actor, method: &'static Method, args: &[Arg]) -> Result<Actor, ApiError> {
    tracing::Span::current().record("uid", actor.uid);
    zone_state::check(state, method)?;
    methods::check_needs(state, &actor, &Request::new(method, args)?)?;
    Ok(actor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, params: Vec<Value>) -> Result<(String, Vec<Arg>), Fault> {
        typed(methods::find(name).expect("a method"), [vec![Value::Str("session".to_owned())], params].concat())
    }

    #[test]
    fn what_is_refused_in_any_case_is_refused_before_its_parameters_are_looked_at() {
        let session = "session".to_owned();
        for params in [vec![], vec![Value::Int(1)], vec![Value::Str("NAME=z".to_owned()), Value::Bool(true)]] {
            let (as_sent, args) = given("one.zone.allocate", params).expect("no fault");
            assert_eq!((as_sent, args), (session.clone(), vec![Arg::Str(String::new())]));
        }
        assert!(typed(methods::find("one.zone.allocate").expect("a method"), vec![]).is_err(), "a session is needed");
        assert!(given("one.zone.update", vec![]).is_err(), "others need what they need");
    }
}
