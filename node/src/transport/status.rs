//! What a node says of itself to its peers and to `quorate zone status`.

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::vote::RaftLeaderId as _;
use quorate_proto::v1;
use quorate_raft_store::convert::{
    Malformed, log_id_from_proto, log_id_to_proto, stored_membership_from_proto, stored_membership_to_proto,
};
use quorate_raft_store::types::{LogId, Raft, StoredMembership};

/// What a node is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Receives entries, does not vote.
    Learner,
    /// Receives entries and votes.
    Follower,
    /// Wants to lead.
    Candidate,
    /// Leads.
    Leader,
    /// Its Raft has stopped.
    Stopped,
}

/// What a node says of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct PeerStatus {
    /// Its id.
    pub node_id: u64,
    /// What it is doing.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// Whom it voted for in this term.
    pub voted_for: Option<u64>,
    /// Who leads, as far as it knows.
    pub leader_id: Option<u64>,
    /// The index of its last entry.
    pub last_log_index: Option<u64>,
    /// The last entry it knows to be committed.
    pub committed: Option<LogId>,
    /// The last entry it has applied.
    pub applied: Option<LogId>,
    /// The last entry in its newest snapshot.
    pub snapshot: Option<LogId>,
    /// The last entry it has purged.
    pub purged: Option<LogId>,
    /// The members of the zone, as it knows them.
    pub membership: StoredMembership,
    /// The version of its program.
    pub version: String,
    /// A hash of its state, and the entry it was taken at.
    pub state_hash: Option<(LogId, Vec<u8>)>,
}

impl PeerStatus {
    /// What `raft` says of itself; the version is this program's, the hash is unknown.
    #[must_use]
    pub fn of(raft: &Raft) -> PeerStatus {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        PeerStatus {
            node_id: metrics.id,
            role: match metrics.state {
                ServerState::Learner => Role::Learner,
                ServerState::Follower => Role::Follower,
                ServerState::Candidate => Role::Candidate,
                ServerState::Leader => Role::Leader,
                ServerState::Shutdown => Role::Stopped,
            },
            term: metrics.current_term,
            // Term 0 is before the first vote.
            voted_for: (metrics.vote.leader_id.term > 0).then(|| *metrics.vote.leader_id.node_id()),
            leader_id: metrics.current_leader,
            last_log_index: metrics.last_log_index,
            committed: metrics.local_committed,
            applied: metrics.last_applied,
            snapshot: metrics.snapshot,
            purged: metrics.purged,
            membership: (*metrics.membership_config).clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state_hash: None,
        }
    }
}

pub(super) fn to_proto(status: &PeerStatus) -> v1::StatusReply {
    let id = |id: &Option<LogId>| id.as_ref().map(log_id_to_proto);
    let role = match status.role {
        Role::Learner => v1::Role::Learner,
        Role::Follower => v1::Role::Follower,
        Role::Candidate => v1::Role::Candidate,
        Role::Leader => v1::Role::Leader,
        Role::Stopped => v1::Role::Stopped,
    };
    v1::StatusReply {
        node_id: status.node_id,
        role: role.into(),
        term: status.term,
        voted_for: status.voted_for,
        leader_id: status.leader_id,
        last_log_index: status.last_log_index,
        committed: id(&status.committed),
        applied: id(&status.applied),
        snapshot: id(&status.snapshot),
        purged: id(&status.purged),
        membership: Some(stored_membership_to_proto(&status.membership)),
        version: status.version.clone(),
        hashed_at: status.state_hash.as_ref().map(|(id, _)| log_id_to_proto(id)),
        state_hash: status.state_hash.as_ref().map(|(_, hash)| hash.clone().into()).unwrap_or_default(),
    }
}

pub(super) fn from_proto(reply: v1::StatusReply) -> Result<PeerStatus, Malformed> {
    let id = |id: &Option<v1::LogId>| id.as_ref().map(log_id_from_proto);
    let role = match reply.role() {
        v1::Role::Learner => Role::Learner,
        v1::Role::Follower => Role::Follower,
        v1::Role::Candidate => Role::Candidate,
        v1::Role::Leader => Role::Leader,
        v1::Role::Stopped => Role::Stopped,
        v1::Role::Unknown => return Err(Malformed::missing("known role")),
    };
    Ok(PeerStatus {
        node_id: reply.node_id,
        role,
        term: reply.term,
        voted_for: reply.voted_for,
        leader_id: reply.leader_id,
        last_log_index: reply.last_log_index,
        committed: id(&reply.committed),
        applied: id(&reply.applied),
        snapshot: id(&reply.snapshot),
        purged: id(&reply.purged),
        membership: stored_membership_from_proto(reply.membership)?,
        version: reply.version,
        state_hash: id(&reply.hashed_at).map(|id| (id, reply.state_hash.to_vec())),
    })
}
