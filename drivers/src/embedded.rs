//! The embedded dummy drivers: [`crate::dummy`]'s answers with configurable delays and injected failures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_model::pending::{Operation, PendingOperation};
use quorate_state_machine::methods::Question;
use quorate_state_machine::state::State;

use crate::{Answer, Drivers, Outcome, dummy};

/// How the embedded drivers behave.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// From a host's allocation to its first monitoring data (1 to 2 s in the reference).
    pub monitor_delay: Duration,
    /// Of any other operation.
    pub delay: Duration,
    /// Per action name in lower case (`deploy`, `cp`, `prolog`, ...): outcomes in turn, cyclic; true succeeds.
    pub outcomes: BTreeMap<String, Vec<bool>>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            monitor_delay: Duration::from_millis(1000),
            delay: Duration::from_millis(3),
            outcomes: BTreeMap::new(),
        }
    }
}

/// The embedded dummy drivers.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    behaviour: Arc<Behaviour>,
    /// How often each action with listed outcomes has been carried out.
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Embedded {
    /// Drivers that behave as told.
    #[must_use]
    pub fn new(behaviour: Behaviour) -> Embedded {
        Embedded { behaviour: Arc::new(behaviour), counts: Arc::default() }
    }

    /// Whether the next run of `action` succeeds.
    fn succeeds(&self, action: &str) -> bool {
        let name = action.to_ascii_lowercase();
        let Some(outcomes) = self.behaviour.outcomes.get(&name).filter(|o| !o.is_empty()) else {
            return true;
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(name).or_default();
        let success = outcomes[*count % outcomes.len()];
        *count += 1;
        success
    }
}

impl Drivers for Embedded {
    fn carry_out(&self, state: &State, pending: &PendingOperation) -> Answer<Outcome> {
        let delay = match pending.operation {
            Operation::MonitorHost { .. } => self.behaviour.monitor_delay,
            _ => self.behaviour.delay,
        };
        let outcome = dummy::answer(state, pending);
        // A failing dummy driver keeps the payload of success.
        let outcome = if self.succeeds(pending.operation.name()) { outcome } else { outcome.and_then(Err) };
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            outcome
        })
    }

    fn ask(&self, state: &State, question: &Question) -> Answer<Outcome> {
        let reply = dummy::reply(state, question);
        let delay = self.behaviour.delay;
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            reply
        })
    }
}
