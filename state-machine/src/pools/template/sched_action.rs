//! What a scheduled action of a template may say: when it repeats, on which days, when it ends.
//!
//! It must not run anything: it only checks, in the reference's words.

use std::collections::BTreeSet;

use quorate_model::template::{Template, VectorAttribute, whole_int};

/// How often an action repeats, by the number of REPEAT: what DAYS counts, the days it may hold, the refusal.
const REPEATS: [(i64, i64, &str); 4] = [
    (0, 6, "Days in a week have to be in [0,6] range"),
    (1, 31, "Days in a month have to be in [1,31] range"),
    (0, 365, "Days in a year have to be in [0,365] range"),
    (1, 167, "Hours have to be in [0,168] range"),
];
/// The number of REPEAT for actions that repeat every so many hours: DAYS is that one number.
const HOURLY: usize = 3;
/// END_TYPE: it never ends.
const NEVER: i64 = 0;
/// END_TYPE: after END_VALUE times.
const TIMES: i64 = 1;
/// END_TYPE: at END_VALUE.
const DATE: i64 = 2;

/// Checks every SCHED_ACTION of a stored template and removes what past runs left in them; values that are no
/// vectors vanish, as in the reference (`VMTemplate::parse_sched_action`).
///
/// # Errors
/// All refusals in one text.
pub fn check_sched_actions(template: &mut Template) -> Result<(), String> {
    let mut actions: Vec<VectorAttribute> = template.vectors("SCHED_ACTION").cloned().collect();
    // The reference does not clear the reason between actions.
    let mut reason = String::new();
    let mut refusals = String::new();
    for action in &mut actions {
        if refused(action, &mut reason) {
            refusals.push_str(&format!(" SCHED_ACTION: 0. Parse error: {reason}"));
        } else {
            action.remove("DONE");
            action.remove("MESSAGE");
        }
    }
    template.set_vectors("SCHED_ACTION", actions);
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Checks one scheduled action.
///
/// # Errors
/// The reference's text, which may be empty: DAYS without REPEAT is refused without a reason.
pub fn check_sched_action(action: &VectorAttribute) -> Result<(), String> {
    let mut reason = String::new();
    if refused(action, &mut reason) { Err(reason) } else { Ok(()) }
}

/// Whether the action is refused; `reason` keeps what an earlier check left in it, as the reference's text does.
fn refused(action: &VectorAttribute, reason: &mut String) -> bool {
    let repeat = match action.value("REPEAT") {
        "" => None,
        text => match whole_int(text).and_then(|n| usize::try_from(n).ok()).filter(|n| *n < REPEATS.len()) {
            Some(n) => Some(n),
            None => return set(reason, "Error parsing REPEAT attribute"),
        },
    };
    let (typed, end_type) = match action.value("END_TYPE") {
        "" => (false, None),
        text => (true, whole_int(text).filter(|n| (NEVER..=DATE).contains(n))),
    };
    let end_value = action.get("END_VALUE").and_then(whole_int);
    let missing_value = end_value.is_none() && end_type != Some(NEVER);
    if missing_value {
        "Missing END_VALUE".clone_into(reason);
    }
    let negative_times = end_type == Some(TIMES) && end_value.is_some_and(|n| n < 0);
    if negative_times {
        "Error parsing END_VALUE, times has to be >= 0".clone_into(reason);
    }
    match (typed, end_type) {
        (true, None) => return set(reason, "Error parsing END_TYPE attribute"),
        (false, _) if !missing_value => {
            return set(reason, "Error END_VALUE defined but not valid END_TYPE found");
        }
        (true, Some(_)) if missing_value || negative_times => return true,
        _ => {}
    }
    let Some(days) = action.get("DAYS") else { return false };
    let days: BTreeSet<i64> = days.split(',').filter_map(quorate_model::template::leading_int).collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return set(reason, "Wrong format of DAYS attribute");
    };
    let Some((repeat, (low, high, text))) = repeat.and_then(|r| Some((r, REPEATS.get(r)?))) else { return true };
    if first < low || last > high || repeat == HOURLY && days.len() != 1 {
        return set(reason, text);
    }
    false
}

fn set(reason: &mut String, text: &str) -> bool {
    text.clone_into(reason);
    true
}
