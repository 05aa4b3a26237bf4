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
pub mod file_names;
pub mod formats;
pub mod high_water;
mod log_sizes;
mod log_store;
mod log_tail;
mod mark_file;
pub mod memory;
pub mod meta;
pub mod purge;
pub mod rng;
pub mod rocks;
#[cfg(feature = "sabotage")]
pub mod sabotage;
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
pub use state_store::{Published, Raft, StateStore};
pub use writer::SyncPolicy;

use engine::Engine;
use high_water::{HighWater, Mark, damaged};
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
/// When the disk fails or holds something that cannot be read, something of a zone with another key, or less than what
/// this node has acknowledged.
pub fn open(engine: Arc<dyn Engine>, policy: SyncPolicy, key: Arc<ZoneKey>) -> io::Result<Stores> {
    let high_water = Arc::new(HighWater::open(engine.clone())?);
    let state = StateStore::open(engine.clone(), high_water.clone(), key)?;
    let log = LogStore::open(engine, high_water.clone(), policy)?;
    if log.purged() > state.applied() {
        return Err(damaged("the state ends before the log begins"));
    }
    let held = log.held();
    high_water.check(Mark { last: held.last.max(state.applied()), ..held })?;
    Ok(Stores { log, state })
}
