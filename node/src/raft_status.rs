//! What this node says of itself to OpenNebula's clients: the reply of `one.zone.raftstatus`.

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::vote::RaftLeaderId as _;
use quorate_model::kind::LOCAL_ZONE;
use quorate_model::raft_status::RaftStatus;
use quorate_model::records::zone::Zone;
use quorate_raft_store::Raft;
use quorate_raft_store::types::LogId;
use quorate_state_machine::state::State;

/// STATE values of the reference.
const CANDIDATE: i32 = 1;
const FOLLOWER: i32 = 2;
const LEADER: i32 = 3;

/// What `one.zone.raftstatus` answers; without declared servers, as OpenNebula without HA does.
#[must_use]
pub fn raft_status(raft: &Raft, state: &State) -> RaftStatus {
    let servers = state.find_typed::<Zone>(LOCAL_ZONE).map(|(_, zone)| zone.servers.as_slice()).unwrap_or_default();
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let label = |node: u64| {
        let name = metrics.membership_config.membership().get_node(&node).map(|s| s.name.as_str());
        servers.iter().find(|s| Some(s.name.as_str()) == name).map_or(-1, |s| s.id)
    };
    // Servers may be declared beside a single node that is not: nothing replicates then either.
    let alone = metrics.membership_config.membership().voter_ids().eq([metrics.id]);
    if servers.is_empty() || (alone && label(metrics.id) == -1) {
        return RaftStatus::SOLO;
    }
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let index = |id: &Option<LogId>| id.as_ref().map_or(-1, |id| number(id.index));
    RaftStatus {
        server_id: label(metrics.id),
        state: match metrics.state {
            ServerState::Leader => LEADER,
            ServerState::Candidate => CANDIDATE,
            ServerState::Follower | ServerState::Learner | ServerState::Shutdown => FOLLOWER,
        },
        term: number(metrics.current_term),
        voted_for: if metrics.vote.leader_id.term > 0 { label(*metrics.vote.leader_id.node_id()) } else { -1 },
        commit: index(&metrics.local_committed),
        log_index: metrics.last_log_index.map_or(-1, number),
        log_term: metrics.last_applied.as_ref().map_or(-1, |id| number(id.leader_id.term)),
    }
}
