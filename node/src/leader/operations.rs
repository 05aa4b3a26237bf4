//! The leader has pending operations carried out, and reports what comes of them.
//!
//! Which operations there are is the state's to say: whatever is pending there is done, and nothing else.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use quorate_drivers::{Answer, Drivers};
use quorate_model::command::Command;
use quorate_model::pending::{DriverReport, PendingOperation};
use quorate_raft_store::Published;
use quorate_state_machine::state::State;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::{LeaderTask, Leading, Running, persist};
use crate::proposer::Proposer;

/// Has operations carried out.
pub struct Operations<D> {
    /// The way of writes.
    pub proposer: Proposer,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// What carries operations out.
    pub drivers: Arc<D>,
}

impl<D: Drivers> LeaderTask for Operations<D> {
    fn run(&self, leading: Leading) -> Running<'_> {
        Box::pin(async move { leading.during(self.carry_out()).await })
    }
}

impl<D: Drivers> Operations<D> {
    /// Starts what is pending and reports what comes of it.
    async fn carry_out(&self) {
        let mut published = self.published.clone();
        let mut running: BTreeMap<u64, (u32, AbortHandle)> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        // Equal to what a state without any operation has: nothing is to be done for that.
        let mut seen = State::default().pending().clone();
        loop {
            let state = published.borrow_and_update().state.clone();
            // Most versions change nothing here, and there may be thousands of operations.
            if !seen.ptr_eq(state.pending()) {
                seen = state.pending().clone();
                running.retain(|id, (attempt, task)| {
                    let current = seen.get(id).is_some_and(|p| p.attempt == *attempt);
                    if !current {
                        // Nobody waits for its answer any more.
                        task.abort();
                    }
                    current
                });
                for pending in seen.values().filter(|p| !running.contains_key(&p.id)).cloned().collect::<Vec<_>>() {
                    let answer = self.drivers.carry_out(&state, &pending);
                    let task = tasks.spawn(report(self.proposer.clone(), (*pending).clone(), answer));
                    running.insert(pending.id, (pending.attempt, task));
                }
            }
            tokio::select! {
                biased;
                changed = published.changed() => if changed.is_err() { return },
                Some(done) = tasks.join_next() => if let Err(e) = done && !e.is_cancelled() {
                    tracing::error!(error = %e, "a driver task failed");
                },
            }
        }
    }
}

/// Waits for a driver's answer and proposes it until it is applied. A driver that panics has failed: otherwise its
/// operation would stay pending until another node leads.
async fn report(proposer: Proposer, pending: PendingOperation, answer: Answer<Result<String, String>>) {
    let finished = AssertUnwindSafe(answer).catch_unwind().await;
    let outcome = finished.unwrap_or_else(|_| Err("The driver panicked".to_owned()));
    tracing::debug!(
        id = pending.id,
        operation = pending.operation.name(),
        success = outcome.is_ok(),
        "driver answered"
    );
    let report = DriverReport { operation: pending.id, attempt: pending.attempt, outcome };
    persist(&proposer, || Command::Report(report.clone())).await;
}
