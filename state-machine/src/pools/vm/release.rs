//! What a VM holds of other objects and how it gives it back: capacity of hosts, console ports, images, leases.
//!
//! It must not ask drivers.

use std::collections::BTreeSet;

use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::quota::vm::{is_volatile, target};
use quorate_model::records::host::capacity::Capacity;
use quorate_model::records::image::snapshots::Snapshots;
use quorate_model::records::image::states::State as ImageState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::records::vm::state::{LcmState, State};
use quorate_model::template::{Template, VectorAttribute, leading_int};

use super::attributes::topology;
use super::history;
use super::ops::space::Growth;
use crate::pools::cluster::vnc;
use crate::pools::host::capacity;
use crate::pools::image::{states as image_states, usage};
use crate::pools::vnet::nic;
use crate::pools::vrouter::members;
use crate::pools::{secgroup, vmgroup};
use crate::txn::Txn;

/// What a VM takes of its host.
#[must_use]
pub fn capacity_of(template: &Template) -> Capacity {
    let (Some(memory), Some(cpu)) = (template.int("MEMORY"), template.float("CPU")) else {
        return Capacity::default();
    };
    // As in the reference (`VirtualMachine::get_capacity`), hundredths are cut off a 32-bit float.
    #[expect(clippy::cast_possible_truncation)]
    let cpu = (cpu as f32 * 100.0) as i64;
    Capacity {
        vcpu: template.int("VCPU").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        cpu,
        mem: memory.saturating_mul(1024),
        disk: 0,
        pci: template.vectors("PCI").cloned().collect(),
        topology: template.vector("TOPOLOGY").cloned(),
        nodes: template.vectors("NUMA_NODE").cloned().collect(),
    }
}

/// Writes what a host has given (addresses of devices, nodes, cores) back into the template.
pub fn note_given(template: &mut Template, given: Capacity) {
    if template.vector("PCI").is_some() {
        template.set_vectors("PCI", given.pci);
    }
    if topology::is_pinned(template) || !given.nodes.is_empty() {
        template.set_vectors("NUMA_NODE", given.nodes);
        template.set_vectors("TOPOLOGY", given.topology);
    }
}

/// The VM takes its capacity of the host of its current record.
///
/// # Errors
/// NO_EXISTS.
pub fn add_capacity(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let (_, body) = txn.get::<Vm>(vm)?;
    let Some(host) = body.record().map(|r| r.hid) else { return Ok(()) };
    let mut taken = capacity_of(&body.template);
    capacity::add(txn, host, vm, &mut taken);
    note_given(&mut txn.body_mut::<Vm>(vm)?.template, taken);
    Ok(())
}

/// The VM gives its capacity back to the host of a record.
///
/// # Errors
/// NO_EXISTS.
pub fn remove_capacity(txn: &mut Txn, vm: i32, of: fn(&Vm) -> Option<&History>) -> Result<(), ApiError> {
    let (_, body) = txn.get::<Vm>(vm)?;
    let Some(host) = of(body).map(|r| r.hid) else { return Ok(()) };
    let mut taken = capacity_of(&body.template);
    capacity::remove(txn, host, vm, &mut taken);
    note_given(&mut txn.body_mut::<Vm>(vm)?.template, taken);
    Ok(())
}

/// Whether the last two records are on different hosts.
fn has_moved(vm: &Vm) -> bool {
    matches!((vm.record(), vm.previous_record()), (Some(now), Some(before)) if now.hid != before.hid)
}

/// The VM has left its previous host: that one's capacity and the console's port there are free. When it has only
/// moved its files within the host, nothing is.
///
/// # Errors
/// NO_EXISTS.
pub fn leave_previous(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let (_, body) = txn.get::<Vm>(vm)?;
    if !has_moved(body) {
        return Ok(());
    }
    // What it has on the new host (devices, nodes) is in its template: the old host gives back its own.
    let Some(before) = body.previous_record().map(|r| (r.hid, r.cid)) else { return Ok(()) };
    let mut taken = capacity_of(&body.template);
    capacity::remove(txn, before.0, vm, &mut taken);
    let graphics = txn.body_mut::<Vm>(vm)?.template.vectors_mut("GRAPHICS").next();
    if let Some(port) = graphics.and_then(|g| g.remove("PREVIOUS_PORT")).and_then(|port| port.parse().ok()) {
        vnc::release(txn, before.1, port);
    }
    Ok(())
}

/// The VM has not reached its new host: what it took there is free, and its devices and console are the old ones.
///
/// # Errors
/// NO_EXISTS.
pub fn leave_new(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let (_, body) = txn.get::<Vm>(vm)?;
    if !has_moved(body) {
        return Ok(());
    }
    let (Some((hid, cid)), Some(before)) =
        (body.record().map(|r| (r.hid, r.cid)), body.previous_record().map(|r| r.hid))
    else {
        return Ok(());
    };
    let mut taken = capacity_of(&body.template);
    capacity::remove(txn, hid, vm, &mut taken);
    if !taken.pci.is_empty() {
        // A host that is gone has no devices to give.
        let _ = capacity::revert_pci(txn, before, &mut taken.pci);
    }
    let body = txn.body_mut::<Vm>(vm)?;
    note_given(&mut body.template, taken);
    let Some(graphics) = body.template.vectors_mut("GRAPHICS").next() else { return Ok(()) };
    let Some(old) = graphics.remove("PREVIOUS_PORT") else { return Ok(()) };
    let new = graphics.value("PORT").parse().ok();
    graphics.set("PORT", old);
    if let Some(port) = new {
        vnc::release(txn, cid, port);
    }
    Ok(())
}

/// The console's port is free.
///
/// # Errors
/// NO_EXISTS.
pub fn free_port(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let body = txn.body_mut::<Vm>(vm)?;
    let Some(cluster) = body.record().map(|r| r.cid) else { return Ok(()) };
    let graphics = body.template.vectors_mut("GRAPHICS").next();
    let port = graphics.filter(|g| g.int("PORT").is_some()).and_then(|g| g.remove("PORT"));
    if let Some(port) = port.and_then(|port| port.parse().ok()) {
        vnc::release(txn, cluster, port);
    }
    Ok(())
}

/// Whether the hypervisor driver of the current record keeps snapshots while a VM is not running.
fn keeps_snapshots(txn: &Txn, vm: &Vm) -> bool {
    let driver = vm.record().and_then(|r| txn.settings().driver("VM_MAD", &r.vm_mad));
    driver.is_some_and(|driver| driver.is_yes("KEEP_SNAPSHOTS"))
}

/// Snapshots of the whole VM are gone, unless its hypervisor keeps them.
///
/// # Errors
/// NO_EXISTS.
pub fn drop_snapshots(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    if !keeps_snapshots(txn, txn.get::<Vm>(vm)?.1) {
        txn.body_mut::<Vm>(vm)?.template.remove("SNAPSHOT");
    }
    Ok(())
}

/// Before a VM begins anew: its snapshots are gone, and those of disks that are copies.
///
/// # Errors
/// NO_EXISTS.
pub fn drop_all_snapshots(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let body = txn.body_mut::<Vm>(vm)?;
    if body.state == State::Active {
        body.template.remove("SNAPSHOT");
    }
    let (mut copies, mut given_up) = (BTreeSet::new(), Vec::new());
    for disk in body.template.vectors_mut("DISK") {
        let snapshots = disk.id("DISK_ID").filter(|id| body.snapshots.contains_key(id));
        let Some(id) = snapshots.filter(|_| disk.get("CLONE").is_some() && target(disk) != "NONE") else {
            continue;
        };
        given_up.push((disk.clone(), body.snapshots.get(&id).map_or(0, Snapshots::total_mb)));
        for name in ["DISK_SNAPSHOT_ACTIVE", "DISK_SNAPSHOT_ID", "DISK_SNAPSHOT_TOTAL_SIZE"] {
            disk.remove(name);
        }
        copies.insert(id);
    }
    body.snapshots.retain(|id, _| !copies.contains(id));
    given_up.iter().for_each(|(disk, size)| Growth::of(disk, *size).give_back(txn));
    Ok(())
}

/// What was being changed is given up: disks and NICs in attachment or detachment, a disk being saved, resized or
/// snapshot, a resize.
///
/// # Errors
/// NO_EXISTS.
pub fn give_up_change(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let template = &mut txn.body_mut::<Vm>(vm)?.template;
    let (mut saved_in, mut given_up) = (None, Vec::new());
    for disk in template.vectors_mut("DISK") {
        disk.remove("ATTACH");
        if disk.remove("HOTPLUG_SAVE_AS_ACTIVE").is_some() {
            saved_in = disk.id("HOTPLUG_SAVE_AS");
            for name in ["HOTPLUG_SAVE_AS", "HOTPLUG_SAVE_AS_SOURCE", "HOTPLUG_SAVE_AS_SNAPSHOT_ID"] {
                disk.remove(name);
            }
        }
        if disk.remove("DISK_SNAPSHOT_ACTIVE").is_some() {
            disk.remove("DISK_SNAPSHOT_ID");
        }
        if disk.remove("RESIZE").is_some()
            && let Some(size) = disk.remove("SIZE_PREV")
        {
            let grown = disk.int("SIZE").unwrap_or(0).saturating_sub(leading_int(&size).unwrap_or(0));
            disk.set("SIZE", size);
            given_up.push((disk.clone(), grown));
        }
    }
    for name in ["NIC", "NIC_ALIAS", "PCI"] {
        template.vectors_mut(name).for_each(|nic| {
            nic.remove("ATTACH");
        });
    }
    template.remove("RESIZE");
    given_up.iter().for_each(|(disk, size)| Growth::of(disk, *size).give_back(txn));
    match saved_in {
        Some(image) if txn.find(Kind::Image, image).is_some() => image_states::set(txn, image, ImageState::Error),
        _ => Ok(()),
    }
}

/// Everything the VM uses is free, and it is DONE. `check_images`: persistent images of a VM that was dropped while
/// it was active may be spoilt.
///
/// # Errors
/// NO_EXISTS.
pub fn free(txn: &mut Txn, vm: i32, check_images: bool) -> Result<(), ApiError> {
    let (_, body) = txn.get::<Vm>(vm)?;
    let spoilt = check_images && body.state == State::Active && body.lcm_state != LcmState::Epilog;
    let template = body.template.clone();
    let snapshots = body.snapshots.clone();
    let nics: Vec<&VectorAttribute> = body_nics(&template).collect();
    secgroup::vms::remove_vm(txn, vm, &secgroup::vms::groups_of(nics.iter().copied()));
    nics.iter().for_each(|nic| nic::release(txn, vm, nic));
    if let Some(group) = template.vector("VMGROUP") {
        vmgroup::remove_vm(txn, group, vm);
    }
    for disk in template.vectors("DISK").filter(|disk| !is_volatile(disk) || disk.id("IMAGE_ID").is_some()) {
        let of_disk = disk.id("DISK_ID").and_then(|id| snapshots.get(&id));
        usage::release_disk(txn, vm, disk, of_disk, spoilt)?;
    }
    let now = txn.now();
    let object = txn.object_mut(Kind::Vm, vm)?;
    let Some(body) = Vm::of_mut(&mut object.body) else { return Ok(()) };
    body.set_state(State::Done);
    body.etime = now;
    let mut ended = false;
    if let Some(record) = body.record_mut() {
        if record.rstime != 0 && record.retime == 0 {
            record.retime = now;
        }
        if record.etime == 0 {
            record.etime = now;
            ended = true;
        }
    }
    if ended {
        history::set_vm_info(object);
    }
    free_port(txn, vm)?;
    if let Some(router) = template.int("VROUTER_ID").and_then(|id| i32::try_from(id).ok()) {
        members::forget_vm(txn, router, vm);
    }
    Ok(())
}

fn body_nics(template: &Template) -> impl Iterator<Item = &VectorAttribute> {
    let devices = template.vectors("PCI").filter(|pci| pci.value("TYPE") == "NIC");
    template.vectors("NIC").chain(devices).chain(template.vectors("NIC_ALIAS"))
}
