//! How much of a new version of a security group or network may come to a VM with one entry of the log.
//!
//! It must not know what there is to roll out, nor what that changes in a VM.

use quorate_model::kind::Kind;
use quorate_model::records::rollout::Way;

use crate::txn::Txn;
use crate::{budget, sizes};

/// Bringing a new version to a VM takes so many steps, whatever it is: one entry of the log brings it to 256 VMs.
const STEPS_PER_VM: u64 = budget::STEPS / 256;

/// What became of bringing a new version to a VM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Brought {
    /// It is in the VM's template, and comes to the host in this way.
    Now(Way),
    /// It comes with another entry of the log: this one has made enough.
    Later,
    /// Not at all: it is larger than what one entry may make, or its owner has no room.
    Never,
}

/// Brings a VM what takes so many bytes of memory, by `change`, if this entry may still make it and the VM's owner has room
/// for all that the VM's rollouts make it larger, as the commit will count it.
pub fn bring(txn: &mut Txn, vm: i32, memory: u64, change: impl FnOnce(&mut Txn) -> Way) -> Brought {
    // Before anything else: a VM that cannot get it costs a look, too.
    if txn.budget().steps(STEPS_PER_VM).is_err() {
        return Brought::Later;
    }
    if memory > budget::BYTES / 2 {
        return Brought::Never;
    }
    if txn.budget().bytes(memory).is_err() {
        return Brought::Later;
    }
    let brought = txn.attempt(|txn| {
        let way = change(txn);
        txn.note_rolled_out(vm);
        let Some(owner) = txn.find(Kind::Vm, vm).map(|object| object.uid) else { return Ok(way) };
        // What no commit has counted yet.
        let more = txn.rolled_out().values().filter(|of| of.owner == owner).map(|of| of.more).sum::<i128>();
        let larger = txn.rolled_out().get(&vm).is_some_and(|of| of.more > 0);
        match u64::try_from(more) {
            Ok(more) if larger => sizes::refuse_more(txn, owner, more).map(|()| way),
            _ => Ok(way),
        }
    });
    brought.map_or(Brought::Never, Brought::Now)
}
