//! Hosts: body, XML, methods. What hosts have and what VMs take of it is in [`share`] and [`capacity`].
//!
//! Monitoring changes a host only in what decisions depend on (state, capacity, devices); samples are not kept here.

pub mod capacity;
pub mod numa;
pub mod pci;
pub mod report;
pub mod share;
pub mod state;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::Request as AuthRequest;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, View, opt, read, req, write};
use crate::names;
use crate::object::{Form, Object, Op};
use crate::parts::Parts;
use crate::pending::Operation;
use crate::pools::cluster::{Cluster, members};
use crate::pools::vm::Vm;
use crate::pools::{PoolBody, body_of, vdc};
use crate::set::Set;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;
use crate::zone_time::is_due;
use share::{Reservation, Share};

pub use state::HostState;

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

impl PoolBody for Host {
    const KIND: Kind = Kind::Host;
    body_of!(Host);

    /// As in the reference, listings show no figures of disk space before a host's first change, and the former state
    /// is the present one once a change is complete.
    fn render(&self, object: &Object, form: Form, w: &mut XmlWriter) {
        w.element("HOST", |w| {
            w.plain("ID", object.id).plain("NAME", &object.name);
            w.plain("STATE", self.state.number()).plain("PREV_STATE", self.state.number());
            w.cdata("IM_MAD", &self.im_mad).cdata("VM_MAD", &self.vm_mad);
            w.plain("CLUSTER_ID", self.cluster).plain("CLUSTER", &self.cluster_name);
            self.share.render(self.saved || form == Form::Full, w);
            w.ids("VMS", &self.vms);
            object.template.render("TEMPLATE", w);
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
        stop_monitoring(txn, id);
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

/// Has a host monitored, unless that is on its way already.
pub fn start_monitoring(txn: &mut Txn, host: i32) {
    let Some((_, body)) = txn.find_typed::<Host>(host) else { return };
    if body.look.is_some_and(|look| txn.pending().contains_key(&look)) {
        return;
    }
    let look = txn.start(Operation::MonitorHost { host });
    let now = txn.now();
    if let Ok(body) = txn.body_mut::<Host>(host) {
        body.monitored_at = now;
        body.look = Some(look);
    }
}

/// Seconds between two attempts to monitor a host.
const INTERVAL: i64 = 180;

/// Tries hosts again whose monitoring has failed.
pub fn start_due(txn: &mut Txn) {
    let now = txn.now();
    let due = |host: &Host| host.state == HostState::Error && is_due(now, host.monitored_at, INTERVAL);
    let due: Vec<i32> = txn.each::<Host>().filter(|(_, host)| due(host)).map(|(object, _)| object.id).collect();
    for id in due {
        start_monitoring(txn, id);
    }
}

fn stop_monitoring(txn: &mut Txn, host: i32) {
    if let Some(look) = txn.find_typed::<Host>(host).and_then(|(_, body)| body.look) {
        txn.finish(look);
    }
}

/// `one.host.allocate`: parameters name, monitoring driver, hypervisor driver, cluster (-1: the default one).
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let cluster = members::named(request.int(3));
    let cluster_object = txn.object(Kind::Cluster, cluster)?;
    let cluster_name = cluster_object.name.clone();
    let actor = txn.actor();
    let create = AuthRequest::create(Kind::Host, actor.uid, crate::authorize::effective_gid(txn, actor));
    txn.authorize(&[create, AuthRequest::on(cluster_object, Op::Admin)])?;
    let (name, im_mad, vm_mad) = (request.str(0), request.str(1), request.str(2));
    if let Some(reason) = names::invalid(name, "") {
        return Err(ApiError::internal(reason));
    }
    for (mad, text) in [(im_mad, "IM_MAD_NAME"), (vm_mad, "VMM_MAD_NAME")] {
        if mad.is_empty() {
            return Err(ApiError::internal(format!("{text} cannot be empty.")));
        }
    }
    names::check_new(txn, Kind::Host, -1, name)?;
    let mut template = Template::new();
    for (name, value) in [("RESERVED_CPU", ""), ("RESERVED_MEM", ""), ("IM_MAD", im_mad), ("VM_MAD", vm_mad)] {
        template.set(name, value);
    }
    let (im_mad, vm_mad) = (im_mad.to_owned(), vm_mad.to_owned());
    let host = Host { im_mad, vm_mad, cluster, cluster_name, ..Host::default() };
    let id = txn.insert(Object::new(name, template, host).owned_by_oneadmin(0o600));
    txn.body_mut::<Cluster>(cluster)?.hosts.insert(id);
    start_monitoring(txn, id);
    Ok(Value::Int(id))
}

/// `one.host.monitoring`: parameter id. As in the reference, a negative id has no samples but is no error.
fn monitoring(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let wish = match request.id() {
        id if id < 0 => AuthRequest::on_pool(Kind::Host, Op::Use),
        id => AuthRequest::on(view.state.object(Kind::Host, id)?, Op::Use),
    };
    view.authorize(&[wish])?;
    Ok(Value::Text(verbs::listing::NO_SAMPLES.to_owned()))
}

/// `one.hostpool.monitoring`: parameter how many seconds back (-1 all, 0 the last ones).
fn pool_monitoring(_view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(verbs::listing::NO_SAMPLES.to_owned()))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.host.allocate", Kind::Host, &[req("name", Type::Str), req("im_mad", Type::Str), req("vmm_mad", Type::Str), req("cluster_id", Type::Int)], &[], allocate),
    write("one.host.delete", Kind::Host, &[ID], &[Need::May(Kind::Host, 0, Op::Admin)], verbs::delete),
    read("one.host.info", Kind::Host, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Host, 0, Op::Use)], verbs::info).while_disabled(),
    read("one.host.monitoring", Kind::Host, &[ID], &[], monitoring),
    write("one.host.rename", Kind::Host, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Host, 0)], |txn, request| verbs::rename_as(txn, request, Op::Admin)),
    write("one.host.status", Kind::Host, &[ID, req("status", Type::Int)], &[Need::May(Kind::Host, 0, Op::Admin)], state::set_status),
    write("one.host.update", Kind::Host, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Host, 0, Op::Admin)], verbs::update),
    read("one.hostpool.info", Kind::Host, &[], &[], verbs::pool_all).while_disabled(),
    read("one.hostpool.monitoring", Kind::Host, &[opt("seconds", Type::Int, Default::Int(-1))], &[], pool_monitoring).while_disabled(),
];
