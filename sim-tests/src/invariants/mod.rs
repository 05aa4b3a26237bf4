//! What must be true at every moment, one file each.

mod durable;
mod leaders;
mod states;

use std::collections::BTreeMap;

use openraft::RaftMetrics;
use quorate_raft_store::Published;
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::types::TypeConfig;
use quorate_state_machine::pending::Operation;

/// What is seen of a node at one moment.
pub struct NodeView<'a> {
    /// Its id.
    pub id: u64,
    /// What its Raft says of itself.
    pub metrics: &'a RaftMetrics<TypeConfig>,
    /// Its newest state.
    pub published: &'a Published,
}

/// All invariants of a simulation, with what they remember.
#[derive(Default)]
pub struct Invariants {
    leaders: leaders::Leaders,
    states: states::States,
    durable: durable::Durable,
}

impl Invariants {
    /// Looks at a node.
    ///
    /// # Errors
    /// The invariant that is broken, and how.
    pub fn observe(&mut self, node: &NodeView<'_>) -> Result<(), String> {
        self.leaders.observe(node)?;
        self.states.observe(node)?;
        self.durable.observe(node);
        Ok(())
    }

    /// Every operation that was seen pending.
    #[must_use]
    pub fn operations(&self) -> &BTreeMap<u64, Operation> {
        &self.states.operations
    }

    /// A node starts again, from what its disk holds.
    pub fn restarted(&mut self, node: u64) {
        self.states.restarted(node);
    }

    /// Looks at what a crash left on a node's disk.
    ///
    /// # Errors
    /// What is missing.
    pub fn reopened(&self, node: u64, engine: &MemoryEngine) -> Result<(), String> {
        self.durable.reopened(node, engine)
    }
}
