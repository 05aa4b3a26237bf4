//! Changing the state of an image.
//!
//! It must not decide when a state changes, only what goes with the change.

use quorate_model::announcement::Announcement;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::State;

use crate::txn::Txn;

/// Gives an image another state. As in the reference (`Image.cc`, `set_state`), a user's lock does not outlive a change
/// to any state but LOCKED, and VMs that wait for the image hear that it failed.
///
/// # Errors
/// NO_EXISTS.
pub fn set(txn: &mut Txn, id: i32, state: State) -> Result<(), ApiError> {
    let image = txn.body_mut::<Image>(id)?;
    let failed = state == State::Error && image.state.has_waiting_vms();
    image.state = state;
    image.prev_state = state;
    if state != State::Locked {
        txn.object_mut(Kind::Image, id)?.lock = None;
    }
    if failed {
        txn.announce(Announcement::ImageSettled { image: id });
    }
    Ok(())
}

/// The driver is done: the image becomes what it was waiting to become, and VMs that wait for it hear so.
///
/// # Errors
/// NO_EXISTS.
pub fn unlock(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let image = txn.get::<Image>(id)?.1;
    let next = match image.state {
        State::Locked => State::Ready,
        State::LockedUsed => State::Used,
        State::LockedUsedPersistent => State::UsedPersistent,
        State::Error if image.vms.is_empty() => State::Ready,
        State::Error if image.persistent => State::UsedPersistent,
        State::Error => State::Used,
        _ => return Ok(()),
    };
    set(txn, id, next)?;
    if next != State::Ready {
        txn.announce(Announcement::ImageSettled { image: id });
    }
    Ok(())
}

/// As in the reference (`ImagePool.cc`, `update`), any change makes the state the previous one, too.
///
/// # Errors
/// NO_EXISTS.
pub fn touch(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let image = txn.body_mut::<Image>(id)?;
    image.prev_state = image.state;
    Ok(())
}
