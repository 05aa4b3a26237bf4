//! Bringing a security group's rules to the VMs that have them, one running VM after the other.
//!
//! The reference's `trigger_updatesg`. It copies the rules into one VM after the other for as long as it takes; here they
//! come to so many VMs with one entry of the log, and to no VM whose owner has no room for them.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::Operation;
use quorate_model::records::rollout::Way;
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{Interfaces, State as VmState};
use quorate_model::template::{Attribute, VectorAttribute};

use super::vms::rules_for;
use crate::methods::Request;
use crate::pools::rollout::{self, Brought};
use crate::txn::Txn;
use crate::{ctime, sizes};

fn way(vm: &Vm) -> Way {
    if vm.state != VmState::Active {
        return Way::Template;
    }
    match vm.lcm_state.facts().interfaces {
        Interfaces::Undisturbed | Interfaces::BackedUp | Interfaces::Busy => Way::Driver,
        Interfaces::Unreachable => Way::Blocked,
        Interfaces::Template => Way::Template,
    }
}

/// Begins to bring the rules to all VMs, or with `recover` to those that do not have them yet.
pub fn start(txn: &mut Txn, id: i32, recover: bool) {
    if let Ok(group) = txn.body_mut::<SecGroup>(id) {
        group.vms.commit(recover);
    }
    proceed(txn, id);
}

/// The groups whose rules did not come to all VMs with one entry.
pub fn waiting(txn: &Txn) -> impl Iterator<Item = i32> {
    let waits = |(object, group): (&Object, &SecGroup)| group.vms.waits().then_some(object.id);
    txn.each::<SecGroup>().filter_map(waits)
}

/// Brings the rules to the outdated VMs, up to the first one that needs a driver, or until this entry has made as much
/// as it may: then the next tick goes on. A VM whose owner has no room for the rules goes without, as one that a driver
/// could not tell.
pub fn proceed(txn: &mut Txn, id: i32) {
    let whole = txn.budget().has_all_bytes();
    // Rules that a whole entry has no room for have grown beyond one entry's budget, for example because a network got more
    // ranges: no VM can get them.
    let rules = match rules_for(txn, &[id]) {
        Ok(rules) => Some(rules),
        Err(_) if whole => None,
        Err(_) => return,
    };
    let memory = rules.iter().flatten().map(VectorAttribute::memory).sum();
    loop {
        let Ok(group) = txn.body_mut::<SecGroup>(id) else { return };
        let Some(vm_id) = group.vms.take_next() else { return };
        let Some((_, vm)) = txn.find_typed::<Vm>(vm_id) else { continue };
        let mut way = way(vm);
        if way != Way::Blocked {
            let brought = rules.as_ref().map(|rules| {
                rollout::bring(txn, vm_id, memory, |txn| {
                    put_rules(txn, id, vm_id, rules);
                    way
                })
            });
            way = match brought {
                Some(Brought::Now(way)) => way,
                Some(Brought::Later) => {
                    if let Ok(group) = txn.body_mut::<SecGroup>(id) {
                        group.vms.outdated.insert(vm_id);
                    }
                    return;
                }
                Some(Brought::Never) | None => Way::Blocked,
            };
        }
        let Ok(group) = txn.body_mut::<SecGroup>(id) else { return };
        group.vms.note(vm_id, way);
        if way == Way::Driver {
            txn.start(Operation::UpdateSecurityGroup { vm: vm_id, group: id });
            return;
        }
    }
}

/// Refuses new rules of a group that come to more of the caller's own VMs than the caller has room for, before any of them
/// is copied. VMs of others do not bind the caller: one whose owner has no room goes without. Only the rules themselves
/// are counted; what else comes with them ([`rollout::bring`] knows it) may still leave a VM without.
///
/// # Errors
/// That the caller's room does not suffice, or that looking at the rules of the VMs uses up the budget.
pub fn refuse_growth(txn: &mut Txn, id: i32) -> Result<(), String> {
    let new: u64 = rules_for(txn, &[id])?.iter().map(sizes::vector_size).sum();
    let (_, group) = txn.get::<SecGroup>(id).map_err(|e| e.text)?;
    let caller = txn.actor().uid;
    let mut more = 0;
    for (object, vm) in group.vms.all().filter_map(|vm| txn.find_typed::<Vm>(*vm)) {
        txn.budget().steps(1)?;
        if object.uid != caller {
            continue;
        }
        let mut old = 0;
        for rule in vm.template.vectors("SECURITY_GROUP_RULE") {
            txn.budget().steps(1)?;
            if rule.id("SECURITY_GROUP_ID") == Some(id) {
                old += sizes::vector_size(rule);
            }
        }
        more += i128::from(new) - i128::from(old);
    }
    u64::try_from(more).map_or(Ok(()), |more| sizes::refuse_more(txn, caller, more))
}

/// Gives a VM's template the present rules of a group in place of those it had.
///
/// # Errors
/// That the budget is used up.
pub fn replace_rules(txn: &mut Txn, id: i32, vm_id: i32) -> Result<(), String> {
    let rules = rules_for(txn, &[id])?;
    put_rules(txn, id, vm_id, &rules);
    Ok(())
}

fn put_rules(txn: &mut Txn, id: i32, vm_id: i32, rules: &[VectorAttribute]) {
    let Ok(vm) = txn.body_mut::<Vm>(vm_id) else { return };
    drop_rules(vm, id);
    for rule in rules {
        vm.template.add_vector("SECURITY_GROUP_RULE", rule.clone());
    }
}

/// Takes the rules of a group out of a VM's template.
pub fn drop_rules(vm: &mut Vm, id: i32) {
    vm.template.retain(|name, attribute| match attribute {
        Attribute::Vector(rule) => name != "SECURITY_GROUP_RULE" || rule.id("SECURITY_GROUP_ID") != Some(id),
        Attribute::Single(_) => true,
    });
}

/// A driver has, or could not, tell a VM's host. The next VM follows.
///
/// # Errors
/// None that refuses the report.
pub fn answered(txn: &mut Txn, vm_id: i32, id: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    if let Ok(group) = txn.body_mut::<SecGroup>(id) {
        group.vms.answered(vm_id, outcome.is_ok());
    }
    if let Err(reason) = outcome
        && txn.find(Kind::Vm, vm_id).is_some()
    {
        let now = txn.time_in_words();
        let template = &mut txn.object_mut(Kind::Vm, vm_id)?.template;
        ctime::set_error(template, ctime::ERROR, &now, &format!("UPDATESG: {reason}"));
    }
    if txn.find(Kind::SecGroup, id).is_some() {
        proceed(txn, id);
    }
    Ok(())
}

/// `one.secgroup.commit`: parameters id, and whether only VMs without the newest rules get them.
pub fn commit(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    start(txn, request.id(), request.bool(1));
    Ok(Value::Int(request.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_groups_own_rules_are_dropped() {
        let mut vm = Vm::default();
        for group in [1, 2] {
            let rule = VectorAttribute::from_iter([("SECURITY_GROUP_ID", group)]);
            vm.template.add_vector("SECURITY_GROUP_RULE", rule);
        }
        vm.template.add_vector("NIC", VectorAttribute::from_iter([("SECURITY_GROUP_ID", 1)]));
        drop_rules(&mut vm, 1);
        let left: Vec<_> = vm.template.vectors("SECURITY_GROUP_RULE").map(|r| r.value("SECURITY_GROUP_ID")).collect();
        assert_eq!(left, ["2"]);
        assert_eq!(vm.template.vectors("NIC").count(), 1);
    }
}
