//! Disks plugged into and out of VMs: `one.vm.attach`, `one.vm.detach`.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::ids::id_list;
use quorate_model::kind::Kind;
use quorate_model::pending::{TransferAction, VmmAction};
use quorate_model::quota;
use quorate_model::records::image::snapshots::Snapshots;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, VmAction};
use quorate_model::template::VectorAttribute;

use super::common;
use crate::booking;
use crate::methods::Request;
use crate::pools::image::{store, usage};
use crate::pools::vm::attributes::disks::free_target;
use crate::pools::vm::{drivers, history, rights, wishes};
use crate::txn::Txn;
use crate::verbs;

/// `one.vm.attach`: parameters VM, template with the DISK.
pub fn attach(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let (_, vm) = txn.get::<Vm>(id)?;
    let datastore = vm.record().map(|r| r.ds_id).ok_or_else(|| ApiError::action("VM is not running in any host"))?;
    rights::refuse_router(vm)?;
    rights::refuse_imported(txn, id, VmAction::DiskAttach)?;
    let mut template = verbs::parse_new(request.str(1))?;
    let uid = txn.actor().uid;
    let owner = rights::owner(txn, id)?;
    let wishes = wishes::of(txn, &[uid, owner.0], &mut template, false);
    rights::authorize_with(txn, id, VmAction::DiskAttach, wishes)?;
    rights::refuse_restricted(txn, &template, "DISK")?;
    let mut disk = template.vector("DISK").cloned();
    if let Some(disk) = &mut disk {
        if store::is_volatile(disk) {
            store::describe_disk(txn, datastore, disk);
        }
        let mut complete = disk.clone();
        usage::describe(txn, txn.budget(), owner.0, &mut complete, 0).map_err(ApiError::internal)?;
        rights::check_quota(txn, owner, uid, &quota::vm::attached_disk(&complete))?;
    }
    booking::following(txn, Kind::Vm, id, |txn| plug(txn, id, disk))?;
    Ok(Value::Int(id))
}

fn plug(txn: &mut Txn, id: i32, disk: Option<VectorAttribute>) -> Result<(), ApiError> {
    let (_, vm) = txn.get::<Vm>(id)?;
    let running = common::is_running(vm);
    if !running && !common::is_off(vm) {
        return Err(common::wrong_state("Could not attach a new disk to", id, vm));
    }
    let disk = disk.ok_or_else(|| ApiError::action("Internal error parsing DISK attribute"))?;
    let vm = txn.body_mut::<Vm>(id)?;
    vm.set_lcm(if running { LcmState::Hotplug } else { LcmState::HotplugPrologPoweroff });
    vm.resched = false;
    let (disk_id, disk, snapshots) = prepare(txn, id, disk).map_err(ApiError::action)?;
    let object = txn.object_mut(Kind::Vm, id)?;
    history::set_vm_info(object);
    if let Some(vm) = Vm::of_mut(&mut object.body) {
        vm.template.add_vector("DISK", disk);
        vm.snapshots.extend(snapshots.map(|snapshots| (disk_id, snapshots)));
    }
    common::record(txn, id, VmAction::DiskAttach)?;
    if running {
        drivers::vmm(txn, id, VmmAction::AttachDisk)
    } else {
        common::transfer(txn, id, TransferAction::PrologAttach, attached)
    }
}

/// Acquires the image of a new disk of an existing VM and gives it its id and target.
fn prepare(
    txn: &mut Txn,
    id: i32,
    mut disk: VectorAttribute,
) -> Result<(i32, VectorAttribute, Option<Snapshots>), String> {
    let (object, vm) = txn.get::<Vm>(id).map_err(|e| e.text)?;
    let (uid, cluster) = (object.uid, vm.record().map_or(-1, |r| r.cid));
    let others: Vec<&VectorAttribute> = vm.template.vectors("DISK").chain(vm.template.vector("CONTEXT")).collect();
    let used: BTreeSet<String> =
        others.iter().map(|d| d.value("TARGET").to_owned()).filter(|t| !t.is_empty()).collect();
    let disk_id = others.iter().filter_map(|d| d.id("DISK_ID")).max().map_or(0, |max| max.saturating_add(1));
    match vm.template.value("TM_MAD_SYSTEM") {
        "" => {
            disk.remove("TM_MAD_SYSTEM");
        }
        mode => {
            disk.set("TM_MAD_SYSTEM", mode);
        }
    }
    let acquired = usage::acquire(txn, id, uid, &mut disk, disk_id, true)?;
    let target = disk.value("TARGET");
    if target.is_empty() {
        disk.set("TARGET", free_target(&used, &acquired.dev_prefix));
    } else if used.contains(target) {
        return Err(format!("Target {target} is already in use."));
    }
    let clusters = disk.value("CLUSTER_ID");
    if !clusters.is_empty() && !id_list(clusters).contains(&cluster) {
        let image = acquired.image.unwrap_or(-1);
        return Err(format!("Image [{image}] is not part of cluster [{cluster}]"));
    }
    disk.set("ATTACH", "YES");
    Ok((disk_id, disk, acquired.snapshots))
}

/// `one.vm.detach`: parameters VM, disk.
pub fn detach(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, disk_id) = (request.id(), request.int(1));
    rights::authorize_with(txn, id, VmAction::DiskDetach, Vec::new())?;
    let (_, vm) = txn.get::<Vm>(id)?;
    rights::refuse_router(vm)?;
    rights::refuse_imported(txn, id, VmAction::DiskDetach)?;
    let running = common::is_running(vm);
    if !running && !common::is_off(vm) {
        return Err(common::wrong_state("Could not detach disk from", id, vm));
    }
    let vm = txn.body_mut::<Vm>(id)?;
    let Some(disk) = vm.disk_mut(disk_id) else {
        let reason = format!("Could not detach disk with DISK_ID {disk_id}, it does not exist.");
        return Err(ApiError::action(reason));
    };
    disk.set("ATTACH", "YES");
    vm.resched = false;
    history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
    common::record(txn, id, VmAction::DiskDetach)?;
    let doing = if running { LcmState::Hotplug } else { LcmState::HotplugEpilogPoweroff };
    txn.body_mut::<Vm>(id)?.set_lcm(doing);
    if running {
        drivers::vmm(txn, id, VmmAction::DetachDisk)?;
    } else {
        common::transfer(txn, id, TransferAction::EpilogDetach, detached)?;
    }
    Ok(Value::Int(id))
}

/// A disk has been attached, or not: then the VM does not have it.
///
/// # Errors
/// NO_EXISTS.
pub fn attached(txn: &mut Txn, id: i32, done: bool) -> Result<(), ApiError> {
    if !done {
        return detached(txn, id, true);
    }
    let vm = txn.body_mut::<Vm>(id)?;
    clear(vm);
    if vm.backups.configured() {
        // The chain of increments does not know the disk: the next backup is a full one.
        vm.backups.set_chain(None, None);
    }
    common::finish_operation(txn, id)
}

/// A disk has been detached, or not: then the VM keeps it.
///
/// # Errors
/// NO_EXISTS.
pub fn detached(txn: &mut Txn, id: i32, done: bool) -> Result<(), ApiError> {
    if done {
        booking::following(txn, Kind::Vm, id, |txn| remove(txn, id))?;
    } else {
        clear(txn.body_mut::<Vm>(id)?);
    }
    common::finish_operation(txn, id)
}

fn clear(vm: &mut Vm) {
    if let Some(disk) = vm.template.vectors_mut("DISK").find(|disk| disk.is_yes("ATTACH")) {
        disk.remove("ATTACH");
    }
}

/// Removes the disk that is plugged in or out, and lets go of its image unless another disk uses it too.
fn remove(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let vm = txn.body_mut::<Vm>(id)?;
    let Some(disk_id) = vm.disks().find(|disk| disk.is_yes("ATTACH")).and_then(|disk| disk.id("DISK_ID")) else {
        return Ok(());
    };
    let snapshots = vm.snapshots.remove(&disk_id);
    let Some(disk) = vm.take_vector("DISK", "DISK_ID", disk_id) else { return Ok(()) };
    let image = disk.id("IMAGE_ID");
    let shared = vm.disks().any(|other| image.is_some() && other.id("IMAGE_ID") == image);
    match image {
        Some(image) if shared => {
            usage::set_snapshots(txn, image, snapshots.as_ref());
            Ok(())
        }
        _ => usage::release_disk(txn, id, &disk, snapshots.as_ref(), false),
    }
}
