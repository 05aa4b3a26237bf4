//! What only the leader does: make a fresh zone's content, carry out pending operations, let time pass,
//! make members follow the declared servers, and the feature level what all support.
//!
//! A new leader re-derives its work from the state, so an operation in flight survives a failover. It must
//! not change state itself: everything comes back as a proposal.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_drivers::Drivers;
use quorate_raft_store::{Published, Raft};
use quorate_state_machine::command::{Bootstrap, Command};
use quorate_state_machine::pending::{DriverReport, PendingOperation};
use quorate_state_machine::state::State;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::clock_watch;
use crate::clocks::Clocks;
use crate::levels::Levels;
use crate::members::Members;
use crate::proposer::Proposer;
use crate::read_gate::ReadGate;

/// How often the leader lets time pass.
const TICK: Duration = Duration::from_secs(15);
/// Pause before a proposal of the leader's own is repeated.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The leader's services; run on every node, active while it leads.
pub struct LeaderServices<D> {
    /// Who leads.
    pub raft: Raft,
    /// The way of writes.
    pub proposer: Proposer,
    /// The way of reads.
    pub gate: ReadGate,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// What carries operations out.
    pub drivers: Arc<D>,
    /// Who replicates.
    pub members: Members,
    /// Which behaviour applies.
    pub levels: Levels,
    /// The zone's time.
    pub clocks: Clocks,
    /// The content of a fresh zone.
    pub bootstrap: Bootstrap,
}

impl<D: Drivers> LeaderServices<D> {
    /// Runs until Raft stops.
    pub async fn run(self) {
        let mut metrics = self.raft.server_metrics();
        loop {
            let leads = metrics.borrow_watched().state == ServerState::Leader;
            if leads {
                let stopped = tokio::select! {
                    biased;
                    stopped = leadership_ends(&self.raft) => stopped,
                    () = self.lead() => false,
                };
                tracing::info!("no longer the leader: services stop");
                if stopped {
                    return;
                }
            } else if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// The leader's work; dropped when it no longer leads.
    async fn lead(&self) {
        // A read through the gate waits until everything committed before this term is applied here.
        while let Err(e) = self.gate.read().await {
            tracing::warn!(error = %e, "leader is not ready yet");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        self.clocks.want_comparison();
        if !self.published.borrow().state.globals().bootstrapped {
            // The founder's clock makes the zone's first time, unless the others' say something else.
            self.clocks.have_compared().await;
            self.persist(|| Command::Bootstrap(self.bootstrap.clone())).await;
        }
        tracing::info!("leader services start");
        tokio::join!(
            self.let_time_pass(),
            self.carry_out(),
            self.members.follow(),
            self.levels.follow(),
            clock_watch::run(&self.clocks, &self.raft)
        );
    }

    /// Proposes until it is applied.
    async fn persist(&self, command: impl Fn() -> Command) {
        while let Err(e) = self.proposer.propose(command()).await {
            tracing::warn!(error = %e, "a proposal of the leader was refused; again");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn let_time_pass(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Err(e) = self.proposer.propose(Command::Tick).await {
                tracing::warn!(error = %e, "a tick was not applied");
            }
        }
    }

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

/// Waits until this node no longer leads; `true` when Raft has stopped, which leaves its last state standing.
async fn leadership_ends(raft: &Raft) -> bool {
    let mut metrics = raft.server_metrics();
    while metrics.borrow_watched().state == ServerState::Leader {
        if metrics.changed().await.is_err() {
            return true;
        }
    }
    false
}

/// Waits for a driver's answer and proposes it until it is applied. A driver that panics has failed: otherwise its
/// operation would stay pending until another node leads.
async fn report(
    proposer: Proposer,
    pending: PendingOperation,
    answer: quorate_drivers::Answer<Result<String, String>>,
) {
    let finished = AssertUnwindSafe(answer).catch_unwind().await;
    let outcome = finished.unwrap_or_else(|_| Err("The driver panicked".to_owned()));
    tracing::debug!(
        id = pending.id,
        operation = pending.operation.name(),
        success = outcome.is_ok(),
        "driver answered"
    );
    let report = DriverReport { operation: pending.id, attempt: pending.attempt, outcome };
    while let Err(e) = proposer.propose(Command::Report(report.clone())).await {
        tracing::warn!(error = %e, id = pending.id, "a driver's report was not applied; again");
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}
