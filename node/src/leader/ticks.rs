//! The leader lets time pass: an entry now and then by which what is due happens.
//!
//! What is due is apply's to know ([`quorate_state_machine::timers`]).

use std::time::Duration;

use quorate_model::command::Command;
use tokio::time::{MissedTickBehavior, interval};

use super::{LeaderTask, Leading, Running};
use crate::proposer::Proposer;

/// How often the leader lets time pass.
const TICK: Duration = Duration::from_secs(15);

/// Proposes ticks.
pub struct Ticks {
    /// The way of writes.
    pub proposer: Proposer,
}

impl LeaderTask for Ticks {
    fn run(&self, leading: Leading) -> Running<'_> {
        Box::pin(async move { leading.during(self.propose()).await })
    }
}

impl Ticks {
    async fn propose(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Err(e) = self.proposer.propose(Command::Tick).await {
                tracing::warn!(error = %e, "a tick was not applied");
            }
        }
    }
}
