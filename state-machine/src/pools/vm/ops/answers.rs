//! What a driver's answer, or recovery in its place, does to the operation that waits for it.

use quorate_model::error::ApiError;
use quorate_model::pending::VmmAction;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::Waits;

use super::{backup, disk, disk_resize, disk_snapshot, nic, resize, saveas, snapshot, updateconf};
use crate::pools::vm::drivers;
use crate::txn::Txn;

/// A driver's answer to an action of this module: to what the hypervisor driver was asked, or (`None`) to a transfer.
/// The caller has checked that the VM exists and is not at rest, and shows failures as ERROR.
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

/// `one.vm.recover` says how an operation of this module has ended; drivers' own answers do not count any more. As in
/// the reference (`LifeCycleManager::recover`), a device counts as being plugged in, also one that is plugged out.
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
