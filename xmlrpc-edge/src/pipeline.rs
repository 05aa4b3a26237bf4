//! The fixed path of a call: row, session, typed arguments, zone state, needs, then read or propose.
//!
//! Checks before a proposal only fail fast: apply repeats and decides. A refusal found on a local, possibly
//! stale state is confirmed on a linearizable one before a client hears it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_state_machine::api::{ApiReply, Arg, Type};
use quorate_state_machine::command::{Actor, Call, Facts};
use quorate_state_machine::error::{ApiError, ErrorCode};
use quorate_state_machine::kind::Kind;
use quorate_state_machine::login::driver::{self, Accepted, AuthQuestion};
use quorate_state_machine::login::{self, Identity};
use quorate_state_machine::methods::{self, Handler, Method, Question, Request, View};
use quorate_state_machine::state::State;
use quorate_state_machine::zone_state;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::admission::Admission;
use crate::encode::{self, Segments};
use crate::introspection;
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

/// The actor of a session that is oneadmin's, by what this node knows: it must also work without a leader.
pub async fn oneadmin<C: ControlPlane>(
    control: &C,
    admission: &Admission,
    from: IpAddr,
    session: &str,
) -> Option<Actor> {
    if !admission.pace(session, from).await {
        return None;
    }
    let caller = Caller { control, admission, from, session };
    let known = caller.known(&control.local()).ok().filter(|actor| actor.uid == ONEADMIN);
    if known.is_none() {
        admission.failed(session, from);
    }
    known
}

/// The administrator.
const ONEADMIN: i32 = 0;

/// Answers a decoded call that came from an address.
pub async fn answer<C: ControlPlane>(
    control: &C,
    admission: &Admission,
    from: IpAddr,
    call: MethodCall,
    request_id: u64,
) -> Segments {
    let Some(method) = methods::find(&call.method) else {
        return match introspection::answer(&call) {
            Ok(value) => encode::single(&value),
            Err(fault) => encode::fault(&fault),
        };
    };
    let started = Instant::now();
    let span = tracing::info_span!("call", method = method.name, id = request_id, uid = tracing::field::Empty);
    async {
        match typed(method, call.params) {
            Ok((session, args)) => {
                let caller = Caller { control, admission, from, session: &session };
                let reply = caller.run(method, args).await;
                log(&reply, started.elapsed());
                encode::reply(method.name, &reply)
            }
            Err(fault) => {
                tracing::info!(outcome = %fault, "call refused");
                encode::fault(&fault)
            }
        }
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
    admission: &'a Admission,
    from: IpAddr,
    session: &'a str,
}

impl<C: ControlPlane> Caller<'_, C> {
    async fn run(&self, method: &'static Method, args: Vec<Arg>) -> ApiReply {
        if !self.admission.pace(self.session, self.from).await {
            // Not looked at, so neither right nor wrong: it must not count against the next one.
            return Err(ApiError::authentication());
        }
        let reply = self.dispatch(method, args).await;
        if matches!(&reply, Err(e) if e.code == ErrorCode::Authentication) {
            self.failed().await;
        }
        reply
    }

    /// The session did not authenticate.
    async fn failed(&self) {
        self.admission.failed(self.session, self.from);
        let state = self.control.local();
        let name = self.session.split_once(':').map_or("", |(name, _)| name);
        // Only the id: what stands for the name may be a password typed at the wrong place.
        let user = state.id_of(Kind::User, -1, name);
        tracing::warn!(from = %self.from, ?user, "a login failed");
        if let Some(call) = login::stale_token(&state, self.session) {
            // The client hears the refusal, whatever becomes of the token.
            let _ = self.control.propose(call).await;
        }
    }

    async fn dispatch(&self, method: &'static Method, args: Vec<Arg>) -> ApiReply {
        let control = self.control;
        match method.handler {
            Handler::Write(_) => self.write(method, args).await,
            Handler::Node => {
                let (_, state) = self.admitted(control.local(), method, &args).await?;
                control.node_call(method, &state)
            }
            Handler::Read(handler) => {
                let (actor, state) = self.admitted(control.view().await?, method, &args).await?;
                let view = View { state: &state, actor: &actor, now: control.now() };
                handler(&view, &Request::new(method, &args)?)
            }
            Handler::Unwritten => {
                self.admitted(control.view().await?, method, &args).await?;
                Err(methods::unwritten_error())
            }
        }
    }

    async fn write(&self, method: &'static Method, args: Vec<Arg>) -> ApiReply {
        let control = self.control;
        let local = control.local();
        let (actor, _) = match self.known(&local).and_then(|actor| check(&local, actor, method, &args)) {
            Ok(actor) => (actor, local),
            // Perhaps only this node does not know yet what another has acknowledged.
            Err(_) => self.admitted(control.view().await?, method, &args).await?,
        };
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
        state: Arc<State>,
        method: &'static Method,
        args: &[Arg],
    ) -> Result<(Actor, Arc<State>), ApiError> {
        let (actor, state) = match login::identify(&state, self.session, self.control.now())? {
            Identity::Actor(actor) => (actor, state),
            Identity::Ask(question) => self.vouched_for(state, question).await?,
        };
        Ok((check(&state, actor, method, args)?, state))
    }

    /// The caller, where no driver has to be asked (again).
    fn known(&self, state: &State) -> Result<Actor, ApiError> {
        let question = match login::identify(state, self.session, self.control.now())? {
            Identity::Actor(actor) => return Ok(actor),
            Identity::Ask(question) => question,
        };
        let said = self.admission.consent(self.session).ok_or_else(ApiError::authentication)?;
        match driver::accept(state, &question, &said)? {
            Accepted::Actor(actor) => Ok(actor),
            Accepted::Enrol(_) => Err(ApiError::authentication()),
        }
    }

    /// Asks the driver, unless it consented not long ago, and enrols whom it tells.
    async fn vouched_for(&self, state: Arc<State>, question: AuthQuestion) -> Result<(Actor, Arc<State>), ApiError> {
        let said = match self.admission.consent(self.session) {
            Some(said) => said,
            None => {
                let said = self.control.authenticate(&question).await.map_err(|_| ApiError::authentication())?;
                let seconds = state.settings().all().int("SESSION_EXPIRATION_TIME").unwrap_or(0);
                let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                self.admission.remember(self.session, &said, time);
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
