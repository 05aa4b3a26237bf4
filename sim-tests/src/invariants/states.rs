//! State machine safety (Raft, figure 3): states are equal where the applied entry is, and grow forwards.
//!
//! Also: a pending operation that is gone never comes back, so every operation is reported once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_model::pending::Operation;
use quorate_raft_store::Published;
use quorate_raft_store::types::LogId;
use quorate_state_machine::state::State;

use super::NodeView;

/// How many states are remembered; a node that is further behind is compared when it has caught up.
const REMEMBERED: usize = 2048;

/// The states that were seen, by index, and how far each node was.
#[derive(Default)]
pub struct States {
    seen: BTreeMap<u64, (LogId, Arc<State>)>,
    applied: BTreeMap<u64, Option<LogId>>,
    newest: Newest,
    /// Every operation that was seen pending.
    pub operations: BTreeMap<u64, Operation>,
}

/// The operations in the newest state.
#[derive(Default)]
struct Newest {
    index: u64,
    /// How many were given out.
    given: u64,
    pending: BTreeSet<u64>,
}

impl States {
    /// Looks at a node.
    pub fn observe(&mut self, node: &NodeView<'_>) -> Result<(), String> {
        let Published { state, applied, .. } = node.published;
        let before = self.applied.entry(node.id).or_default();
        if *before == *applied {
            return Ok(());
        }
        if *before > *applied {
            return Err(format!("the applied entry went back from {before:?} to {applied:?}"));
        }
        *before = *applied;
        let Some(applied) = *applied else { return Ok(()) };
        match self.seen.get(&applied.index) {
            Some((id, _)) if *id != applied => Err(format!("applied {applied}, another node {id}")),
            Some((_, other)) if **other != **state => Err(format!("states differ at {applied}")),
            Some(_) => Ok(()),
            None => {
                self.seen.insert(applied.index, (applied, state.clone()));
                if self.seen.len() > REMEMBERED {
                    self.seen.pop_first();
                }
                self.check_operations(applied.index, state)
            }
        }
    }

    /// New operations have new numbers, and one that is gone does not come back.
    fn check_operations(&mut self, index: u64, state: &State) -> Result<(), String> {
        if self.newest.index > index {
            return Ok(());
        }
        let given = state.globals().next_operation;
        if given < self.newest.given {
            return Err(format!("operation numbers went back from {} to {given}", self.newest.given));
        }
        let pending: BTreeSet<u64> = state.pending().keys().copied().collect();
        if let Some(id) = pending.iter().find(|id| **id > given) {
            return Err(format!("operation {id} is pending, but only {given} were ever given out"));
        }
        let back = pending.iter().find(|id| **id <= self.newest.given && !self.newest.pending.contains(id));
        if let Some(id) = back {
            return Err(format!("operation {id} is pending again"));
        }
        for pending in state.pending().values() {
            self.operations.entry(pending.id).or_insert_with(|| pending.operation.clone());
        }
        self.newest = Newest { index, given, pending };
        Ok(())
    }

    /// A node starts again, from what its disk holds.
    pub fn restarted(&mut self, node: u64) {
        self.applied.remove(&node);
    }
}
