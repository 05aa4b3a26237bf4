//! Effects: what a driver is told, made of the state and of a pending operation.
//!
//! Pure, and all that a driver needs of the zone: which driver, what it shall do, with the objects as they are now.
//! What only a node knows (its directories, its name) is added by the driver that runs there. It must not decide
//! anything: what an answer does is [`crate::reports`]'.

mod driver_name;
mod message;
mod objects;
mod resources;
mod vms;

use crate::methods::Question;
use crate::state::State;
use quorate_model::kind::Kind;
use quorate_model::pending::{Operation, PendingOperation};

pub use driver_name::{DriverKind, DriverName};
pub use message::{Document, File, HookRun, Hypervisor, Message, Part, Payload, Transfer};

/// What an operation works on: at most one operation of each is carried out at a time.
pub type Target = (Kind, i32);

/// What a driver is told about an operation.
#[derive(Clone, PartialEq, Debug)]
pub struct Effect {
    /// The operation's id.
    pub operation: u64,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// What it works on; `None`: it may run beside any other, as whatever ends another one must.
    pub target: Option<Target>,
    /// What it shall do.
    pub message: Message,
    /// Files that must be there, in the directory of the VM, before the driver is told.
    pub files: Vec<File>,
}

/// What a driver is told about a pending operation, with the objects of `state`.
///
/// # Errors
/// The failure that the operation ends in, when there is nothing to tell a driver: what it is about is gone.
pub fn effect(state: &State, pending: &PendingOperation) -> Result<Effect, String> {
    let (message, files) = match &pending.operation {
        Operation::Vmm { vm, action } => vms::hypervisor(state, *vm, *action)?,
        Operation::UpdateNic { vm, network } => (vms::update_nic(state, *vm, *network)?, Vec::new()),
        Operation::UpdateSecurityGroup { vm, group } => (vms::update_security_group(state, *vm, *group)?, Vec::new()),
        Operation::Transfer { vm, action } => (vms::transfer(state, *vm, *action)?, Vec::new()),
        Operation::MonitorHost { host } => (resources::monitor_host(state, *host)?, Vec::new()),
        Operation::Image { image, action } => (resources::image(state, *image, *action)?, Vec::new()),
        Operation::MonitorDatastore { datastore } => (resources::monitor_datastore(state, *datastore)?, Vec::new()),
        Operation::MarketApp { app, action } => (resources::market_app(state, *app, *action)?, Vec::new()),
        Operation::Network { network, action, document } => {
            (resources::network(state, *network, *action, document.as_deref()), Vec::new())
        }
        Operation::Hook { hook, arguments, remote_host, retry } => {
            (resources::hook(state, *hook, arguments, remote_host, *retry)?, Vec::new())
        }
    };
    let target = pending.operation.target();
    Ok(Effect { operation: pending.id, attempt: pending.attempt, target, message, files })
}

/// What a driver is told when a call asks it something before it is proposed, with the objects of `state`.
#[must_use]
pub fn question(state: &State, question: &Question) -> Message {
    resources::question(state, question)
}
