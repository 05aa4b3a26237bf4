//! A leader whose clock is off lets another lead: the zone's time would only go on by what passes under it.
//!
//! It must not make anybody stop serving: a node with a wrong clock votes, follows and answers like any other, and leads
//! while nobody else can.

use quorate_raft_store::Raft;

use crate::clocks::Clocks;
use crate::handover;
use crate::leader::{LeaderTask, Leading, Running};
use crate::said::Said;

/// Looks at each comparison of clocks while this node leads.
pub struct ClockWatch {
    /// The zone's time.
    pub clocks: Clocks,
    /// Who leads.
    pub raft: Raft,
}

impl LeaderTask for ClockWatch {
    fn run(&self, leading: Leading) -> Running<'_> {
        Box::pin(async move { leading.during(watch(&self.clocks, &self.raft)).await })
    }
}

async fn watch(clocks: &Clocks, raft: &Raft) {
    let mut comparisons = clocks.comparisons();
    let mut was_off = false;
    let mut said = Said::default();
    loop {
        let comparison = comparisons.borrow_and_update().clone();
        if comparison.own_is_off {
            // Comparisons go on for as long as no other can lead.
            if !was_off {
                tracing::warn!("this server leads with a clock that is off: another one should");
            }
            for heir in &comparison.right {
                match handover::transfer(raft, Some(heir)).await {
                    Ok(_) => break,
                    Err(reason) if said.changes(heir, &reason) => {
                        tracing::warn!(heir, reason, "leadership was not handed over");
                    }
                    Err(_) => {}
                }
            }
        } else {
            said = Said::default();
        }
        was_off = comparison.own_is_off;
        if comparisons.changed().await.is_err() {
            return;
        }
    }
}
