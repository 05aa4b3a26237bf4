//! Snapshots of whole VMs: `one.vm.snapshotcreate`, `one.vm.snapshotrevert`, `one.vm.snapshotdelete`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::VmmAction;
use quorate_model::quota;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};
use quorate_model::template::{VectorAttribute, leading_float};

use super::common;
use crate::booking;
use crate::methods::Request;
use crate::pools::vm::{drivers, rights};
use crate::state::State as ZoneState;
use crate::txn::Txn;

/// `one.vm.snapshotcreate`: parameters VM, name (may be empty). Answers the snapshot's id.
pub fn create(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    rights::authorize_with(txn, id, VmAction::SnapshotCreate, Vec::new())?;
    rights::refuse_imported(txn, id, VmAction::SnapshotCreate)?;
    let (object, vm) = txn.get::<Vm>(id)?;
    if vm.backups.is_incremental() {
        return Err(ApiError::action("Action \"snapshot-create\" is not compatible with incremental backups"));
    }
    let snapshot = new_snapshot(txn, vm, request.str(1));
    let snapshot_id = snapshot.id("SNAPSHOT_ID").unwrap_or(0);
    rights::check_quota(txn, (object.uid, object.gid), object.uid, &[quota::vm::snapshot(&snapshot)])?;
    if !common::is_running(vm) {
        return Err(common::wrong_state("Could not create a new snapshot for", id, vm));
    }
    booking::following(txn, Kind::Vm, id, |txn| -> Result<(), ApiError> {
        let vm = txn.body_mut::<Vm>(id)?;
        vm.set_lcm(LcmState::HotplugSnapshot);
        vm.resched = false;
        vm.template.add_vector("SNAPSHOT", snapshot);
        Ok(())
    })?;
    drivers::vmm(txn, id, VmmAction::SnapshotCreate)?;
    Ok(Value::Int(snapshot_id))
}

/// A snapshot in the making. It is thought to take the memory, and its part of the disks in the system datastore.
fn new_snapshot(state: &ZoneState, vm: &Vm, name: &str) -> VectorAttribute {
    let ids = vm.template.vectors("SNAPSHOT").filter_map(|snapshot| snapshot.id("SNAPSHOT_ID"));
    let id = ids.max().map_or(0, |max| max.saturating_add(1));
    let name = if name.is_empty() { format!("snapshot-{id}") } else { name.to_owned() };
    let factor = leading_float(state.settings().value("VM_SNAPSHOT_FACTOR")).unwrap_or(0.0);
    let disks = quota::vm::system_disks_alone(&vm.template);
    // Sizes are far below what a float holds exactly; the fraction is cut off as the reference does
    // (`VirtualMachineSystemSnapshot.cc`).
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let part_of_disks = (disks as f64 * factor) as i64;
    let size = part_of_disks.saturating_add(vm.template.int("MEMORY").unwrap_or(0));
    let mut snapshot = VectorAttribute::new();
    snapshot.set("SNAPSHOT_ID", id).set("NAME", name).set("TIME", state.globals().time).set("HYPERVISOR_ID", "");
    snapshot.set("ACTIVE", "YES").set("ACTION", "CREATE").set("SYSTEM_DISK_SIZE", size);
    snapshot
}

/// `one.vm.snapshotrevert`: parameters VM, snapshot.
pub fn revert(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, snapshot) = (request.id(), request.int(1));
    rights::authorize_with(txn, id, VmAction::SnapshotRevert, Vec::new())?;
    rights::refuse_imported(txn, id, VmAction::SnapshotRevert)?;
    let what = format!("Could not revert VM {id} to snapshot {snapshot}");
    let vm = txn.get::<Vm>(id)?.1;
    if !common::is_running(vm) {
        return Err(ApiError::action(format!("{what}, wrong state {}.", vm.state_name())));
    }
    begin(txn, id, snapshot, "REVERT", &what)?;
    drivers::vmm(txn, id, VmmAction::SnapshotRevert)?;
    Ok(Value::Int(id))
}

/// `one.vm.snapshotdelete`: parameters VM, snapshot. Powered off VMs too, where the hypervisor keeps snapshots.
pub fn delete(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, snapshot) = (request.id(), request.int(1));
    rights::authorize_with(txn, id, VmAction::SnapshotDelete, Vec::new())?;
    rights::refuse_imported(txn, id, VmAction::SnapshotDelete)?;
    let what = format!("Could not delete snapshot {snapshot} for VM {id}");
    let vm = txn.get::<Vm>(id)?.1;
    let kept = vm.record().is_some_and(|r| {
        txn.settings().driver("VM_MAD", &r.vm_mad).is_some_and(|driver| driver.is_yes("KEEP_SNAPSHOTS"))
    });
    if !(common::is_running(vm) || kept && vm.state == State::Poweroff) {
        return Err(ApiError::action(format!("{what}, wrong state {}.", vm.state_name())));
    }
    begin(txn, id, snapshot, "DELETE", &what)?;
    drivers::vmm(txn, id, VmmAction::SnapshotDelete)?;
    Ok(Value::Int(id))
}

/// Marks what is done to a snapshot.
fn begin(txn: &mut Txn, id: i32, snapshot: i32, action: &str, what: &str) -> Result<(), ApiError> {
    let vm = txn.body_mut::<Vm>(id)?;
    let mut snapshots = vm.template.vectors_mut("SNAPSHOT");
    let found = snapshots.find(|s| s.id("SNAPSHOT_ID") == Some(snapshot));
    let found = found.ok_or_else(|| ApiError::action(format!("{what}, it does not exist.")))?;
    found.set("ACTIVE", "YES").set("ACTION", action);
    // Its STATE stays: a powered off VM is not active while its hypervisor deletes a snapshot.
    vm.lcm_state = LcmState::HotplugSnapshot;
    vm.prev_lcm_state = LcmState::HotplugSnapshot;
    vm.resched = false;
    Ok(())
}

/// What was to be done to a snapshot is done, or not. `name`: the hypervisor's for a new snapshot; `None` stands for
/// the snapshot's id.
///
/// # Errors
/// NO_EXISTS.
pub fn answered(txn: &mut Txn, id: i32, done: bool, name: Option<&str>) -> Result<(), ApiError> {
    booking::following(txn, Kind::Vm, id, |txn| -> Result<(), ApiError> {
        let vm = txn.body_mut::<Vm>(id)?;
        let Some(active) = vm.template.vectors_mut("SNAPSHOT").find(|s| s.value("ACTIVE") == "YES") else {
            return Ok(());
        };
        let gone = match active.value("ACTION") {
            "CREATE" => !done,
            "DELETE" => done,
            _ => false,
        };
        if active.value("ACTION") == "CREATE" && done {
            let name = name.map_or_else(|| active.value("SNAPSHOT_ID").to_owned(), str::to_owned);
            active.set("HYPERVISOR_ID", name);
        }
        let snapshot = active.id("SNAPSHOT_ID");
        active.remove("ACTIVE");
        active.remove("ACTION");
        if let Some(snapshot) = snapshot.filter(|_| gone) {
            vm.take_vector("SNAPSHOT", "SNAPSHOT_ID", snapshot);
        }
        Ok(())
    })?;
    // A VM that was powered off may have been resumed meanwhile.
    let waits = txn.get::<Vm>(id)?.1.lcm_state == LcmState::HotplugSnapshot;
    if waits { common::finish_operation(txn, id) } else { Ok(()) }
}
