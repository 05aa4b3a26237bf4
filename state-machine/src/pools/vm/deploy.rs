//! `one.vm.deploy`: the host and system datastore that a VM gets, and everything that depends on them.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::quota;
use quorate_model::quota::vm::is_volatile;
use quorate_model::records::cluster::Cluster;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::host::Host;
use quorate_model::records::host::state::HostState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::records::vm::state::{State, VmAction};
use quorate_model::records::vnet::holder::Holder;
use quorate_model::template::{Template, parse};

use super::attributes::scope::Scope;
use super::attributes::{context, nics, topology};
use super::fsm::actions::DEPLOY;
use super::fsm::steps;
use super::fsm::table::{Stamp, Step, find};
use super::history::{self, by_caller};
use super::release;
use crate::authorize::{self, Request as AuthRequest};
use crate::booking;
use crate::methods::Request;
use crate::pools::cluster::vnc;
use crate::pools::datastore::capacity as datastore;
use crate::pools::host::capacity;
use crate::pools::image::store;
use crate::pools::secgroup;
use crate::pools::vnet::nic;
use crate::txn::Txn;

/// A host as deployments see it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Its hypervisor driver.
    pub vm_mad: String,
    /// Its cluster.
    pub cluster: i32,
    /// Whether it is a public cloud.
    pub public_cloud: bool,
}

/// A system datastore as deployments see it.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Its id; -1 in a public cloud.
    pub id: i32,
    /// Its transfer driver.
    pub tm_mad: String,
    /// Its clusters.
    pub clusters: BTreeSet<i32>,
    /// Whether VMs may move from and to it.
    pub migrates: bool,
}

/// Looks a host up.
///
/// # Errors
/// NO_EXISTS; ACTION when it is offline.
pub fn target(txn: &Txn, id: i32) -> Result<Target, ApiError> {
    let (object, host) = txn.get::<Host>(id)?;
    if host.state == HostState::Offline {
        return Err(ApiError::action("Host is offline, cannot use it to deploy VM"));
    }
    Ok(Target {
        id,
        name: object.name.clone(),
        vm_mad: host.vm_mad.clone(),
        cluster: host.cluster,
        public_cloud: object.template.is_yes("PUBLIC_CLOUD"),
    })
}

/// Looks a system datastore up.
///
/// # Errors
/// NO_EXISTS; INTERNAL when it is none.
pub fn store(txn: &Txn, id: i32) -> Result<Store, ApiError> {
    let object = txn.object(Kind::Datastore, id)?;
    if datastore::ds_type(txn, id) != Some(DatastoreType::System) {
        return Err(ApiError::internal(format!(
            "Trying to use datastore [{id}] to deploy the VM, but it is not of type system datastore."
        )));
    }
    Ok(Store {
        id,
        tm_mad: object.template.value("TM_MAD").to_owned(),
        clusters: datastore::clusters_of(txn, id).into_iter().collect(),
        migrates: object.template.is_yes("DS_MIGRATE"),
    })
}

/// The system datastore that a cluster's VMs get: as in the reference (`Cluster::get_default_system_ds`), the one with
/// the lowest id.
fn default_store(txn: &Txn, cluster: i32) -> Result<Store, ApiError> {
    let (_, body) = txn.get::<Cluster>(cluster)?;
    let system = |id: &&i32| datastore::ds_type(txn, **id) == Some(DatastoreType::System);
    match body.datastores.iter().find(system) {
        Some(id) => store(txn, *id),
        None => Err(ApiError::action(format!("cluster [{cluster}] does not have any datastore of type SYSTEM_DS."))),
    }
}

/// `one.vm.deploy`: parameters VM, host, whether capacity is checked, datastore (-1: the cluster's), template with the
/// networks of automatic NICs.
pub fn deploy(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, host, wanted_store) = (request.id(), request.int(1), request.int(3));
    let networks = parse::parse(request.str(4)).map_err(ApiError::internal)?;
    let target = target(txn, host)?;
    let (_, body) = txn.get::<Vm>(id)?;
    let left_files =
        body.record().is_some_and(|r| matches!(r.action, VmAction::Stop | VmAction::Undeploy | VmAction::UndeployHard));
    let kept = body.record().filter(|_| left_files).map(|r| r.ds_id);
    let enforce = request.bool(2) || topology::is_pinned(&body.template);
    let wanted_store = if wanted_store == -1 { kept.unwrap_or(-1) } else { wanted_store };
    let store = choose_store(txn, &target, wanted_store)?;
    let networks = Some(networks).filter(|_| !left_files && !request.str(4).is_empty());
    authorize_deploy(txn, id, &target, &store, networks.clone())?;
    let body = txn.get::<Vm>(id)?.1;
    if ![State::Pending, State::Hold, State::Stopped, State::Undeployed].contains(&body.state) {
        let state = body.state_name();
        return Err(ApiError::action(format!("Deploy action is not available for state {state}")));
    }
    let wanted = release::capacity_of(&body.template);
    capacity::check(txn, target.id, id, &wanted, enforce).map_err(ApiError::action)?;
    booking::following(txn, Kind::Vm, id, |txn| {
        if let Some(networks) = networks {
            take_networks(txn, id, &networks).map_err(ApiError::action)?;
        }
        check_transfer_mode(txn, id, &store.tm_mad).map_err(ApiError::action)?;
        check_shareable(txn, id, &target.vm_mad).map_err(ApiError::action)?;
        describe_volatile_disks(txn, id, store.id)?;
        take_port(txn, id, target.cluster)
    })?;
    add_record(txn, id, &target, &store)?;
    start(txn, id)?;
    Ok(Value::Int(id))
}

/// The datastore of a deployment.
fn choose_store(txn: &Txn, target: &Target, wanted: i32) -> Result<Store, ApiError> {
    if target.public_cloud {
        return Ok(Store { id: -1, ..Store::default() });
    }
    if wanted == -1 {
        return default_store(txn, target.cluster);
    }
    let store = store(txn, wanted)?;
    if !store.clusters.contains(&target.cluster) {
        let (host, cluster) = (target.id, target.cluster);
        return Err(ApiError::action(format!(
            "datastore [{wanted}] and host [{host}] are not in the same cluster [{cluster}]."
        )));
    }
    Ok(store)
}

/// The rights: on the VM, the host, the networks that the scheduler has chosen, the datastore.
fn authorize_deploy(
    txn: &Txn,
    id: i32,
    target: &Target,
    store: &Store,
    networks: Option<Template>,
) -> Result<(), ApiError> {
    let actor = txn.actor();
    let op = authorize::level_for(txn, actor, VmAction::Deploy.keyword(), Op::Admin);
    let object = txn.object(Kind::Vm, id)?;
    let mut wishes = vec![AuthRequest::on(object, op), AuthRequest::on(txn.object(Kind::Host, target.id)?, Op::Manage)];
    if let Some(mut networks) = networks {
        if !txn.is_admin(actor)
            && let Some(name) = txn.settings().restricted("VM_RESTRICTED_ATTR").first_in(&networks)
        {
            return Err(ApiError::authorization(actor.uid, format!("NIC includes a restricted attribute {name}")));
        }
        booking::check(txn, object.uid, object.gid, &quota::vm::nics(&networks))
            .map_err(|reason| ApiError::authorization(actor.uid, reason))?;
        for nic in networks.vectors_mut("NIC") {
            wishes.extend(nic::wishes(txn, &[actor.uid, object.uid], nic, false));
        }
    }
    if store.id != -1 {
        wishes.push(AuthRequest::on(txn.object(Kind::Datastore, store.id)?, Op::Use));
    }
    txn.authorize(&wishes)
}

/// Leases in the networks that the scheduler has chosen for automatic NICs.
fn take_networks(txn: &mut Txn, id: i32, networks: &Template) -> Result<(), String> {
    let (object, body) = txn.get::<Vm>(id).map_err(|e| e.text)?;
    let uid = object.uid;
    let mut template = body.template.clone();
    for chosen in networks.vectors("NIC") {
        let nic_id = chosen.int("NIC_ID").unwrap_or(0);
        let mut all = template.vectors_mut("NIC");
        let nic = all.find(|nic| nic.int("NIC_ID") == Some(nic_id)).ok_or(format!("NIC_ID {nic_id} not found"))?;
        if !nics::is_auto(nic) || !nic.value("NETWORK_ID").is_empty() {
            return Err(format!("NIC_ID {nic_id} not AUTO"));
        }
        nic.set("NETWORK_ID", chosen.value("NETWORK_ID"));
    }
    let defaults = template.vector("NIC_DEFAULT").cloned();
    let mut groups = BTreeSet::new();
    for nic in template.vectors_mut("NIC").filter(|nic| nics::is_auto(nic)) {
        let Some(nic_id) = nic.id("NIC_ID") else { continue };
        if let Some(defaults) = &defaults {
            nic.merge(defaults, false);
        }
        nic::attach(txn, Holder::Vm(id), uid, nic_id, nic)?;
        groups.extend(secgroup::vms::groups_of([&*nic]));
    }
    secgroup::vms::add_vm(txn, id, &groups);
    secgroup::vms::rules_for(txn, &groups)?
        .into_iter()
        .for_each(|rule| template.add_vector("SECURITY_GROUP_RULE", rule));
    txn.body_mut::<Vm>(id).map_err(|e| e.text)?.template = template;
    let object = txn.object(Kind::Vm, id).map_err(|e| e.text)?;
    let Some(scope) = Scope::of(object) else { return Ok(()) };
    if let Some(mut context) = scope.vm.template.vector("CONTEXT").cloned() {
        context::add_network(txn, scope, &mut context, context::Nics::All)?;
        txn.body_mut::<Vm>(id).map_err(|e| e.text)?.template.set_vectors("CONTEXT", [context]);
    }
    Ok(())
}

/// The transfer driver of the system datastore becomes the VM's, if its images' datastores go with it.
fn check_transfer_mode(txn: &mut Txn, id: i32, tm_mad: &str) -> Result<(), String> {
    let (_, body) = txn.get::<Vm>(id).map_err(|e| e.text)?;
    if !body.template.value("TM_MAD_SYSTEM").is_empty() {
        return Ok(());
    }
    let mut template = body.template.clone();
    for disk in template.vectors_mut("DISK").filter(|disk| !disk.value("TM_MAD").eq_ignore_ascii_case(tm_mad)) {
        let Some(datastore) = disk.id("DATASTORE_ID") else { continue };
        let object = txn.find(Kind::Datastore, datastore).ok_or("Datastore does not exist")?;
        if tm_mad.is_empty() {
            disk.set("CLONE_TARGET", "").set("LN_TARGET", "").set("DISK_TYPE", "").set("TM_MAD_SYSTEM", "");
            continue;
        }
        let targets = datastore::targets(object, tm_mad)
            .ok_or_else(|| format!("Image Datastore does not support transfer mode: {tm_mad}"))?;
        disk.set("CLONE_TARGET", &targets.clone).set("LN_TARGET", &targets.ln).set("DISK_TYPE", &targets.disk_type);
        disk.set("TM_MAD_SYSTEM", tm_mad);
    }
    template.add("TM_MAD_SYSTEM", tm_mad);
    txn.body_mut::<Vm>(id).map_err(|e| e.text)?.template = template;
    Ok(())
}

/// Whether the hypervisor can share the VM's shareable disks.
fn check_shareable(txn: &Txn, id: i32, vm_mad: &str) -> Result<(), String> {
    let driver = txn.settings().driver("VM_MAD", vm_mad).ok_or_else(|| format!("Cannot find vmm driver: {vm_mad}"))?;
    let shares = txn.get::<Vm>(id).map_err(|e| e.text)?.1.template.vectors("DISK").any(|d| d.is_yes("SHAREABLE"));
    if shares && !driver.is_yes("SUPPORT_SHAREABLE") {
        return Err(format!("VM has shareable disk, but vmm driver: '{vm_mad}' doesn't support shareable disks"));
    }
    Ok(())
}

/// Volatile disks are made in the system datastore, and as it says.
///
/// # Errors
/// NO_EXISTS.
pub fn describe_volatile_disks(txn: &mut Txn, id: i32, datastore: i32) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(id)?.1;
    if !body.template.vectors("DISK").any(is_volatile) {
        return Ok(());
    }
    let mut template = body.template.clone();
    for disk in template.vectors_mut("DISK").filter(|disk| is_volatile(disk)) {
        store::describe_disk(txn, datastore, disk);
    }
    txn.body_mut::<Vm>(id)?.template = template;
    Ok(())
}

/// The console gets a port in the cluster; a stopped VM has kept its own.
fn take_port(txn: &mut Txn, id: i32, cluster: i32) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(id)?.1;
    let Some(graphics) = body.template.vector("GRAPHICS") else { return Ok(()) };
    if body.record().is_some_and(|r| r.action == VmAction::Stop) {
        return Ok(());
    }
    if let Some(port) = graphics.int("PORT").and_then(|port| u32::try_from(port).ok()) {
        return if vnc::claim(txn, cluster, port)? {
            Ok(())
        } else {
            Err(ApiError::action("Requested VNC port already assigned to a VM"))
        };
    }
    let Some(port) = vnc::take(txn, cluster, id) else {
        return Err(ApiError::action("No free VNC ports available in the cluster"));
    };
    if let Some(graphics) = txn.body_mut::<Vm>(id)?.template.vectors_mut("GRAPHICS").next() {
        graphics.set("PORT", port);
    }
    Ok(())
}

/// A history record for a new place.
///
/// # Errors
/// NO_EXISTS.
pub fn add_record(txn: &mut Txn, id: i32, target: &Target, store: &Store) -> Result<(), ApiError> {
    let record = History {
        hid: target.id,
        hostname: target.name.clone(),
        cid: target.cluster,
        vm_mad: target.vm_mad.clone(),
        tm_mad: store.tm_mad.clone(),
        ds_id: store.id,
        ..History::default()
    };
    history::push(txn.object_mut(Kind::Vm, id)?, record);
    Ok(())
}

/// The deployment starts; an imported VM runs already.
fn start(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(id)?.1;
    if body.template.is_yes("IMPORTED") {
        return import(txn, id);
    }
    let files_left_by = match body.previous_record().map(|r| r.action) {
        Some(VmAction::Stop) => VmAction::Stop,
        Some(VmAction::Undeploy | VmAction::UndeployHard) => VmAction::Undeploy,
        _ => VmAction::None,
    };
    let steps = find(DEPLOY, &files_left_by, body).unwrap_or_default();
    let by = by_caller(txn);
    steps::run(txn, id, by, steps)
}

/// An imported VM is where it is.
fn import(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let by = by_caller(txn);
    if ![State::Pending, State::Hold].contains(&txn.get::<Vm>(id)?.1.state) {
        return Ok(());
    }
    let state = txn.object_mut(Kind::Vm, id)?.template.take("IMPORT_STATE").unwrap_or_default();
    let found = if state == "POWEROFF" {
        Step::Rest(State::Poweroff)
    } else {
        Step::Go(quorate_model::records::vm::state::LcmState::Running)
    };
    let times = [Stamp::Start, Stamp::PrologStart, Stamp::PrologEnd, Stamp::RunningStart];
    let times = times.map(Step::Time);
    steps::run(txn, id, by, &[&[Step::AddCapacity, found][..], &times].concat())
}
