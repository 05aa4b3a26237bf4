//! What a zone's objects are: kinds, records, their XML and templates, what they use of quotas, and the commands and
//! operations that are said about them.
//!
//! Data and pure functions of it. It must not know a state, a transaction, rights or methods: those are the state
//! machine's. No clock, no randomness, no I/O, no hash order. Modules know each other without a circle.

pub mod announcement;
pub mod api;
pub mod body;
pub mod clean;
pub mod command;
pub mod crypto;
pub mod error;
pub mod head;
pub mod ids;
pub mod kind;
mod numbered;
pub mod object;
pub mod parts;
pub mod pending;
pub mod quota;
pub mod raft_status;
pub mod records;
pub mod set;
pub mod settings;
pub mod template;
pub mod vm_operations;
pub mod xml;
