//! Leader completeness: an entry that was committed in a term is in the log of the leader of every later term
//! (Raft, figure 3).
//!
//! With log matching it is enough to look at the newest committed entry of each earlier term.

use std::collections::BTreeMap;

use openraft::ServerState;
use quorate_raft_store::types::LogId;

use super::NodeView;
use super::logs::Logs;

/// The newest committed entry by the term in which it was written.
#[derive(Default)]
pub struct Completeness {
    committed: BTreeMap<u64, LogId>,
    /// What was looked at last: the leader's term, and what was committed before it.
    seen: Option<(u64, Option<LogId>)>,
}

impl Completeness {
    /// Looks at a node, and at the logs.
    pub fn observe(&mut self, node: &NodeView<'_>, logs: &Logs) -> Result<(), String> {
        // Only a committed entry is applied.
        if let Some(applied) = node.published.applied {
            let newest = self.committed.entry(applied.leader_id.term).or_insert(applied);
            *newest = applied.max(*newest);
        }
        if node.metrics.state != ServerState::Leader {
            return Ok(());
        }
        let term = node.metrics.current_term;
        let earlier = self.committed.range(..term).next_back().map(|(_, id)| *id);
        if self.seen.replace((term, earlier)) == Some((term, earlier)) {
            return Ok(());
        }
        match self.committed.range(..term).map(|(_, id)| *id).find(|id| !logs.has(node.id, *id)) {
            Some(id) => Err(format!("the leader of term {term} does not have {id}, which was committed")),
            None => Ok(()),
        }
    }
}
