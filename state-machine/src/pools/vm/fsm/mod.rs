//! What may happen to a VM in which state, as tables: rows say what from where does what, in steps.
//!
//! | file | what |
//! |---|---|
//! | `table` | what rows are made of |
//! | `actions` | what users ask for |
//! | `events` | what drivers report |
//! | `cleanup` | how an active VM is dropped from each state |
//! | `steps` | carries steps out |
//!
//! The tables are the only place that says which change of state is allowed.

pub mod actions;
pub mod cleanup;
pub mod events;
pub mod steps;
pub mod table;
