//! What the tests of several crates share: zones in memory, callers, random calls.
//!
//! A crate's integration tests may use it, its unit tests may not: they would have the crate's types twice. No program may
//! depend on it.

pub mod everything;
#[cfg(feature = "gateway")]
pub mod plane;
pub mod random;
pub mod tenant;
pub mod vm_parts;
pub mod vms;
pub mod zone;
