//! What the edge needs of a node: views of the state, the way of writes, questions to drivers.

use std::sync::Arc;

use quorate_drivers::auth::Authenticator;
use quorate_drivers::registry::Registry;
use quorate_gateway::control::{AdminReply, AdminRequest, ControlPlane};
use quorate_model::api::ApiReply;
use quorate_model::command::{Call, Command, Facts};
use quorate_model::error::ApiError;
use quorate_model::raft_status::RaftStatus;
use quorate_raft_store::{Published, Raft};
use quorate_state_machine::login::driver::AuthQuestion;
use quorate_state_machine::methods::Ask;
use quorate_state_machine::state::State;
use tokio::sync::watch;

use crate::admin::Admin;
use crate::clocks::Clocks;
use crate::config::Reads;
use crate::members::Members;
use crate::proposer::{Proposer, no_leader};
use crate::raft_status::raft_status;
use crate::read_gate::ReadGate;
use crate::transport::{MemberReply, MemberRequest};

/// A node as its edge sees it.
pub struct NodeControl {
    /// This node's Raft.
    pub raft: Raft,
    /// The way of writes.
    pub proposer: Proposer,
    /// The way of linearizable reads.
    pub gate: ReadGate,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// Whom to ask before proposing.
    pub drivers: Arc<Registry>,
    /// Whom to ask about users of other authentication drivers.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// The zone's time.
    pub clocks: Clocks,
    /// How reads are answered.
    pub reads: Reads,
    /// Who replicates.
    pub members: Members,
    /// What operators ask.
    pub admin: Admin,
}

impl NodeControl {
    /// Refuses to remove a server that the zone cannot do without.
    async fn may_be_removed(&self, server: &str) -> Result<(), ApiError> {
        match self.members.ask(&MemberRequest::MayRemove(server.to_owned()), false).await {
            MemberReply::Done(_) => Ok(()),
            MemberReply::Refused(reason) => Err(ApiError::action(reason)),
            MemberReply::NotLeader => Err(no_leader()),
        }
    }
}

impl ControlPlane for NodeControl {
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

    async fn ask(&self, state: &State, ask: &Ask) -> Result<Facts, ApiError> {
        match ask {
            Ask::Driver(question) => Ok(question.facts(self.drivers.ask(state, question).await)),
            Ask::Removal(server) => self.may_be_removed(server).await.map(|()| Facts::default()),
        }
    }

    async fn authenticate(&self, question: &AuthQuestion) -> Result<String, String> {
        match &self.authenticator {
            Some(authenticator) => authenticator.authenticate(question).await,
            None => Err("Authentication driver not enabled".to_owned()),
        }
    }

    fn raft_status(&self, state: &State) -> RaftStatus {
        raft_status(&self.raft, state)
    }

    async fn admin(&self, request: AdminRequest) -> Result<AdminReply, String> {
        self.admin.answer(request).await
    }

    fn now(&self, state: &State) -> i64 {
        self.clocks.time_for(state)
    }
}
