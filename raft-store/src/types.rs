//! The types that openraft is instantiated with, and short names for its generics.
//!
//! A log payload is opaque here: its proposer encodes it once, and only apply decodes it.

use std::fmt;

use bytes::Bytes;
use openraft::impls::{TokioRuntime, leader_id_std};
use openraft::type_config::alias;
use openraft_rt::deterministic_rng::DeterministicRng;
use quorate_model::api::ApiReply;
use quorate_state_machine::zone_time::Stamp;

/// What a leader writes: an encoded envelope with a stamp. It may hold secrets, so neither `Debug` nor `Display` shows its
/// content.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// When it is written: the leader's alone to say, whoever proposed it.
    pub stamp: Stamp,
    /// The envelope, as its proposer encoded it.
    pub envelope: Bytes,
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload({} bytes, crc32 {:08x})", self.envelope.len(), crc32fast::hash(&self.envelope))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What applying an entry answers its proposer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A blank or membership entry: nothing to say.
    None,
    /// The state machine's reply.
    Api(ApiReply),
}

/// A server of the zone, as Raft's membership knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its name, as operators see it.
    pub name: String,
    /// The XML-RPC URL that clients can reach.
    pub endpoint: String,
    /// `host:port` of its peer protocol.
    pub peer: String,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.peer)
    }
}

openraft::declare_raft_types!(
    /// How Quorate instantiates openraft.
    pub TypeConfig:
        D = Payload,
        R = Reply,
        NodeId = u64,
        Node = Server,
        Term = u64,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = DeterministicRng<TokioRuntime>,
);

/// The position of a log entry.
pub type LogId = alias::LogIdOf<TypeConfig>;
/// A node's vote.
pub type Vote = alias::VoteOf<TypeConfig>;
/// A log entry.
pub type Entry = alias::EntryOf<TypeConfig>;
/// The content of a log entry.
pub type EntryPayload = openraft::EntryPayload<Payload, u64, Server>;
/// The members of the zone.
pub type Membership = openraft::Membership<u64, Server>;
/// The members of the zone and the entry that made them so.
pub type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
/// What identifies a snapshot.
pub type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;

/// The log id at `index` of `term`.
#[must_use]
pub fn log_id(term: u64, index: u64) -> LogId {
    LogId { leader_id: term.into(), index }
}
