//! The world outside, and the driver by which nodes reach it: jobs that go on whatever becomes of the node that had
//! them begun, answers that get lost, and a ledger of who did what.
//!
//! It notices what no leader may do: begin a job again that goes on or has ended, and begin one on a target while an
//! earlier one that it had begun itself goes on there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_drivers::embedded::Embedded;
use quorate_drivers::{Answer, Driver, Inspection, Outcome};
use quorate_state_machine::effect::{Effect, Message, Target};
use tokio::time::sleep;

use crate::sabotage::Sabotage;

/// An operation's id and attempt.
pub type Step = (u64, u32);

/// A node's process: the machine, and which start of it.
type Process = (u64, u64);

/// What drivers did. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<World>>);

#[derive(Debug, Default)]
struct World {
    /// The latest job of each operation.
    jobs: BTreeMap<Step, Job>,
    /// Which nodes started which operations, in order.
    started: BTreeMap<Step, Vec<u64>>,
    /// How many of a hundred operations lose their first report.
    losing: u64,
    /// How many of a hundred jobs fall with the machine that had them begun.
    falling: u64,
    /// The machines whose node waits in vain for a report.
    waiting: Vec<u64>,
    lost: usize,
    /// The newest term that any node has seen.
    term: u64,
    /// Simulated time, for whoever asks from outside the simulation.
    now: Duration,
    /// What a leader did that none may do.
    broken: Option<String>,
}

/// Something that goes on outside.
#[derive(Debug)]
struct Job {
    target: Option<Target>,
    /// Who had it begun, and in which term.
    by: Process,
    term: u64,
    /// When it ends by itself, in simulated time.
    ends: Duration,
    outcome: Outcome,
    /// Whether it falls when the machine does.
    falls: bool,
    /// Whether it was ended, or fell, before it came to its end: nothing came of it.
    ended: bool,
}

impl Job {
    fn goes_on(&self, now: Duration) -> bool {
        !self.ended && now < self.ends
    }
}

impl World {
    fn now(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or(self.now)
    }
}

/// A number below a hundred that follows from the operation, and looks like chance.
fn drawn((operation, attempt): Step, purpose: u64) -> u64 {
    let mixed = operation.wrapping_mul(31).wrapping_add(u64::from(attempt)).wrapping_add(purpose << 20);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 100
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nodes that started an operation, in order.
    #[must_use]
    pub fn started(&self, step: Step) -> Vec<u64> {
        self.lock().started.get(&step).cloned().unwrap_or_default()
    }

    /// Whether any attempt of an operation was started.
    #[must_use]
    pub fn knows(&self, operation: u64) -> bool {
        self.lock().started.range((operation, 0)..=(operation, u32::MAX)).next().is_some()
    }

    /// Whether the job of an operation has come to its own end.
    #[must_use]
    pub fn is_done(&self, step: Step) -> bool {
        self.inspect(step).is_some_and(|found| matches!(found, Inspection::Done(_)))
    }

    /// How many operations were started at least once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().started.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on so many of a hundred operations are carried out without their first report ever arriving.
    pub fn lose_reports(&self, of_a_hundred: u64) {
        self.lock().losing = of_a_hundred;
    }

    /// From now on so many of a hundred jobs end half-way when the node that had them begun ends.
    pub fn fall_with_nodes(&self, of_a_hundred: u64) {
        self.lock().falling = of_a_hundred;
    }

    /// How many reports were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lock().lost
    }

    /// The machines whose node waits in vain for a report since the last time that this was asked: they must die for
    /// the operation to go on.
    #[must_use]
    pub fn waiting_in_vain(&self) -> Vec<u64> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// A node's process has ended.
    pub fn died(&self, node: u64) {
        let mut world = self.lock();
        let now = world.now();
        let of_node = world.jobs.values_mut().filter(|job| job.by.0 == node && job.falls && job.goes_on(now));
        of_node.for_each(|job| job.ended = true);
    }

    /// At this simulated time a node has seen this term.
    pub fn saw_term(&self, term: u64, now: Duration) {
        let mut world = self.lock();
        world.term = world.term.max(term);
        world.now = now;
    }

    /// What a leader did that none may do.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.lock().broken.clone()
    }

    /// What can be found of a job outside; `None`: it was never begun.
    fn inspect(&self, step: Step) -> Option<Inspection> {
        let world = self.lock();
        let job = world.jobs.get(&step)?;
        Some(match job {
            job if job.ended => Inspection::Unknown,
            job if job.goes_on(world.now()) => Inspection::Running,
            job => Inspection::Done(job.outcome.clone()),
        })
    }

    /// A node has a job begun.
    fn begin(&self, effect: &Effect, by: Process, takes: Duration, outcome: Outcome) {
        let (step, target) = (step_of(effect), effect.target);
        let mut world = self.lock();
        let (term, now) = (world.term, world.now());
        let mut broken = None;
        if let Some(job) = world.jobs.get(&step).filter(|job| !job.ended) {
            let how = if job.goes_on(now) { "goes on" } else { "has ended" };
            broken = Some(format!("{step:?} ({}) was begun again while its job {how}", effect.message.action));
        }
        let beside = world.jobs.iter_mut().filter(|(other, job)| **other != step && job.target == target);
        for (other, job) in beside.filter(|(_, job)| target.is_some() && job.goes_on(now)) {
            if job.by == by && job.term == term {
                broken = Some(format!("{step:?} was begun on {target:?} while {other:?} went on there"));
            }
            // Whoever led when that one was given up could not end it any more: a driver ends what it finds.
            job.ended = true;
        }
        world.broken = world.broken.take().or(broken);
        world.started.entry(step).or_default().push(by.0);
        let falls = drawn(step, 1) < world.falling;
        world.jobs.insert(step, Job { target, by, term, ends: now + takes, outcome, falls, ended: false });
    }

    /// Ends a job, if it goes on.
    fn end(&self, step: Step) {
        let mut world = self.lock();
        let now = world.now();
        if let Some(job) = world.jobs.get_mut(&step).filter(|job| job.goes_on(now)) {
            job.ended = true;
        }
    }

    /// Whether the report of an operation that has just ended is lost.
    fn loses(&self, step: Step, node: u64) -> bool {
        let mut world = self.lock();
        let first = world.started.get(&step).is_some_and(|starts| starts.len() == 1);
        if !first || drawn(step, 0) >= world.losing {
            return false;
        }
        world.lost += 1;
        world.waiting.push(node);
        true
    }
}

fn step_of(effect: &Effect) -> Step {
    (effect.operation, effect.attempt)
}

/// A node's way to the world outside.
pub struct Observed {
    /// Whose it is: the machine, and which start of it.
    pub process: Process,
    /// What comes of operations.
    pub embedded: Embedded,
    /// The world.
    pub ledger: Ledger,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Observed {
    /// Sabotage: whether an operation is left alone since another node has started it.
    fn forgets(&self, step: Step) -> bool {
        let others = || self.ledger.started(step).iter().any(|node| *node != self.process.0);
        self.sabotage == Some(Sabotage::ForgottenOperations) && others()
    }
}

impl Driver for Observed {
    fn carry_out(&self, effect: &Effect) -> Answer<Outcome> {
        let step = step_of(effect);
        if self.forgets(step) {
            return Box::pin(std::future::pending());
        }
        let (takes, outcome) = self.embedded.begin(effect);
        self.ledger.begin(effect, self.process, takes, outcome);
        let (ledger, node) = (self.ledger.clone(), self.process.0);
        Box::pin(async move {
            sleep(takes).await;
            match ledger.inspect(step) {
                Some(Inspection::Done(outcome)) if !ledger.loses(step, node) => outcome,
                // It was ended, and nobody waits for it; or nobody hears of it.
                _ => std::future::pending().await,
            }
        })
    }

    fn inspect(&self, effect: &Effect) -> Answer<Inspection> {
        let step = step_of(effect);
        let found = match self.ledger.inspect(step) {
            _ if self.forgets(step) => Inspection::Running,
            _ if self.sabotage == Some(Sabotage::BlindRepeats) => Inspection::Unknown,
            found => found.unwrap_or(Inspection::Unknown),
        };
        Box::pin(std::future::ready(found))
    }

    fn cancel(&self, effect: &Effect) -> Answer<()> {
        if self.sabotage != Some(Sabotage::UnendedJobs) {
            self.ledger.end(step_of(effect));
        }
        Box::pin(std::future::ready(()))
    }

    fn ask(&self, message: &Message) -> Answer<Outcome> {
        self.embedded.ask(message)
    }
}
