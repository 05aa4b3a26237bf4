//! The rules that VMs get from security groups, and which VMs have them.

use std::collections::BTreeSet;

use quorate_model::ids::id_list;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vnet::Vnet;
use quorate_model::template::VectorAttribute;

use crate::txn::Txn;

/// The SECURITY_GROUP_RULE vectors of groups, as a VM's template holds them: each rule with SECURITY_GROUP_ID and
/// SECURITY_GROUP_NAME; one that is about a network once for each of the network's ranges. Groups that are gone have no
/// rules.
///
/// # Errors
/// That the budget is used up.
pub fn rules_for<'a>(txn: &Txn, groups: impl IntoIterator<Item = &'a i32>) -> Result<Vec<VectorAttribute>, String> {
    let mut rules = Vec::new();
    for object in groups.into_iter().filter_map(|id| txn.find(Kind::SecGroup, *id)) {
        add_rules_of(txn, object, &mut rules)?;
    }
    Ok(rules)
}

fn add_rules_of(txn: &Txn, object: &Object, rules: &mut Vec<VectorAttribute>) -> Result<(), String> {
    let mut add = |rule: VectorAttribute| -> Result<(), String> {
        txn.budget().bytes(rule.memory())?;
        rules.push(rule);
        Ok(())
    };
    for rule in object.template.vectors("RULE") {
        let mut rule = rule.clone();
        rule.set("SECURITY_GROUP_ID", object.id).set("SECURITY_GROUP_NAME", &object.name);
        match rule.int("NETWORK_ID") {
            None => add(rule)?,
            Some(network) => {
                let network = i32::try_from(network).ok().and_then(|id| txn.find_typed::<Vnet>(id));
                let mut ranges = network.into_iter().flat_map(|(_, network)| network.ranges.iter());
                ranges.try_for_each(|range| add(range.security_rule(&rule)))?;
            }
        }
    }
    Ok(())
}

/// A VM gets the rules of these groups: it is on their lists from now on. The rules themselves are [`rules_for`].
pub fn add_vm<'a>(txn: &mut Txn, vm: i32, groups: impl IntoIterator<Item = &'a i32>) {
    for group in groups {
        if txn.find(Kind::SecGroup, *group).is_some()
            && let Ok(body) = txn.body_mut::<SecGroup>(*group)
        {
            body.vms.updated.insert(vm);
        }
    }
}

/// A VM no longer has the rules of these groups.
pub fn remove_vm<'a>(txn: &mut Txn, vm: i32, groups: impl IntoIterator<Item = &'a i32>) {
    for group in groups {
        if txn.find(Kind::SecGroup, *group).is_some()
            && let Ok(body) = txn.body_mut::<SecGroup>(*group)
        {
            body.vms.forget(vm);
        }
    }
}

/// The groups of a NIC, or of all NICs of a VM.
#[must_use]
pub fn groups_of<'a>(nics: impl IntoIterator<Item = &'a VectorAttribute>) -> BTreeSet<i32> {
    nics.into_iter().flat_map(|nic| id_list(nic.value("SECURITY_GROUPS"))).collect()
}
