//! Bringing a network's change to its VMs, one running VM after the other.
//!
//! The reference's `trigger_updatevnet`. What changes in a NIC is [`nic::update`]'s to say.

use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::Operation;
use quorate_model::records::rollout::Way;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::By;
use quorate_model::records::vm::state::{Interfaces, LcmState, State as VmState, VmAction};
use quorate_model::records::vnet::{State, Vnet};

use super::history;
use crate::ctime;
use crate::pools::rollout::{self, Brought};
use crate::pools::vnet::nic;
use crate::txn::Txn;

fn way(vm: &Vm) -> Way {
    if vm.state != VmState::Active {
        return Way::Template;
    }
    match vm.lcm_state.facts().interfaces {
        Interfaces::Undisturbed => Way::Driver,
        Interfaces::Busy | Interfaces::Unreachable => Way::Blocked,
        Interfaces::BackedUp | Interfaces::Template => Way::Template,
    }
}

/// The networks whose change did not come to all VMs with one entry.
pub fn waiting(txn: &Txn) -> impl Iterator<Item = i32> {
    let waits = |(object, network): (&Object, &Vnet)| network.vms.waits().then_some(object.id);
    txn.each::<Vnet>().filter_map(waits)
}

/// Brings the change to the outdated VMs, up to the first one that needs a driver, or until this entry has made as much
/// as it may: then the next tick goes on. After the last VM VNET_UPDATE goes.
pub fn proceed(txn: &mut Txn, id: i32) {
    loop {
        let Ok(network) = txn.body_mut::<Vnet>(id) else { return };
        let Some(vm_id) = network.vms.take_next() else {
            if let Ok(object) = txn.object_mut(Kind::Net, id) {
                object.template.remove("VNET_UPDATE");
            }
            return;
        };
        let Some((_, vm)) = txn.find_typed::<Vm>(vm_id) else { continue };
        let mut way = way(vm);
        if way != Way::Blocked {
            let memory = memory(txn, id, vm);
            way = match rollout::bring(txn, vm_id, memory, |txn| update_vm(txn, id, vm_id, way)) {
                Brought::Now(way) => way,
                Brought::Later => {
                    if let Ok(network) = txn.body_mut::<Vnet>(id) {
                        network.vms.outdated.insert(vm_id);
                    }
                    return;
                }
                Brought::Never => Way::Blocked,
            };
        }
        let Ok(network) = txn.body_mut::<Vnet>(id) else { return };
        network.vms.note(vm_id, way);
        if way == Way::Driver {
            txn.start(Operation::UpdateNic { vm: vm_id, network: id });
            return;
        }
    }
}

/// At most so many bytes the network's change makes for a VM: in each of its NICs all that changes, and what is noted.
fn memory(txn: &Txn, id: i32, vm: &Vm) -> u64 {
    let Some(object) = txn.find(Kind::Net, id) else { return 0 };
    let Some(changes) = object.template.vector("VNET_UPDATE") else { return 0 };
    let new: usize = changes.iter().map(|(name, _)| name.len() + object.template.value(name).len()).sum();
    let nics = vm.template.vectors("NIC").filter(|nic| nic.id("NETWORK_ID") == Some(id)).count();
    let old: usize = changes.iter().map(|(name, old)| name.len() + old.len()).sum();
    nics.saturating_mul(new).saturating_add(old) as u64
}

/// Changes the NICs in a VM's template and notes there what changed; the way may turn out to need no driver.
fn update_vm(txn: &mut Txn, id: i32, vm_id: i32, way: Way) -> Way {
    let mut changed = None;
    let nics: Vec<_> = txn
        .find_typed::<Vm>(vm_id)
        .into_iter()
        .flat_map(|(_, vm)| vm.template.vectors("NIC"))
        .filter(|nic| nic.id("NETWORK_ID") == Some(id))
        .cloned()
        .collect();
    for mut nic in nics {
        let Some((changes, _)) = nic::update(txn, id, &mut nic) else { continue };
        changed = Some(changes);
        let Some(nic_id) = nic.id("NIC_ID") else { continue };
        if let Ok(vm) = txn.body_mut::<Vm>(vm_id)
            && let Some(place) = vm.nic_mut(nic_id)
        {
            *place = nic;
        }
    }
    let now = txn.now();
    let Ok(object) = txn.object_mut(Kind::Vm, vm_id) else { return Way::Template };
    let by = By { uid: object.uid, gid: object.gid, request: 0 };
    let Some(vm) = Vm::of_mut(&mut object.body) else { return Way::Template };
    if let Some(mut changes) = changed {
        if let Some(earlier) = vm.template.vector("VNET_UPDATE") {
            changes.merge(earlier, false);
        }
        vm.template.set_vectors("VNET_UPDATE", [changes]);
    }
    if way == Way::Template || vm.template.vector("VNET_UPDATE").is_none() {
        return Way::Template;
    }
    vm.set_lcm(LcmState::HotplugNic);
    history::close_and_copy(object, now, VmAction::NicUpdate, by);
    Way::Driver
}

/// A driver has, or could not, tell a VM's host; whether for the network's change or for that of one NIC
/// (`one.vm.updatenic`). The next VM follows.
///
/// # Errors
/// None that refuses the report.
pub fn answered(txn: &mut Txn, vm_id: i32, id: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    if let Ok(network) = txn.body_mut::<Vnet>(id)
        && network.vms.answered(vm_id, outcome.is_ok())
        && outcome.is_err()
    {
        network.set_state(State::UpdateFailure);
    }
    if txn.find(Kind::Vm, vm_id).is_some() {
        let now = txn.time_in_words();
        let object = txn.object_mut(Kind::Vm, vm_id)?;
        if let Err(reason) = outcome {
            ctime::set_error(&mut object.template, ctime::ERROR, &now, &format!("UPDATENIC: {reason}"));
        }
        if let Some(vm) = Vm::of_mut(&mut object.body) {
            if outcome.is_ok() {
                vm.template.remove("VNET_UPDATE");
            }
            if vm.is_doing(LcmState::HotplugNic) {
                vm.set_lcm(LcmState::Running);
            }
        }
    }
    if txn.find(Kind::Net, id).is_some() {
        proceed(txn, id);
    }
    Ok(())
}
