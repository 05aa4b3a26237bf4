//! The embedded dummy driver: [`crate::dummy`]'s answers with configurable delays and injected failures.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_state_machine::effect::{DriverKind, Effect, Message, Payload};
use tokio::time::sleep;

use crate::{Answer, Driver, Inspection, Outcome, dummy};

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

/// The embedded dummy driver.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    behaviour: Arc<Behaviour>,
    /// How often each action with listed outcomes has been carried out.
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Embedded {
    /// A driver that behaves as told.
    #[must_use]
    pub fn new(behaviour: Behaviour) -> Embedded {
        Embedded { behaviour: Arc::new(behaviour), counts: Arc::default() }
    }

    /// Whether the operation succeeds.
    fn succeeds(&self, effect: &Effect) -> bool {
        if self.behaviour.outcomes.is_empty() {
            return true;
        }
        let name = configured_name(effect);
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

impl Embedded {
    /// What comes of an operation, and how long that takes.
    pub fn begin(&self, effect: &Effect) -> (Duration, Outcome) {
        let delay = match effect.message.driver.kind {
            DriverKind::Monitor => self.behaviour.monitor_delay,
            _ => self.behaviour.delay,
        };
        let outcome = dummy::answer(effect);
        // A failing dummy driver keeps the payload of success.
        (delay, if self.succeeds(effect) { outcome } else { outcome.and_then(Err) })
    }
}

impl Driver for Embedded {
    fn carry_out(&self, effect: &Effect) -> Answer<Outcome> {
        let (delay, outcome) = self.begin(effect);
        Box::pin(async move {
            sleep(delay).await;
            outcome
        })
    }

    /// Nothing happens outside, so nothing is found there.
    fn inspect(&self, _effect: &Effect) -> Answer<Inspection> {
        Box::pin(ready(Inspection::Unknown))
    }

    fn cancel(&self, _effect: &Effect) -> Answer<()> {
        Box::pin(ready(()))
    }

    fn ask(&self, message: &Message) -> Answer<Outcome> {
        let reply = dummy::reply(message);
        let delay = self.behaviour.delay;
        Box::pin(async move {
            sleep(delay).await;
            reply
        })
    }
}

/// What an action is called in a configuration: a transfer by its list of commands, monitoring by what is monitored.
fn configured_name(effect: &Effect) -> String {
    let action = effect.message.action;
    match &effect.message.payload {
        Payload::Host(_) => "monitor_host".to_owned(),
        Payload::Transfer(transfer) => transfer.action.name().to_owned(),
        Payload::Document(_) if action == "MONITOR" => "monitor_datastore".to_owned(),
        _ => action.to_ascii_lowercase(),
    }
}
