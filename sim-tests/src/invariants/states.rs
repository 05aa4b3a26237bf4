//! State machine safety (Raft, figure 3): states are equal where the applied entry is, and grow forwards.
//!
//! Also: a pending operation that is gone never comes back, so every operation is reported once.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// The operation numbers given out in the newest state, and the newest index.
    newest: (u64, u64),
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
                self.operations(applied.index, state)
            }
        }
    }

    /// New operations have new numbers.
    fn operations(&mut self, index: u64, state: &State) -> Result<(), String> {
        let next = state.globals().next_operation;
        if let Some((id, _)) = state.pending().get_max()
            && *id > next
        {
            return Err(format!("operation {id} is pending, but only {next} were ever given out"));
        }
        let (newest_index, newest_next) = self.newest;
        if index > newest_index {
            if next < newest_next {
                return Err(format!("operation numbers went back from {newest_next} to {next}"));
            }
            self.newest = (index, next);
        }
        Ok(())
    }

    /// A node starts again, from what its disk holds.
    pub fn restarted(&mut self, node: u64) {
        self.applied.remove(&node);
    }
}
