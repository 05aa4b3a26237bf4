//! CONTEXT: what the guest is told, with variables replaced and a section per network interface.

use std::borrow::Cow;
use std::collections::BTreeSet;

use quorate_model::clean::Name;
use quorate_model::template::VectorAttribute;

use super::scope::Scope;
use super::variables;
use crate::pools::image::files;
use crate::txn::Txn;

/// A context variable of an interface: its suffix, the NIC's attribute, another one to take when that is empty, and
/// whether address range and network are asked when the NIC has none.
struct Variable {
    name: &'static str,
    nic: &'static str,
    otherwise: &'static str,
    of_network: bool,
}

const fn var(name: &'static str, nic: &'static str, otherwise: &'static str, of_network: bool) -> Variable {
    Variable { name, nic, otherwise, of_network }
}

const NETWORK: [Variable; 21] = [
    var("IP", "IP", "", false),
    var("MAC", "MAC", "", false),
    var("MASK", "NETWORK_MASK", "", true),
    var("NETWORK", "NETWORK_ADDRESS", "", true),
    var("GATEWAY", "GATEWAY", "", true),
    var("DNS", "DNS", "", true),
    var("SEARCH_DOMAIN", "SEARCH_DOMAIN", "", true),
    var("MTU", "GUEST_MTU", "", true),
    var("METRIC", "METRIC", "", true),
    var("METHOD", "METHOD", "", true),
    var("VLAN_ID", "VLAN_ID", "", true),
    var("VROUTER_IP", "VROUTER_IP", "", false),
    var("VROUTER_MANAGEMENT", "VROUTER_MANAGEMENT", "", false),
    var("EXTERNAL", "EXTERNAL", "", false),
    var("IP6", "IP6_GLOBAL", "IP6", false),
    var("IP6_ULA", "IP6_ULA", "", false),
    var("IP6_GATEWAY", "GATEWAY6", "", true),
    var("IP6_METRIC", "IP6_METRIC", "", true),
    var("IP6_METHOD", "IP6_METHOD", "", true),
    var("IP6_PREFIX_LENGTH", "PREFIX_LENGTH", "", true),
    var("VROUTER_IP6", "VROUTER_IP6_GLOBAL", "VROUTER_IP6", false),
];

/// Attributes of virtual routers' VMs, in the VM's template and in its context.
pub const VROUTER: [&str; 3] = ["VROUTER_ID", "VROUTER_KEEPALIVED_ID", "VROUTER_KEEPALIVED_PASSWORD"];

/// Which interfaces a network context is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nics {
    /// Those with a network from the beginning.
    Fixed,
    /// All; of those in automatic mode the scheduler has chosen the network.
    All,
}

/// A VM's context made of `given`: variables replaced, interfaces, files and tokens added. `scope` is the VM with its
/// disks and interfaces as they are; its own CONTEXT is what variables see.
///
/// # Errors
/// The reference's text, or that the budget is used up.
pub fn build(txn: &Txn, scope: Scope<'_>, given: &VectorAttribute, nics: Nics) -> Result<VectorAttribute, String> {
    let mut given = given.clone();
    let files = given.remove("FILES_DS").unwrap_or_default();
    if given.is_empty() {
        return Err(String::new());
    }
    let mut context = variables::expand_vector(txn, scope, &given)?;
    add_network(txn, scope, &mut context, nics)?;
    add_devices(scope, &mut context);
    if !files.is_empty() {
        let parsed = files::context_files(txn, scope.head.uid, &files)?;
        if !parsed.is_empty() {
            context.set("FILES_DS", parsed);
        }
    }
    if context.is_yes("TOKEN") {
        let endpoint = txn.settings().value("ONEGATE_ENDPOINT");
        if endpoint.is_empty() {
            return Err("TOKEN set, but onegate endpoint was not defined in oned.conf.".to_owned());
        }
        context.set("ONEGATE_ENDPOINT", endpoint).set("VMID", scope.head.id);
    }
    for name in VROUTER {
        let value = scope.vm.template.value(name);
        if !value.is_empty() {
            context.set(name, value);
        }
    }
    Ok(context)
}

/// Brings the interfaces' sections up to date, when the context wants them (`NETWORK=YES`).
///
/// What an interface says is taken as it is. The reference (`VirtualMachine::generate_network_context`) replaces
/// variables in it, for whoever happens to bring the VM forward: who may plug in an interface could have the owner, or
/// an administrator, show what it must not see.
///
/// # Errors
/// That the budget is used up.
pub fn add_network(txn: &Txn, scope: Scope<'_>, context: &mut VectorAttribute, nics: Nics) -> Result<(), String> {
    if !context.is_yes("NETWORK") {
        return Ok(());
    }
    let template = &scope.vm.template;
    let mut found = VectorAttribute::new();
    for name in ["NIC", "NIC_ALIAS"] {
        for nic in template.vectors(name) {
            if nics == Nics::Fixed && nic.value("NETWORK_MODE").eq_ignore_ascii_case("AUTO") {
                continue;
            }
            let prefix = if name == "NIC" {
                format!("ETH{}", nic.value("NIC_ID"))
            } else {
                format!("ETH{}_ALIAS{}", nic.value("PARENT_ID"), nic.value("ALIAS_ID"))
            };
            for variable in &NETWORK {
                if let Some(name) = part(&prefix, variable.name) {
                    let value = value_of(txn, variable, nic);
                    txn.budget().bytes(value.len() as u64)?;
                    found.set(name, value);
                }
            }
        }
    }
    context.merge(&found, true);
    Ok(())
}

/// The name of a section's variable; `None` if the section's number were none.
fn part(section: &str, variable: &str) -> Option<Name> {
    Name::new(format!("{section}_{variable}"))
}

fn value_of<'a>(txn: &'a Txn, variable: &Variable, nic: &'a VectorAttribute) -> Cow<'a, str> {
    let own = nic.value(variable.nic);
    let value = if own.is_empty() && !variable.otherwise.is_empty() { nic.value(variable.otherwise) } else { own };
    if value.is_empty() && variable.of_network {
        variables::network_value(txn, nic, variable.nic).unwrap_or_default()
    } else {
        value.into()
    }
}

/// The sections of PCI devices, with their network when they are NICs.
fn add_devices(scope: Scope<'_>, context: &mut VectorAttribute) {
    let network = context.is_yes("NETWORK");
    for device in scope.vm.template.vectors("PCI") {
        let id = device.value("PCI_ID");
        if network && device.value("TYPE") == "NIC" {
            for variable in &NETWORK {
                let own = device.value(variable.nic);
                let value = if own.is_empty() { device.value(variable.otherwise) } else { own };
                if let Some(name) = part(&format!("PCI{id}"), variable.name).filter(|_| !value.is_empty()) {
                    context.set(name, value);
                }
            }
        }
        let address = device.value("VM_ADDRESS");
        if let Some(name) = part(&format!("PCI{id}"), "ADDRESS").filter(|_| !address.is_empty()) {
            context.set(name, address);
        }
    }
}

/// Removes the section of a NIC.
pub fn remove_nic(context: &mut VectorAttribute, nic: i32) {
    remove_section(context, &format!("ETH{nic}"));
}

/// Removes the section of an alias.
pub fn remove_alias(context: &mut VectorAttribute, parent: i32, alias: i32) {
    remove_section(context, &format!("ETH{parent}_ALIAS{alias}"));
}

fn remove_section(context: &mut VectorAttribute, prefix: &str) {
    let names: BTreeSet<String> = NETWORK.iter().map(|variable| format!("{prefix}_{}", variable.name)).collect();
    for name in names {
        context.remove(&name);
    }
}
