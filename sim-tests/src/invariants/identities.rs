//! A node id is given to one disk and never again, which Raft takes for granted (see openraft's documentation).

use std::collections::BTreeMap;

use super::NodeView;

/// The machine that each node id was given to; every server that joins has a new machine.
#[derive(Default)]
pub struct Identities(BTreeMap<u64, u64>);

impl Identities {
    /// Looks at a node.
    pub fn observe(&mut self, node: &NodeView<'_>) -> Result<(), String> {
        match *self.0.entry(node.id).or_insert(node.host) {
            first if first == node.host => Ok(()),
            first => Err(format!("node id {} was given to the machines {first} and {}", node.id, node.host)),
        }
    }
}
