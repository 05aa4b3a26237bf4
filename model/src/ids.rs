//! Lists of ids as attributes and calls have them: numbers separated by commas.

use std::collections::BTreeSet;

use crate::template::leading_int;

/// The ids of a list separated by commas; what is no number is skipped.
#[must_use]
pub fn id_list(text: &str) -> BTreeSet<i32> {
    text.split(',').filter_map(leading_int).filter_map(|n| i32::try_from(n).ok()).collect()
}

/// Ids separated by commas.
#[must_use]
pub fn join_ids<'a>(ids: impl IntoIterator<Item = &'a i32>) -> String {
    ids.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
