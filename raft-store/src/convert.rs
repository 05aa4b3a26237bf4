//! Raft's types to their wire and disk form and back.
//!
//! Decoding refuses whatever is missing, unknown or inconsistent: the bytes come from peers and disks.

use std::collections::{BTreeMap, BTreeSet};

use openraft::entry::RaftEntry;
use openraft::vote::RaftLeaderId;
use quorate_proto::v1;
use quorate_state_machine::zone_time::Stamp;

use crate::types::{Entry, EntryPayload, LogId, Membership, Payload, Server, StoredMembership, Vote, log_id};

/// A message that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(pub String);

impl Malformed {
    /// `what` is missing.
    #[must_use]
    pub fn missing(what: &str) -> Malformed {
        Malformed(format!("{what} is missing"))
    }
}

impl From<prost::DecodeError> for Malformed {
    fn from(error: prost::DecodeError) -> Self {
        Malformed(error.to_string())
    }
}

impl From<Malformed> for std::io::Error {
    fn from(error: Malformed) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// A log id as it travels.
#[must_use]
pub fn log_id_to_proto(id: &LogId) -> v1::LogId {
    v1::LogId { term: id.leader_id.term, index: id.index }
}

/// A log id that has travelled.
#[must_use]
pub fn log_id_from_proto(id: &v1::LogId) -> LogId {
    log_id(id.term, id.index)
}

/// A vote as it travels.
#[must_use]
pub fn vote_to_proto(vote: &Vote) -> v1::Vote {
    v1::Vote { term: vote.leader_id.term, node_id: *vote.leader_id.node_id(), committed: vote.committed }
}

/// A vote that has travelled.
///
/// # Errors
/// When the message has no vote.
pub fn vote_from_proto(vote: Option<v1::Vote>) -> Result<Vote, Malformed> {
    let vote = vote.ok_or_else(|| Malformed::missing("vote"))?;
    Ok(match vote.committed {
        true => Vote::new_committed(vote.term, vote.node_id),
        false => Vote::new(vote.term, vote.node_id),
    })
}

/// A server as it travels.
#[must_use]
pub fn server_to_proto(server: &Server) -> v1::Server {
    v1::Server { name: server.name.clone(), endpoint: server.endpoint.clone(), peer: server.peer.clone() }
}

/// A server that has travelled.
#[must_use]
pub fn server_from_proto(server: v1::Server) -> Server {
    Server { name: server.name, endpoint: server.endpoint, peer: server.peer }
}

/// A membership as it travels.
#[must_use]
pub fn membership_to_proto(membership: &Membership) -> v1::Membership {
    let configs = membership.get_joint_config().iter();
    v1::Membership {
        configs: configs.map(|voters| v1::Voters { ids: voters.iter().copied().collect() }).collect(),
        nodes: membership.nodes().map(|(id, s)| v1::Node { id: *id, server: Some(server_to_proto(s)) }).collect(),
    }
}

/// A membership that has travelled.
///
/// # Errors
/// When a voter is not among the nodes.
pub fn membership_from_proto(membership: v1::Membership) -> Result<Membership, Malformed> {
    let mut nodes = BTreeMap::new();
    for node in membership.nodes {
        let server = node.server.ok_or_else(|| Malformed::missing("server"))?;
        nodes.insert(node.id, server_from_proto(server));
    }
    let configs: Vec<BTreeSet<u64>> = membership.configs.into_iter().map(|v| v.ids.into_iter().collect()).collect();
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|e| Malformed(format!("membership: {e}")))
}

/// A stored membership as it travels.
#[must_use]
pub fn stored_membership_to_proto(stored: &StoredMembership) -> v1::StoredMembership {
    v1::StoredMembership {
        log_id: stored.log_id().as_ref().map(log_id_to_proto),
        membership: Some(membership_to_proto(stored.membership())),
    }
}

/// A stored membership that has travelled.
///
/// # Errors
/// When the message has no membership, or a voter in it is not among its nodes.
pub fn stored_membership_from_proto(stored: Option<v1::StoredMembership>) -> Result<StoredMembership, Malformed> {
    let stored = stored.ok_or_else(|| Malformed::missing("membership"))?;
    let membership = membership_from_proto(stored.membership.unwrap_or_default())?;
    Ok(StoredMembership::new(stored.log_id.as_ref().map(log_id_from_proto), membership))
}

/// A log entry as it travels; its payload's bytes are shared, not copied.
#[must_use]
pub fn entry_to_proto(entry: &Entry) -> v1::LogEntry {
    use v1::log_entry::Payload as P;
    let payload = match &entry.payload {
        EntryPayload::Blank => P::Blank(v1::Blank {}),
        EntryPayload::Normal(payload) => P::Envelope(payload.envelope.clone()),
        EntryPayload::Membership(membership) => P::Membership(membership_to_proto(membership)),
    };
    let stamp = match &entry.payload {
        EntryPayload::Normal(Payload { stamp: Stamp { era, time }, .. }) => {
            Some(v1::Stamp { era: *era, time_secs: *time })
        }
        EntryPayload::Blank | EntryPayload::Membership(_) => None,
    };
    v1::LogEntry { log_id: Some(log_id_to_proto(&entry.log_id())), payload: Some(payload), stamp }
}

/// A log entry that has travelled.
///
/// # Errors
/// When its kind is unknown (a newer version wrote it) or a part is missing.
pub fn entry_from_proto(entry: v1::LogEntry) -> Result<Entry, Malformed> {
    use v1::log_entry::Payload as P;
    let id = entry.log_id.as_ref().map(log_id_from_proto).ok_or_else(|| Malformed::missing("log id"))?;
    let payload = match entry.payload {
        Some(P::Blank(v1::Blank {})) => EntryPayload::Blank,
        Some(P::Envelope(envelope)) => {
            let v1::Stamp { era, time_secs } = entry.stamp.ok_or_else(|| Malformed::missing("stamp"))?;
            EntryPayload::Normal(Payload { stamp: Stamp { era, time: time_secs }, envelope })
        }
        Some(P::Membership(membership)) => EntryPayload::Membership(membership_from_proto(membership)?),
        None => return Err(Malformed(format!("entry {id} is of a kind that this version does not know"))),
    };
    Ok(Entry::new(id, payload))
}
