//! Election safety: at most one leader in a term (Raft, figure 3).

use std::collections::BTreeMap;

use openraft::ServerState;

use super::NodeView;

/// Who led in which term.
#[derive(Default)]
pub struct Leaders(BTreeMap<u64, u64>);

impl Leaders {
    /// Looks at a node.
    pub fn observe(&mut self, node: &NodeView<'_>) -> Result<(), String> {
        if node.metrics.state != ServerState::Leader {
            return Ok(());
        }
        let term = node.metrics.current_term;
        match *self.0.entry(term).or_insert(node.id) {
            first if first == node.id => Ok(()),
            first => Err(format!("nodes {first} and {} both led in term {term}", node.id)),
        }
    }
}
