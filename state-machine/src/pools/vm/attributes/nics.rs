//! Network interfaces of a new VM: leases, names, aliases, the rules of their security groups.

use std::collections::{BTreeMap, BTreeSet};

use quorate_model::ids::join_ids;
use quorate_model::records::vnet::holder::Holder;
use quorate_model::template::{Attribute, Template, VectorAttribute};

use super::disks::take_vectors;
use crate::pools::secgroup;
use crate::pools::vnet::nic;
use crate::txn::Txn;

/// The most interfaces a new VM may have: each one's context looks through all of them.
const MAX_NICS: usize = 1024;

/// What NIC_DEFAULT must not say.
const NO_DEFAULTS: [&str; 4] = ["NETWORK_ID", "NETWORK", "NETWORK_UID", "NETWORK_UNAME"];

/// Moves NIC_DEFAULT.
///
/// # Errors
/// More than one NIC_DEFAULT, one that is no vector, or one that names a network.
pub fn take_defaults(user: &mut Template, template: &mut Template) -> Result<(), String> {
    let mut given = user.remove("NIC_DEFAULT");
    if given.len() > 1 {
        return Err("Only one NIC_DEFAULT attribute can be defined.".to_owned());
    }
    let defaults = match given.pop() {
        None => return Ok(()),
        Some(Attribute::Vector(defaults)) => defaults,
        Some(Attribute::Single(_)) => return Err("Wrong format for NIC_DEFAULT attribute.".to_owned()),
    };
    if let Some(name) = NO_DEFAULTS.iter().find(|name| !defaults.value(name).is_empty()) {
        return Err(format!("Attribute {name} is not allowed inside NIC_DEFAULT."));
    }
    template.add_vector("NIC_DEFAULT", defaults);
    Ok(())
}

/// Moves NIC and NIC_ALIAS (PCI of type NIC are in `template` already), takes their leases, and adds the rules of
/// their security groups.
///
/// # Errors
/// Too many interfaces, aliases in automatic mode or of nobody, a network that gives no lease.
pub fn take(txn: &mut Txn, vm: i32, uid: i32, user: &mut Template, template: &mut Template) -> Result<(), String> {
    let mut nics = take_vectors(user, "NIC");
    let mut aliases = take_vectors(user, "NIC_ALIAS");
    if nics.is_empty() && aliases.is_empty() && template.vector("PCI").is_none() {
        return Ok(());
    }
    if nics.len().saturating_add(aliases.len()) > MAX_NICS {
        return Err(format!("Exceeded the maximum number of network interfaces ({MAX_NICS})"));
    }
    let defaults = template.vector("NIC_DEFAULT").cloned();
    let mut parents = Parents::default();
    let mut groups = BTreeSet::new();
    let devices = template.vectors_mut("PCI").filter(|device| device.value("TYPE") == "NIC");
    if aliases.iter().any(is_auto) {
        return Err("Alias is incompatible with auto mode".to_owned());
    }
    let mut id = 0;
    for nic in nics.iter_mut().chain(devices) {
        if is_auto(nic) {
            set_name(nic, &format!("NIC{id}"));
            nic.set("NIC_ID", id);
        } else {
            if let Some(defaults) = &defaults {
                nic.merge(defaults, false);
            }
            nic::attach(txn, Holder::Vm(vm), uid, id, nic)?;
            groups.extend(secgroup::vms::groups_of([&*nic]));
            set_name(nic, &format!("NIC{id}"));
            parents.add(nic.value("NAME"), id);
        }
        id += 1;
    }
    for alias in &mut aliases {
        let (parent, place) = parents.add_alias(alias.value("PARENT"), id)?;
        alias.set("PARENT_ID", parent).set("ALIAS_ID", place).set("NIC_ID", id);
        nic::attach(txn, Holder::Vm(vm), uid, id, alias)?;
        set_name(alias, &format!("NIC{parent}_ALIAS{id}"));
        id += 1;
    }
    for nic in &mut nics {
        parents.note_aliases(nic);
    }
    template
        .vectors_mut("PCI")
        .filter(|device| device.value("TYPE") == "NIC")
        .for_each(|nic| parents.note_aliases(nic));
    nics.into_iter().for_each(|nic| template.add_vector("NIC", nic));
    aliases.into_iter().for_each(|alias| template.add_vector("NIC_ALIAS", alias));
    secgroup::vms::add_vm(txn, vm, &groups);
    for rule in secgroup::vms::rules_for(txn, &groups)? {
        template.add_vector("SECURITY_GROUP_RULE", rule);
    }
    Ok(())
}

/// Whether the scheduler chooses the network of a NIC.
#[must_use]
pub fn is_auto(nic: &VectorAttribute) -> bool {
    nic.value("NETWORK_MODE").eq_ignore_ascii_case("AUTO")
}

/// Names a NIC that has no name; one that looks like such a name is set apart by `_`.
pub fn set_name(nic: &mut VectorAttribute, default: &str) {
    let name = nic.value("NAME");
    if name.is_empty() {
        nic.set("NAME", default);
    } else if is_internal_name(name) {
        let name = format!("_{name}");
        nic.set("NAME", name);
    }
}

/// `NIC<n>` or `NIC<n>_ALIAS<n>`
fn is_internal_name(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    name.strip_prefix("NIC").is_some_and(|rest| match rest.split_once("_ALIAS") {
        Some((nic, alias)) => number(nic) && number(alias),
        None => number(rest),
    })
}

/// NICs that aliases can name, with the ids of their aliases.
#[derive(Default)]
struct Parents(BTreeMap<String, (i32, Vec<i32>)>);

impl Parents {
    fn add(&mut self, name: &str, id: i32) {
        self.0.entry(name.to_owned()).or_insert((id, Vec::new()));
    }

    /// The parent's id and the place among its aliases.
    fn add_alias(&mut self, name: &str, id: i32) -> Result<(i32, usize), String> {
        let (parent, aliases) = self.0.get_mut(name).ok_or_else(|| format!("NIC named {name} not found for alias"))?;
        aliases.push(id);
        Ok((*parent, aliases.len() - 1))
    }

    fn note_aliases(&self, nic: &mut VectorAttribute) {
        if let Some((_, aliases)) = self.0.get(nic.value("NAME")).filter(|(_, aliases)| !aliases.is_empty()) {
            nic.set("ALIAS_IDS", join_ids(aliases));
        }
    }
}
