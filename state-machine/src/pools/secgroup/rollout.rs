//! Bringing a security group's rules to the VMs that have them, one running VM after the other.
//!
//! The reference's `trigger_updatesg`.

use super::{SecGroup, rules_for};
use crate::ctime;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::pending::Operation;
use crate::pools::vm::Vm;
use crate::pools::vm::state::{LcmState, State as VmState};
use crate::template::Attribute;
use crate::txn::Txn;

/// How new rules come to a VM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Into its template; its host gets them when it starts.
    Template,
    /// Into its template, and a driver tells its host.
    Driver,
    /// Not now: its host is just getting them, or is not known to be there.
    Blocked,
}

fn way(vm: &Vm) -> Way {
    use LcmState as L;
    if vm.state != VmState::Active {
        return Way::Template;
    }
    match vm.lcm_state {
        L::Running
        | L::Hotplug
        | L::HotplugSnapshot
        | L::HotplugSaveas
        | L::HotplugResize
        | L::DiskSnapshot
        | L::DiskSnapshotDelete
        | L::DiskResize
        | L::Backup => Way::Driver,
        L::Boot
        | L::BootMigrate
        | L::BootSuspended
        | L::BootStopped
        | L::BootUndeploy
        | L::BootPoweroff
        | L::BootUnknown
        | L::BootFailure
        | L::BootMigrateFailure
        | L::BootUndeployFailure
        | L::BootStoppedFailure
        | L::Migrate
        | L::HotplugNic
        | L::HotplugNicPoweroff
        | L::Unknown => Way::Blocked,
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
        let list = match way {
            Way::Template => &mut group.vms.updated,
            Way::Driver => &mut group.vms.updating,
            Way::Blocked => &mut group.vms.error,
        };
        list.insert(vm_id);
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
    let updating = txn.find_typed::<SecGroup>(id).is_some_and(|(_, group)| group.vms.updating.contains(&vm_id));
    if updating {
        let vms = &mut txn.body_mut::<SecGroup>(id)?.vms;
        vms.updating.remove(&vm_id);
        if outcome.is_ok() {
            vms.updated.insert(vm_id)
        } else {
            vms.error.insert(vm_id)
        };
    }
    if let Err(reason) = outcome
        && txn.find(Kind::Vm, vm_id).is_some()
    {
        let now = txn.now();
        let template = &mut txn.object_mut(Kind::Vm, vm_id)?.template;
        ctime::set_error(template, ctime::ERROR, now, &format!("UPDATESG: {reason}"));
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
