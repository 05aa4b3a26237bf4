//! What changes a VM's parts: disks, NICs, snapshots, capacity, configuration, scheduled actions, backups.
//!
//! It must not move a VM between hosts or end it: that is the rest of the pool.

pub mod updateconf;

use crate::api::Type;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, req, unwritten};
use crate::object::Op;
use crate::pools::vm::Vm;
use crate::template::Template;
use crate::txn::Txn;

/// Takes BACKUP_CONFIG out of a new VM's template into the VM, whose disks are complete.
///
/// # Errors
/// The reference's text.
pub fn configure_backups(vm: &mut Vm, user: &mut Template) -> Result<(), String> {
    // As in the reference, volatile disks are thought to take part.
    updateconf::take_backup_config(vm, user, true, false)
}

/// A driver's answer to an action of this module: of the hypervisor (`ATTACHDISK`, `SNAPSHOTCREATE`, `RESIZE`, ...) or
/// of a transfer. `action` is the driver's name for it; empty when `one.vm.recover` gives the answer, and then it is
/// taken for one to what the VM is doing. The caller has checked that the VM exists and is not at rest, and shows
/// failures as ERROR.
///
/// # Errors
/// Those that discard the report.
#[allow(unused_variables, clippy::unnecessary_wraps)]
pub fn answered(txn: &mut Txn, vm: i32, action: &str, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    Err(ApiError::internal("This method is not implemented yet in Quorate"))
}

/// The methods of this module.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.vm.attach", Kind::Vm, &[ID, req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.attachnic", Kind::Vm, &[ID, req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.attachsg", Kind::Vm, &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.backup", Kind::Vm, &[ID, opt("datastore_id", Type::Int, Default::Int(-1)), opt("reset", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Vm, 0, Op::Admin)]),
    unwritten("one.vm.backupcancel", Kind::Vm, &[ID], &[Need::May(Kind::Vm, 0, Op::Admin)]),
    unwritten("one.vm.detach", Kind::Vm, &[ID, req("disk_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.detachnic", Kind::Vm, &[ID, req("nic_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.detachsg", Kind::Vm, &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.diskresize", Kind::Vm, &[ID, req("disk_id", Type::Int), req("size", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksaveas", Kind::Vm, &[ID, req("disk_id", Type::Int), req("name", Type::Str), req("type", Type::Str), req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage), Need::Create(Kind::Image)]),
    unwritten("one.vm.disksnapshotcreate", Kind::Vm, &[ID, req("disk_id", Type::Int), req("name", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksnapshotdelete", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksnapshotrename", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int), req("name", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksnapshotrevert", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.resize", Kind::Vm, &[ID, req("template", Type::Str), opt("enforce", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.schedadd", Kind::Vm, &[ID, req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.scheddelete", Kind::Vm, &[ID, req("sched_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.schedupdate", Kind::Vm, &[ID, req("sched_id", Type::Int), req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.snapshotcreate", Kind::Vm, &[ID, req("name", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.snapshotdelete", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.snapshotrevert", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.updateconf", Kind::Vm, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.updatenic", Kind::Vm, &[ID, req("nic_id", Type::Int), req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Vm, 0, Op::Manage)]),
];
