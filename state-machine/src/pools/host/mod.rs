//! Hosts: methods and hooks. What VMs take of hosts is in [`capacity`].
//!
//! Monitoring changes a host only in what decisions depend on (state, capacity, devices); samples are not kept here.

mod allocate;
pub mod capacity;
pub mod monitor;
mod numa;
mod pci;
pub mod report;
mod samples;
mod status;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::body::Variant;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::parts::Parts;
use crate::pools::cluster::members;
use crate::pools::vdc;
use crate::pools::vm::Vm;
use crate::records::Record;
use crate::records::host::share::{Reservation, Share};
use crate::records::host::state::HostState;
use crate::set::Set;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// The particular part of a host.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its state.
    pub state: HostState,
    /// The driver that monitors it.
    pub im_mad: String,
    /// The driver of its hypervisor.
    pub vm_mad: String,
    /// Its cluster.
    pub cluster: i32,
    /// Its cluster's name.
    pub cluster_name: String,
    /// What it has and what VMs take of it.
    pub share: Share,
    /// The VMs that take capacity of it; each in a record of its own.
    #[serde(skip)]
    pub vms: Set<i32>,
    /// Whether it was changed since it was made.
    pub saved: bool,
    /// When its monitoring was last started, unix seconds.
    pub monitored_at: i64,
    /// The operation that has it monitored.
    pub look: Option<u64>,
}

impl Record for Host {
    const KIND: Kind = Kind::Host;

    /// As in the reference, listings show no figures of disk space before a host's first change, and the former state
    /// is the present one once a change is complete.
    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        w.element("HOST", |w| {
            w.plain("ID", head.id).plain("NAME", &head.name);
            w.plain("STATE", self.state.number()).plain("PREV_STATE", self.state.number());
            w.cdata("IM_MAD", &self.im_mad).cdata("VM_MAD", &self.vm_mad);
            w.plain("CLUSTER_ID", self.cluster).plain("CLUSTER", &self.cluster_name);
            self.share.render(self.saved || form == Form::Full, w);
            w.ids("VMS", &self.vms);
            head.template.render("TEMPLATE", w);
            w.empty("MONITORING");
        });
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.vms)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.vms as &mut dyn Parts)
    }

    fn clusters(&self) -> Vec<i32> {
        vec![self.cluster]
    }
}

impl Pool for Host {
    /// Drivers may be changed but not taken away; reservations count at once.
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let reservation = Host::reservation(txn, id);
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
        vdc::forget_resource(txn, Kind::Host, id);
        monitor::stop(txn, id);
        Ok(())
    }
}

impl Host {
    /// What is reserved on a host: by itself, else by its cluster.
    #[must_use]
    pub fn reservation(txn: &Txn, id: i32) -> Reservation {
        let Some((object, host)) = txn.find_typed::<Host>(id) else { return Reservation::default() };
        Reservation::of(&object.template).or(&members::reservation(txn, host.cluster))
    }

    /// A host's cluster reserves as given; a host that reserves both CPU and memory itself stays as it is.
    ///
    /// # Errors
    /// NO_EXISTS when the host is gone.
    pub fn reserve_as_cluster(txn: &mut Txn, id: i32, cluster: &Reservation) -> Result<(), ApiError> {
        let own = Reservation::of(&txn.object(Kind::Host, id)?.template);
        if own.is_complete() {
            return Ok(());
        }
        let object = txn.object_mut(Kind::Host, id)?;
        if let Some(host) = Host::of_mut(&mut object.body) {
            host.share.reserve(&mut object.template, &own.or(cluster));
            host.saved = true;
        }
        Ok(())
    }
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.host.allocate", Kind::Host, &[req("name", Type::Str), req("im_mad", Type::Str), req("vmm_mad", Type::Str), req("cluster_id", Type::Int)], &[], allocate::call),
    write("one.host.delete", Kind::Host, &[ID], &[Need::May(Kind::Host, 0, Op::Admin)], verbs::delete::<Host>),
    read("one.host.info", Kind::Host, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Host, 0, Op::Use)], verbs::info).while_disabled(),
    read("one.host.monitoring", Kind::Host, &[ID], &[], samples::of_host),
    write("one.host.rename", Kind::Host, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Host, 0)], |txn, request| verbs::rename_as::<Host>(txn, request, Op::Admin)),
    write("one.host.status", Kind::Host, &[ID, req("status", Type::Int)], &[Need::May(Kind::Host, 0, Op::Admin)], status::set_status),
    write("one.host.update", Kind::Host, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Host, 0, Op::Admin)], verbs::update::<Host>),
    read("one.hostpool.info", Kind::Host, &[], &[], verbs::pool_all).while_disabled(),
    read("one.hostpool.monitoring", Kind::Host, &[opt("seconds", Type::Int, Default::Int(-1))], &[], samples::of_pool).while_disabled(),
];
