//! What a host is made of.

pub mod capacity;
pub mod numa;
pub mod share;
pub mod state;

pub use crate::pools::host::Host;
