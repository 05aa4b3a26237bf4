//! Whether the zone takes calls: a disabled zone refuses everything but a few methods, and none is known below its level.

use crate::error::ApiError;
pub use crate::kind::LOCAL_ZONE;
use crate::methods::Method;
use crate::pools::zone::Zone;
use crate::state::State;

/// Refuses `method` when not every node of the zone need know it yet, and when the zone is disabled and the method is
/// not one that is answered all the same.
///
/// # Errors
/// INTERNAL, for the disabled zone with the reference's text.
pub fn check(state: &State, method: &Method) -> Result<(), ApiError> {
    let level = state.feature_level();
    if level < method.since {
        let (name, since) = (method.name, method.since);
        return Err(ApiError::internal(format!("Method '{name}' needs feature level {since}, the zone is at {level}")));
    }
    let disabled = state.find_typed::<Zone>(LOCAL_ZONE).is_some_and(|(_, zone)| !zone.enabled);
    if disabled && !method.while_disabled {
        return Err(ApiError::internal("Cannot process request, zone disabled"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use crate::methods::node;

    #[test]
    fn a_method_is_refused_until_the_zone_is_at_its_level() {
        let mut state = State::default();
        let method = node("one.new.method", Kind::Zone, &[], &[]).since(3);
        let refusal = check(&state, &method).unwrap_err();
        assert!(refusal.text.contains("needs feature level 3"), "{}", refusal.text);
        state.globals_mut().feature_level = 3;
        assert_eq!(check(&state, &method), Ok(()));
    }
}
