//! The leader has pending operations carried out, and reports what comes of them.
//!
//! Which operations there are is the state's to say: whatever is pending there is done, and nothing else. What another
//! leader may have begun is inspected before it is repeated; what is no longer pending is ended outside.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use quorate_drivers::registry::Registry;
use quorate_drivers::{Driver, Inspection, Outcome};
use quorate_model::command::Command;
use quorate_model::pending::{DriverReport, PendingOperation};
use quorate_raft_store::Published;
use quorate_state_machine::effect::{Effect, effect};
use quorate_state_machine::state::State;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::queues::Queues;
use super::{LeaderTask, Leading, RETRY_PAUSE, Running, persist};
use crate::proposer::Proposer;
use crate::read_gate::ReadGate;

/// Pause before a job that goes on outside is looked at again.
const INSPECT_PAUSE: Duration = Duration::from_secs(1);

/// Has operations carried out. Clones share everything.
#[derive(Clone)]
pub struct Operations {
    /// The way of writes.
    pub proposer: Proposer,
    /// By which the leader knows that it still leads.
    pub gate: ReadGate,
    /// How long nobody else can have been elected after a majority has confirmed this leader.
    pub lease: Duration,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// Who carries operations out.
    pub drivers: Arc<Registry>,
}

impl LeaderTask for Operations {
    fn run(&self, leading: Leading) -> Running<'_> {
        Box::pin(async move {
            let mut work = Work::new(self.clone());
            leading.during(work.carry_out()).await;
            // Jobs go on outside, for the next leader to find; those that nobody wants are ended before that.
            work.jobs.abort_all();
            while work.endings.join_next().await.is_some() {}
        })
    }
}

/// The operations of one leadership.
struct Work {
    operations: Operations,
    known: BTreeMap<u64, Known>,
    queues: Queues,
    /// Those that are inspected, carried out, reported.
    jobs: JoinSet<()>,
    /// Those that are being ended outside.
    endings: JoinSet<u64>,
}

/// An operation that the leader has seen.
struct Known {
    pending: Arc<PendingOperation>,
    /// Who is told what; `None`: it has failed before anybody could be told.
    told: Option<(Arc<dyn Driver>, Effect)>,
    marks: Arc<Marks>,
    stage: Stage,
}

enum Stage {
    Waiting,
    UnderWay(AbortHandle),
    /// It is not pending any more, and its job is being ended.
    Ending,
}

/// How far an operation has come.
#[derive(Default)]
struct Marks {
    /// There may be a job outside.
    begun: AtomicBool,
    /// The driver has answered: no job is left.
    answered: AtomicBool,
}

impl Marks {
    fn may_go_on_outside(&self) -> bool {
        self.begun.load(Ordering::Acquire) && !self.answered.load(Ordering::Acquire)
    }
}

impl Work {
    fn new(operations: Operations) -> Work {
        let (known, queues) = (BTreeMap::new(), Queues::default());
        Work { operations, known, queues, jobs: JoinSet::new(), endings: JoinSet::new() }
    }

    /// Follows the state.
    async fn carry_out(&mut self) {
        let mut published = self.operations.published.clone();
        // Equal to what a state without any operation has: nothing is to be done for that.
        let mut seen = State::default().pending().clone();
        let mut inherited = true;
        loop {
            let state = published.borrow_and_update().state.clone();
            // Most versions change nothing here, and there may be thousands of operations.
            if !seen.ptr_eq(state.pending()) {
                seen = state.pending().clone();
                self.end_others(&state);
                self.take_up(&state, inherited);
            }
            // What comes later was not there when another node led.
            inherited = false;
            self.start_next();
            tokio::select! {
                biased;
                changed = published.changed() => if changed.is_err() { return },
                Some(done) = self.jobs.join_next() => if let Err(e) = done && !e.is_cancelled() {
                    tracing::error!(error = %e, "an operation's task failed");
                },
                Some(ended) = self.endings.join_next() => {
                    match ended {
                        Ok(id) => self.forget(id),
                        Err(e) => tracing::error!(error = %e, "a driver failed to end an operation"),
                    }
                    // Another attempt of it may wait.
                    seen = State::default().pending().clone();
                }
            }
        }
    }

    /// Ends what is not pending any more: nobody waits for its answer.
    fn end_others(&mut self, state: &State) {
        let is_current =
            |known: &Known| state.pending().get(&known.pending.id).is_some_and(|p| p.attempt == known.pending.attempt);
        let gone: Vec<u64> = self.known.iter().filter(|(_, known)| !is_current(known)).map(|(id, _)| *id).collect();
        for id in gone {
            let Some(known) = self.known.get_mut(&id) else { continue };
            match std::mem::replace(&mut known.stage, Stage::Ending) {
                Stage::Ending => continue,
                Stage::UnderWay(task) => task.abort(),
                Stage::Waiting => {}
            }
            match &known.told {
                Some((driver, effect)) if known.marks.may_go_on_outside() => {
                    let ended = AssertUnwindSafe(driver.cancel(effect)).catch_unwind();
                    self.endings.spawn(async move {
                        if ended.await.is_err() {
                            tracing::error!(operation = id, "the driver panicked while it ended an operation");
                        }
                        id
                    });
                }
                _ => self.forget(id),
            }
        }
    }

    fn forget(&mut self, id: u64) {
        self.known.remove(&id);
        self.queues.remove(id);
    }

    /// Takes up what is pending and not known yet; `inherited`: another leader may have had it begun.
    fn take_up(&mut self, state: &State, inherited: bool) {
        for pending in state.pending().values() {
            if self.known.contains_key(&pending.id) {
                continue;
            }
            let marks = Arc::new(Marks::default());
            let told = effect(state, pending).and_then(|effect| {
                let (driver, width) = self.operations.drivers.find(&effect.message)?;
                Ok((driver.clone(), width, effect))
            });
            let (told, stage) = match told {
                Ok((driver, width, effect)) => {
                    marks.begun.store(inherited, Ordering::Release);
                    self.queues.add(pending.id, effect.message.driver.clone(), width, effect.target);
                    (Some((driver, effect)), Stage::Waiting)
                }
                Err(failure) => {
                    let reported = self.operations.clone().report(pending.clone(), Err(failure));
                    (None, Stage::UnderWay(self.jobs.spawn(reported)))
                }
            };
            self.known.insert(pending.id, Known { pending: pending.clone(), told, marks, stage });
        }
    }

    /// Begins what has its turn.
    fn start_next(&mut self) {
        while let Some(id) = self.queues.next() {
            let Some(known) = self.known.get_mut(&id) else { continue };
            let Some((driver, effect)) = &known.told else { continue };
            let found = known.marks.may_go_on_outside().then(|| (driver.clone(), effect.clone()));
            let job = self.operations.clone().job(known.pending.clone(), found, known.marks.clone());
            known.stage = Stage::UnderWay(self.jobs.spawn(job));
        }
    }
}

impl Operations {
    /// Has one operation carried out, and reports what came of it; `found`: another leader may have had it begun.
    async fn job(self, pending: Arc<PendingOperation>, found: Option<(Arc<dyn Driver>, Effect)>, marks: Arc<Marks>) {
        // A driver that panics has failed: otherwise its operation would stay pending until another node leads.
        let outcome = AssertUnwindSafe(self.outcome(&pending, found, &marks)).catch_unwind().await;
        let Some(outcome) = outcome.unwrap_or_else(|_| Some(Err("The driver panicked".to_owned()))) else { return };
        marks.answered.store(true, Ordering::Release);
        self.report(pending, outcome).await;
    }

    /// What comes of an operation; `None`: it is not wanted any more.
    async fn outcome(
        &self,
        pending: &PendingOperation,
        found: Option<(Arc<dyn Driver>, Effect)>,
        marks: &Marks,
    ) -> Option<Outcome> {
        if let Some((driver, effect)) = found {
            loop {
                match driver.inspect(&effect).await {
                    Inspection::Done(outcome) => return Some(outcome),
                    Inspection::Running => sleep(INSPECT_PAUSE).await,
                    Inspection::Unknown => break,
                }
            }
        }
        let state = self.confirmed().await;
        if state.pending().get(&pending.id).is_none_or(|p| p.attempt != pending.attempt) {
            return None;
        }
        // With the objects as they are now: it may have waited for its turn.
        let told = effect(&state, pending).and_then(|effect| Ok((self.drivers.find(&effect.message)?.0, effect)));
        let (driver, effect) = match told {
            Ok(told) => told,
            Err(failure) => return Some(Err(failure)),
        };
        marks.begun.store(true, Ordering::Release);
        Some(driver.carry_out(&effect).await)
    }

    /// A state as of now, once a majority has confirmed that this node leads: one that was deposed and has not heard of
    /// it must not begin anything, since its successor looks at what was begun only once.
    async fn confirmed(&self) -> Arc<State> {
        loop {
            let asked = Instant::now();
            match self.gate.read().await {
                Ok(published) if asked.elapsed() < self.lease => return published.state,
                Ok(_) => {}
                Err(e) => {
                    tracing::debug!(error = %e, "nothing is begun: no majority confirms that this node leads");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Proposes a report until it is applied.
    async fn report(self, pending: Arc<PendingOperation>, outcome: Outcome) {
        let (id, operation) = (pending.id, pending.operation.name());
        tracing::debug!(id, operation, success = outcome.is_ok(), "an operation has ended");
        let report = DriverReport { operation: pending.id, attempt: pending.attempt, outcome };
        persist(&self.proposer, || Command::Report(report.clone())).await;
    }
}
