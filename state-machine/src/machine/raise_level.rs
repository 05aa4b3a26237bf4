//! The command that raises the zone's feature level ([`crate::levels`]).
//!
//! It must not decide when: that is the node's that leads.

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::RaiseLevel;

use crate::txn::Txn;

/// Raises the level; one that is not above the present one changes nothing.
///
/// # Errors
/// None; the type is that of every command.
pub fn apply(txn: &mut Txn, raise: &RaiseLevel) -> ApiReply {
    if raise.level <= txn.feature_level() {
        return Ok(Value::Bool(false));
    }
    let globals = txn.globals_mut();
    globals.feature_level = raise.level;
    globals.feature_level_since.clone_from(&raise.version);
    Ok(Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;
    use quorate_model::command::{Command, Envelope, RequestId};

    fn raise(state: &mut State, level: u32, version: &str) -> ApiReply {
        let command = Command::RaiseLevel(RaiseLevel { level, version: version.to_owned() });
        state.apply(&Envelope { time: 0, request: RequestId::default(), entropy: [0; 32], command }).reply
    }

    #[test]
    fn the_level_only_rises() {
        let mut state = State::default();
        assert_eq!(raise(&mut state, 2, "0.4.0"), Ok(Value::Bool(true)));
        assert_eq!(raise(&mut state, 2, "0.5.0"), Ok(Value::Bool(false)));
        assert_eq!(raise(&mut state, 1, "0.5.0"), Ok(Value::Bool(false)));
        assert_eq!(state.feature_level(), 2);
        let refusal = state.check_level(1).unwrap_err();
        assert!(refusal.contains("install quorate 0.4.0 or newer"), "{refusal}");
        assert_eq!(state.check_level(2), Ok(()));
    }
}
