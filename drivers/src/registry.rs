//! Which driver there is for a name that an object has: the one place where drivers are listed.
//!
//! It must not know what drivers do.

use std::sync::Arc;

use quorate_state_machine::effect::{self, DriverKind, Message};
use quorate_state_machine::methods::Question;
use quorate_state_machine::state::State;

use crate::{Answer, Driver, Outcome, dummy};

/// The names of a driver of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// It stands in for all drivers of its kind.
    Any,
    /// It has these names.
    These(&'static [&'static str]),
}

impl Names {
    fn include(self, name: &str) -> bool {
        match self {
            Names::Any => true,
            Names::These(names) => names.contains(&name),
        }
    }
}

/// A driver with the names that it has for one kind.
struct Row {
    kind: DriverKind,
    names: Names,
    width: usize,
    driver: Arc<dyn Driver>,
}

/// All drivers.
#[derive(Default)]
pub struct Registry {
    rows: Vec<Row>,
}

impl Registry {
    /// The registry of every node today: `driver` behaves as the dummy drivers do.
    #[must_use]
    pub fn of_dummies(driver: &Arc<dyn Driver>) -> Registry {
        let mut registry = Registry::default();
        for (kind, names) in dummy::NAMES {
            registry.add(*kind, *names, dummy::WIDTH, driver.clone());
        }
        registry
    }

    /// Adds a driver under its names of one kind; at most `width` operations of each name are under way at a time. Of
    /// several drivers with a name the first one counts.
    pub fn add(&mut self, kind: DriverKind, names: Names, width: usize, driver: Arc<dyn Driver>) {
        self.rows.push(Row { kind, names, width, driver });
    }

    /// The driver that a message is for, and how many operations it may have under way.
    ///
    /// # Errors
    /// The failure of an operation for which there is no driver.
    pub fn find(&self, message: &Message) -> Result<(&Arc<dyn Driver>, usize), String> {
        let row = self.rows.iter().find(|row| is_for(row.kind, row.names, message));
        row.map(|row| (&row.driver, row.width)).ok_or_else(|| no_driver(message))
    }

    /// Has a question answered that a call asks before it is proposed.
    pub fn ask(&self, state: &State, question: &Question) -> Answer<Outcome> {
        let message = effect::question(state, question);
        match self.find(&message) {
            Ok((driver, _)) => driver.ask(&message),
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }
}

fn is_for(kind: DriverKind, names: Names, message: &Message) -> bool {
    message.driver.kind == kind && names.include(&message.driver.name)
}

/// Whether one of `rows` has the name of the driver that a message is for.
///
/// # Errors
/// The failure of an operation for which there is no driver.
pub fn check(rows: &[(DriverKind, Names)], message: &Message) -> Result<(), String> {
    let known = rows.iter().any(|(kind, names)| is_for(*kind, *names, message));
    if known { Ok(()) } else { Err(no_driver(message)) }
}

/// The failure of an operation for which there is no driver.
fn no_driver(message: &Message) -> String {
    let name = &message.driver.name;
    match message.driver.kind {
        // Nobody monitors the host, and it stays as it is: a message to nobody gets no answer in the reference.
        DriverKind::Monitor => String::new(),
        // The text of one_datastore.rb.
        DriverKind::SystemDatastore => format!("System datastore driver '{name}' not available"),
        // The text of IPAMManager::trigger_vnet_create and its like.
        DriverKind::Network if name.is_empty() => {
            format!("Cannot perform {}, cannot find VN driver", message.action.to_lowercase())
        }
        // The driver's script is not there, about which one_ipam.rb says nothing, in base64.
        DriverKind::Network => dummy::nothing_in_base64(),
        // As a reference without its hook execution manager: nothing is logged.
        DriverKind::Hook => "No hook execution manager".to_owned(),
        DriverKind::Hypervisor | DriverKind::Transfer | DriverKind::Datastore | DriverKind::Market => {
            format!("There is no driver with {}={name}", message.driver.kind.attribute())
        }
    }
}
