//! The fixed path of a call: row, session, typed arguments, zone state, needs, then read or propose.
//!
//! Checks before a proposal only fail fast: apply repeats and decides. A refusal found on a local, possibly
//! stale state is confirmed on a linearizable one before a client hears it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use quorate_state_machine::api::{ApiReply, Arg, Type};
use quorate_state_machine::command::{Actor, Call, Facts};
use quorate_state_machine::error::{ApiError, ErrorCode};
use quorate_state_machine::login;
use quorate_state_machine::methods::{self, Handler, Method, Question, Request, View};
use quorate_state_machine::state::State;
use quorate_state_machine::zone_state;
use tokio::time::Instant;
use tracing::Instrument as _;

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
    /// Answers a method about this node itself.
    fn node_call(&self, method: &Method, state: &State) -> ApiReply;
    /// Unix seconds.
    fn now(&self) -> i64;
}

/// Answers a decoded call.
pub async fn answer<C: ControlPlane>(control: &C, call: MethodCall, request_id: u64) -> Segments {
    let started = Instant::now();
    let span = tracing::info_span!("call", method = %call.method, id = request_id, uid = tracing::field::Empty);
    async {
        let Some(method) = methods::find(&call.method) else {
            return match introspection::answer(&call) {
                Ok(value) => encode::single(&value),
                Err(fault) => encode::fault(&fault),
            };
        };
        match typed(method, call.params) {
            Ok((session, args)) => {
                let reply = run(control, method, &session, args).await;
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

async fn run<C: ControlPlane>(control: &C, method: &'static Method, session: &str, args: Vec<Arg>) -> ApiReply {
    let reply = dispatch(control, method, session, args).await;
    let stranger = matches!(&reply, Err(e) if e.code == ErrorCode::Authentication);
    if stranger && let Some(call) = login::stale_token(&control.local(), session) {
        // The client hears the refusal, whatever becomes of the token.
        let _ = control.propose(call).await;
    }
    reply
}

async fn dispatch<C: ControlPlane>(control: &C, method: &'static Method, session: &str, args: Vec<Arg>) -> ApiReply {
    match method.handler {
        Handler::Write(_) => write(control, method, session, args).await,
        Handler::Node => {
            let state = control.local();
            admitted(control, &state, method, session, &args)?;
            control.node_call(method, &state)
        }
        Handler::Read(handler) => {
            let state = control.view().await?;
            let actor = admitted(control, &state, method, session, &args)?;
            let view = View { state: &state, actor: &actor, now: control.now() };
            handler(&view, &Request::new(method, &args)?)
        }
        Handler::Unwritten => {
            let state = control.view().await?;
            admitted(control, &state, method, session, &args)?;
            Err(methods::unwritten_error())
        }
    }
}

/// Who calls, once session, zone and the row's needs allow the call on `state`.
fn admitted<C: ControlPlane>(
    control: &C,
    state: &State,
    method: &'static Method,
    session: &str,
    args: &[Arg],
) -> Result<Actor, ApiError> {
    let actor = login::authenticate(state, session, control.now())?;
    tracing::Span::current().record("uid", actor.uid);
    zone_state::check(state, method)?;
    methods::check_needs(state, &actor, &Request::new(method, args)?)?;
    Ok(actor)
}

async fn write<C: ControlPlane>(control: &C, method: &'static Method, session: &str, args: Vec<Arg>) -> ApiReply {
    let mut state = control.local();
    let actor = match admitted(control, &state, method, session, &args) {
        Ok(actor) => actor,
        Err(_) => {
            // Perhaps only this node does not know yet what another has acknowledged.
            state = control.view().await?;
            admitted(control, &state, method, session, &args)?
        }
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
