//! Storage for Raft: the log, the vote, the replicated state and its snapshots, over RocksDB or over memory.
//!
//! The log is the durable record and is synced before it is acknowledged; the state is persisted behind it.
//! Nothing here knows the network, and nothing decides what a command means: that is the state machine's.

pub mod backlog;
pub mod backup;
pub mod config;
pub mod convert;
pub mod engine;
pub mod envelope;
mod log_sizes;
mod log_store;
mod log_tail;
pub mod memory;
pub mod meta;
pub mod purge;
pub mod rng;
pub mod rocks;
mod sealing;
pub mod snapshot;
mod state_hash;
mod state_store;
pub mod types;
mod writer;

use std::io;
use std::sync::Arc;

pub use log_store::{LogGauge, LogReader, LogStore};
pub use state_hash::{Checkpoints, ENCODING};
pub use state_store::{Published, StateStore};
pub use writer::SyncPolicy;

use engine::Engine;
use quorate_state_machine::zone_key::ZoneKey;

/// A node's stores, ready for [`openraft::Raft::new`].
pub struct Stores {
    /// The log and the vote.
    pub log: LogStore,
    /// The replicated state; [`StateStore::published`] gives what readers need.
    pub state: StateStore,
}

/// Opens the stores in `engine`, of a zone with this key.
///
/// # Errors
/// When the disk fails or holds something that cannot be read, or something of a zone with another key.
pub fn open(engine: Arc<dyn Engine>, policy: SyncPolicy, key: Arc<ZoneKey>) -> io::Result<Stores> {
    Ok(Stores { state: StateStore::open(engine.clone(), key)?, log: LogStore::open(engine, policy)? })
}
