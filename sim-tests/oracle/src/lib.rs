//! Judges a zone by what its clients did and were told, in simulation and on real processes.
//!
//! It knows calls, their times and answers, the documents that are there at the end, and how the API is asked for them;
//! no node, no network, no clock. Whoever makes calls says when they began and ended, as time since a start that all
//! clients share.

mod history;
mod linearizability;
mod verdict;
mod xmlrpc;

pub use history::{Action, Call, History, Outcome, Work};
pub use verdict::anomalies;
