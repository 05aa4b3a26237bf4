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
pub mod scope;
pub mod topology;
pub mod variables;
