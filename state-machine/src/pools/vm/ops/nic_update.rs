//! What changes an interface in its place: `one.vm.updatenic`, `one.vm.attachsg`, `one.vm.detachsg`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::ids::{id_list, join_ids};
use quorate_model::kind::Kind;
use quorate_model::pending::Operation;
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{Interfaces, LcmState, State, VmAction};
use quorate_model::template::VectorAttribute;

use super::common;
use crate::methods::Request;
use crate::pools::secgroup;
use crate::pools::vm::{history, rights, wishes};
use crate::pools::vnet::nic as lease;
use crate::txn::Txn;
use crate::verbs;

/// What can be changed: the limits of the traffic.
const QOS: [&str; 6] =
    ["INBOUND_AVG_BW", "INBOUND_PEAK_BW", "INBOUND_PEAK_KB", "OUTBOUND_AVG_BW", "OUTBOUND_PEAK_BW", "OUTBOUND_PEAK_KB"];

/// `one.vm.updatenic`: parameters VM, NIC, template with the NIC, whether what it does not say stays.
pub fn update(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, nic_id) = (request.id(), request.int(1));
    let vm = txn.get::<Vm>(id)?.1;
    rights::refuse_router(vm)?;
    rights::refuse_imported(txn, id, VmAction::NicUpdate)?;
    let missing = || ApiError::action(format!("VM {id}: NIC {nic_id} does not exists"));
    match vm.nic(nic_id).ok_or_else(missing)?.0 {
        "NIC_ALIAS" => return Err(ApiError::action("Action not supported for NIC_ALIAS")),
        "PCI" => return Err(ApiError::action("Action not supported for PCI NIC")),
        _ => {}
    }
    let mut template = verbs::parse_new(request.str(2))?;
    let wishes = wishes::of(txn, &[txn.actor().uid, rights::owner(txn, id)?.0], &mut template, false);
    rights::authorize_with(txn, id, VmAction::NicUpdate, wishes)?;
    rights::refuse_restricted(txn, &template, "NIC")?;
    let refuse = |reason: &str| ApiError::action(format!("Error updating NIC ({nic_id}) for VM {id}: {reason}"));
    let vm = txn.body_mut::<Vm>(id)?;
    let running = common::is_running(vm);
    if vm.state == State::Active && !running {
        return Err(refuse(&format!("Wrong state {}", vm.state_name())));
    }
    let given = template.vector("NIC").ok_or_else(|| refuse("Wrong NIC definition, attribute is missing"))?;
    let nic = vm.nic_mut(nic_id).ok_or_else(missing)?;
    let before = change(nic, given, request.int(3) != 0);
    let network = nic.id("NETWORK_ID").unwrap_or(-1);
    if running && !before.is_empty() {
        let mut noted = vm.template.vector("VNET_UPDATE").cloned().unwrap_or_default();
        noted.merge(&before, true);
        vm.template.set_vectors("VNET_UPDATE", [noted]);
        vm.set_lcm(LcmState::HotplugNic);
        history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
        common::record(txn, id, VmAction::NicUpdate)?;
        txn.start(Operation::UpdateNic { vm: id, network });
    }
    Ok(Value::Int(id))
}

/// Changes the limits of an interface; answers what they were where they changed.
fn change(nic: &mut VectorAttribute, given: &VectorAttribute, append: bool) -> VectorAttribute {
    let mut before = VectorAttribute::new();
    for name in QOS {
        let old = nic.get(name).map(str::to_owned);
        match (given.get(name), old) {
            (Some(new), old) if old.as_deref() != Some(new) => {
                nic.set(name, new);
                before.set(name, old.unwrap_or_default());
            }
            (None, Some(old)) if !append => {
                nic.remove(name);
                before.set(name, old);
            }
            _ => {}
        }
    }
    before
}

/// Whether a change of security groups goes to the host at once.
///
/// # Errors
/// ACTION when the host is just being told the rules, or is not known to be there.
fn goes_to_host(id: i32, vm: &Vm) -> Result<bool, ApiError> {
    match vm.lcm_state.facts().interfaces {
        Interfaces::Unreachable => Err(ApiError::action(format!("VM {id} is in wrong state {}", vm.state_name()))),
        Interfaces::Undisturbed | Interfaces::Busy => Ok(true),
        Interfaces::BackedUp | Interfaces::Template => Ok(false),
    }
}

/// `one.vm.attachsg`: parameters VM, NIC, security group.
pub fn attach_group(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, nic_id, group) = (request.id(), request.int(1), request.int(2));
    let no_nic = format!("VM {id} doesn't have NIC id {nic_id}");
    let vm = txn.get::<Vm>(id)?.1;
    let mut nic = vm.nic(nic_id).ok_or_else(|| ApiError::internal(&no_nic))?.1.clone();
    let mut groups = id_list(nic.value("SECURITY_GROUPS"));
    let had = !groups.insert(group);
    nic.set("SECURITY_GROUPS", join_ids(&groups));
    let wishes = lease::wishes(txn, &[txn.actor().uid, rights::owner(txn, id)?.0], &mut nic, false);
    rights::authorize_with(txn, id, VmAction::SgAttach, wishes)?;
    if txn.find(Kind::SecGroup, group).is_none() {
        return Err(ApiError::action(format!("Could not attach SG {group} to VM, SG does not exist")));
    }
    let to_host = goes_to_host(id, txn.get::<Vm>(id)?.1)?;
    if had {
        return Err(ApiError::action(format!("VM {id} SG {group} already in NIC {nic_id}")));
    }
    if let Some(nic) = txn.body_mut::<Vm>(id)?.nic_mut(nic_id) {
        nic.set("SECURITY_GROUPS", join_ids(&groups));
    }
    secgroup::rollout::replace_rules(txn, group, id).map_err(ApiError::action)?;
    tell_host(txn, id, group, true, to_host)?;
    Ok(Value::Int(id))
}

/// `one.vm.detachsg`: parameters VM, NIC, security group.
pub fn detach_group(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, nic_id, group) = (request.id(), request.int(1), request.int(2));
    rights::authorize_with(txn, id, VmAction::SgDetach, Vec::new())?;
    let vm = txn.body_mut::<Vm>(id)?;
    let to_host = goes_to_host(id, vm)?;
    let nic = vm.nic_mut(nic_id);
    let nic = nic.ok_or_else(|| ApiError::action(format!("VM {id} doesn't have NIC id {nic_id}")))?;
    let mut groups = id_list(nic.value("SECURITY_GROUPS"));
    if !groups.remove(&group) {
        return Err(ApiError::action(format!("VM {id} NIC {nic_id} doesn't contain SG {group}")));
    }
    nic.set("SECURITY_GROUPS", join_ids(&groups));
    let stays = secgroup::vms::groups_of(vm.nics().map(|(_, nic)| nic)).contains(&group);
    if stays {
        secgroup::rollout::replace_rules(txn, group, id).map_err(ApiError::action)?;
    } else {
        secgroup::rollout::drop_rules(vm, group);
    }
    tell_host(txn, id, group, stays, to_host)?;
    Ok(Value::Int(id))
}

/// Notes in a group how far its rules have come to a VM (`has`: it has them), and lets the host know.
fn tell_host(txn: &mut Txn, id: i32, group: i32, has: bool, to_host: bool) -> Result<(), ApiError> {
    if txn.find(Kind::SecGroup, group).is_some() {
        let vms = &mut txn.body_mut::<SecGroup>(group)?.vms;
        vms.forget(id);
        if has {
            let list = if to_host { &mut vms.updating } else { &mut vms.updated };
            list.insert(id);
        }
    }
    if to_host {
        txn.start(Operation::UpdateSecurityGroup { vm: id, group });
    }
    Ok(())
}
