//! What must be true at the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_state_machine::kind::Kind;
use quorate_state_machine::pending::Operation;
use quorate_state_machine::pools::host::Host;
use quorate_state_machine::pools::vm::Vm;
use quorate_state_machine::pools::vm::state::{LcmState, State as VmState};
use quorate_state_machine::state::State;

use super::history::{Action, Call, History, Outcome};
use super::linearizability;
use crate::drivers::Ledger;
use crate::zone::Zone;

/// One leader, equal nodes, new writes through every node, nothing pending.
///
/// # Panics
/// When that does not come about in time.
pub fn recovers(zone: &mut Zone, limit: Duration) {
    zone.elect();
    for node in zone.ids() {
        zone.write(node, &format!("last-{node}"));
    }
    let finished = |zone: &Zone| zone.ids().iter().all(|id| zone.published(*id).state.pending().is_empty());
    let finished = zone.wait_at_most(limit, finished);
    let pending: Vec<_> = zone.published(1).state.pending().values().cloned().collect();
    assert!(finished, "{:?}: operations are still pending: {pending:?}\n{}", zone.elapsed(), zone.describe());
    zone.settle();
}

/// What is wrong with a history that led to a state.
type Check = fn(&[Call], &State) -> Result<(), String>;

/// The history against the final state, and in itself.
///
/// # Panics
/// When they contradict each other.
pub fn history(history: &History, state: &State) {
    let calls = history.calls();
    let checks: [Check; 4] = [ids_are_unique, nothing_is_lost, nothing_happens_twice, claims_are_exclusive];
    for check in checks {
        if let Err(broken) = check(&calls, state) {
            panic!("{broken}");
        }
    }
    if let Err(broken) = documents_are_linearizable(&calls) {
        panic!("{broken}");
    }
}

/// Every operation that was seen pending was carried out at least once; only a VM's may be superseded before that.
///
/// # Panics
/// When one was not.
pub fn operations(ledger: &Ledger, seen: &BTreeMap<u64, Operation>) {
    for (id, operation) in seen {
        let may_be_superseded = matches!(operation, Operation::Vmm { .. } | Operation::Transfer { .. });
        assert!(may_be_superseded || ledger.knows(*id), "operation {id} was never carried out: {operation:?}");
    }
}

/// What is counted agrees with what is there, and no VM waits for an operation that nobody has.
///
/// # Panics
/// When that is not so.
pub fn fleet(state: &State) {
    let differences = quorate_state_machine::quota::recount(state);
    assert!(differences.is_empty(), "quotas: {differences:?}");
    let mut at_host: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    for (object, vm) in state.each::<Vm>() {
        let (doing, name) = (vm.lcm_state, vm.lcm_state.name());
        let rests =
            matches!(doing, LcmState::LcmInit | LcmState::Running | LcmState::Unknown) || name.contains("FAILURE");
        assert!(rests, "VM {} is in {name} for ever", object.id);
        if matches!(vm.state, VmState::Active | VmState::Poweroff | VmState::Suspended)
            && let Some(record) = vm.history.last()
        {
            at_host.entry(record.hid).or_default().insert(object.id);
        }
    }
    for (object, host) in state.each::<Host>() {
        let there = at_host.remove(&object.id).unwrap_or_default();
        assert_eq!(host.vms, there, "host {} counts other VMs than are there", object.id);
        assert_eq!(usize::try_from(host.share.running_vms), Ok(there.len()), "host {}", object.id);
    }
    assert!(at_host.is_empty(), "VMs on hosts that do not exist: {at_host:?}");
}

fn created(calls: &[Call]) -> impl Iterator<Item = (i32, &str)> {
    calls.iter().filter_map(|call| match (&call.action, &call.outcome) {
        (Action::Create(name), Outcome::Done(id)) => Some((id.parse().ok()?, name.as_str())),
        _ => None,
    })
}

/// No id is given to two documents, ever.
fn ids_are_unique(calls: &[Call], _: &State) -> Result<(), String> {
    let mut seen: BTreeMap<i32, &str> = BTreeMap::new();
    for (id, name) in created(calls) {
        if let Some(other) = seen.insert(id, name) {
            return Err(format!("{name} and {other} both got id {id}"));
        }
    }
    Ok(())
}

/// A document that was acknowledged, and that nobody has tried to delete, is there under its id.
fn nothing_is_lost(calls: &[Call], state: &State) -> Result<(), String> {
    let deleted: BTreeSet<i32> =
        calls.iter().filter_map(|call| if let Action::Delete(id) = call.action { Some(id) } else { None }).collect();
    for (id, name) in created(calls).filter(|(id, _)| !deleted.contains(id)) {
        match state.find(Kind::Document, id) {
            Some(document) if document.name == name => {}
            Some(other) => return Err(format!("document {id} was acknowledged as {name}, but is {}", other.name)),
            None => return Err(format!("document {id} ({name}) was acknowledged and is lost")),
        }
    }
    Ok(())
}

/// Nothing is there that nobody asked for, and nothing twice: every name was used for one call.
fn nothing_happens_twice(calls: &[Call], state: &State) -> Result<(), String> {
    let asked: BTreeSet<&str> = calls
        .iter()
        .filter_map(|call| if let Action::Create(name) = &call.action { Some(name.as_str()) } else { None })
        .collect();
    let mut seen = BTreeSet::new();
    for document in state.pool(Kind::Document).values() {
        let name = document.name.as_str();
        if !asked.contains(name) && !name.starts_with("last-") {
            return Err(format!("nobody asked for document {} ({name})", document.id));
        }
        if !seen.insert(name) {
            return Err(format!("{name} was made twice, the second time as document {}", document.id));
        }
    }
    Ok(())
}

/// A name that must be unique is given to one call only.
fn claims_are_exclusive(calls: &[Call], _: &State) -> Result<(), String> {
    let mut winners: BTreeMap<&str, &Call> = BTreeMap::new();
    for call in calls {
        if let (Action::Claim(name), Outcome::Done(_)) = (&call.action, &call.outcome)
            && let Some(other) = winners.insert(name, call)
        {
            return Err(format!("{name} was given twice: {other:?} and {call:?}"));
        }
    }
    Ok(())
}

fn documents_are_linearizable(calls: &[Call]) -> Result<(), String> {
    let mut by_document: BTreeMap<i32, Vec<Call>> = BTreeMap::new();
    for call in calls {
        if let Action::Write(id, _) | Action::Read(id) | Action::Delete(id) = call.action {
            by_document.entry(id).or_default().push(call.clone());
        }
    }
    for (id, first) in created(calls) {
        let calls = by_document.get(&id).map_or(&[][..], Vec::as_slice);
        linearizability::check(first, calls).map_err(|e| format!("document {id}: {e}"))?;
    }
    Ok(())
}
