//! What the edge needs of a node: views of the state, the way of writes, questions to drivers.

use std::sync::Arc;

use quorate_drivers::Drivers;
use quorate_drivers::auth::Authenticator;
use quorate_raft_store::{Published, Raft};
use quorate_state_machine::api::{ApiReply, Arg, Value};
use quorate_state_machine::command::{Call, Command, Envelope, RequestId};
use quorate_state_machine::error::ApiError;
use quorate_state_machine::login::driver::AuthQuestion;
use quorate_state_machine::methods::{Method, Question};
use quorate_state_machine::pools::zone::{self, Zone};
use quorate_state_machine::state::State;
use quorate_state_machine::zone_state::LOCAL_ZONE;
use quorate_xmlrpc_edge::control::{AdminReply, AdminRequest, ControlPlane};
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

impl<D: Drivers> NodeControl<D> {
    /// Refuses to remove a server that the zone cannot do without. Only if apply would do it: it knows the rights.
    async fn may_be_removed(&self, call: &Call) -> Result<(), ApiError> {
        let state = self.view().await?;
        let name_of = |label: &Arg| {
            let (_, zone) = state.find_typed::<Zone>(LOCAL_ZONE)?;
            zone.servers.iter().find(|s| Arg::Int(i64::from(s.id)) == *label).map(|s| s.name.clone())
        };
        let Some(name) = call.args.get(1).and_then(name_of) else { return Ok(()) };
        let (request, command) = (RequestId::default(), Command::Call(call.clone()));
        let trial = Envelope { time: self.now(), request, entropy: [0; 32], command };
        if State::clone(&state).apply(&trial).reply.is_err() {
            return Ok(());
        }
        match self.members.ask(&MemberRequest::MayRemove(name), false).await {
            MemberReply::Done(_) => Ok(()),
            MemberReply::Refused(reason) => Err(ApiError::action(reason)),
            MemberReply::NotLeader => Err(no_leader()),
        }
    }
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
        if call.method == "one.zone.delserver" {
            self.may_be_removed(&call).await?;
        }
        self.proposer.propose(Command::Call(call)).await
    }

    async fn ask(&self, state: &State, question: &Question) -> Result<String, String> {
        self.drivers.ask(state, question).await
    }

    async fn authenticate(&self, question: &AuthQuestion) -> Result<String, String> {
        match &self.authenticator {
            Some(authenticator) => authenticator.authenticate(question).await,
            None => Err("Authentication driver not enabled".to_owned()),
        }
    }

    fn node_call(&self, method: &Method, state: &State) -> ApiReply {
        match method.name {
            "one.zone.raftstatus" => Ok(Value::Text(zone::raftstatus_xml(&raft_status(&self.raft, state)))),
            name => Err(ApiError::internal(format!("No node knows method '{name}'"))),
        }
    }

    async fn admin(&self, request: AdminRequest) -> Result<AdminReply, String> {
        self.admin.answer(request).await
    }

    fn now(&self) -> i64 {
        self.clocks.now()
    }
}
