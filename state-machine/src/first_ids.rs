//! The first id of a pool, which the reference loses when the very first object is refused after it has taken its id.
//!
//! As in the reference (`PoolSQL::allocate`, and its recordings), the next object then gets 1: giving an id back stops
//! at 0. It is the one thing that a refused call leaves behind. Pools whose first objects the system makes lose
//! nothing.

use std::collections::BTreeSet;

use quorate_model::kind::Kind;

use crate::state::State;

/// The first ids that a transaction deals with.
#[derive(Default, Debug)]
pub struct FirstIds {
    /// Kinds whose first id it has taken, or is about to take.
    at_stake: BTreeSet<Kind>,
    /// Kinds whose first id a refusal within it has cost.
    lost: BTreeSet<Kind>,
}

/// Whether a pool's next id is 0.
fn is_fresh(state: &State, kind: Kind) -> bool {
    kind.info().first_id == 0 && !state.globals().next_ids.contains_key(&kind)
}

impl FirstIds {
    /// An object of `kind` is about to get its id.
    pub fn begin(&mut self, state: &State, kind: Kind) {
        if is_fresh(state, kind) {
            self.at_stake.insert(kind);
        }
    }

    /// The id that a fresh pool's object gets.
    #[must_use]
    pub fn first(&self, kind: Kind) -> i32 {
        kind.info().first_id + i32::from(self.lost.contains(&kind))
    }

    /// A part of the transaction was refused; `state` is again as before.
    pub fn give_up(&mut self, state: &State) {
        self.lost.extend(self.at_stake.iter().filter(|kind| is_fresh(state, **kind)));
    }

    /// The kinds whose first id is lost.
    #[must_use]
    pub fn lost(&self, refused: bool) -> BTreeSet<Kind> {
        if refused { self.at_stake.union(&self.lost).copied().collect() } else { self.lost.clone() }
    }
}

/// Takes the lost first ids from pools that are still fresh; whether any was.
pub fn lose(state: &mut State, lost: &BTreeSet<Kind>) -> bool {
    let fresh: Vec<Kind> = lost.iter().copied().filter(|kind| is_fresh(state, *kind)).collect();
    for kind in &fresh {
        state.globals_mut().next_ids.insert(*kind, kind.info().first_id + 1);
    }
    !fresh.is_empty()
}
