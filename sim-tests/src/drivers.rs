//! The embedded drivers under observation: who carried out what, how often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_drivers::embedded::Embedded;
use quorate_drivers::{Answer, Drivers, Outcome};
use quorate_state_machine::methods::Question;
use quorate_state_machine::pending::PendingOperation;
use quorate_state_machine::state::State;

/// An operation's id and attempt.
pub type Step = (u64, u32);

/// Which nodes started which operations, in order. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<BTreeMap<Step, Vec<u64>>>>);

impl Ledger {
    /// The nodes that started an operation, in order.
    #[must_use]
    pub fn started(&self, step: Step) -> Vec<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&step).cloned().unwrap_or_default()
    }

    /// Whether any attempt of an operation was started.
    #[must_use]
    pub fn knows(&self, operation: u64) -> bool {
        let starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        starts.range((operation, 0)..=(operation, u32::MAX)).next().is_some()
    }

    /// How many operations were started at least once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let mut ledger = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let starts = ledger.entry((pending.id, pending.attempt)).or_default();
        starts.push(self.node);
        if self.forgetful && starts.len() > 1 {
            return Box::pin(std::future::pending());
        }
        self.embedded.carry_out(state, pending)
    }

    fn ask(&self, state: &State, question: &Question) -> Answer<Outcome> {
        self.embedded.ask(state, question)
    }
}
