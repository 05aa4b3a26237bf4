//! Bringing a security group's rules to the VMs that have them, one running VM after the other.
//!
//! The reference's `trigger_updatesg`.

use super::{SecGroup, rules_for};
use crate::ctime;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::pending::Operation;
use crate::pools::rollout::Way;
use crate::pools::vm::Vm;
use crate::pools::vm::state::{LcmState, State as VmState};
use crate::template::Attribute;
use crate::txn::Txn;

fn way(vm: &Vm) -> Way {
    if vm.state != VmState::Active {
        return Way::Template;
    }
    match vm.lcm_state {
        lcm if lcm.keeps_network_changes_off() => Way::Blocked,
        lcm if lcm.runs_while_changed() => Way::Driver,
        LcmState::Running | LcmState::Backup => Way::Driver,
        _ => Way::Template,
    }
}

/// Begins to bring the rules to all VMs, or with `recover` to those that do not have them yet.
pub fn start(txn: &mut Txn, id: i32, recover: bool) {
    if let Ok(group) = txn.body_mut::<SecGroup>(id) {
        group.vms.commit(recover);
    }
    proceed(txn, id);
}

/// Brings the rules to the outdated VMs, up to the first one that needs a driver.
fn proceed(txn: &mut Txn, id: i32) {
    loop {
        let Ok(group) = txn.body_mut::<SecGroup>(id) else { return };
        let Some(vm_id) = group.vms.take_next() else { return };
        let Some((_, vm)) = txn.find_typed::<Vm>(vm_id) else { continue };
        let way = way(vm);
        if way != Way::Blocked {
            replace_rules(txn, id, vm_id);
        }
        let Ok(group) = txn.body_mut::<SecGroup>(id) else { return };
        group.vms.note(vm_id, way);
        if way == Way::Driver {
            txn.start(Operation::UpdateSecurityGroup { vm: vm_id, group: id });
            return;
        }
    }
}

/// Gives a VM's template the present rules of a group in place of those it had.
pub fn replace_rules(txn: &mut Txn, id: i32, vm_id: i32) {
    let rules = rules_for(txn, &[id]);
    let Ok(vm) = txn.body_mut::<Vm>(vm_id) else { return };
    drop_rules(vm, id);
    for rule in rules {
        vm.template.add_vector("SECURITY_GROUP_RULE", rule);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::VectorAttribute;

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
