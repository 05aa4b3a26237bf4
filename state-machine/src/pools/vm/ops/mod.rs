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

use quorate_model::api::Type;
use quorate_model::kind::Kind;

use crate::methods::{Default, ID, Method, opt, req, write};
use crate::params;

/// The methods of this module.
pub static METHODS: &[Method] = &[
    write("one.vm.attach", Kind::Vm, &[ID, params::TEMPLATE], &[], disk::attach),
    write("one.vm.attachnic", Kind::Vm, &[ID, params::TEMPLATE], &[], nic::attach),
    write(
        "one.vm.attachsg",
        Kind::Vm,
        &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)],
        &[],
        nic_update::attach_group,
    ),
    write(
        "one.vm.backup",
        Kind::Vm,
        &[ID, opt("datastore_id", Type::Int, Default::Int(-1)), opt("reset", Type::Bool, Default::Bool(false))],
        &[],
        backup::backup,
    ),
    write("one.vm.backupcancel", Kind::Vm, params::OBJECT, &[], backup::cancel),
    write("one.vm.detach", Kind::Vm, &[ID, req("disk_id", Type::Int)], &[], disk::detach),
    write("one.vm.detachnic", Kind::Vm, &[ID, req("nic_id", Type::Int)], &[], nic::detach),
    write(
        "one.vm.detachsg",
        Kind::Vm,
        &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)],
        &[],
        nic_update::detach_group,
    ),
    write(
        "one.vm.diskresize",
        Kind::Vm,
        &[ID, req("disk_id", Type::Int), req("size", Type::Str)],
        &[],
        disk_resize::resize,
    ),
    write(
        "one.vm.disksaveas",
        Kind::Vm,
        &[ID, req("disk_id", Type::Int), params::NAME, req("type", Type::Str), req("snapshot_id", Type::Int)],
        &[],
        saveas::call,
    ),
    write(
        "one.vm.disksnapshotcreate",
        Kind::Vm,
        &[ID, req("disk_id", Type::Int), params::NAME],
        &[],
        disk_snapshot::create,
    ),
    write(
        "one.vm.disksnapshotdelete",
        Kind::Vm,
        &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)],
        &[],
        disk_snapshot::delete,
    ),
    write(
        "one.vm.disksnapshotrename",
        Kind::Vm,
        &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int), params::NAME],
        &[],
        disk_snapshot::rename,
    ),
    write(
        "one.vm.disksnapshotrevert",
        Kind::Vm,
        &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)],
        &[],
        disk_snapshot::revert,
    ),
    write(
        "one.vm.resize",
        Kind::Vm,
        &[ID, params::TEMPLATE, opt("enforce", Type::Bool, Default::Bool(false))],
        &[],
        resize::resize,
    ),
    write("one.vm.schedadd", Kind::Vm, &[ID, params::TEMPLATE], &[], sched::add),
    write("one.vm.scheddelete", Kind::Vm, &[ID, req("sched_id", Type::Int)], &[], sched::delete),
    write("one.vm.schedupdate", Kind::Vm, &[ID, req("sched_id", Type::Int), params::TEMPLATE], &[], sched::update),
    write("one.vm.snapshotcreate", Kind::Vm, params::RENAME, &[], snapshot::create),
    write("one.vm.snapshotdelete", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[], snapshot::delete),
    write("one.vm.snapshotrevert", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[], snapshot::revert),
    write("one.vm.updateconf", Kind::Vm, params::UPDATE, &[], updateconf::call),
    write(
        "one.vm.updatenic",
        Kind::Vm,
        &[ID, req("nic_id", Type::Int), params::TEMPLATE, params::APPEND],
        &[],
        nic_update::update,
    ),
];
