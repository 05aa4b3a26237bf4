//! `one.vm.updateconf`: what can be changed of a VM's configuration: OS, FEATURES, INPUT, GRAPHICS, RAW, CPU_MODEL,
//! CONTEXT and the configuration of its backups.

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::pending::VmmAction;
use quorate_model::records::Record;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};
use quorate_model::template::{Template, VectorAttribute, whole_int};

use super::common;
use crate::methods::Request;
use crate::pools::cluster::vnc;
use crate::pools::template::raw::{check_raw, check_restricted_raw};
use crate::pools::vm::attributes::scope::Scope;
use crate::pools::vm::attributes::{boot, context, graphics};
use crate::pools::vm::{drivers, rights};
use crate::txn::Txn;
use crate::verbs;

/// The vectors that can be changed, and which of their values.
const CHANGEABLE: [(&str, &[&str]); 6] = [
    (
        "OS",
        &[
            "ARCH",
            "MACHINE",
            "KERNEL",
            "INITRD",
            "BOOTLOADER",
            "BOOT",
            "KERNEL_CMD",
            "ROOT",
            "SD_DISK_BUS",
            "UUID",
            "FIRMWARE",
        ],
    ),
    ("FEATURES", &["PAE", "ACPI", "APIC", "LOCALTIME", "HYPERV", "GUEST_AGENT", "VIRTIO_SCSI_QUEUES", "IOTHREADS"]),
    ("INPUT", &["TYPE", "BUS"]),
    ("GRAPHICS", &["TYPE", "LISTEN", "PASSWD", "KEYMAP", "COMMAND"]),
    ("RAW", &["TYPE", "DATA", "VALIDATE", "DATA_VMX"]),
    ("CPU_MODEL", &["MODEL"]),
];

/// The configuration of backups.
const BACKUP: (&str, &[&str]) = ("BACKUP_CONFIG", &["FS_FREEZE", "KEEP_LAST", "BACKUP_VOLATILE", "MODE"]);

/// Parameters VM, template, 0: what is left out goes; 1: it stays.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, update_type) = (request.id(), request.int(2));
    if !(0..=1).contains(&update_type) {
        return Err(ApiError::api("Wrong update type"));
    }
    let mut new = changeable(&verbs::parse_new(request.str(1))?);
    rights::authorize_with(txn, id, VmAction::Updateconf, Vec::new())?;
    rights::refuse_imported(txn, id, VmAction::Updateconf)?;
    refuse_restricted(txn, id, &mut new)?;
    check_state(txn.get::<Vm>(id)?.1)?;
    check_raw(txn.settings(), &new).map_err(ApiError::internal)?;
    let port = port_of(txn.get::<Vm>(id)?.1);
    let context_changed = change(txn, id, &mut new, update_type == 1).map_err(ApiError::internal)?;
    if let Some((cluster, port)) = port
        && txn.get::<Vm>(id)?.1.template.vector("GRAPHICS").is_none()
    {
        vnc::release(txn, cluster, port);
    }
    let port_given = give_port(txn, id)?;
    // As in the reference (`VirtualMachineUpdateConf::request_execute`), a VM that got a port is told as if its context
    // had changed.
    if (context_changed || port_given) && common::is_running(txn.get::<Vm>(id)?.1) {
        let vm = txn.body_mut::<Vm>(id)?;
        vm.set_lcm(LcmState::Hotplug);
        vm.resched = false;
        drivers::vmm(txn, id, VmmAction::UpdateConf)?;
    }
    Ok(Value::Int(id))
}

/// What can be changed of what a template says: the first vector of each name, without empty values.
fn changeable(given: &Template) -> Template {
    let mut new = Template::new();
    for (name, keys) in CHANGEABLE.iter().chain([&BACKUP]) {
        let Some(vector) = given.vector(name) else { continue };
        let values = keys.iter().map(|key| (*key, vector.value(key))).filter(|(_, value)| !value.is_empty());
        let kept: VectorAttribute = values.collect();
        if !kept.is_empty() {
            new.add_vector(name, kept);
        }
    }
    if let Some(context) = given.vector("CONTEXT") {
        new.add_vector("CONTEXT", context.clone());
    }
    new
}

fn refuse_restricted(txn: &Txn, id: i32, new: &mut Template) -> Result<(), ApiError> {
    let actor = txn.actor();
    if txn.is_admin(actor) {
        return Ok(());
    }
    let old = &txn.get::<Vm>(id)?.1.template;
    // The comparison adds single values that stay; they are none of ours.
    match txn.settings().restricted(Vm::RESTRICTED).changed(new, old) {
        Some(name) => {
            check_restricted_raw(txn.settings(), new, &name)?;
            let reason = format!("Template includes a restricted attribute {name}");
            Err(ApiError::authorization(actor.uid, reason))
        }
        None => Ok(()),
    }
}

fn check_state(vm: &Vm) -> Result<(), ApiError> {
    let allowed = match vm.state {
        State::Active => vm.lcm_state.facts().configurable,
        State::Init | State::Done | State::Suspended | State::Stopped => false,
        _ => true,
    };
    let wrong = || ApiError::internal(format!("configuration cannot be updated in state {}", vm.state_name()));
    if allowed { Ok(()) } else { Err(wrong()) }
}

/// Changes the VM; whether its context is another one.
fn change(txn: &mut Txn, id: i32, new: &mut Template, append: bool) -> Result<bool, String> {
    let vm = txn.body_mut::<Vm>(id).map_err(|e| e.text)?;
    for (name, keys) in CHANGEABLE {
        replace(&mut vm.template, new, name, keys, append);
        if name == "OS" {
            boot::set_order(&mut vm.template)?;
        }
    }
    let context_changed = change_context(txn, id, new, append)?;
    let template = &txn.body_mut::<Vm>(id).map_err(|e| e.text)?.template;
    if let Some(mut graphics) = template.vector("GRAPHICS").cloned() {
        graphics::complete(txn, &mut graphics)?;
        txn.body_mut::<Vm>(id).map_err(|e| e.text)?.template.set_vectors("GRAPHICS", [graphics]);
    }
    let vm = txn.body_mut::<Vm>(id).map_err(|e| e.text)?;
    let with_volatile = vm.backups.with_volatile();
    vm.configure_backups(new, with_volatile, append)?;
    Ok(context_changed)
}

/// Replaces the values that can be changed of the first vector of a name.
fn replace(old: &mut Template, new: &Template, name: &'static str, keys: &[&'static str], append: bool) {
    let Some(given) = new.vector(name) else {
        if !append {
            old.remove(name);
        }
        return;
    };
    let Some(vector) = old.vectors_mut(name).next() else {
        old.add_vector(name, given.clone());
        return;
    };
    for key in keys {
        match given.get(key) {
            Some(value) => {
                vector.set(key, value);
            }
            None if append => {}
            None => {
                vector.remove(key);
            }
        }
    }
}

/// Replaces or completes the context; whether it is another one now.
fn change_context(txn: &mut Txn, id: i32, new: &Template, append: bool) -> Result<bool, String> {
    let Some(given) = new.vector("CONTEXT") else { return Ok(false) };
    let (object, vm) = txn.get::<Vm>(id).map_err(|e| e.text)?;
    let Some(old) = vm.template.vector("CONTEXT").cloned() else {
        return Err("Virtual machine does not have context, cannot add a new one.".to_owned());
    };
    let changed = given.iter().any(|(name, value)| old.get(name) != Some(value))
        || !append && old.iter().any(|(name, _)| given.get(name).is_none() && !is_last(name, given));
    // Values that stay the same are not looked at again: they are complete already.
    let same = |name: &str, value: &str| old.get(name) == Some(value);
    let mut wanted: VectorAttribute = given.iter().filter(|(name, value)| !same(name, value)).collect();
    wanted.set("TARGET", old.value("TARGET")).set("DISK_ID", old.value("DISK_ID"));
    let mut head = object.clone();
    if let Some(vm) = Vm::of_mut(&mut head.body) {
        vm.template.set_vectors("CONTEXT", [wanted.clone()]);
    }
    let scope = Scope::of(&head).ok_or("VM does not exist")?;
    let mut built = context::build(txn, scope, &wanted, context::Nics::All)?;
    if append {
        let added = std::mem::replace(&mut built, old);
        built.merge(&added, true);
    } else {
        given.iter().filter(|(name, value)| same(name, value)).for_each(|(name, value)| {
            built.set(name, value);
        });
    }
    let vm = txn.body_mut::<Vm>(id).map_err(|e| e.text)?;
    vm.template.set_vectors("CONTEXT", [built]);
    Ok(changed)
}

/// As in the reference (`VirtualMachine::updateconf`), names behind the last one that is given are not compared.
fn is_last(name: &str, given: &VectorAttribute) -> bool {
    given.iter().last().is_none_or(|(last, _)| name > last.as_str())
}

/// Whether the VM is on a host, where its console has a port; not while it is cleaned up to begin anew.
fn is_on_host(vm: &Vm) -> bool {
    matches!(vm.state, State::Active | State::Poweroff | State::Suspended) && vm.lcm_state != LcmState::CleanupResubmit
}

/// The port that the VM's console has, and in which cluster: also a stopped VM has kept its own.
fn port_of(vm: &Vm) -> Option<(i32, u32)> {
    let record = vm.record().filter(|record| is_on_host(vm) || record.action == VmAction::Stop)?;
    let port = vm.template.vector("GRAPHICS")?.value("PORT").parse().ok()?;
    Some((record.cid, port))
}

/// Gives the console of a VM that is on a host a port, when it has none; whether it got one.
fn give_port(txn: &mut Txn, id: i32) -> Result<bool, ApiError> {
    let vm = txn.get::<Vm>(id)?.1;
    let graphics = vm.template.vector("GRAPHICS");
    let lacks = graphics.is_some_and(|graphics| graphics.get("PORT").and_then(whole_int).is_none());
    let Some(cluster) = vm.record().map(|r| r.cid).filter(|_| lacks && is_on_host(vm)) else { return Ok(false) };
    let no_port = || ApiError::internal("No free VNC ports available in the cluster");
    let port = vnc::take(txn, cluster, id).ok_or_else(no_port)?;
    if let Some(graphics) = txn.body_mut::<Vm>(id)?.template.vectors_mut("GRAPHICS").next() {
        graphics.set("PORT", port);
    }
    Ok(true)
}

/// The hypervisor has been told, or not: the change stays either way.
///
/// # Errors
/// NO_EXISTS.
pub fn answered(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    common::finish_operation(txn, id)
}
