//! What VMs take of hosts: whether it fits, taking it, giving it back. The interface for the pool of VMs.
//!
//! It changes hosts only; what was given to a VM (PCI addresses, NUMA nodes) is written into the [`Capacity`], which
//! the caller puts back into the VM's template.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::host::Host;
use quorate_model::records::host::capacity::Capacity;
use quorate_model::records::host::share::Share;
use quorate_model::template::VectorAttribute;

use crate::pools::host::{numa, pci};
use crate::state::State;
use crate::txn::Txn;

/// Whether `wanted` fits in a host besides what is taken already; without `enforce` only the host's existence counts.
///
/// # Errors
/// The text behind "does not fit in": "Not enough CPU: 100/50", "Unavailable PCI device.", ...; or that there is no
/// host.
pub fn fits(state: &State, host: i32, wanted: &Capacity, enforce: bool) -> Result<(), String> {
    let Some((_, host)) = state.find_typed::<Host>(host) else {
        return Err("Host no longer exists".to_owned());
    };
    if !enforce {
        return Ok(());
    }
    test_compute(&host.share, wanted)?;
    if !pci::fits(&host.share.pci, &wanted.pci) {
        return Err("Unavailable PCI device.".to_owned());
    }
    if !numa::fits(&host.share.numa, wanted) {
        return Err("Cannot allocate NUMA topology".to_owned());
    }
    Ok(())
}

/// Whether CPU and memory suffice.
fn test_compute(share: &Share, wanted: &Capacity) -> Result<(), String> {
    let (cpu, mem) = (share.max_cpu.saturating_sub(share.cpu_usage), share.max_mem.saturating_sub(share.mem_usage));
    if wanted.cpu > cpu {
        return Err(format!("Not enough CPU: {}/{cpu}", wanted.cpu));
    }
    if wanted.mem > mem {
        return Err(format!("Not enough memory: {}/{mem}", wanted.mem));
    }
    Ok(())
}

/// [`fits`] with the reference's whole sentence for `one.vm.deploy`, `migrate` and `resize`.
///
/// # Errors
/// `virtual machine [2] does not fit in host [0]. Not enough CPU: 100/50`, or that there is no host.
pub fn check(state: &State, host: i32, vm: i32, wanted: &Capacity, enforce: bool) -> Result<(), String> {
    if state.find(Kind::Host, host).is_none() {
        return Err("Host no longer exists".to_owned());
    }
    let noun = Kind::Vm.info().noun;
    fits(state, host, wanted, enforce)
        .map_err(|reason| format!("{noun} [{vm}] does not fit in {} [{host}]. {reason}", Kind::Host.info().noun))
}

/// A VM takes capacity of a host and is in its list; a VM that has taken it already takes nothing more. A host that is
/// gone is ignored, as in the reference (`HostPool.h`, `add_capacity`).
pub fn add(txn: &mut Txn, host: i32, vm: i32, taken: &mut Capacity) {
    let Ok(host) = txn.body_mut::<Host>(host) else { return };
    host.saved = true;
    if !host.vms.insert(vm) {
        return;
    }
    let share = &mut host.share;
    share.cpu_usage = share.cpu_usage.saturating_add(taken.cpu);
    share.mem_usage = share.mem_usage.saturating_add(taken.mem);
    share.disks.usage = share.disks.usage.saturating_add(taken.disk);
    pci::add(&mut share.pci, &mut taken.pci, vm);
    numa::add(&mut share.numa, taken, vm);
    share.running_vms = share.running_vms.saturating_add(1);
}

/// A VM gives back what it took and leaves the host's list; a VM that is not in it gives nothing.
pub fn remove(txn: &mut Txn, host: i32, vm: i32, taken: &mut Capacity) {
    let Ok(host) = txn.body_mut::<Host>(host) else { return };
    host.saved = true;
    if !host.vms.remove(&vm) {
        return;
    }
    let share = &mut host.share;
    share.cpu_usage = share.cpu_usage.saturating_sub(taken.cpu);
    share.mem_usage = share.mem_usage.saturating_sub(taken.mem);
    share.disks.usage = share.disks.usage.saturating_sub(taken.disk);
    pci::remove(&mut share.pci, &mut taken.pci, vm);
    numa::remove(&mut share.numa, taken, vm);
    share.running_vms = share.running_vms.saturating_sub(1);
}

/// A VM of a host takes PCI devices (attached NICs and devices); whether all could be had.
pub fn add_pci(txn: &mut Txn, host: i32, vm: i32, devices: &mut [VectorAttribute]) -> bool {
    let Ok(host) = txn.body_mut::<Host>(host) else { return false };
    host.saved = true;
    pci::add(&mut host.share.pci, devices, vm)
}

/// A VM of a host gives PCI devices back.
pub fn remove_pci(txn: &mut Txn, host: i32, vm: i32, devices: &mut [VectorAttribute]) {
    if let Ok(host) = txn.body_mut::<Host>(host) {
        host.saved = true;
        pci::remove(&mut host.share.pci, devices, vm);
    }
}

/// After a failed migration: the devices that a VM has on `host` are those it had before.
///
/// # Errors
/// NO_EXISTS when the host is gone.
pub fn revert_pci(state: &State, host: i32, devices: &mut [VectorAttribute]) -> Result<(), ApiError> {
    pci::revert(&state.get::<Host>(host)?.1.share.pci, devices);
    Ok(())
}
