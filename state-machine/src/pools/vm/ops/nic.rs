//! Network interfaces plugged into and out of VMs: `one.vm.attachnic`, `one.vm.detachnic`. Virtual routers change the
//! interfaces of their VMs by the same functions.

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::ids::{id_list, join_ids};
use quorate_model::kind::Kind;
use quorate_model::pending::VmmAction;
use quorate_model::quota;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};
use quorate_model::records::vnet::holder::Holder;
use quorate_model::template::{Template, VectorAttribute};

use super::common;
use crate::methods::Request;
use crate::pools::host::capacity;
use crate::pools::secgroup;
use crate::pools::vm::attributes::{context, nics, pci};
use crate::pools::vm::{drivers, history, rights, wishes};
use crate::pools::vnet::nic as lease;
use crate::txn::Txn;
use crate::{booking, verbs};

/// `one.vm.attachnic`: parameters VM, template with the NIC, NIC_ALIAS or PCI.
pub fn attach(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    rights::refuse_router(txn.get::<Vm>(id)?.1)?;
    rights::refuse_imported(txn, id, VmAction::NicAttach)?;
    let template = verbs::parse_new(request.str(1))?;
    attach_to(txn, id, template)?;
    Ok(Value::Int(id))
}

/// Plugs the interface that a template describes into a VM, as the caller.
///
/// # Errors
/// NO_EXISTS, AUTHORIZATION, ACTION.
pub fn attach_to(txn: &mut Txn, id: i32, mut template: Template) -> Result<(), ApiError> {
    let host = txn.get::<Vm>(id)?.1.record().map(|r| r.hid);
    if let Some(device) = template.vector("PCI") {
        pci::check(device).map_err(ApiError::action)?;
    }
    let uid = txn.actor().uid;
    let owner = rights::owner(txn, id)?;
    let wishes = wishes::of(txn, &[uid, owner.0], &mut template, false);
    rights::authorize_with(txn, id, VmAction::NicAttach, wishes)?;
    rights::refuse_restricted(txn, &template, "NIC")?;
    rights::check_quota(txn, owner, uid, &quota::vm::nics(&template))?;
    // A device besides a NIC is not the one that is plugged (the reference takes it of the host all the same).
    let plugs_device = template.vector("NIC").is_none() && template.vector("NIC_ALIAS").is_none();
    if let (Some(device), Some(host)) = (template.vectors_mut("PCI").next(), host) {
        if device.value("TYPE") != "NIC" {
            return Err(ApiError::action("PCI device is not of type NIC"));
        }
        if plugs_device && !capacity::add_pci(txn, host, id, std::slice::from_mut(device)) {
            return Err(ApiError::action("Cannot assign PCI device in host. Check address and free devices"));
        }
    }
    booking::following(txn, Kind::Vm, id, |txn| plug(txn, id, &template))
}

/// Whether the hypervisor driver of a VM wants to know of interfaces while the VM is powered off.
fn plugs_cold(txn: &Txn, vm: &Vm) -> bool {
    let driver = vm.record().and_then(|r| txn.settings().driver("VM_MAD", &r.vm_mad));
    driver.is_some_and(|driver| driver.is_yes("COLD_NIC_ATTACH"))
}

/// What a VM does while an interface is plugged; `None`: nothing, the driver is not asked.
fn plugging(txn: &Txn, id: i32, what: &str) -> Result<Option<LcmState>, ApiError> {
    let vm = txn.get::<Vm>(id)?.1;
    if common::is_running(vm) {
        Ok(Some(LcmState::HotplugNic))
    } else if common::is_at(vm, State::Poweroff) {
        Ok(plugs_cold(txn, vm).then_some(LcmState::HotplugNicPoweroff))
    } else {
        Err(common::wrong_state(what, id, vm))
    }
}

fn plug(txn: &mut Txn, id: i32, template: &Template) -> Result<(), ApiError> {
    let doing = plugging(txn, id, "Could not add a new NIC to")?;
    let vm = txn.body_mut::<Vm>(id)?;
    if let Some(doing) = doing {
        vm.set_lcm(doing);
    }
    vm.resched = false;
    let (name, nic) = wanted(txn, id, template).map_err(ApiError::action)?;
    let nic = take_lease(txn, id, name, nic).map_err(ApiError::action)?;
    let groups = add_groups(txn, id, name, &nic)?;
    let object = txn.object_mut(Kind::Vm, id)?;
    if let Some(vm) = Vm::of_mut(&mut object.body) {
        vm.template.add_vector(name, nic);
        groups.into_iter().for_each(|rule| vm.template.add_vector("SECURITY_GROUP_RULE", rule));
    }
    history::set_vm_info(object);
    // As in the reference (`DispatchManager::attach_nic`), PCI devices count as aliases here.
    common::record(txn, id, if name == "NIC" { VmAction::NicAttach } else { VmAction::AliasAttach })?;
    if doing.is_some() {
        return drivers::vmm(txn, id, VmmAction::AttachNic);
    }
    clear(txn.body_mut::<Vm>(id)?);
    Ok(())
}

/// The interface of a template, by the name of its attribute.
fn wanted(txn: &Txn, id: i32, template: &Template) -> Result<(&'static str, VectorAttribute), String> {
    let names = ["NIC", "NIC_ALIAS", "PCI"];
    let found = names.into_iter().find_map(|name| template.vector(name).map(|nic| (name, nic.clone())));
    let found = found.filter(|(name, nic)| *name != "PCI" || nic.value("TYPE") == "NIC");
    let (name, mut nic) = found.ok_or("Wrong format or missing NIC/NIC_ALIAS/PCI attribute")?;
    if name == "PCI" {
        let vm = txn.get::<Vm>(id).map_err(|e| e.text)?.1;
        let ids = vm.template.vectors("PCI").filter_map(|device| device.id("PCI_ID"));
        nic.set("PCI_ID", ids.max().map_or(0, |max| max.saturating_add(1)));
        pci::place(&mut nic, txn.settings().value("PCI_PASSTHROUGH_BUS"))?;
    }
    Ok((name, nic))
}

/// Numbers, names and leases an interface; an alias is noted in its parent.
fn take_lease(txn: &mut Txn, id: i32, name: &str, mut nic: VectorAttribute) -> Result<VectorAttribute, String> {
    let (object, vm) = txn.get::<Vm>(id).map_err(|e| e.text)?;
    let (uid, cluster) = (object.uid, vm.record().map_or(-1, |r| r.cid));
    let next = vm.nics().filter_map(|(_, nic)| nic.id("NIC_ID")).max().map_or(0, |max| max.saturating_add(1));
    let defaults = vm.template.vector("NIC_DEFAULT").cloned();
    if name == "NIC_ALIAS" {
        let (parent, alias) = place_of_alias(vm, nic.value("PARENT")).ok_or("Alias not found.")?;
        nics::set_name(&mut nic, &format!("NIC{parent}_ALIAS{next}"));
        nic.set("PARENT_ID", parent).set("ALIAS_ID", alias);
        if let Some(parent) = txn.body_mut::<Vm>(id).map_err(|e| e.text)?.nic_mut(parent) {
            let mut ids = parent.value("ALIAS_IDS").to_owned();
            if !ids.is_empty() {
                ids.push(',');
            }
            parent.set("ALIAS_IDS", format!("{ids}{next}"));
        }
    } else {
        nics::set_name(&mut nic, &format!("NIC{next}"));
    }
    if let Some(defaults) = &defaults {
        nic.merge(defaults, false);
    }
    nic.set("ATTACH", "YES");
    lease::attach(txn, Holder::Vm(id), uid, next, &mut nic)?;
    if nic.get("CLUSTER_ID").is_some_and(|clusters| !id_list(clusters).contains(&cluster)) {
        return Err(format!("Virtual network is not part of cluster [{cluster}]"));
    }
    Ok(nic)
}

/// The id of the interface that a new alias names as its parent, and the alias's place.
fn place_of_alias(vm: &Vm, parent: &str) -> Option<(i32, i32)> {
    let (_, parent) = vm.nics().find(|(_, nic)| nic.value("NAME") == parent)?;
    let places = vm.template.vectors("NIC_ALIAS").filter_map(|alias| alias.id("ALIAS_ID"));
    // As in the reference (`VirtualMachineNic.cc`, `set_up_attach_nic`), only a first alias begins at 0; the others go
    // on from the highest of the whole VM.
    let place =
        if parent.value("ALIAS_IDS").is_empty() { 0 } else { places.max().map_or(0, |max| max.saturating_add(1)) };
    Some((parent.id("NIC_ID")?, place))
}

/// Enters a VM in the security groups that come with a new interface; answers their rules. As in the reference
/// (`VirtualMachineNics::set_up_attach_nic`), those of aliases do not count.
fn add_groups(txn: &mut Txn, id: i32, name: &str, nic: &VectorAttribute) -> Result<Vec<VectorAttribute>, ApiError> {
    if name == "NIC_ALIAS" {
        return Ok(Vec::new());
    }
    let had = secgroup::vms::groups_of(txn.get::<Vm>(id)?.1.nics().map(|(_, nic)| nic));
    let new: Vec<i32> = secgroup::vms::groups_of([nic]).difference(&had).copied().collect();
    secgroup::vms::add_vm(txn, id, &new);
    secgroup::vms::rules_for(txn, &new).map_err(ApiError::action)
}

/// `one.vm.detachnic`: parameters VM, NIC.
pub fn detach(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    rights::refuse_router(txn.get::<Vm>(id)?.1)?;
    rights::refuse_imported(txn, id, VmAction::NicDetach)?;
    detach_from(txn, id, request.int(1))?;
    Ok(Value::Int(id))
}

/// Takes an interface out of a VM, as the caller; its aliases go with it.
///
/// # Errors
/// NO_EXISTS, AUTHORIZATION, ACTION.
pub fn detach_from(txn: &mut Txn, id: i32, nic_id: i32) -> Result<(), ApiError> {
    rights::authorize_with(txn, id, VmAction::NicDetach, Vec::new())?;
    let doing = plugging(txn, id, "Could not detach NIC from")?;
    let vm = txn.body_mut::<Vm>(id)?;
    let missing = || ApiError::action(format!("Could not detach NIC with NIC_ID {nic_id}, it does not exist."));
    let (name, _) = vm.nic(nic_id).ok_or_else(missing)?;
    let nic = vm.nic_mut(nic_id).ok_or_else(missing)?;
    nic.set("ATTACH", "YES");
    if name == "NIC_ALIAS" {
        let parent = nic.id("PARENT_ID").ok_or_else(missing)?;
        leave_parent(vm, parent, nic_id);
    }
    history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
    common::record(txn, id, if name == "NIC_ALIAS" { VmAction::AliasDetach } else { VmAction::NicDetach })?;
    let Some(doing) = doing else {
        return booking::following(txn, Kind::Vm, id, |txn| remove(txn, id));
    };
    let vm = txn.body_mut::<Vm>(id)?;
    vm.set_lcm(doing);
    vm.resched = false;
    drivers::vmm(txn, id, VmmAction::DetachNic)
}

/// An alias is no longer noted in its parent.
fn leave_parent(vm: &mut Vm, parent: i32, alias: i32) {
    if let Some(parent) = vm.nic_mut(parent) {
        let mut ids = id_list(parent.value("ALIAS_IDS"));
        ids.remove(&alias);
        parent.set("ALIAS_IDS", join_ids(&ids));
    }
}

/// An interface has been plugged in, or not: then the VM does not have it.
///
/// # Errors
/// NO_EXISTS.
pub fn attached(txn: &mut Txn, id: i32, done: bool) -> Result<(), ApiError> {
    detached(txn, id, !done)
}

/// An interface has been plugged out, or not: then the VM keeps it.
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

fn plugged(vm: &Vm) -> Option<(&'static str, &VectorAttribute)> {
    vm.nics().find(|(_, nic)| nic.is_yes("ATTACH"))
}

fn clear(vm: &mut Vm) {
    let id = plugged(vm).and_then(|(_, nic)| nic.id("NIC_ID"));
    if let Some(nic) = id.and_then(|id| vm.nic_mut(id)) {
        nic.remove("ATTACH");
    }
}

/// Removes the interface that is plugged in or out, with its aliases, their leases, their part of the context, and the
/// security groups that only they were in.
fn remove(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let vm = txn.body_mut::<Vm>(id)?;
    let Some((name, nic)) = plugged(vm).map(|(name, nic)| (name, nic.clone())) else { return Ok(()) };
    let nic_id = nic.id("NIC_ID").unwrap_or(-1);
    let groups = secgroup::vms::groups_of(vm.nics().map(|(_, nic)| nic));
    let mut context = vm.template.vector("CONTEXT").cloned();
    let mut gone = Vec::new();
    for alias in id_list(nic.value("ALIAS_IDS")) {
        if let Some(alias) = vm.take_vector("NIC_ALIAS", "NIC_ID", alias) {
            if let (Some(context), Some(place)) = (&mut context, alias.id("ALIAS_ID")) {
                context::remove_alias(context, nic_id, place);
            }
            gone.push(alias);
        }
    }
    vm.take_vector(name, "NIC_ID", nic_id);
    if name == "NIC_ALIAS" {
        let parent = nic.id("PARENT_ID").unwrap_or(-1);
        leave_parent(vm, parent, nic_id);
        if let (Some(context), Some(place)) = (&mut context, nic.id("ALIAS_ID")) {
            context::remove_alias(context, parent, place);
        }
    } else if let Some(context) = &mut context {
        context::remove_nic(context, nic_id);
    }
    if let Some(context) = context {
        vm.template.set_vectors("CONTEXT", [context]);
    }
    let left = secgroup::vms::groups_of(vm.nics().map(|(_, nic)| nic));
    let ended: Vec<i32> = groups.difference(&left).copied().collect();
    ended.iter().for_each(|group| secgroup::rollout::drop_rules(vm, *group));
    let host = vm.record().map(|r| r.hid);
    secgroup::vms::remove_vm(txn, id, &ended);
    gone.push(nic);
    gone.iter().for_each(|nic| lease::release(txn, id, nic));
    if let (Some(host), "PCI", Some(device)) = (host, name, gone.last_mut()) {
        capacity::remove_pci(txn, host, id, std::slice::from_mut(device));
    }
    Ok(())
}
