//! A node votes once in a term, and its term never goes back (Raft, figure 2, "persistent state"; section 5.2).
//!
//! Read off what is written to disks, in order: what a node says to others, it has written before.

use std::collections::BTreeMap;

use openraft::vote::RaftLeaderId as _;
use quorate_raft_store::types::Vote;

/// Each node's newest vote.
#[derive(Default)]
pub struct Votes(BTreeMap<u64, Vote>);

impl Votes {
    /// A node writes its vote.
    pub fn written(&mut self, node: u64, vote: Vote) -> Result<(), String> {
        let Some(before) = self.0.insert(node, vote) else { return Ok(()) };
        let (old, new) = (&before.leader_id, &vote.leader_id);
        if old.term > new.term {
            return Err(format!("the term went back: {vote} was written after {before}"));
        }
        // That another node has won the term is written as a vote for it, too.
        let lost = !before.committed && vote.committed;
        if old.term == new.term && !lost && (old.node_id() != new.node_id() || before.committed != vote.committed) {
            return Err(format!("voted twice in a term: {vote} was written after {before}"));
        }
        Ok(())
    }

    /// A node's newest vote.
    pub fn of(&self, node: u64) -> Option<Vote> {
        self.0.get(&node).copied()
    }
}
