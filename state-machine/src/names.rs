//! Rules for names: what a name may be, and uniqueness where a kind demands it.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;

use crate::state::State;

/// Longest name, in bytes.
const MAX_LENGTH: usize = 128;

/// Why a name is not valid, in the reference's words; `extra` are further characters that are refused.
#[must_use]
pub fn invalid(name: &str, extra: &str) -> Option<String> {
    const REFUSED: &str = "&|:\\\";/'#{}$<>";
    if name.is_empty() {
        return Some("Invalid NAME, it cannot be empty".to_owned());
    }
    if let Some(c) = name.chars().find(|c| REFUSED.contains(*c) || extra.contains(*c)) {
        return Some(format!("Invalid NAME, char '{c}' is not allowed"));
    }
    (name.len() > MAX_LENGTH).then(|| format!("Invalid NAME, max length is {MAX_LENGTH} chars"))
}

/// Refuses a name for a new object: invalid, or taken in the pool or by `owner`.
///
/// # Errors
/// INTERNAL with the reference's text.
pub fn check_new(state: &State, kind: Kind, owner: i32, name: &str) -> Result<(), ApiError> {
    if let Some(reason) = invalid(name, "") {
        return Err(ApiError::internal(reason));
    }
    match state.id_of(kind, owner, name) {
        // The reference's marketplace pools forget the full stop.
        Some(id) if matches!(kind, Kind::Market | Kind::MarketApp) => {
            Err(ApiError::internal(format!("NAME is already taken by {} {id}", kind.info().taken_name)))
        }
        Some(id) => Err(ApiError::internal(format!("NAME is already taken by {} {id}.", kind.info().taken_name))),
        None => Ok(()),
    }
}
