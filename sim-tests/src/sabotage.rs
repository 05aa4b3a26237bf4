//! What is broken on purpose, to prove that simulation notices: each is a mistake that somebody could make.
//!
//! Faults are put in at the seams of a node: its disk, its drivers, its configuration, and two hooks that exist only with
//! the feature `sabotage` (what is applied in place of an entry, how a leader's entries are received).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use quorate_model::command::RequestId;
use quorate_model::kind::Kind;
use quorate_model::pending::PendingOperation;
use quorate_node::wall::Wall;
use quorate_raft_store::envelope;
use quorate_raft_store::sabotage::Spoil;
use quorate_raft_store::types::{Entry, EntryPayload, LogId};
use quorate_state_machine::state::{Globals, State};
use quorate_state_machine::store_key::StoreKey;
use quorate_state_machine::zone_key::ZoneKey;
use serde::Serialize;

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Sabotage {
    /// Reads are answered from what a node happens to have: without the read index.
    StaleReads,
    /// Disks say that they have synced and have not: nodes acknowledge before they have synced.
    LyingDisks,
    /// An operation that another node has started is neither carried out again nor reported: pending operations are dropped at an election.
    ForgottenOperations,
    /// A new leader carries out what it finds pending without looking outside whether that was begun.
    BlindRepeats,
    /// Giving an operation up ends the waiting for it, and not its job.
    UnendedJobs,
    /// Followers keep the tail of their log when a leader has other entries, and apply it: only indexes are compared.
    StaleTails,
    /// A new leader begins to count documents where the last one may not have ended.
    ReusedIds,
    /// A proposal that is made again after a lost reply is applied again.
    RepeatedProposals,
    /// Operations are started in the order of a hash table, which is different on every node.
    HashOrder,
    /// Apply takes the time from the node's own clock.
    LocalClock,
    /// Leaders believe their clocks, whatever they say.
    AnyClock,
}

impl Sabotage {
    /// Whether it is a mistake in how drivers are used, which the world outside notices.
    #[must_use]
    pub fn is_of_drivers(self) -> bool {
        matches!(self, Sabotage::ForgottenOperations | Sabotage::BlindRepeats | Sabotage::UnendedJobs)
    }
}

/// What a sabotaged node does to entries before it applies them.
pub struct Spoiler {
    /// The mistake.
    pub sabotage: Sabotage,
    /// The node's clock.
    pub wall: Wall,
    /// Different for every node.
    pub key: u64,
}

impl Spoil for Spoiler {
    fn spoil(&self, state: &mut State, applied: Option<LogId>, entry: &Entry) -> Entry {
        let (before, now) = (applied.map(|id| id.leader_id.term), entry.log_id.leader_id.term);
        if self.sabotage == Sabotage::ReusedIds && before.is_some_and(|term| term < now) {
            reuse_an_id(state);
        }
        if self.sabotage == Sabotage::HashOrder {
            self.shuffle_operations(state);
        }
        let EntryPayload::Normal(payload) = &entry.payload else { return entry.clone() };
        let mut payload = payload.clone();
        match self.sabotage {
            Sabotage::RepeatedProposals => {
                let key = ZoneKey::for_tests();
                let mut envelope = envelope::decode(&payload.envelope, &key, 0).expect("a proposer has encoded it");
                envelope.request = RequestId::default();
                payload.envelope = envelope::encode(&envelope, &key);
            }
            Sabotage::LocalClock => payload.stamp.time = self.wall.unix_millis() / 1000,
            _ => return entry.clone(),
        }
        Entry { payload: EntryPayload::Normal(payload), ..entry.clone() }
    }
}

impl Spoiler {
    /// Operations that were recorded in the same second get their numbers in the order of a hash table of this node.
    fn shuffle_operations(&self, state: &mut State) {
        let pending: Vec<PendingOperation> = state.pending().values().map(|pending| (**pending).clone()).collect();
        for group in pending.chunk_by(|a, b| a.since == b.since) {
            let mut shuffled = group.to_vec();
            shuffled.sort_by_key(|pending| {
                let mut hasher = DefaultHasher::new();
                (self.key, format!("{:?}", pending.operation)).hash(&mut hasher);
                hasher.finish()
            });
            for (before, after) in group.iter().zip(shuffled) {
                let pending = PendingOperation { id: before.id, ..after };
                put(state, StoreKey::Pending(before.id), &pending);
            }
        }
    }
}

/// The next document gets an id that another one has had.
fn reuse_an_id(state: &mut State) {
    let mut globals: Globals = state.globals().clone();
    let Some(next) = globals.next_ids.get_mut(&Kind::Document).filter(|next| **next > 0) else { return };
    *next -= 1;
    put(state, StoreKey::Globals, &globals);
}

fn put<T: Serialize>(state: &mut State, key: StoreKey, value: &T) {
    let record = rmp_serde::to_vec_named(value).expect("plain data");
    state.decode(&key.to_bytes(), &record).expect("just encoded");
    state.finish_loading().expect("nothing is missing");
}
