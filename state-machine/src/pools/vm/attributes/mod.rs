//! The attributes of a VM: what a user's template gives, checked and completed. Each file is one kind of attribute.
//!
//! Functions here change templates and, where an attribute takes something, the objects it takes it from. They must
//! not move VMs nor start driver operations.

pub mod boot;
pub mod capacity;
pub mod context;
pub mod disks;
pub mod graphics;
pub mod nics;
pub mod pci;
pub mod requirements;
pub mod topology;
pub mod variables;

use super::Vm;
use crate::object::Object;
use crate::pools::PoolBody;
use crate::template::Template;

/// A VM as its attributes see it: whose it is, what the user said, what has been derived.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Id, name, owner.
    pub head: &'a Object,
    /// USER_TEMPLATE.
    pub user: &'a Template,
    /// The typed body, with TEMPLATE.
    pub vm: &'a Vm,
}

impl<'a> Scope<'a> {
    /// Of an existing VM.
    #[must_use]
    pub fn of(object: &'a Object) -> Option<Scope<'a>> {
        Vm::of(&object.body).map(|vm| Scope { head: object, user: &object.template, vm })
    }
}
