//! A leader whose clock is off lets another lead: the zone's time would only go on by what passes under it.
//!
//! It must not make anybody stop serving: a node with a wrong clock votes, follows and answers like any other, and leads
//! while nobody else can.

use quorate_raft_store::types::Raft;

use crate::clocks::Clocks;
use crate::handover;

/// Looks at each comparison of clocks while this node leads; dropped when it no longer does.
pub async fn run(clocks: &Clocks, raft: &Raft) {
    let mut comparisons = clocks.comparisons();
    loop {
        let comparison = comparisons.borrow_and_update().clone();
        if comparison.own_is_off {
            tracing::warn!("this server leads with a clock that is off: another one should");
            for heir in &comparison.right {
                match handover::transfer(raft, Some(heir)).await {
                    Ok(_) => break,
                    Err(reason) => tracing::warn!(heir, reason, "leadership was not handed over"),
                }
            }
        }
        if comparisons.changed().await.is_err() {
            return;
        }
    }
}
