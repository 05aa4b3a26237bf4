//! What a node says of itself to its peers and to `quorate zone status`.

use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::vote::RaftLeaderId as _;
use openraft::{Instant as _, ServerState};
use quorate_proto::v1;
use quorate_raft_store::ENCODING;
use quorate_raft_store::Raft;
use quorate_raft_store::convert::{
    Malformed, log_id_from_proto, log_id_to_proto, stored_membership_from_proto, stored_membership_to_proto,
};
use quorate_raft_store::types::{LogId, StoredMembership, TypeConfig};
use quorate_state_machine::state::Globals;

/// When a node was last heard of.
type HeardAt = openraft::type_config::alias::SerdeInstantOf<TypeConfig>;

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
    /// How it encodes the records that the hash is of: hashes of different encodings cannot be compared. 0: unknown.
    pub encoding: u32,
    /// The bytes of its database, and how many its disk has left.
    pub disk: Option<Disk>,
    /// What it knows of the other nodes, when it leads.
    pub contacts: Vec<Contact>,
    /// The newest feature level that its program supports.
    pub supported_level: u32,
    /// The feature level in its state.
    pub feature_level: u32,
    /// The version of a program that supports that level.
    pub feature_level_since: String,
    /// Its wall clock, unix milliseconds.
    pub clock: i64,
}

/// Use of a node's disk, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Of its database.
    pub used: u64,
    /// Left.
    pub free: u64,
}

/// What the leader knows of another node.
#[derive(Clone, PartialEq, Debug)]
pub struct Contact {
    /// The other node.
    pub node_id: u64,
    /// Milliseconds since its last answer.
    pub ago_ms: Option<u64>,
    /// The last entry it is known to have.
    pub matched: Option<LogId>,
}

impl PeerStatus {
    /// What `raft` says of itself, the program, which supports feature levels up to `supported_level`, and `globals`;
    /// its hash, its disk and its clock are unknown.
    #[must_use]
    pub fn of(raft: &Raft, supported_level: u32, globals: &Globals) -> PeerStatus {
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
            encoding: ENCODING,
            disk: None,
            contacts: contacts(&metrics),
            supported_level,
            feature_level: globals.feature_level,
            feature_level_since: globals.feature_level_since.clone(),
            clock: 0,
        }
    }

    /// Of a node that has said next to nothing.
    #[cfg(test)]
    pub fn blank(node_id: u64) -> PeerStatus {
        PeerStatus {
            node_id,
            role: Role::Follower,
            term: 1,
            voted_for: None,
            leader_id: None,
            last_log_index: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            membership: StoredMembership::default(),
            version: String::new(),
            state_hash: None,
            encoding: 0,
            disk: None,
            contacts: Vec::new(),
            supported_level: 0,
            feature_level: 0,
            feature_level_since: String::new(),
            clock: 0,
        }
    }
}

/// What the leader knows of the other nodes; nothing on any other node.
fn contacts(metrics: &openraft::RaftMetrics<TypeConfig>) -> Vec<Contact> {
    let heard = metrics.heartbeat.iter().flatten().filter(|(id, _)| **id != metrics.id);
    let contact = |(id, heard): (&u64, &Option<_>)| Contact {
        node_id: *id,
        ago_ms: heard.as_ref().map(|at: &HeardAt| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
        matched: metrics.replication.as_ref().and_then(|all| all.get(id).copied().flatten()),
    };
    heard.map(contact).collect()
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
        encoding: status.encoding,
        disk_used: status.disk.map_or(0, |disk| disk.used),
        disk_free: status.disk.map_or(0, |disk| disk.free),
        contacts: status
            .contacts
            .iter()
            .map(|c| v1::Contact { node_id: c.node_id, ago_ms: c.ago_ms, matched: id(&c.matched) })
            .collect(),
        supported_level: status.supported_level,
        feature_level: status.feature_level,
        feature_level_since: status.feature_level_since.clone(),
        clock_ms: status.clock,
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
        encoding: reply.encoding,
        disk: (reply.disk_used > 0).then_some(Disk { used: reply.disk_used, free: reply.disk_free }),
        contacts: reply
            .contacts
            .iter()
            .map(|c| Contact { node_id: c.node_id, ago_ms: c.ago_ms, matched: id(&c.matched) })
            .collect(),
        supported_level: reply.supported_level,
        feature_level: reply.feature_level,
        feature_level_since: reply.feature_level_since,
        clock: reply.clock_ms,
    })
}
