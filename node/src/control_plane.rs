//! What the edge needs of a node: views of the state, the way of writes, questions to drivers.

use std::sync::Arc;

use quorate_drivers::Drivers;
use quorate_raft_store::Published;
use quorate_raft_store::types::Raft;
use quorate_state_machine::api::{ApiReply, Value};
use quorate_state_machine::command::{Call, Command};
use quorate_state_machine::error::ApiError;
use quorate_state_machine::methods::{Method, Question, unwritten_error};
use quorate_state_machine::pools::zone;
use quorate_state_machine::state::State;
use quorate_xmlrpc_edge::pipeline::ControlPlane;
use tokio::sync::watch;

use crate::config::Reads;
use crate::proposer::Proposer;
use crate::raft_status::raft_status;
use crate::read_gate::ReadGate;
use crate::wall::Wall;

/// A node as its edge sees it.
pub struct NodeControl<D> {
    /// This node's Raft.
    pub raft: Raft,
    /// The way of writes.
    pub proposer: Proposer,
    /// The way of linearizable reads.
    pub gate: ReadGate,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// Whom to ask before proposing.
    pub drivers: Arc<D>,
    /// The clock.
    pub wall: Wall,
    /// How reads are answered.
    pub reads: Reads,
}

impl<D: Drivers> ControlPlane for NodeControl<D> {
    fn local(&self) -> Arc<State> {
        self.published.borrow().state.clone()
    }

    async fn view(&self) -> Result<Arc<State>, ApiError> {
        match self.reads {
            Reads::Stale => Ok(self.local()),
            Reads::Linearizable => Ok(self.gate.read().await?.state),
        }
    }

    async fn propose(&self, call: Call) -> ApiReply {
        self.proposer.propose(Command::Call(call)).await
    }

    async fn ask(&self, state: &State, question: &Question) -> Result<String, String> {
        self.drivers.ask(state, question).await
    }

    fn node_call(&self, method: &Method, state: &State) -> ApiReply {
        match method.name {
            "one.zone.raftstatus" => Ok(Value::Text(zone::raftstatus_xml(&raft_status(&self.raft, state)))),
            _ => Err(unwritten_error()),
        }
    }

    fn now(&self) -> i64 {
        self.wall.unix_seconds()
    }
}
