//! Effects: what a driver is told, made of the state and of a pending operation.
//!
//! Pure, and all that a driver needs of the zone: which driver, what it shall do, with the objects as they are now. What
//! only a node knows (its directories, its name) is added by the driver that runs there. It must not decide anything: what
//! an answer does is [`crate::reports`]'.

mod message;
mod resources;
mod vms;

use std::sync::Arc;

use crate::methods::Question;
use crate::secrets;
use crate::state::State;
use quorate_model::body::Variant;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{Operation, PendingOperation};

pub use message::{Document, File, HookRun, Hypervisor, Message, Part, Payload, Transfer};

/// What a driver is for: which attribute of an object names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DriverKind {
    /// Monitors hosts: `IM_MAD` of a host.
    Monitor,
    /// Runs VMs: `VM_MAD` of a host.
    Hypervisor,
    /// Brings disks to hosts and back: `TM_MAD` of a system datastore.
    Transfer,
    /// Looks at the space of a system datastore, named by `TM_MAD` as well.
    SystemDatastore,
    /// Handles images: `DS_MAD` of a datastore.
    Datastore,
    /// Handles apps: `MARKET_MAD` of a marketplace.
    Market,
    /// Creates and deletes networks: `VN_MAD` of a virtual network.
    Network,
    /// Runs hooks; there is one, without a name.
    Hook,
}

impl DriverKind {
    /// The attribute that names a driver of this kind.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            DriverKind::Monitor => "IM_MAD",
            DriverKind::Hypervisor => "VM_MAD",
            DriverKind::Transfer | DriverKind::SystemDatastore => "TM_MAD",
            DriverKind::Datastore => "DS_MAD",
            DriverKind::Market => "MARKET_MAD",
            DriverKind::Network => "VN_MAD",
            DriverKind::Hook => "HM_MAD",
        }
    }
}

/// Which driver: what it is for, and its name as an object has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DriverName {
    /// What it is for.
    pub kind: DriverKind,
    /// Its name; empty when the object names none.
    pub name: String,
}

impl DriverName {
    /// The driver of this kind and name.
    #[must_use]
    pub fn new(kind: DriverKind, name: &str) -> DriverName {
        DriverName { kind, name: name.to_owned() }
    }
}

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

/// An object with everything in clear, as drivers need it.
fn opened(state: &State, kind: Kind, id: i32) -> Option<Arc<Object>> {
    let object = state.find(kind, id)?;
    Some(match secrets::opened(state, object) {
        std::borrow::Cow::Borrowed(_) => object.clone(),
        std::borrow::Cow::Owned(opened) => Arc::new(opened),
    })
}

/// An object and its record, or the failure of an operation on it.
fn known<B: Variant>(state: &State, id: i32) -> Result<(&Arc<Object>, &B), String> {
    let found = state.find(B::KIND, id).and_then(|object| Some((object, B::of(&object.body)?)));
    found.ok_or_else(|| format!("{} {id} no longer exists", B::KIND.info().auth_name))
}
