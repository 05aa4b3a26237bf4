//! Leader append-only: a leader never overwrites or deletes entries in its log, it only appends (Raft, figure 3).

use openraft::vote::RaftLeaderId as _;
use quorate_raft_store::types::Vote;

/// A node removes the entries from index `from` on, having voted like this.
pub fn truncated(node: u64, vote: Option<Vote>, from: u64) -> Result<(), String> {
    match vote {
        // A node that follows another one votes for it first.
        Some(vote) if *vote.leader_id.node_id() == node && vote.committed => {
            Err(format!("the leader of term {} removed its entries from {from} on", vote.leader_id.term))
        }
        _ => Ok(()),
    }
}
