//! Whether the zone takes calls: a disabled zone refuses everything but a few methods.

use crate::error::ApiError;
use crate::methods::Method;
use crate::pools::zone::Zone;
use crate::state::State;

/// The zone that this control plane runs.
pub const LOCAL_ZONE: i32 = 0;

/// Refuses `method` when the zone is disabled and the method is not one that is answered all the same.
///
/// # Errors
/// INTERNAL with the reference's text.
pub fn check(state: &State, method: &Method) -> Result<(), ApiError> {
    let disabled = state.find_typed::<Zone>(LOCAL_ZONE).is_some_and(|(_, zone)| !zone.enabled);
    if disabled && !method.while_disabled {
        return Err(ApiError::internal("Cannot process request, zone disabled"));
    }
    Ok(())
}
