//! What monitoring does to a host: its first SYSTEM_HOST message, or the failure to get one.

use quorate_model::announcement::Announcement;
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::host::Host;
use quorate_model::records::host::share::{Reservation, Share};
use quorate_model::records::host::state::HostState;
use quorate_model::template::{Attribute, Template, parse};

use crate::ctime;
use crate::pools::host::{numa, pci, reservations};
use crate::txn::Txn;

/// Applies what a monitoring driver says of a host: the attributes of SYSTEM_HOST, or why it has none. An empty
/// failure (there is no such driver) changes nothing, as in the reference (`InformationManager.cc`, `_host_state`).
///
/// # Errors
/// None that refuses the report: an object that is gone is ignored.
pub fn monitored(txn: &mut Txn, host: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    let Some((_, body)) = txn.find_typed::<Host>(host) else { return Ok(()) };
    if body.state == HostState::Offline {
        return Ok(());
    }
    match outcome {
        Ok(text) => match parse::parse(text) {
            Ok(found) => learn(txn, host, &found),
            Err(reason) => fail(txn, host, &format!("Error parsing monitoring template: {reason}")),
        },
        Err("") => Ok(()),
        Err(reason) => fail(txn, host, reason),
    }
}

fn learn(txn: &mut Txn, id: i32, found: &Template) -> Result<(), ApiError> {
    let reservation = reservations::of_host(txn, id);
    let object = txn.object_mut(Kind::Host, id)?;
    let Some(host) = Host::of_mut(&mut object.body) else { return Ok(()) };
    let template = &mut object.template;
    for name in [ctime::ERROR, "VM", "VM_POLL"] {
        template.remove(name);
    }
    template.merge(found);
    if host.state != HostState::Disabled {
        host.state = HostState::Monitored;
    }
    list_wilds(template);
    take_figures(&mut host.share, template, &reservation);
    host.saved = true;
    Ok(())
}

/// Takes what a host's monitoring tells out of its template; `reservation` counts when CPU or memory changed.
fn take_figures(share: &mut Share, template: &mut Template, reservation: &Reservation) {
    let figure = |template: &mut Template, name: &str| {
        let value = template.int(name);
        template.remove(name);
        value
    };
    let cpu = figure(template, "TOTALCPU").unwrap_or(share.total_cpu);
    let mem = figure(template, "TOTALMEMORY").unwrap_or(share.total_mem);
    share.set_totals(cpu, mem, reservation);
    let disks = &mut share.disks;
    disks.max = figure(template, "DS_LOCATION_TOTAL_MB").unwrap_or(disks.max);
    disks.free = figure(template, "DS_LOCATION_FREE_MB").unwrap_or(disks.free);
    disks.used = figure(template, "DS_LOCATION_USED_MB").unwrap_or(disks.used);
    disks.datastores = template.vectors("DS").cloned().collect();
    template.remove("DS");
    pci::monitored(&mut share.pci, template);
    numa::monitored(&mut share.numa, template, share.vms_thread);
}

/// VMs that run on the host without being OpenNebula's: the template keeps them and lists their names.
fn list_wilds(template: &mut Template) {
    template.remove("WILDS");
    template.remove("TOTAL_WILDS");
    template.retain(|name, attribute| match attribute {
        Attribute::Vector(vm) if name == "VM" => vm.int("ID") == Some(-1),
        Attribute::Single(_) => name != "VM",
        Attribute::Vector(_) => true,
    });
    let name_of = |name: &str, deploy_id: &str| if name.is_empty() { deploy_id.to_owned() } else { name.to_owned() };
    let wilds: Vec<String> =
        template.vectors("VM").map(|vm| name_of(vm.value("VM_NAME"), vm.value("DEPLOY_ID"))).collect();
    if !wilds.is_empty() {
        template.set("TOTAL_WILDS", wilds.len());
        template.set("WILDS", wilds.join(", "));
    }
}

fn fail(txn: &mut Txn, id: i32, reason: &str) -> Result<(), ApiError> {
    let now = txn.time_in_words();
    let object = txn.object_mut(Kind::Host, id)?;
    let text = format!("Error monitoring Host {} ({id}): {reason}", object.name);
    ctime::set_error(&mut object.template, ctime::ERROR, &now, &text);
    let Some(host) = Host::of_mut(&mut object.body) else { return Ok(()) };
    if host.state != HostState::Disabled {
        host.state = HostState::Error;
    }
    host.saved = true;
    txn.announce(Announcement::HostLost { host: id });
    Ok(())
}
