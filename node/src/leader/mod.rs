//! What only the leader does: it makes a fresh zone's content, then runs its tasks, each in a file of its own.
//!
//! A new leader re-derives its work from the state, so what was under way survives a failover. A task must not change
//! state itself: everything comes back as a proposal.

pub mod operations;
mod queues;
pub mod ticks;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::future::join_all;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_model::command::{Bootstrap, Command};
use quorate_raft_store::{Published, Raft};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::clocks::Clocks;
use crate::proposer::Proposer;
use crate::read_gate::ReadGate;

/// Pause before a proposal of the leader's own is repeated.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How long tasks may take to end when this node no longer leads; what goes on longer is dropped.
const STOP_TIME: Duration = Duration::from_secs(1);

/// Work of a leader on its way.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Something that only the leader does. `wiring.rs` has the list of them.
pub trait LeaderTask: Send + Sync + 'static {
    /// Begins with what the state says is to be done, and goes on until `leading` ends.
    fn run(&self, leading: Leading) -> Running<'_>;
}

/// One leadership of this node, as its tasks see it.
#[derive(Clone)]
pub struct Leading {
    ended: watch::Receiver<bool>,
}

impl Leading {
    /// Waits until this node no longer leads.
    pub async fn ends(&self) {
        // An error means that the leader's services are gone: the leadership is over as well.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Does `work`, and drops it when this node no longer leads: for work that may stop anywhere.
    pub async fn during(&self, work: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.ends() => {}
            () = work => {}
        }
    }
}

/// The leader's services; run on every node, active while it leads.
pub struct LeaderServices {
    /// Who leads.
    pub raft: Raft,
    /// The way of writes.
    pub proposer: Proposer,
    /// The way of reads.
    pub gate: ReadGate,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// The zone's time.
    pub clocks: Clocks,
    /// The content of a fresh zone.
    pub bootstrap: Bootstrap,
    /// What is done once the zone has its content.
    pub tasks: Vec<Box<dyn LeaderTask>>,
}

impl LeaderServices {
    /// Runs until Raft stops.
    pub async fn run(self) {
        let mut metrics = self.raft.server_metrics();
        loop {
            let leads = metrics.borrow_watched().state == ServerState::Leader;
            if leads {
                let stopped = self.lead().await;
                tracing::info!("no longer the leader: services stop");
                if stopped {
                    return;
                }
            } else if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// One leadership from its beginning to its end; `true` when Raft has stopped.
    async fn lead(&self) -> bool {
        let (end, ended) = watch::channel(false);
        let leading = Leading { ended };
        let mut work = std::pin::pin!(self.work(&leading));
        let stopped = tokio::select! {
            biased;
            stopped = leadership_ends(&self.raft) => stopped,
            // Tasks end by themselves only when the node stops.
            () = &mut work => return leadership_ends(&self.raft).await,
        };
        end.send_replace(true);
        if timeout(STOP_TIME, work).await.is_err() {
            tracing::warn!("a task of the leader did not end in time");
        }
        stopped
    }

    /// The leader's work.
    async fn work(&self, leading: &Leading) {
        leading.during(self.begin()).await;
        if *leading.ended.borrow() {
            return;
        }
        tracing::info!("leader services start");
        join_all(self.tasks.iter().map(|task| task.run(leading.clone()))).await;
    }

    /// Waits until this node knows all that was committed before, and makes a fresh zone's content.
    async fn begin(&self) {
        // A read through the gate waits until everything committed before this term is applied here.
        while let Err(e) = self.gate.read().await {
            tracing::warn!(error = %e, "leader is not ready yet");
            sleep(RETRY_PAUSE).await;
        }
        self.clocks.want_comparison();
        if !self.published.borrow().state.globals().bootstrapped {
            // The founder's clock makes the zone's first time, unless the others' say something else.
            self.clocks.have_compared().await;
            persist(&self.proposer, || Command::Bootstrap(self.bootstrap.clone())).await;
        }
    }
}

/// Proposes until it is applied.
async fn persist(proposer: &Proposer, command: impl Fn() -> Command) {
    while let Err(e) = proposer.propose(command()).await {
        tracing::warn!(error = %e, "a proposal of the leader was not applied; again");
        sleep(RETRY_PAUSE).await;
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
