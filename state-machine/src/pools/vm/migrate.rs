//! `one.vm.migrate`.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::ids::join_ids;
use quorate_model::kind::Kind;
use quorate_model::records::host::Host;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};

use super::attributes::{requirements, topology};
use super::deploy::{self, Store, Target};
use super::fsm::actions::MIGRATE;
use super::fsm::steps;
use super::fsm::table::find;
use super::history::by_caller;
use super::release;
use crate::authorize;
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::cluster::vnc;
use crate::pools::host::capacity;
use crate::pools::vm::rights;
use crate::txn::Txn;

/// What is asked for.
struct Wish {
    live: bool,
    enforce: bool,
    store: i32,
    /// 0 saves the VM, 1 powers it off, 2 hard.
    kind: i32,
}

/// Parameters VM, host, whether live, whether capacity is checked, datastore (-1: the same), type.
pub fn migrate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let wish = Wish { live: request.bool(2), enforce: request.bool(3), store: request.int(4), kind: request.int(5) };
    let target = deploy::target(txn, request.int(1))?;
    authorize(txn, id, &target, wish.store)?;
    check_state(txn, id, &wish)?;
    let here = txn.get::<Vm>(id)?.1.record().map(|r| (r.hid, r.ds_id)).unwrap_or((-1, -1));
    if here.0 == target.id && (wish.store == -1 || wish.store == here.1) {
        return Err(ApiError::action(format!("VM is already running on host [{}]", here.0)));
    }
    let wanted = release::capacity_of(&txn.get::<Vm>(id)?.1.template);
    capacity::check(txn, target.id, id, &wanted, wish.enforce).map_err(ApiError::action)?;
    let clusters = refresh_requirements(txn, id)?;
    if !wanted.pci.is_empty() && wish.kind == 0 && txn.get::<Vm>(id)?.1.state != State::Poweroff {
        return Err(ApiError::action(format!(
            "Cannot migrate VM [{id}], use poweroff or poweroff-hard flag for migrating a VM with PCI devices"
        )));
    }
    let old_cluster = check_clusters(txn, id, &target, here.0, &clusters)?;
    let store = choose_store(txn, id, &wish, &target, here.1)?;
    if old_cluster != target.cluster {
        move_port(txn, id, target.cluster, wish.live)?;
    }
    deploy::describe_volatile_disks(txn, id, store.id)?;
    deploy::add_record(txn, id, &target, &store)?;
    start(txn, id, &wish)?;
    Ok(Value::Int(id))
}

fn authorize(txn: &Txn, id: i32, target: &Target, store: i32) -> Result<(), ApiError> {
    let datastore = if store == -1 { None } else { Some(txn.object(Kind::Datastore, store)?) };
    let op = authorize::level_for(txn, txn.actor(), VmAction::Migrate.keyword(), Op::Admin);
    let mut wishes = vec![
        AuthRequest::on(txn.object(Kind::Vm, id)?, op),
        AuthRequest::on(txn.object(Kind::Host, target.id)?, Op::Manage),
    ];
    wishes.extend(datastore.map(|object| AuthRequest::on(object, Op::Use)));
    txn.authorize(&wishes)
}

fn check_state(txn: &Txn, id: i32, wish: &Wish) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(id)?.1;
    let leaving = body.previous_record().is_some_and(|r| r.etime == 0);
    let still = matches!(body.state, State::Poweroff | State::Suspended);
    if leaving || !(still || body.is_doing(LcmState::Running) || body.is_doing(LcmState::Unknown)) {
        let state = body.state_name();
        return Err(ApiError::action(format!("Migrate action is not available for state {state}")));
    }
    if wish.live && topology::is_pinned(&body.template) {
        return Err(ApiError::action("VM with a pinned NUMA topology cannot be live-migrated"));
    }
    let action = if wish.live { VmAction::LiveMigrate } else { VmAction::Migrate };
    if !rights::is_supported(txn, id, action) {
        return Err(ApiError::action("Migration is not supported for imported VMs"));
    }
    Ok(())
}

fn refresh_requirements(txn: &mut Txn, id: i32) -> Result<BTreeSet<i32>, ApiError> {
    let (object, body) = txn.get::<Vm>(id)?;
    let mut template = body.template.clone();
    let clusters = requirements::automatic(txn, &mut template, &object.template).map_err(ApiError::action)?;
    txn.body_mut::<Vm>(id)?.template = template;
    Ok(clusters)
}

/// Whether the VM may be in the target's cluster; answers the cluster that its host is in.
fn check_clusters(txn: &Txn, id: i32, target: &Target, host: i32, clusters: &BTreeSet<i32>) -> Result<i32, ApiError> {
    let (object, old) = txn.get::<Host>(host)?;
    let (new_host, new) = (target.id, target.cluster);
    if !clusters.is_empty() && !clusters.contains(&new) {
        return Err(ApiError::action(format!(
            "Cannot migrate  VM [{id}] to host [{new_host}]. Host is in cluster [{new}], and VM requires to be placed \
             on cluster [{}]",
            join_ids(clusters)
        )));
    }
    if target.public_cloud || object.template.is_yes("PUBLIC_CLOUD") {
        return Err(ApiError::action("Cannot migrate to or from a Public Cloud Host"));
    }
    Ok(old.cluster)
}

fn choose_store(txn: &Txn, id: i32, wish: &Wish, target: &Target, old: i32) -> Result<Store, ApiError> {
    let store = if wish.store == -1 {
        deploy::store(txn, old)?
    } else {
        let driver = txn.settings().driver("VM_MAD", &target.vm_mad);
        let driver = driver.ok_or_else(|| ApiError::action(format!("Cannot find vmm driver: {}", target.vm_mad)))?;
        if wish.store != old && wish.live && !driver.is_yes("DS_LIVE_MIGRATION") {
            let text = "A migration to a different system datastore cannot be performed live.";
            return Err(ApiError::action(text));
        }
        let store = deploy::store(txn, wish.store)?;
        if !store.migrates {
            return Err(ApiError::action("System datastore migration not supported by TM driver"));
        }
        let tm_mad = txn.get::<Vm>(id)?.1.record().map_or("", |r| r.tm_mad.as_str());
        if tm_mad != store.tm_mad {
            return Err(ApiError::action("Cannot migrate to a system datastore with a different TM driver"));
        }
        store
    };
    if !store.clusters.is_empty() && !store.clusters.contains(&target.cluster) {
        return Err(ApiError::action(format!(
            "Cannot migrate VM [{id}] to host [{}] and system datastore [{}]. Host is in cluster [{}], and the \
             datastore is in cluster [{}]",
            target.id,
            store.id,
            target.cluster,
            join_ids(&store.clusters)
        )));
    }
    Ok(store)
}

/// The console gets a port in the new cluster, when it has one in the old; it keeps its number when the VM moves live.
fn move_port(txn: &mut Txn, id: i32, cluster: i32, live: bool) -> Result<(), ApiError> {
    let graphics = txn.get::<Vm>(id)?.1.template.vector("GRAPHICS");
    let Some(old) = graphics.and_then(|g| g.int("PORT")).and_then(|port| u32::try_from(port).ok()) else {
        return Ok(());
    };
    let new = if live {
        Some(old).filter(|_| vnc::claim(txn, cluster, old) == Ok(true))
    } else {
        vnc::take(txn, cluster, id)
    };
    let Some(new) = new else { return Err(ApiError::action("No free VNC port available in the new cluster")) };
    if let Some(graphics) = txn.body_mut::<Vm>(id)?.template.vectors_mut("GRAPHICS").next() {
        graphics.set("PREVIOUS_PORT", old).set("PORT", new);
    }
    Ok(())
}

fn start(txn: &mut Txn, id: i32, wish: &Wish) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(id)?.1;
    let running = body.is_doing(LcmState::Running);
    let action = match (running, wish.live, wish.kind) {
        (true, true, _) => VmAction::LiveMigrate,
        (true, false, 1) => VmAction::PoweroffMigrate,
        (true, false, 2) => VmAction::PoweroffHardMigrate,
        _ => VmAction::Migrate,
    };
    let steps = find(MIGRATE, &action, body).unwrap_or_default();
    let by = by_caller(txn);
    steps::run(txn, id, by, steps)
}
