//! Feature levels: which behaviour apply has is decided by the replicated level, never by the build that applies.
//!
//! A build applies every level up to its newest; the level of a zone only rises, by an entry in the log, so all nodes
//! change their behaviour at the same entry. Who may ask for that, and when, is the node's. How to add one:
//! docs/formats.md.
//!
//! | level | brought |
//! |---|---|
//! | 0 | a zone begins here, until its leader has asked its members: the same as 1 |
//! | 1 | version 0.3.0, where formats and levels begin |

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::RaiseLevel;

use crate::state::State;
use crate::txn::Txn;

/// The newest level that this build supports.
pub const NEWEST: u32 = if cfg!(feature = "test-next-level") { MARKED_DOCUMENTS } else { 1 };

/// For the test of upgrades only, and no level that a release will have: new documents say which level they were made at.
pub const MARKED_DOCUMENTS: u32 = 1_000_000;

#[cfg(all(feature = "test-next-level", not(debug_assertions)))]
compile_error!("the feature test-next-level is for tests: its level is not one that a release may bring to a zone");

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

/// Whether a build that supports `supports` can go on from here.
///
/// # Errors
/// Why not, and what to install, for the operator.
pub fn check(state: &State, supports: u32) -> Result<(), String> {
    let globals = state.globals();
    fits(globals.feature_level, &globals.feature_level_since, supports)
}

/// Whether a build that supports `supports` can be in a zone at `level`, which program `version` brought there.
///
/// # Errors
/// Why not, and what to install, for the operator.
pub fn fits(level: u32, version: &str, supports: u32) -> Result<(), String> {
    if level <= supports {
        return Ok(());
    }
    Err(format!(
        "the zone is at feature level {level}, this program supports levels up to {supports}: install quorate {version} or newer"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let refusal = check(&state, 1).unwrap_err();
        assert!(refusal.contains("install quorate 0.4.0 or newer"), "{refusal}");
        assert_eq!(check(&state, 2), Ok(()));
    }
}
