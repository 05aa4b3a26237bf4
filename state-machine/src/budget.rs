//! What one entry of the log may make besides what it was given: values in place of variables, contexts, what disks and
//! interfaces take from images and networks, copies of rules.
//!
//! A few kilobytes can name a large value many thousand times. So whatever is made is counted while it grows, against
//! one budget for the whole entry, and refused as soon as that is used up; looking at the sizes of what is there in the
//! end would be too late. The reference does not bound this. There it ends one process; here every node would run out
//! of
//! memory at the same entry.
//!
//! It must not know what is made. A refused amount is not given back, because the work was done.

use std::cell::Cell;

/// Bytes of memory that one entry may fill: four times the largest object that the shipped settings allow.
pub const BYTES: u64 = 64 << 20;

/// How many of the largest objects that its caller may make one call may fill, where that is less than [`BYTES`]. Far
/// more
/// than a call that succeeds needs, and so little that a flood of refused calls costs the others little.
const OBJECTS: u64 = 8;

/// Steps that one entry may take, each a look at a token, vector, rule or lease: about a fifth of a second.
pub const STEPS: u64 = 1 << 21;

/// What is left of the bytes and steps of one entry.
#[derive(Debug)]
pub struct Budget {
    /// The bytes that there were.
    all: u64,
    bytes: Cell<u64>,
    steps: Cell<u64>,
}

impl Default for Budget {
    /// That of administrators, drivers and nodes.
    fn default() -> Budget {
        Budget { all: BYTES, bytes: Cell::new(BYTES), steps: Cell::new(STEPS) }
    }
}

impl Budget {
    /// That of a caller who may make objects of at most so many bytes.
    #[must_use]
    pub fn of_objects(largest: u64) -> Budget {
        let all = largest.saturating_mul(OBJECTS).min(BYTES);
        Budget { all, bytes: Cell::new(all), steps: Cell::new(STEPS) }
    }

    /// Something of so many bytes is about to be made.
    ///
    /// # Errors
    /// That it would be too much.
    pub fn bytes(&self, amount: u64) -> Result<(), String> {
        // Of a call: a rollout that is not a call's goes on with the next tick instead, and shows this to nobody.
        let refusal = || format!("More than {} bytes would be made by one call.", self.all);
        spend(&self.bytes, amount).ok_or_else(refusal)
    }

    /// So many steps are about to be taken.
    ///
    /// # Errors
    /// That it would be too much.
    pub fn steps(&self, amount: u64) -> Result<(), String> {
        let refusal = || format!("More than {STEPS} steps would be taken by one call.");
        spend(&self.steps, amount).ok_or_else(refusal)
    }

    /// Whether no byte has been made yet; steps may have been taken.
    #[must_use]
    pub fn has_all_bytes(&self) -> bool {
        self.bytes.get() == self.all
    }
}

/// Takes from what is left; what does not fit uses it up, so that no smaller thing slips through after a refusal.
fn spend(left: &Cell<u64>, amount: u64) -> Option<()> {
    let rest = left.get().checked_sub(amount);
    left.set(rest.unwrap_or(0));
    rest.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_stays_used_up() {
        let budget = Budget::default();
        assert!(budget.has_all_bytes() && budget.bytes(BYTES).is_ok() && !budget.has_all_bytes());
        assert!(budget.bytes(0).is_ok() && budget.bytes(1).is_err());
        let of_tenant = Budget::of_objects(1 << 20);
        assert!(of_tenant.has_all_bytes() && of_tenant.bytes(8 << 20).is_ok() && of_tenant.bytes(1).is_err());
        assert!(Budget::of_objects(u64::MAX).bytes(BYTES + 1).is_err());
        assert!(budget.steps(STEPS - 1).is_ok() && budget.steps(2).is_err() && budget.steps(1).is_err());
    }
}
