//! Whether the calls on one document have an order that explains them: linearizability of a register.
//!
//! The search of Wing and Gong with Lowe's memory of configurations seen. A call takes effect at one moment
//! between its begin and its end; one of unknown outcome at any moment after its begin, or never.
//!
//! It sees stale reads, lost writes, writes done twice around another, and reads of what never was, of one
//! document. It cannot see an order between documents, listings of pools, or anything but documents.

use std::collections::HashSet;
use std::time::Duration;

use crate::history::{Action, Call, Outcome};

/// The effect of a call on a document whose value is given; `None`: it does not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Effect<'a> {
    /// The value becomes this, if it exists.
    Set(&'a str),
    /// It ceases to exist, if it does.
    Remove,
    /// It has this value.
    Is(&'a str),
    /// It does not exist.
    IsMissing,
}

struct Step<'a> {
    from: Duration,
    /// When it had taken effect; `None`: perhaps never.
    to: Option<Duration>,
    effect: Effect<'a>,
}

impl<'a> Effect<'a> {
    /// The value afterwards; `None` when the call cannot have happened at this value. `known`: it took effect.
    fn after(&self, value: Option<&'a str>, known: bool) -> Option<Option<&'a str>> {
        match self {
            Effect::Set(new) => value.map(|_| Some(*new)).or((!known).then_some(None)),
            Effect::Remove => value.map(|_| None).or((!known).then_some(None)),
            Effect::Is(seen) => (value == Some(*seen)).then_some(value),
            Effect::IsMissing => value.is_none().then_some(None),
        }
    }
}

/// Whether `calls`, all on one document that was made with value `first`, can be ordered.
///
/// # Errors
/// A description of the calls when there is no order.
pub fn check(first: &str, calls: &[Call]) -> Result<(), String> {
    let steps = steps(calls);
    if steps.len() > 128 {
        return Err(format!("{} calls on one document are more than this check can take", steps.len()));
    }
    let all_known = steps.iter().enumerate().filter(|(_, s)| s.to.is_some()).fold(0u128, |set, (i, _)| set | 1 << i);
    let mut seen: HashSet<(u128, Option<&str>)> = HashSet::new();
    let mut open = vec![(0u128, Some(first))];
    while let Some((done, value)) = open.pop() {
        if done & all_known == all_known {
            return Ok(());
        }
        if !seen.insert((done, value)) {
            continue;
        }
        // What has ended must come before what began later.
        let undone = || steps.iter().enumerate().filter(|(i, _)| done & (1 << i) == 0);
        let limit = undone().filter_map(|(_, step)| step.to).min();
        for (i, step) in undone().filter(|(_, step)| limit.is_none_or(|limit| step.from <= limit)) {
            if let Some(after) = step.effect.after(value, step.to.is_some()) {
                open.push((done | 1 << i, after));
            }
        }
    }
    Err(describe(first, calls))
}

/// The calls that say anything, by their begin.
fn steps(calls: &[Call]) -> Vec<Step<'_>> {
    let read = |value: &str| {
        calls.iter().any(|c| matches!((&c.action, &c.outcome), (Action::Read(_), Outcome::Done(v)) if v == value))
    };
    let missed = calls.iter().any(|c| c.outcome == Outcome::Missing);
    let mut steps: Vec<Step<'_>> = calls
        .iter()
        .filter_map(|call| {
            let effect = match (&call.action, &call.outcome) {
                (_, Outcome::Refused(_)) | (Action::Read(_), Outcome::Unknown(_)) => return None,
                (_, Outcome::Missing) => Effect::IsMissing,
                // A write that nobody has seen, and perhaps never was, explains nothing.
                (Action::Write(_, value), Outcome::Unknown(_)) if !read(value) => return None,
                (Action::Delete(_), Outcome::Unknown(_)) if !missed => return None,
                (Action::Write(_, value), _) => Effect::Set(value),
                (Action::Delete(_), _) => Effect::Remove,
                (Action::Read(_), Outcome::Done(value)) => Effect::Is(value),
                _ => return None,
            };
            let to = (!matches!(call.outcome, Outcome::Unknown(_))).then_some(call.to);
            Some(Step { from: call.from, to, effect })
        })
        .collect();
    steps.sort_by_key(|step| step.from);
    steps
}

fn describe(first: &str, calls: &[Call]) -> String {
    let mut lines = vec![format!("no order explains the calls on a document made as {first}:")];
    let mut calls: Vec<&Call> = calls.iter().collect();
    calls.sort_by_key(|call| call.from);
    lines.extend(calls.iter().map(|c| {
        let (from, to) = (c.from.as_secs_f64(), c.to.as_secs_f64());
        format!("  {from:8.3} - {to:8.3}  client {} node {}: {:?} -> {:?}", c.client, c.node, c.action, c.outcome)
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(from: u64, to: u64, action: Action, outcome: Outcome) -> Call {
        let time = Duration::from_millis;
        Call { client: 0, node: 1, from: time(from), to: time(to), action, outcome }
    }

    fn read(from: u64, to: u64, value: &str) -> Call {
        call(from, to, Action::Read(0), Outcome::Done(value.to_owned()))
    }

    fn write(from: u64, to: u64, value: &str, outcome: Outcome) -> Call {
        call(from, to, Action::Write(0, value.to_owned()), outcome)
    }

    fn done() -> Outcome {
        Outcome::Done("0".to_owned())
    }

    #[test]
    fn calls_at_the_same_time_may_take_either_order() {
        check("a", &[write(0, 10, "b", done()), read(1, 2, "a"), read(3, 4, "b")]).unwrap();
    }

    #[test]
    fn a_stale_read_is_found() {
        assert!(check("a", &[write(0, 10, "b", done()), read(11, 12, "a")]).is_err());
        assert!(check("a", &[write(0, 10, "b", done()), read(1, 2, "b"), read(3, 4, "a")]).is_err());
    }

    #[test]
    fn a_lost_write_is_found() {
        assert!(check("a", &[write(0, 1, "b", done()), write(2, 3, "c", done()), read(4, 5, "b")]).is_err());
    }

    #[test]
    fn a_write_of_unknown_outcome_may_happen_late_or_never_but_not_twice() {
        let unknown = || Outcome::Unknown(String::new());
        let (late, other) = (write(0, 1, "b", unknown()), write(4, 5, "c", done()));
        check("a", &[late.clone(), read(2, 3, "a"), other.clone(), read(6, 7, "b")]).unwrap();
        check("a", &[late.clone(), read(2, 3, "a"), read(6, 7, "a")]).unwrap();
        assert!(check("a", &[late, read(2, 3, "b"), other, read(6, 7, "b")]).is_err());
    }

    #[test]
    fn what_was_deleted_stays_away() {
        let delete = call(0, 1, Action::Delete(0), done());
        let missing = call(2, 3, Action::Read(0), Outcome::Missing);
        check("a", &[delete.clone(), missing.clone()]).unwrap();
        assert!(check("a", std::slice::from_ref(&missing)).is_err());
        assert!(check("a", &[delete, read(2, 3, "a")]).is_err());
    }
}
