//! What changes a VM's parts: disks, NICs, snapshots, capacity, configuration, scheduled actions, backups.
//!
//! It must not move a VM between hosts or end it: that is the rest of the pool.

pub mod backup;
pub(crate) mod common;
pub mod disk;
pub mod disk_resize;
pub mod disk_snapshot;
pub mod nic;
pub mod nic_update;
pub mod resize;
pub mod saveas;
pub mod sched;
pub mod snapshot;
mod space;
pub mod updateconf;

use super::drivers;
use crate::api::Type;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, opt, req, write};
use crate::pending::VmmAction;
use crate::pools::vm::Vm;
use crate::records::vm::state::Waits;
use crate::template::{Template, VectorAttribute};
use crate::txn::Txn;

/// Takes BACKUP_CONFIG out of a new VM's template into the VM, whose disks are complete.
///
/// # Errors
/// The reference's text.
pub fn configure_backups(vm: &mut Vm, user: &mut Template) -> Result<(), String> {
    // As in the reference, volatile disks are thought to take part.
    updateconf::take_backup_config(vm, user, true, false)
}

/// A driver's answer to an action of this module: to what the hypervisor driver was asked, or (`None`) to a transfer.
/// The
/// caller has checked that the VM exists and is not at rest, and shows failures as ERROR.
///
/// # Errors
/// Those that discard the report.
pub fn answered(
    txn: &mut Txn,
    vm: i32,
    action: Option<VmmAction>,
    outcome: Result<&str, &str>,
) -> Result<(), ApiError> {
    use VmmAction as D;
    let done = outcome.is_ok();
    match action {
        // The backup's own answer ends it.
        Some(D::BackupCancel) => return Ok(()),
        Some(D::SnapshotCreate | D::SnapshotRevert | D::SnapshotDelete) => {
            let name = outcome.ok().map(|payload| payload.split_whitespace().next().unwrap_or_default());
            return snapshot::answered(txn, vm, done, name);
        }
        _ => {}
    }
    match txn.get::<Vm>(vm)?.1.lcm_state.facts().waits {
        Waits::Plug => match action {
            Some(D::DetachDisk) => disk::detached(txn, vm, done),
            Some(D::UpdateConf) => updateconf::answered(txn, vm),
            _ => disk::attached(txn, vm, done),
        },
        Waits::DiskAttach => disk::attached(txn, vm, done),
        Waits::DiskDetach => disk::detached(txn, vm, done),
        Waits::Nic if action == Some(D::DetachNic) => nic::detached(txn, vm, done),
        Waits::Nic => nic::attached(txn, vm, done),
        Waits::VmSnapshot => snapshot::answered(txn, vm, done, None),
        Waits::Saveas => saveas::answered(txn, vm, done),
        Waits::Resize => resize::answered(txn, vm, done),
        Waits::DiskSnapshot => disk_snapshot::answered(txn, vm, done),
        Waits::DiskResize => disk_resize::answered(txn, vm, done),
        Waits::Backup => backup::answered(txn, vm, outcome),
        Waits::Nothing
        | Waits::Prolog
        | Waits::Epilog
        | Waits::Boot
        | Waits::Shutdown
        | Waits::Save
        | Waits::Cleanup => Ok(()),
    }
}

/// A disk has given up `size_mb` that it was to take, or took, outside the VM's own template: who paid for it in the
/// image's datastore no longer does.
pub fn give_back_growth(txn: &mut Txn, disk: &VectorAttribute, size_mb: i64) {
    space::Growth::of(disk, size_mb).give_back(txn);
}

/// `one.vm.recover` says how an operation of this module has ended; drivers' own answers do not count any more. As in
/// the reference, what is plugged is taken for plugged in.
///
/// # Errors
/// ACTION when no disk is being resized though the VM's state says so (the reference crashes).
pub fn recovered(txn: &mut Txn, vm: i32, success: bool) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(vm)?.1;
    let resizes = body.lcm_state.facts().waits == Waits::DiskResize;
    if resizes && !disk_resize::is_resizing(body) && !success {
        return Err(ApiError::action(format!("VM {vm} is not resizing any disk")));
    }
    drivers::cancel(txn, vm);
    answered(txn, vm, None, if success { Ok("") } else { Err("") })
}

/// The methods of this module.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vm.attach", Kind::Vm, &[ID, req("template", Type::Str)], &[], disk::attach),
    write("one.vm.attachnic", Kind::Vm, &[ID, req("template", Type::Str)], &[], nic::attach),
    write("one.vm.attachsg", Kind::Vm, &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)], &[], nic_update::attach_group),
    write("one.vm.backup", Kind::Vm, &[ID, opt("datastore_id", Type::Int, Default::Int(-1)), opt("reset", Type::Bool, Default::Bool(false))], &[], backup::backup),
    write("one.vm.backupcancel", Kind::Vm, &[ID], &[], backup::cancel),
    write("one.vm.detach", Kind::Vm, &[ID, req("disk_id", Type::Int)], &[], disk::detach),
    write("one.vm.detachnic", Kind::Vm, &[ID, req("nic_id", Type::Int)], &[], nic::detach),
    write("one.vm.detachsg", Kind::Vm, &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)], &[], nic_update::detach_group),
    write("one.vm.diskresize", Kind::Vm, &[ID, req("disk_id", Type::Int), req("size", Type::Str)], &[], disk_resize::resize),
    write("one.vm.disksaveas", Kind::Vm, &[ID, req("disk_id", Type::Int), req("name", Type::Str), req("type", Type::Str), req("snapshot_id", Type::Int)], &[], saveas::call),
    write("one.vm.disksnapshotcreate", Kind::Vm, &[ID, req("disk_id", Type::Int), req("name", Type::Str)], &[], disk_snapshot::create),
    write("one.vm.disksnapshotdelete", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)], &[], disk_snapshot::delete),
    write("one.vm.disksnapshotrename", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int), req("name", Type::Str)], &[], disk_snapshot::rename),
    write("one.vm.disksnapshotrevert", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)], &[], disk_snapshot::revert),
    write("one.vm.resize", Kind::Vm, &[ID, req("template", Type::Str), opt("enforce", Type::Bool, Default::Bool(false))], &[], resize::resize),
    write("one.vm.schedadd", Kind::Vm, &[ID, req("template", Type::Str)], &[], sched::add),
    write("one.vm.scheddelete", Kind::Vm, &[ID, req("sched_id", Type::Int)], &[], sched::delete),
    write("one.vm.schedupdate", Kind::Vm, &[ID, req("sched_id", Type::Int), req("template", Type::Str)], &[], sched::update),
    write("one.vm.snapshotcreate", Kind::Vm, &[ID, req("name", Type::Str)], &[], snapshot::create),
    write("one.vm.snapshotdelete", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[], snapshot::delete),
    write("one.vm.snapshotrevert", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[], snapshot::revert),
    write("one.vm.updateconf", Kind::Vm, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[], updateconf::call),
    write("one.vm.updatenic", Kind::Vm, &[ID, req("nic_id", Type::Int), req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[], nic_update::update),
];
