//! Durability: what a node has acknowledged to a leader is on its disk when it opens it after a crash.
//!
//! Convergence alone would not show a node that never syncs: the others feed it again. An acknowledged entry
//! that is not committed may rightly be replaced; one that is committed may not.

use std::collections::BTreeMap;
use std::sync::Arc;

use openraft::ServerState;
use openraft::storage::{LogState, RaftLogReader as _, RaftLogStorage as _, RaftStateMachine as _};
use quorate_raft_store::SyncPolicy;
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::types::LogId;
use quorate_state_machine::zone_key::ZoneKey;

use super::NodeView;

/// Per node the newest committed entry that it has acknowledged.
#[derive(Default)]
pub struct Durable(BTreeMap<u64, LogId>);

impl Durable {
    /// Looks at what a leader knows of its followers.
    pub fn observe(&mut self, node: &NodeView<'_>) {
        let metrics = node.metrics;
        let (ServerState::Leader, Some(committed)) = (metrics.state, metrics.local_committed) else { return };
        for (follower, acknowledged) in metrics.replication.iter().flatten() {
            // What the leader itself has written is not told here.
            let Some(acknowledged) = *acknowledged else { continue };
            let held = acknowledged.min(committed);
            let floor = self.0.entry(*follower).or_insert(held);
            *floor = held.max(*floor);
        }
    }

    /// Looks at what a crash left.
    pub fn reopened(&self, node: u64, engine: &MemoryEngine) -> Result<(), String> {
        let Some(floor) = self.0.get(&node) else { return Ok(()) };
        let (log, vote, applied) = read(engine).map_err(|e| format!("the disk cannot be read after the crash: {e}"))?;
        let LogState { last_purged_log_id, last_log_id } = log;
        if last_log_id.max(applied) < Some(*floor) {
            return Err(format!("{floor} was acknowledged and committed, the disk ends with {last_log_id:?}"));
        }
        if last_purged_log_id > applied {
            return Err(format!("purged up to {last_purged_log_id:?}, but applied on disk is only {applied:?}"));
        }
        if vote < Some(floor.leader_id.term) {
            return Err(format!("the vote on disk, {vote:?}, is older than {floor}, which was acknowledged"));
        }
        Ok(())
    }
}

type Held = (LogState<quorate_raft_store::types::TypeConfig>, Option<u64>, Option<LogId>);

/// The log, the term of the vote, and what is applied, as stores opened over this disk see them.
fn read(engine: &MemoryEngine) -> std::io::Result<Held> {
    let mut stores =
        quorate_raft_store::open(Arc::new(engine.clone()), SyncPolicy::Inline, Arc::new(ZoneKey::for_tests()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let vote = stores.log.get_log_reader().await.read_vote().await?;
        let applied = stores.state.applied_state().await?.0;
        Ok((stores.log.get_log_state().await?, vote.map(|vote| vote.leader_id.term), applied))
    })
}
