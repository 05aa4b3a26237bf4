//! The record of a VM: its states, where it was, its backups, what it has cost.

pub mod backups;
pub mod history;
pub mod history_records;
pub mod showback;
pub mod state;

pub use crate::pools::vm::Vm;
