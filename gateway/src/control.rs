//! The node as the gateway sees it: states, the way of writes, questions to drivers, and what oneadmin asks beside the API.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use quorate_model::api::ApiReply;
use quorate_model::command::{Actor, Call, Facts};
use quorate_model::error::ApiError;
use quorate_model::raft_status::RaftStatus;
use quorate_state_machine::login::driver::AuthQuestion;
use quorate_state_machine::methods::Ask;
use quorate_state_machine::state::State;

/// What the gateway needs of the node behind it.
pub trait ControlPlane: Send + Sync + 'static {
    /// The newest state applied here; may be stale.
    fn local(&self) -> Arc<State>;
    /// A state that shows every write acknowledged before the call (or the local one, by configuration).
    fn view(&self) -> impl Future<Output = Result<Arc<State>, ApiError>> + Send;
    /// Replicates and applies a call.
    fn propose(&self, call: Call) -> impl Future<Output = ApiReply> + Send;
    /// Finds out what must be known before a call is proposed; what of it the entry must carry.
    ///
    /// # Errors
    /// Why the call must not be proposed.
    fn ask(&self, state: &State, ask: &Ask) -> impl Future<Output = Result<Facts, ApiError>> + Send;
    /// Asks the authentication driver; what it says when it consents, or why it does not.
    fn authenticate(&self, _question: &AuthQuestion) -> impl Future<Output = Result<String, String>> + Send {
        async { Err("Authentication driver not enabled".to_owned()) }
    }
    /// What this node says of itself to whom `state` knows.
    fn raft_status(&self, state: &State) -> RaftStatus;
    /// Answers what oneadmin asks this node beside the API.
    ///
    /// # Errors
    /// When the node knows no such request, or cannot do what is asked; the text is for the operator.
    fn admin(&self, _request: AdminRequest) -> impl Future<Output = Result<AdminReply, String>> + Send {
        async { Err("Nothing here".to_owned()) }
    }
    /// The zone's time for whoever looks at `state`, unix seconds: never before what `state` has applied.
    fn now(&self, state: &State) -> i64;
}

/// What oneadmin asks a node beside the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminRequest {
    /// Whether it asks to do something, not to tell something.
    pub acts: bool,
    /// What.
    pub name: String,
    /// What goes with it.
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
