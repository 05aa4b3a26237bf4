//! Hosts: hooks, the table of methods. What VMs take of hosts is in [`capacity`].
//!
//! Monitoring changes a host only in what decisions depend on (state, capacity, devices); samples are not kept here.

mod allocate;
pub mod capacity;
pub mod monitor;
mod numa;
mod pci;
pub mod report;
pub mod reservations;
mod samples;
mod status;

use quorate_model::api::Type;
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::host::Host;
use quorate_model::records::vm::Vm;

use crate::methods::{Default, ID, Method, Need, Param, opt, read, req, write};
use crate::pools::cluster::members;
use crate::pools::vdc::resources;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for Host {
    /// Drivers may be changed but not taken away; reservations count at once.
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let reservation = reservations::of_host(txn, id);
        let object = txn.object_mut(Kind::Host, id).map_err(|e| e.text)?;
        let Some(host) = Host::of_mut(&mut object.body) else { return Ok(()) };
        for (name, mad) in [("IM_MAD", &mut host.im_mad), ("VM_MAD", &mut host.vm_mad)] {
            if let Some(given) = object.template.get(name).filter(|given| !given.is_empty()) {
                given.clone_into(mad);
            }
            object.template.set(name, &*mad);
        }
        host.share.reserve(&mut object.template, &reservation);
        host.saved = true;
        Ok(())
    }

    /// Its VMs show the new name as their place.
    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        let name = txn.object(Kind::Host, id)?.name.clone();
        let host = txn.body_mut::<Host>(id)?;
        host.saved = true;
        for vm in host.vms.clone() {
            if txn.find_typed::<Vm>(vm).and_then(|(_, vm)| vm.record()).is_some_and(|record| record.hid == id)
                && let Some(record) = txn.body_mut::<Vm>(vm)?.record_mut()
            {
                record.hostname.clone_from(&name);
            }
        }
        Ok(())
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        if txn.get::<Host>(id)?.1.share.running_vms > 0 {
            return Err(ApiError::action("Cannot delete host. Can not remove a host with running VMs"));
        }
        members::forget(txn, Kind::Host, id);
        resources::forget(txn, Kind::Host, id);
        monitor::stop(txn, id);
        Ok(())
    }
}

const EXISTS: &[Need] = &[Need::Exists(Kind::Host, 0)];
const ADMIN: &[Need] = &[Need::May(Kind::Host, 0, Op::Admin)];
const SEE: &[Need] = &[Need::MayIgnoringLock(Kind::Host, 0, Op::Use)];
const ALLOCATE: &[Param] =
    &[req("name", Type::Str), req("im_mad", Type::Str), req("vmm_mad", Type::Str), req("cluster_id", Type::Int)];
const SECONDS: &[Param] = &[opt("seconds", Type::Int, Default::Int(-1))];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.host.allocate", Kind::Host, ALLOCATE, &[], allocate::call).makes_object(),
    write("one.host.delete", Kind::Host, &[ID], ADMIN, verbs::delete::<Host>).ends_object(),
    read("one.host.info", Kind::Host, params::INFO, SEE, verbs::info).while_disabled(),
    read("one.host.monitoring", Kind::Host, &[ID], &[], samples::of_host),
    write("one.host.rename", Kind::Host, params::RENAME, EXISTS, |t, r| verbs::rename_as::<Host>(t, r, Op::Admin)),
    write("one.host.status", Kind::Host, &[ID, req("status", Type::Int)], ADMIN, status::set_status),
    write("one.host.update", Kind::Host, params::UPDATE, ADMIN, verbs::update::<Host>),
    read("one.hostpool.info", Kind::Host, &[], &[], verbs::pool_all).while_disabled(),
    read("one.hostpool.monitoring", Kind::Host, SECONDS, &[], samples::of_pool).while_disabled(),
];
