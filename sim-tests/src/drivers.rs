//! The embedded drivers under observation: who carried out what, how often; and reports that get lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_drivers::embedded::Embedded;
use quorate_drivers::{Answer, Drivers, Outcome};
use quorate_model::pending::PendingOperation;
use quorate_state_machine::methods::Question;
use quorate_state_machine::state::State;

/// An operation's id and attempt.
pub type Step = (u64, u32);

/// What drivers did. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Done>>);

#[derive(Debug, Default)]
struct Done {
    /// Which nodes started which operations, in order.
    started: BTreeMap<Step, Vec<u64>>,
    /// How many of a hundred operations lose their first report.
    losing: u64,
    /// The machines whose node waits in vain for a report.
    waiting: Vec<u64>,
    lost: usize,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Done> {
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

    /// A node starts an operation; how often it has been started now.
    fn start(&self, step: Step, node: u64) -> usize {
        let mut done = self.lock();
        let starts = done.started.entry(step).or_default();
        starts.push(node);
        starts.len()
    }

    /// Whether the report of an operation that was just carried out is lost.
    fn loses(&self, (operation, attempt): Step, node: u64) -> bool {
        let mut done = self.lock();
        // A number that follows from the operation, and looks like chance.
        let drawn =
            operation.wrapping_mul(31).wrapping_add(u64::from(attempt)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        if drawn % 100 >= done.losing {
            return false;
        }
        done.lost += 1;
        done.waiting.push(node);
        true
    }
}

/// A node's drivers.
pub struct Observed {
    /// Whose they are.
    pub node: u64,
    /// What they do.
    pub embedded: Embedded,
    /// What they did.
    pub ledger: Ledger,
    /// Sabotage: does not carry out again what another node has started.
    pub forgetful: bool,
}

impl Drivers for Observed {
    fn carry_out(&self, state: &State, pending: &PendingOperation) -> Answer<Outcome> {
        let step = (pending.id, pending.attempt);
        let starts = self.ledger.start(step, self.node);
        if self.forgetful && starts > 1 {
            return Box::pin(std::future::pending());
        }
        let answer = self.embedded.carry_out(state, pending);
        let (ledger, node) = (self.ledger.clone(), self.node);
        Box::pin(async move {
            let outcome = answer.await;
            if starts == 1 && ledger.loses(step, node) {
                std::future::pending::<()>().await;
            }
            outcome
        })
    }

    fn ask(&self, state: &State, question: &Question) -> Answer<Outcome> {
        self.embedded.ask(state, question)
    }
}
