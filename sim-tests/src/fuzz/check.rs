//! What must be true at the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_model::kind::Kind;
use quorate_model::pending::Operation;
use quorate_model::records::host::Host;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State as VmState};
use quorate_oracle::History;
use quorate_state_machine::state::State;

use crate::drivers::Ledger;
use crate::host::EPOCH;
use crate::invariants::time::BOUND;
use crate::zone::Zone;

/// How the names of documents begin that are written when all is well again.
const LAST: &str = "last-";

/// One leader, equal nodes, new writes through every node, nothing pending, and the time is right.
///
/// # Panics
/// When that does not come about in time.
pub fn recovers(zone: &mut Zone, limit: Duration) {
    zone.elect();
    for node in zone.ids() {
        zone.write(node, &format!("{LAST}{node}"));
    }
    let finished = |zone: &Zone| zone.ids().iter().all(|id| zone.published(*id).state.pending().is_empty());
    let finished = zone.wait_at_most(limit, finished);
    let pending: Vec<_> = zone.newest().state.pending().values().cloned().collect();
    let true_time = EPOCH + i64::try_from(zone.elapsed().as_secs()).expect("short");
    let behind = true_time - zone.newest().state.globals().time;
    assert!(behind <= BOUND, "{:?}: the zone's time is {behind} seconds behind the true time", zone.elapsed());
    assert!(finished, "{:?}: operations are still pending: {pending:?}\n{}", zone.elapsed(), zone.describe());
    zone.converge();
}

/// The history in itself and against the final state.
///
/// # Panics
/// When they contradict each other.
pub fn history(history: &History, state: &State) {
    let documents = state.pool(Kind::Document).values().map(|document| (document.id, document.name.clone()));
    // The last ones are the check's own: see `recovers`.
    let documents = documents.filter(|(_, name)| !name.starts_with(LAST)).collect();
    let anomalies = quorate_oracle::anomalies(&history.calls(), &documents);
    assert!(anomalies.is_empty(), "{}", anomalies.join("\n"));
}

/// Every operation that was seen pending was carried out at least once; only a VM's, and an image's that is deleted, may
/// be superseded before that.
///
/// # Panics
/// When one was not.
pub fn operations(ledger: &Ledger, seen: &BTreeMap<u64, Operation>) {
    for (id, operation) in seen {
        let may_be_superseded = match operation {
            Operation::Vmm { .. } | Operation::Transfer { .. } => true,
            Operation::Image { action, .. } => action.name() != "RM",
            _ => false,
        };
        assert!(may_be_superseded || ledger.knows(*id), "operation {id} was never carried out: {operation:?}");
    }
}

/// What is counted agrees with what is there, and no VM waits for an operation that nobody has.
///
/// # Panics
/// When that is not so.
pub fn fleet(state: &State) {
    let differences = quorate_state_machine::booking::recount(state);
    assert!(differences.is_empty(), "quotas: {differences:?}");
    let mut at_host: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    for (object, vm) in state.each::<Vm>() {
        let (doing, name) = (vm.lcm_state, vm.lcm_state.name());
        let rests =
            matches!(doing, LcmState::LcmInit | LcmState::Running | LcmState::Unknown) || name.contains("FAILURE");
        assert!(rests, "VM {} is in {name} for ever", object.id);
        if matches!(vm.state, VmState::Active | VmState::Poweroff | VmState::Suspended)
            && let Some(record) = vm.history.current()
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
