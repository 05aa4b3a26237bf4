//! A hash of the whole state that costs one digest per changed record: nodes compare it at the same entry.
//!
//! The sum of the records' digests: order does not matter, and replacing a record needs only its old digest. It finds
//! faults (damaged memory or disks, apply that is not pure); it does not resist somebody who chooses records.

use std::collections::{BTreeMap, VecDeque};

use quorate_state_machine::state::State;
use quorate_state_machine::store_key::StoreKey;
use sha2::{Digest as _, Sha256};

use crate::types::LogId;

/// How records are encoded: nodes that say the same number write the same state as the same bytes, whatever their
/// version; 1 was that of version 0.2, and 0 is said by those from before it. docs/formats.md keeps it what it is.
pub const ENCODING: u32 = 2;
/// Nodes remember their hash at every entry whose index is a multiple of this.
pub(crate) const EVERY: u64 = 64;
/// How many of those they remember.
const REMEMBERED: usize = 64;

/// The hash of a state.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateHash {
    records: BTreeMap<StoreKey, u128>,
    sum: u128,
}

/// Hashes by the entry they were taken at, oldest first.
pub type Checkpoints = VecDeque<(LogId, u128)>;

impl StateHash {
    /// Of a state.
    pub fn of(state: &State) -> StateHash {
        let mut hash = StateHash::default();
        for key in state.all_keys() {
            // Encoded again: what an older program wrote may look different and mean the same.
            hash.set(key, state.encode(&key).as_deref());
        }
        hash
    }

    /// A record has this value now, or is gone.
    pub fn set(&mut self, key: StoreKey, value: Option<&[u8]>) {
        let before = match value.map(|value| digest(key, value)) {
            Some(digest) => {
                self.sum = self.sum.wrapping_add(digest);
                self.records.insert(key, digest)
            }
            None => self.records.remove(&key),
        };
        self.sum = self.sum.wrapping_sub(before.unwrap_or(0));
    }

    /// The hash.
    pub fn sum(&self) -> u128 {
        self.sum
    }
}

fn digest(key: StoreKey, value: &[u8]) -> u128 {
    let key = key.to_bytes();
    let length = u64::try_from(key.len()).unwrap_or(0).to_be_bytes();
    let digest = Sha256::new().chain_update(length).chain_update(key).chain_update(value).finalize();
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// Remembers one more hash.
pub(crate) fn remember(checkpoints: &mut Checkpoints, at: LogId, hash: u128) {
    checkpoints.push_back((at, hash));
    while checkpoints.len() > REMEMBERED {
        checkpoints.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_changes_does_not_matter_and_the_last_value_counts() {
        let (a, b) = (StoreKey::Pending(1), StoreKey::Pending(2));
        let mut one = StateHash::default();
        one.set(a, Some(b"x"));
        one.set(b, Some(b"y"));
        let mut other = StateHash::default();
        other.set(b, Some(b"z"));
        other.set(b, Some(b"y"));
        assert_ne!(one.sum(), other.sum());
        other.set(a, Some(b"x"));
        assert_eq!(one.sum(), other.sum());
        one.set(a, None);
        one.set(b, None);
        assert_eq!(one.sum(), 0);
        one.set(a, Some(b"y"));
        other.set(a, None);
        assert_ne!(one.sum(), other.sum(), "the same value under another key");
    }
}
