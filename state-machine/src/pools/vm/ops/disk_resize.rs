//! `one.vm.diskresize`: disks grow, never shrink.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::{TransferAction, VmmAction};
use quorate_model::quota;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};
use quorate_model::template::whole_int;

use super::common;
use super::space::Growth;
use crate::booking;
use crate::methods::Request;
use crate::pools::image::usage;
use crate::pools::vm::{drivers, history, rights};
use crate::txn::Txn;

/// Parameters VM, disk, new size in MB. Answers the disk's id.
pub fn resize(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, disk_id) = (request.id(), request.int(1));
    let size = whole_int(request.str(2)).ok_or_else(|| ApiError::action("Disk SIZE is not a valid integer"))?;
    rights::authorize_with(txn, id, VmAction::DiskResize, Vec::new())?;
    rights::refuse_imported(txn, id, VmAction::DiskResize)?;
    let vm = txn.get::<Vm>(id)?.1;
    let disk = vm.disk(disk_id).ok_or_else(|| ApiError::action("VM disk does not exist"))?;
    let current = disk.int("SIZE").unwrap_or(0);
    if size <= current {
        return Err(ApiError::action("New disk size has to be greater than current one"));
    }
    if vm.snapshots.contains_key(&disk_id) {
        return Err(ApiError::action("Cannot resize a disk with snapshots"));
    }
    let growth = Growth::of(disk, size.saturating_sub(current));
    if let Some(wish) = growth.wish(txn)? {
        rights::authorize_with(txn, id, VmAction::DiskResize, vec![wish])?;
    }
    growth.book(txn, id)?;
    let vm = txn.get::<Vm>(id)?.1;
    let doing = if common::is_running(vm) {
        LcmState::DiskResize
    } else if common::is_at(vm, State::Poweroff) {
        LcmState::DiskResizePoweroff
    } else if common::is_at(vm, State::Undeployed) {
        LcmState::DiskResizeUndeployed
    } else {
        return Err(common::wrong_state("Could not resize disk for", id, vm));
    };
    history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
    booking::following(txn, Kind::Vm, id, |txn| -> Result<(), ApiError> {
        let vm = txn.body_mut::<Vm>(id)?;
        if let Some(disk) = vm.disk_mut(disk_id) {
            disk.set("SIZE_PREV", current).set("SIZE", size).set("RESIZE", "YES");
        }
        vm.set_lcm(doing);
        Ok(())
    })?;
    common::record(txn, id, VmAction::DiskResize)?;
    if doing == LcmState::DiskResize {
        drivers::vmm(txn, id, VmmAction::ResizeDisk)?;
    } else {
        common::transfer(txn, id, TransferAction::DiskResize, answered)?;
    }
    Ok(Value::Int(disk_id))
}

/// A disk has been resized, or not: then it has its old size.
///
/// # Errors
/// NO_EXISTS.
pub fn answered(txn: &mut Txn, id: i32, done: bool) -> Result<(), ApiError> {
    let vm = txn.get::<Vm>(id)?.1;
    let resized = vm.disks().find(|disk| disk.is_yes("RESIZE")).cloned();
    let Some((disk, disk_id)) = resized.and_then(|disk| disk.id("DISK_ID").map(|id| (disk, id))) else {
        return common::finish_operation(txn, id);
    };
    let (size, before) = (disk.int("SIZE").unwrap_or(0), disk.int("SIZE_PREV"));
    booking::following(txn, Kind::Vm, id, |txn| -> Result<(), ApiError> {
        if let Some(disk) = txn.body_mut::<Vm>(id)?.disk_mut(disk_id) {
            disk.remove("SIZE_PREV");
            disk.remove("RESIZE");
            if let Some(before) = before.filter(|_| !done) {
                disk.set("SIZE", before);
            }
        }
        Ok(())
    })?;
    if !done {
        Growth::of(&disk, size.saturating_sub(before.unwrap_or(size))).give_back(txn);
    } else if let Some(image) =
        disk.id("IMAGE_ID").filter(|_| disk.is_yes("PERSISTENT") && quota::vm::target(&disk) == "NONE")
    {
        usage::set_size(txn, image, size);
    }
    common::finish_operation(txn, id)
}

/// Whether a disk of the VM is being resized.
#[must_use]
pub fn is_resizing(vm: &Vm) -> bool {
    vm.disks().any(|disk| disk.is_yes("RESIZE"))
}
