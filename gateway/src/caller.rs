//! Somebody who calls: is the session right, the caller's turn, zone state, needs, then read or propose.
//!
//! Checks before a proposal only fail fast: apply repeats and decides. A refusal found on a local, possibly
//! stale state is confirmed on a linearizable one before a client hears it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::api::{ApiReply, Arg};
use quorate_model::command::{Actor, Call, Facts};
use quorate_model::error::{ApiError, ErrorCode};
use quorate_model::kind::Kind;
use quorate_state_machine::login::driver::{self, Accepted, AuthQuestion};
use quorate_state_machine::login::{self, Identity};
use quorate_state_machine::machine::admit::{Admitted, admit};
use quorate_state_machine::methods::{Handler, Method, View};
use quorate_state_machine::state::State;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use crate::admission::Attempt;
use crate::busy::Busy;
use crate::client::{Client, Origin};
use crate::control::ControlPlane;
use crate::gateway::{Gateway, ONEADMIN};
use crate::lanes::Place;
use crate::route::Route;

/// Bytes of a session: longer ones are wrong without being looked at.
const SESSION_LENGTH: usize = 64 << 10;

/// Somebody who calls, and what is needed to answer.
pub struct Caller<'a, C, K> {
    /// Where the call came in.
    pub gateway: &'a Gateway<C>,
    /// Its client.
    pub origin: &'a Origin<'a, K>,
    /// `user:secret`.
    pub session: &'a str,
}

/// What came of one call.
pub struct Done {
    /// The reply, or why there is none.
    pub reply: Result<ApiReply, Busy>,
    /// Its login failed: what has to be waited for before the reply is sent.
    pub attempt: Option<Attempt>,
    /// Its caller's place, for as long as the reply is sent.
    pub place: Option<Place>,
}

/// What a call has while it is answered.
#[derive(Default)]
struct UnderWay {
    /// Its place among those under way.
    place: Option<Place>,
    /// Its session is not known to be right.
    attempt: Option<Attempt>,
}

impl<C: ControlPlane, K: Client> Caller<'_, C, K> {
    /// Carries a call out, once it is its caller's turn. `number` is the request's in logs.
    pub async fn call(&self, route: Route, args: Vec<Arg>, number: u64) -> Done {
        let method = route.method;
        let span = tracing::info_span!("call", method = method.name, id = number, uid = tracing::field::Empty);
        let started = Instant::now();
        async {
            let done = self.run(method, args).await;
            match &done.reply {
                Ok(reply) => log(reply, started.elapsed()),
                Err(busy) => tracing::info!(outcome = %busy, "call refused"),
            }
            done
        }
        .instrument(span)
        .await
    }

    async fn run(&self, method: &'static Method, args: Vec<Arg>) -> Done {
        if self.session.len() > SESSION_LENGTH {
            let attempt = Some(self.gateway.admission.attempt("", self.origin.client.address()));
            return Done { reply: Ok(Err(ApiError::authentication())), attempt, place: None };
        }
        let mut under_way = UnderWay::default();
        let reply = self.reply(method, args, &mut under_way).await;
        let attempt = match &reply {
            Ok(Err(e)) if e.code == ErrorCode::Authentication => Some(self.failed(&mut under_way).await),
            _ => {
                // Nobody has found out what the session was.
                under_way.attempt.take().into_iter().for_each(Attempt::is_heard);
                None
            }
        };
        // The connection stays served: a list of calls may go on, and it must not end in the middle.
        self.origin.client.unpin();
        Done { reply, attempt, place: under_way.place }
    }

    /// The reply, or why there is none when it had to make room for others.
    async fn reply(&self, method: &'static Method, args: Vec<Arg>, under_way: &mut UnderWay) -> Result<ApiReply, Busy> {
        under_way.attempt = self.wait_to_be_looked_at().await?;
        let state = self.gateway.control.local();
        let known = self.known(&state);
        let place = match &known {
            Ok(actor) => {
                self.is_right(under_way);
                let turn = self.gateway.users_turn(self.origin, &state, actor, method, &args);
                // It may wait for long, and is decided on a newer one.
                drop(state);
                turn.await
            }
            Err(_) => {
                drop(state);
                under_way.attempt.get_or_insert_with(|| self.attempt());
                self.gateway.strangers_turn(self.origin).await
            }
        };
        under_way.place = Some(place?);
        tokio::select! {
            biased;
            reply = self.dispatch(method, args, known, under_way) => reply,
            // Only as long as it is not pinned: nothing was done yet.
            () = self.origin.client.lost() => Err(Busy::NoMemory),
        }
    }

    /// Does what a client that hangs up cannot stop, and holds the place and the memory of the call until it is done.
    async fn finish<T: Send + 'static>(
        &self,
        under_way: &mut UnderWay,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (place, hold) = (under_way.place.take(), self.origin.client.held());
        let work = async move {
            let done = work.await;
            drop(hold);
            (done, place)
        };
        let (done, place) = self.gateway.detached.finish(work).await;
        under_way.place = place;
        done
    }

    fn attempt(&self) -> Attempt {
        self.gateway.admission.attempt(self.session, self.origin.client.address())
    }

    /// Waits, where somebody has hung up instead of hearing that a session was wrong.
    async fn wait_to_be_looked_at(&self) -> Result<Option<Attempt>, Busy> {
        if !self.gateway.admission.must_wait_first(self.session, self.origin.client.address()) {
            return Ok(None);
        }
        let attempt = self.attempt();
        if attempt.not_before() <= Instant::now() {
            return Ok(Some(attempt));
        }
        let _held = self.origin.client.held_back();
        tokio::select! {
            biased;
            () = self.origin.client.lost() => {
                attempt.is_heard();
                Err(Busy::NoMemory)
            }
            () = sleep_until(attempt.not_before()) => Ok(Some(attempt)),
        }
    }

    /// The session was right.
    fn is_right(&self, under_way: &mut UnderWay) {
        under_way.attempt.take().iter_mut().for_each(Attempt::was_right);
        self.gateway.admission.proved(self.session, self.origin.client.address());
    }

    /// The session was wrong.
    async fn failed(&self, under_way: &mut UnderWay) -> Attempt {
        let attempt = under_way.attempt.take().unwrap_or_else(|| self.attempt());
        let state = self.gateway.control.local();
        self.log_failure(&state, self.origin.client.address(), &attempt);
        if let Some(call) = login::stale_token(&state, self.session) {
            let control = self.gateway.control.clone();
            // The client hears the refusal, whatever becomes of the token.
            let _ = self.finish(under_way, async move { control.propose(call).await }).await;
        }
        attempt
    }

    fn log_failure(&self, state: &State, from: IpAddr, attempt: &Attempt) {
        let name = self.session.split_once(':').map_or("", |(name, _)| name);
        // Only the id: what stands for the name may be a password typed at the wrong place.
        let user = state.id_of(Kind::User, -1, name);
        // Each one, unless there are so many that their answers are held back.
        let unsaid = if attempt.not_before() <= Instant::now() { Some(0) } else { self.gateway.failures.due() };
        if let Some(unsaid) = unsaid {
            tracing::warn!(%from, ?user, unsaid, "a login failed");
        }
    }

    /// The actor, if the session is oneadmin's by what this node knows: it must also work without a leader.
    ///
    /// # Errors
    /// When the request had to make room for others. Inside, when the session is not oneadmin's: what its client
    /// has to wait for before it hears that.
    pub async fn oneadmin(&self) -> Result<Result<Actor, Attempt>, Busy> {
        let attempt = self.wait_to_be_looked_at().await?;
        let mut under_way = UnderWay { attempt, place: None };
        let state = self.gateway.control.local();
        match self.known(&state) {
            Ok(actor) if actor.uid == ONEADMIN => {
                self.is_right(&mut under_way);
                Ok(Ok(actor))
            }
            _ => {
                let attempt = under_way.attempt.take().unwrap_or_else(|| self.attempt());
                self.log_failure(&state, self.origin.client.address(), &attempt);
                Ok(Err(attempt))
            }
        }
    }

    /// The answer, now that it is the call's turn. The caller is, or is not, known by the state from before that.
    async fn dispatch(
        &self,
        method: &'static Method,
        args: Vec<Arg>,
        known: Result<Actor, ApiError>,
        under_way: &mut UnderWay,
    ) -> Result<ApiReply, Busy> {
        if let Handler::Write(_) = method.handler {
            return self.write(method, args, known, under_way).await;
        }
        let state = match method.handler {
            // Also without a majority: a node that is alone says so.
            Handler::Node(_) => Ok(self.gateway.control.local()),
            _ => self.gateway.control.view().await,
        };
        Ok(match state {
            Ok(state) => self.told(state, method, &args, under_way).await,
            Err(e) => Err(e),
        })
    }

    /// What a call is told that changes nothing.
    async fn told(
        &self,
        state: Arc<State>,
        method: &'static Method,
        args: &[Arg],
        under_way: &mut UnderWay,
    ) -> ApiReply {
        let (actor, state) = self.identified(state, under_way).await?;
        let view = View { state: &state, actor: &actor, now: self.gateway.control.now(&state) };
        match admit(&view, method, args)? {
            Admitted::Read(reading, request) => reading(&view, &request),
            Admitted::Node(reply) => reply(&self.gateway.control.raft_status(&state)),
            Admitted::Write | Admitted::Ask(_) => Err(ApiError::internal("This method writes")),
        }
    }

    async fn write(
        &self,
        method: &'static Method,
        args: Vec<Arg>,
        known: Result<Actor, ApiError>,
        under_way: &mut UnderWay,
    ) -> Result<ApiReply, Busy> {
        let is_stranger = known.is_err();
        let actor = match known.and_then(|actor| self.may_write(&self.gateway.control.local(), actor, method, &args)) {
            Ok(actor) => actor,
            // Perhaps only this node does not know yet what another has acknowledged.
            Err(_) => match self.confirmed(method, &args, under_way).await {
                Ok(actor) => actor,
                Err(e) => return Ok(Err(e)),
            },
        };
        // Now it is known whose write it is: it must not be one too many of them, and takes no place from strangers.
        if is_stranger {
            under_way.place = None;
            self.origin.client.unpin();
            let turn = self.gateway.users_turn(self.origin, &self.gateway.control.local(), &actor, method, &args);
            under_way.place = Some(turn.await?);
        }
        let control = self.gateway.control.clone();
        Ok(self.finish(under_way, async move { proposed(&*control, method, actor, args).await }).await)
    }

    /// Who calls, by a linearizable state that allows the call.
    async fn confirmed(
        &self,
        method: &'static Method,
        args: &[Arg],
        under_way: &mut UnderWay,
    ) -> Result<Actor, ApiError> {
        let (actor, state) = self.identified(self.gateway.control.view().await?, under_way).await?;
        self.may_write(&state, actor, method, args)
    }

    /// The actor, if `state` lets it propose the call.
    fn may_write(&self, state: &State, actor: Actor, method: &'static Method, args: &[Arg]) -> Result<Actor, ApiError> {
        tracing::Span::current().record("uid", actor.uid);
        let view = View { state, actor: &actor, now: self.gateway.control.now(state) };
        admit(&view, method, args)?;
        Ok(actor)
    }

    /// Who calls by `state`, or by a newer state in which the caller was enrolled just now.
    async fn identified(&self, state: Arc<State>, under_way: &mut UnderWay) -> Result<(Actor, Arc<State>), ApiError> {
        let (actor, state) = match login::identify(&state, self.session, self.gateway.control.now(&state))? {
            Identity::Actor(actor) => (actor, state),
            Identity::Ask(question) => self.vouched_for(state, question, under_way).await?,
        };
        tracing::Span::current().record("uid", actor.uid);
        if under_way.attempt.is_some() {
            self.is_right(under_way);
        }
        self.origin.client.pin().map_err(|busy| ApiError::internal(busy.to_string()))?;
        Ok((actor, state))
    }

    /// The caller, where no driver has to be asked (again).
    fn known(&self, state: &State) -> Result<Actor, ApiError> {
        let question = match login::identify(state, self.session, self.gateway.control.now(state))? {
            Identity::Actor(actor) => return Ok(actor),
            Identity::Ask(question) => question,
        };
        let said = self.gateway.admission.consent(self.session).ok_or_else(ApiError::authentication)?;
        match driver::accept(state, &question, &said)? {
            Accepted::Actor(actor) => Ok(actor),
            Accepted::Enrol(_) => Err(ApiError::authentication()),
        }
    }

    /// What the driver says. Its consent counts for `time`, also if its client has hung up meanwhile: his next call does not
    /// ask again.
    async fn asked(&self, question: AuthQuestion, time: Duration, under_way: &mut UnderWay) -> Result<String, String> {
        let (control, admission, session) =
            (self.gateway.control.clone(), self.gateway.admission.clone(), self.session.to_owned());
        let mut attempt = under_way.attempt.take();
        let work = async move {
            let said = control.authenticate(&question).await;
            if let Ok(said) = &said {
                admission.remember(&session, said, time);
                attempt.iter_mut().for_each(Attempt::was_right);
            }
            (said, attempt)
        };
        let (said, attempt) = self.finish(under_way, work).await;
        under_way.attempt = attempt;
        said
    }

    /// Asks the driver, unless it consented not long ago, and enrols whom it tells.
    async fn vouched_for(
        &self,
        state: Arc<State>,
        question: AuthQuestion,
        under_way: &mut UnderWay,
    ) -> Result<(Actor, Arc<State>), ApiError> {
        let said = match self.gateway.admission.consent(self.session) {
            Some(said) => said,
            None => {
                let seconds = state.settings().all().int("SESSION_EXPIRATION_TIME").unwrap_or(0);
                let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                self.asked(question.clone(), time, under_way).await.map_err(|_| ApiError::authentication())?
            }
        };
        let call = match driver::accept(&state, &question, &said)? {
            Accepted::Actor(actor) => return Ok((actor, state)),
            Accepted::Enrol(call) => call,
        };
        let control = self.gateway.control.clone();
        self.finish(under_way, async move { control.propose(call).await }).await?;
        let state = self.gateway.control.view().await?;
        let Identity::Ask(question) = login::identify(&state, self.session, self.gateway.control.now(&state))? else {
            return Err(ApiError::authentication());
        };
        match driver::accept(&state, &question, &said)? {
            Accepted::Actor(actor) => Ok((actor, state)),
            Accepted::Enrol(_) => Err(ApiError::authentication()),
        }
    }
}

/// What a call that writes came to, with what must be known before.
async fn proposed<C: ControlPlane>(control: &C, method: &'static Method, actor: Actor, args: Vec<Arg>) -> ApiReply {
    let mut facts = Facts::default();
    if method.asking.is_some() {
        let state = control.view().await?;
        let view = View { state: &state, actor: &actor, now: control.now(&state) };
        if let Admitted::Ask(ask) = admit(&view, method, &args)? {
            facts = control.ask(&state, &ask).await?;
        }
    }
    control.propose(Call { method: method.name.to_owned(), actor, args, facts }).await
}

fn log(reply: &ApiReply, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    match reply {
        Ok(_) => tracing::debug!(outcome = "ok", micros, "call"),
        Err(e) => tracing::info!(outcome = format_args!("{:#x}", e.code as i32), micros, "call"),
    }
}
