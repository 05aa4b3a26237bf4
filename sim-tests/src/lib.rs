//! Deterministic simulation of whole zones: real nodes, edge included, on simulated time, network and disks.
//!
//! Everything is a function of one seed; a failure prints the command that repeats it. Nothing here may read
//! the machine's clock or randomness, start a thread, or know how a node works inside: it sees what clients
//! see, what Raft's metrics say, which states are published, and what a disk holds after a crash.

#![allow(unexpected_cfgs, reason = "tokio's own cfg, set by .cargo/config.toml")]

#[cfg(not(any(tokio_unstable, doc)))]
compile_error!(
    "Simulation is deterministic only with `--cfg tokio_unstable`, which .cargo/config.toml sets; an environment \
     RUSTFLAGS replaces it: add the cfg there."
);

pub mod console;
pub mod disk;
pub mod drivers;
pub mod fuzz;
pub mod host;
pub mod invariants;
pub mod logging;
pub mod net;
pub mod reproduce;
pub mod sabotage;
pub mod zone;

pub use sabotage::Sabotage;
pub use zone::{Crash, Shape, Zone};
