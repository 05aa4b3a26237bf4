//! What must be true at every moment, one file each.

mod append_only;
mod completeness;
mod durable;
mod identities;
mod leaders;
mod logs;
mod matching;
mod states;
pub mod time;
mod votes;

use std::collections::BTreeMap;

use openraft::RaftMetrics;
use quorate_model::pending::Operation;
use quorate_raft_store::Published;
use quorate_raft_store::types::TypeConfig;

use crate::disk::Written;
use crate::host::Host;

/// What is seen of a node at one moment.
pub struct NodeView<'a> {
    /// The number of its machine.
    pub host: u64,
    /// Its Raft node id.
    pub id: u64,
    /// What its Raft says of itself.
    pub metrics: &'a RaftMetrics<TypeConfig>,
    /// Its newest state.
    pub published: &'a Published,
    /// Simulated time since the start, seconds.
    pub elapsed: i64,
}

/// All invariants of a simulation, with what they remember.
#[derive(Default)]
pub struct Invariants {
    identities: identities::Identities,
    leaders: leaders::Leaders,
    votes: votes::Votes,
    logs: logs::Logs,
    matching: matching::Matching,
    completeness: completeness::Completeness,
    states: states::States,
    durable: durable::Durable,
}

impl Invariants {
    /// Looks at a node.
    ///
    /// # Errors
    /// The invariant that is broken, and how.
    pub fn observe(&mut self, node: &NodeView<'_>) -> Result<(), String> {
        self.identities.observe(node)?;
        self.leaders.observe(node)?;
        self.completeness.observe(node, &self.logs)?;
        self.states.observe(node)?;
        self.durable.observe(node);
        time::observe(node)?;
        Ok(())
    }

    /// Looks at what a machine has written to its disk since the last time.
    ///
    /// # Errors
    /// The invariant that is broken, and how.
    pub fn written(&mut self, host: &Host) -> Result<(), String> {
        let written = host.journal.take();
        // Nothing is written to a log before its owner is.
        if written.is_empty() {
            return Ok(());
        }
        let Some(node) = host.node_id() else { return Ok(()) };
        written.into_iter().try_for_each(|written| self.one_written(node, written))
    }

    fn one_written(&mut self, node: u64, written: Written) -> Result<(), String> {
        match written {
            Written::Vote(vote) => self.votes.written(node, vote),
            Written::Entry(id, checksum) => {
                let before = self.logs.add(node, id);
                self.matching.written(id, checksum, before)
            }
            Written::Truncated(from) if self.logs.truncate(node, from) => {
                append_only::truncated(node, self.votes.of(node), from)
            }
            Written::Truncated(_) => Ok(()),
            Written::Purged(below) => {
                self.logs.purge(node, below);
                Ok(())
            }
        }
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

    /// Looks at what a crash left on a machine's disk.
    ///
    /// # Errors
    /// The invariant that is broken, and how: above all, that the disk has what its node has acknowledged.
    pub fn reopened(&mut self, host: &Host) -> Result<(), String> {
        self.written(host)?;
        let Some(node) = host.node_id() else { return Ok(()) };
        self.logs.reopened(node, &host.engine).map_err(|e| format!("the log cannot be read after the crash: {e}"))?;
        self.durable.reopened(node, &host.engine)
    }
}
