//! Where simulation breaks what a node applies, to prove that it notices. Never part of a production build.

use quorate_state_machine::state::State;

use crate::types::{Entry, LogId};

/// A mistake in how entries are applied.
pub trait Spoil: Send + Sync + 'static {
    /// What is applied in place of `entry`, to `state`, which has applied the entries up to `applied` and may be
    /// changed as well.
    fn spoil(&self, state: &mut State, applied: Option<LogId>, entry: &Entry) -> Entry;
}
