//! What changes a VM's parts: disks, NICs, snapshots, capacity, configuration, scheduled actions, backups.
//!
//! It must not move a VM between hosts or end it: that is the rest of the pool.

pub mod answers;
pub mod backup;
pub mod common;
pub mod disk;
pub mod disk_resize;
pub mod disk_snapshot;
pub mod nic;
pub mod nic_update;
pub mod resize;
pub mod saveas;
pub mod sched;
pub mod snapshot;
pub mod space;
pub mod updateconf;

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, opt, req, write};

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
