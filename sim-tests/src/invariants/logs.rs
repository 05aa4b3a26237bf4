//! Which entries each node's log has, kept up to date with what is written to its disk. Checks nothing itself.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use quorate_raft_store::engine::{Column, Engine};
use quorate_raft_store::types::LogId;

use crate::disk;

/// A node's log: terms by index, and what has been purged.
#[derive(Default)]
struct Log {
    terms: BTreeMap<u64, u64>,
    purged: u64,
}

/// The logs by node.
#[derive(Default)]
pub struct Logs(BTreeMap<u64, Log>);

impl Logs {
    /// A node has this entry now; the term of the one before it.
    pub fn add(&mut self, node: u64, id: LogId) -> Option<u64> {
        let log = self.0.entry(node).or_default();
        log.terms.insert(id.index, id.leader_id.term);
        log.terms.get(&id.index.checked_sub(1)?).copied()
    }

    /// A node has no entry from index `from` on; whether it had one.
    pub fn truncate(&mut self, node: u64, from: u64) -> bool {
        self.0.get_mut(&node).is_some_and(|log| !log.terms.split_off(&from).is_empty())
    }

    /// A node needs its entries below index `below` no more: they are in its state.
    pub fn purge(&mut self, node: u64, below: u64) {
        let log = self.0.entry(node).or_default();
        log.terms = log.terms.split_off(&below);
        log.purged = log.purged.max(below);
    }

    /// Whether a node's log, or what has become of it, contains a committed entry.
    pub fn has(&self, node: u64, id: LogId) -> bool {
        let Some(log) = self.0.get(&node) else { return false };
        id.index < log.purged || log.terms.get(&id.index) == Some(&id.leader_id.term)
    }

    /// What a crash has left of a node's log.
    pub fn reopened(&mut self, node: u64, engine: &dyn Engine) -> io::Result<()> {
        let mut terms = BTreeMap::new();
        engine.scan(Column::Log, &[], None, &mut |_, value| {
            let id = disk::id_of(value)?;
            terms.insert(id.index, id.leader_id.term);
            Ok(ControlFlow::Continue(()))
        })?;
        self.0.entry(node).or_default().terms = terms;
        Ok(())
    }
}
