//! Snapshots of disks: `one.vm.disksnapshotcreate`, `one.vm.disksnapshotrevert`, `one.vm.disksnapshotdelete`,
//! `one.vm.disksnapshotrename`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::pending::{TransferAction, VmmAction};
use quorate_model::quota::vm::{is_volatile, target};
use quorate_model::records::image::snapshots::{Orphans, Snapshots};
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};
use quorate_model::template::VectorAttribute;

use super::common;
use super::space::Growth;
use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::methods::Request;
use crate::pools::image::usage;
use crate::pools::vm::{drivers, history, rights};
use crate::txn::Txn;

fn no_disk() -> ApiError {
    ApiError::action("VM disk does not exist")
}

/// The snapshots of a disk.
fn snapshots_of(vm: &Vm, disk: i32) -> Result<&Snapshots, ApiError> {
    vm.disk(disk).ok_or_else(no_disk)?;
    vm.snapshots.get(&disk).ok_or_else(|| ApiError::action("Snapshot does not exist"))
}

/// `one.vm.disksnapshotcreate`: parameters VM, disk, name. Answers the snapshot's id.
pub fn create(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, disk_id) = (request.id(), request.int(1));
    let (_, vm) = txn.get::<Vm>(id)?;
    rights::refuse_imported(txn, id, VmAction::DiskSnapshotCreate)?;
    if vm.backups.is_incremental() {
        return Err(ApiError::action("Action \"disk-snapshot-create\" is not compatible with incremental backups"));
    }
    let disk = vm.disk(disk_id).ok_or_else(no_disk)?;
    if is_volatile(disk) {
        return Err(ApiError::action("Cannot make snapshots on volatile disks"));
    }
    // A snapshot counts as another disk of the same size.
    let growth = Growth::of(disk, disk.int("SIZE").unwrap_or(0));
    let wish = growth.wish(txn)?;
    rights::authorize_with(txn, id, VmAction::DiskSnapshotCreate, wish.into_iter().collect())?;
    growth.book(txn, id)?;
    let vm = txn.get::<Vm>(id)?.1;
    let doing = create_state(vm).ok_or_else(|| common::wrong_state("Could not create a new snapshot for", id, vm))?;
    history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
    let snapshot = booking::following(txn, Kind::Vm, id, |txn| add(txn, id, disk_id, request.str(2)))?;
    txn.body_mut::<Vm>(id)?.set_lcm(doing);
    common::record(txn, id, VmAction::DiskSnapshotCreate)?;
    if doing == LcmState::DiskSnapshot {
        drivers::vmm(txn, id, VmmAction::DiskSnapshotCreate)?;
    } else {
        common::transfer(txn, id, TransferAction::DiskSnapshot, answered)?;
    }
    Ok(Value::Int(snapshot))
}

/// What a VM does while a snapshot is made; `None`: it cannot be made now.
fn create_state(vm: &Vm) -> Option<LcmState> {
    if common::is_running(vm) {
        Some(LcmState::DiskSnapshot)
    } else if common::is_at(vm, State::Poweroff) {
        Some(LcmState::DiskSnapshotPoweroff)
    } else if common::is_at(vm, State::Suspended) {
        Some(LcmState::DiskSnapshotSuspended)
    } else {
        None
    }
}

/// What a VM does while a snapshot is deleted; `None`: it cannot be deleted now.
fn delete_state(vm: &Vm) -> Option<LcmState> {
    if common::is_running(vm) {
        Some(LcmState::DiskSnapshotDelete)
    } else if common::is_at(vm, State::Poweroff) {
        Some(LcmState::DiskSnapshotDeletePoweroff)
    } else if common::is_at(vm, State::Suspended) {
        Some(LcmState::DiskSnapshotDeleteSuspended)
    } else {
        None
    }
}

/// Adds a snapshot to a disk and marks it as the one in the making.
fn add(txn: &mut Txn, id: i32, disk_id: i32, name: &str) -> Result<i32, ApiError> {
    let now = txn.now();
    let vm = txn.body_mut::<Vm>(id)?;
    let disk = vm.disk(disk_id).ok_or_else(no_disk)?;
    let size = disk.int("SIZE").ok_or_else(|| ApiError::action("Wrong size in disk"))?;
    if disk.is_yes("READONLY") {
        return Err(ApiError::action("Cannot make snapshots on readonly disks"));
    }
    let orphans = Orphans::of_disk(disk.value("ALLOW_ORPHANS"), disk.value("FORMAT"));
    let snapshots = vm.snapshots.entry(disk_id).or_insert_with(|| Snapshots::new(Some(disk_id), orphans));
    let snapshot = snapshots.create(name, size, now);
    let total = snapshots.total_mb();
    if let Some(disk) = vm.disk_mut(disk_id) {
        disk.set("DISK_SNAPSHOT_ACTIVE", "YES").set("DISK_SNAPSHOT_ID", snapshot);
        disk.set("DISK_SNAPSHOT_TOTAL_SIZE", total);
    }
    Ok(snapshot)
}

/// Marks a snapshot as the one that something is done with. `false`: there is none.
fn mark(vm: &mut Vm, disk_id: i32, snapshot: i32) -> bool {
    let exists = vm.snapshots.get(&disk_id).is_some_and(|snapshots| snapshots.get(snapshot).is_some());
    match vm.disk_mut(disk_id).filter(|_| exists) {
        Some(disk) => {
            disk.set("DISK_SNAPSHOT_ACTIVE", "YES").set("DISK_SNAPSHOT_ID", snapshot);
            true
        }
        None => false,
    }
}

/// `one.vm.disksnapshotrevert`: parameters VM, disk, snapshot.
pub fn revert(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, disk_id, snapshot) = (request.id(), request.int(1), request.int(2));
    rights::authorize_with(txn, id, VmAction::DiskSnapshotRevert, Vec::new())?;
    rights::refuse_imported(txn, id, VmAction::DiskSnapshotRevert)?;
    let vm = txn.body_mut::<Vm>(id)?;
    if !common::is_at(vm, State::Poweroff) {
        return Err(common::wrong_state("Could not revert to disk snapshot for", id, vm));
    }
    snapshots_of(vm, disk_id)?;
    if !mark(vm, disk_id, snapshot) {
        let reason = format!("Disk id ({disk_id}) or snapshot id ({snapshot}) is not valid.");
        return Err(ApiError::action(reason));
    }
    history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
    common::record(txn, id, VmAction::DiskSnapshotRevert)?;
    txn.body_mut::<Vm>(id)?.set_lcm(LcmState::DiskSnapshotRevertPoweroff);
    common::transfer(txn, id, TransferAction::DiskSnapshot, answered)?;
    Ok(Value::Int(id))
}

/// `one.vm.disksnapshotdelete`: parameters VM, disk, snapshot.
pub fn delete(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, disk_id, snapshot) = (request.id(), request.int(1), request.int(2));
    let (_, vm) = txn.get::<Vm>(id)?;
    rights::refuse_imported(txn, id, VmAction::DiskSnapshotDelete)?;
    let disk = vm.disk(disk_id).ok_or_else(no_disk)?;
    let persistent = disk.is_yes("PERSISTENT");
    let mut further = Vec::new();
    if persistent {
        let image = txn.object(Kind::Image, disk.id("IMAGE_ID").unwrap_or(-1))?;
        further.push(AuthRequest::on(image, Op::Manage));
    }
    rights::authorize_with(txn, id, VmAction::DiskSnapshotDelete, further)?;
    let vm = txn.body_mut::<Vm>(id)?;
    let doing = delete_state(vm).ok_or_else(|| common::wrong_state("Could not delete disk snapshot from", id, vm))?;
    snapshots_of(vm, disk_id)?.test_delete_from_disk(snapshot, persistent).map_err(ApiError::action)?;
    mark(vm, disk_id, snapshot);
    history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
    txn.body_mut::<Vm>(id)?.set_lcm(doing);
    common::record(txn, id, VmAction::DiskSnapshotDelete)?;
    // Always a transfer, also of a running VM.
    common::transfer(txn, id, TransferAction::DiskSnapshot, answered)?;
    Ok(Value::Int(id))
}

/// `one.vm.disksnapshotrename`: parameters VM, disk, snapshot, name.
pub fn rename(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, disk_id) = (request.id(), request.int(1));
    rights::authorize_with(txn, id, VmAction::DiskSnapshotRename, Vec::new())?;
    rights::refuse_imported(txn, id, VmAction::DiskSnapshotRename)?;
    let vm = txn.body_mut::<Vm>(id)?;
    vm.disk(disk_id).ok_or_else(no_disk)?;
    let snapshots = vm.snapshots.get_mut(&disk_id);
    let snapshots = snapshots.ok_or_else(|| ApiError::action("The VM does not have any snapshot"))?;
    snapshots.rename(request.int(2), request.str(3)).map_err(ApiError::action)?;
    Ok(Value::Int(id))
}

/// What was to be done to a disk's snapshot is done, or not.
///
/// # Errors
/// NO_EXISTS.
pub fn answered(txn: &mut Txn, id: i32, done: bool) -> Result<(), ApiError> {
    use LcmState as L;
    let vm = txn.get::<Vm>(id)?.1;
    let Some(disk) = vm.disks().find(|disk| disk.is_yes("DISK_SNAPSHOT_ACTIVE")).cloned() else { return Ok(()) };
    let (Some(disk_id), Some(snapshot)) = (disk.id("DISK_ID"), disk.id("DISK_SNAPSHOT_ID")) else { return Ok(()) };
    match vm.lcm_state {
        L::DiskSnapshot | L::DiskSnapshotPoweroff | L::DiskSnapshotSuspended if !done => {
            remove(txn, id, &disk, disk_id, snapshot)?;
        }
        L::DiskSnapshotDelete | L::DiskSnapshotDeletePoweroff | L::DiskSnapshotDeleteSuspended if done => {
            remove(txn, id, &disk, disk_id, snapshot)?;
        }
        doing if done => {
            if let Some(snapshots) = txn.body_mut::<Vm>(id)?.snapshots.get_mut(&disk_id) {
                snapshots.activate(snapshot, doing == L::DiskSnapshotRevertPoweroff);
            }
        }
        _ => {}
    }
    let vm = txn.body_mut::<Vm>(id)?;
    if let Some(disk) = vm.disk_mut(disk_id) {
        disk.remove("DISK_SNAPSHOT_ACTIVE");
        disk.remove("DISK_SNAPSHOT_ID");
    }
    let snapshots = vm.snapshots.get(&disk_id).cloned();
    if let Some(image) = disk.id("IMAGE_ID").filter(|_| disk.is_yes("PERSISTENT") && target(&disk) == "NONE") {
        usage::set_snapshots(txn, image, snapshots.as_ref());
    }
    common::finish_operation(txn, id)
}

/// Removes a snapshot from a disk; who paid for it no longer does.
fn remove(txn: &mut Txn, id: i32, disk: &VectorAttribute, disk_id: i32, snapshot: i32) -> Result<(), ApiError> {
    let size = txn.get::<Vm>(id)?.1.snapshots.get(&disk_id).map_or(0, |s| s.size_mb(snapshot));
    booking::following(txn, Kind::Vm, id, |txn| -> Result<(), ApiError> {
        let vm = txn.body_mut::<Vm>(id)?;
        let Some(snapshots) = vm.snapshots.get_mut(&disk_id) else { return Ok(()) };
        snapshots.delete(snapshot);
        let total = snapshots.total_mb();
        if let Some(disk) = vm.disk_mut(disk_id) {
            disk.set("DISK_SNAPSHOT_TOTAL_SIZE", total);
        }
        Ok(())
    })?;
    Growth::of(disk, size).give_back(txn);
    Ok(())
}
