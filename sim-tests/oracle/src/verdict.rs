//! What must be true of a history, in itself and against the documents that are there when all is well again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::history::{Action, Call, Outcome};
use crate::linearizability;

/// The documents that are there, by id with their names.
type Documents = BTreeMap<i32, String>;

/// What is wrong with a history that led to these documents (by id, with their names); all of it was asked for by
/// calls of the history. Empty when nothing is.
///
/// It relies on clients that use the name of a created document, and every value, only once.
#[must_use]
pub fn anomalies(calls: &[Call], documents: &BTreeMap<i32, String>) -> Vec<String> {
    let mut found = Vec::new();
    ids_are_unique(calls, &mut found);
    nothing_is_lost(calls, documents, &mut found);
    nothing_happens_twice(calls, documents, &mut found);
    claims_are_exclusive(calls, &mut found);
    disabling_is_obeyed(calls, &mut found);
    documents_are_linearizable(calls, &mut found);
    found
}

fn created(calls: &[Call]) -> impl Iterator<Item = (i32, &str)> {
    calls.iter().filter_map(|call| match (&call.action, &call.outcome) {
        (Action::Create(name), Outcome::Done(id)) => Some((id.parse().ok()?, name.as_str())),
        _ => None,
    })
}

/// No id is given to two documents, ever.
fn ids_are_unique(calls: &[Call], found: &mut Vec<String>) {
    let mut seen: BTreeMap<i32, &str> = BTreeMap::new();
    for (id, name) in created(calls) {
        if let Some(other) = seen.insert(id, name) {
            found.push(format!("{name} and {other} both got id {id}"));
        }
    }
}

/// A document that was acknowledged, and that nobody has tried to delete, is there under its id.
fn nothing_is_lost(calls: &[Call], documents: &Documents, found: &mut Vec<String>) {
    let deleted: BTreeSet<i32> =
        calls.iter().filter_map(|call| if let Action::Delete(id) = call.action { Some(id) } else { None }).collect();
    for (id, name) in created(calls).filter(|(id, _)| !deleted.contains(id)) {
        match documents.get(&id) {
            Some(there) if there == name => {}
            Some(other) => found.push(format!("document {id} was acknowledged as {name}, but is {other}")),
            None => found.push(format!("document {id} ({name}) was acknowledged and is lost")),
        }
    }
}

/// Nothing is there that nobody asked for, and nothing twice: every name was used for one call.
fn nothing_happens_twice(calls: &[Call], documents: &Documents, found: &mut Vec<String>) {
    let asked: BTreeSet<&str> = calls
        .iter()
        .filter_map(|call| if let Action::Create(name) = &call.action { Some(name.as_str()) } else { None })
        .collect();
    let mut seen = BTreeSet::new();
    for (id, name) in documents {
        if !asked.contains(name.as_str()) {
            found.push(format!("nobody asked for document {id} ({name})"));
        }
        if !seen.insert(name) {
            found.push(format!("{name} was made twice, the second time as document {id}"));
        }
    }
}

/// A name that must be unique is given to one call only.
fn claims_are_exclusive(calls: &[Call], found: &mut Vec<String>) {
    let mut winners: BTreeMap<&str, &Call> = BTreeMap::new();
    for call in calls {
        if let (Action::Claim(name), Outcome::Done(_)) = (&call.action, &call.outcome)
            && let Some(other) = winners.insert(name, call)
        {
            found.push(format!("{name} was given twice: {other:?} and {call:?}"));
        }
    }
}

/// How the refusal of a disabled zone reads.
const DISABLED: &str = "Cannot process request, zone disabled";

/// A zone that is certainly disabled acknowledges no write; nobody's read is refused for it, nor a write for nothing.
fn disabling_is_obeyed(calls: &[Call], found: &mut Vec<String>) {
    let switches = |on: bool| {
        calls.iter().filter(move |call| {
            call.action == Action::Enable(on) && matches!(call.outcome, Outcome::Done(_) | Outcome::Unknown(_))
        })
    };
    let writes = |call: &&Call| !matches!(call.action, Action::Read(_) | Action::Enable(_));
    for off in switches(false).filter(|off| matches!(off.outcome, Outcome::Done(_))) {
        let may_follow = |on: &&Call| matches!(on.outcome, Outcome::Unknown(_)) || on.to > off.from;
        let until = switches(true).filter(may_follow).map(|on| on.from).min().unwrap_or(Duration::MAX);
        let within = |call: &&Call| call.from > off.to && call.to < until && matches!(call.outcome, Outcome::Done(_));
        found
            .extend(calls.iter().filter(writes).filter(within).map(|call| format!("{call:?} was done though {off:?}")));
    }
    for call in calls.iter().filter(|call| matches!(&call.outcome, Outcome::Refused(text) if text.contains(DISABLED))) {
        if !writes(&call) || !switches(false).any(|off| off.from < call.to) {
            found.push(format!("{call:?} was refused though nothing hindered it"));
        }
    }
}

fn documents_are_linearizable(calls: &[Call], found: &mut Vec<String>) {
    let mut by_document: BTreeMap<i32, Vec<Call>> = BTreeMap::new();
    for call in calls {
        if let Action::Write(id, _) | Action::Read(id) | Action::Delete(id) = call.action {
            by_document.entry(id).or_default().push(call.clone());
        }
    }
    for (id, first) in created(calls) {
        let calls = by_document.get(&id).map_or(&[][..], Vec::as_slice);
        if let Err(broken) = linearizability::check(first, calls) {
            found.push(format!("document {id}: {broken}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(action: Action, answer: &str) -> Call {
        let outcome = Outcome::Done(answer.to_owned());
        Call { client: 0, node: 1, from: Duration::ZERO, to: Duration::from_secs(1), action, outcome }
    }

    fn create(name: &str, id: &str) -> Call {
        done(Action::Create(name.to_owned()), id)
    }

    fn unknown(action: Action) -> Call {
        Call { outcome: Outcome::Unknown(String::new()), ..done(action, "") }
    }

    fn documents(there: &[(i32, &str)]) -> Documents {
        there.iter().map(|(id, name)| (*id, (*name).to_owned())).collect()
    }

    #[track_caller]
    fn finds(what: &str, calls: &[Call], there: &[(i32, &str)]) {
        let found = anomalies(calls, &documents(there));
        assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
    }

    #[test]
    fn a_good_history_has_no_anomaly() {
        let calls =
            [create("a", "0"), create("b", "1"), done(Action::Delete(1), "1"), unknown(Action::Create("c".into()))];
        assert_eq!(anomalies(&calls, &documents(&[(0, "a"), (2, "c")])), Vec::<String>::new());
        assert_eq!(anomalies(&calls, &documents(&[(0, "a")])), Vec::<String>::new());
    }

    #[test]
    fn a_lost_document_is_found() {
        finds("is lost", &[create("a", "0"), create("b", "1")], &[(0, "a")]);
    }

    #[test]
    fn an_id_that_is_given_twice_is_found() {
        let found = anomalies(&[create("a", "0"), create("b", "0")], &documents(&[(0, "b")]));
        assert!(found.iter().any(|text| text.contains("both got id 0")), "{found:?}");
    }

    #[test]
    fn what_is_made_twice_or_unasked_is_found() {
        finds("made twice", &[create("a", "0")], &[(0, "a"), (1, "a")]);
        finds("nobody asked", &[create("a", "0")], &[(0, "a"), (1, "b")]);
    }

    #[test]
    fn a_claim_that_two_win_is_found() {
        let claim = |id| done(Action::Claim("n".to_owned()), id);
        finds("given twice", &[claim("0"), claim("1")], &[]);
    }

    #[test]
    fn a_write_to_a_disabled_zone_is_found() {
        let at = |second, call: Call| Call {
            from: Duration::from_secs(second),
            to: Duration::from_secs(second + 1),
            ..call
        };
        let switch = |second, on| at(second, done(Action::Enable(on), "0"));
        let write = at(3, create("a", "0"));
        finds("was done though", &[switch(1, false), write.clone(), switch(5, true)], &[(0, "a")]);
        let before = [at(0, create("a", "0")), switch(2, false), switch(4, true), at(6, create("b", "1"))];
        assert_eq!(anomalies(&before, &documents(&[(0, "a"), (1, "b")])), Vec::<String>::new());
        let perhaps = at(2, unknown(Action::Enable(true)));
        assert_eq!(anomalies(&[switch(1, false), perhaps, write], &documents(&[(0, "a")])), Vec::<String>::new());
    }

    #[test]
    fn a_refusal_without_a_reason_is_found() {
        let refused = |action| Call { outcome: Outcome::Refused(format!("[m] {DISABLED}")), ..done(action, "") };
        finds("nothing hindered it", &[refused(Action::Create("a".to_owned()))], &[]);
        finds("nothing hindered it", &[done(Action::Enable(false), "0"), refused(Action::Read(0))], &[]);
        let rightly = [done(Action::Enable(false), "0"), refused(Action::Create("a".to_owned()))];
        assert_eq!(anomalies(&rightly, &documents(&[])), Vec::<String>::new());
    }

    #[test]
    fn a_stale_read_of_any_document_is_found() {
        let later =
            |call: Call, from, to| Call { from: Duration::from_secs(from), to: Duration::from_secs(to), ..call };
        let write = later(done(Action::Write(1, "w".to_owned()), "1"), 2, 3);
        let read = later(done(Action::Read(1), "b"), 4, 5);
        finds("document 1: no order", &[create("a", "0"), create("b", "1"), write, read], &[(0, "a"), (1, "b")]);
    }
}
