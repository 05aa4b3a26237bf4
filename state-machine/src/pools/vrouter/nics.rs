//! The NICs of a virtual router: floating leases, attaching, detaching.
//!
//! It must not know how a VM gets or loses a NIC: it asks for it.

use quorate_model::api::{ApiReply, Value};
use quorate_model::clean::Name;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vrouter::{VRouter, nic_charges};
use quorate_model::settings::Settings;
use quorate_model::template::{Template, VectorAttribute};

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::vm::ops::nic as plug;
use crate::pools::vm::rights;
use crate::pools::vnet::nic;
use crate::txn::Txn;
use crate::{booking, verbs};

/// The rights that the NICs of a template take. Sets NETWORK_ID of those that name their network.
pub fn wishes(txn: &Txn, namers: &[i32], template: &mut Template) -> Vec<AuthRequest> {
    let mut wishes = Vec::new();
    for name in ["NIC", "PCI", "NIC_ALIAS"] {
        let nics = template.vectors_mut(name).filter(|nic| name != "PCI" || nic.value("TYPE") == "NIC");
        wishes.extend(nics.flat_map(|nic| nic::wishes(txn, namers, nic, false)));
    }
    wishes
}

/// Refuses to anyone but administrators NICs with what only they may set: they become NICs of the router's VMs. (The
/// reference leaves it in those that share no floating address.)
///
/// # Errors
/// AUTHORIZATION.
pub fn refuse_restricted(txn: &Txn, template: &Template) -> Result<(), ApiError> {
    let mut nics = Template::new();
    nics.set_vectors("NIC", template.vectors("NIC").cloned());
    rights::refuse_restricted(txn, &nics, "NIC")
}

/// Takes the leases of a new router's NICs.
///
/// # Errors
/// A network that gives no lease.
pub fn lease_all(txn: &mut Txn, object: &mut Object) -> Result<(), String> {
    let mut nics: Vec<VectorAttribute> = object.template.vectors("NIC").cloned().collect();
    for (nic, nic_id) in nics.iter_mut().zip(0..) {
        nic::attach(txn, Holder::VRouter(object.id), object.uid, nic_id, nic)?;
        separate_floating(txn.settings(), nic);
    }
    if !nics.is_empty() {
        object.template.set_vectors("NIC", nics);
    }
    Ok(())
}

/// Gives every lease of a router back.
///
/// # Errors
/// NO_EXISTS.
pub fn release_all(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let nics: Vec<VectorAttribute> = txn.object(Kind::VRouter, id)?.template.vectors("NIC").cloned().collect();
    nics.iter().for_each(|nic| nic::release_floating(txn, id, nic));
    Ok(())
}

/// Makes the addresses of a floating NIC those of the router (`VROUTER_IP`, ...): its VMs take their own besides. What
/// only administrators may set is left to the VMs' networks.
pub fn separate_floating(settings: &Settings, nic: &mut VectorAttribute) {
    if !nic.is_yes("FLOATING_IP") {
        return;
    }
    for name in ["MAC", "IP", "IP6_LINK", "IP6_ULA", "IP6_GLOBAL", "VLAN_ID"] {
        if let Some(value) = nic.remove(name) {
            nic.set(Name::of_parts(&["VROUTER_", name]), value);
        }
    }
    for name in settings.restricted("VM_RESTRICTED_ATTR").parts_of("NIC") {
        nic.remove(name);
    }
}

/// `one.vrouter.attachnic`: parameters id, template with NIC. Each of the router's VMs gets the NIC as well.
pub fn attach(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let mut template = verbs::parse_new(request.str(1))?;
    let router = txn.object(Kind::VRouter, id)?;
    let (uid, gid) = (router.uid, router.gid);
    let mut all = vec![AuthRequest::on(router, Op::Manage)];
    all.extend(wishes(txn, &[txn.actor().uid, uid], &mut template));
    txn.authorize(&all)?;
    refuse_restricted(txn, &template)?;
    booking::book(txn, uid, gid, &nic_charges(template.vectors("NIC")))?;
    let nic = add(txn, id, &template).map_err(ApiError::action)?;
    let mut for_vms = Template::new();
    for_vms.add_vector("NIC", nic);
    for vm in txn.get::<VRouter>(id)?.1.vms.clone() {
        if let Err(refusal) = txn.attempt(|txn| plug::attach_to(txn, vm, for_vms.clone())) {
            // As in the reference (`VirtualRouterAttachNic::request_execute`), the router and the VMs before keep the
            // NIC.
            txn.keep_although_refused();
            return Err(ApiError::action(refusal.reason()));
        }
    }
    Ok(Value::Int(id))
}

/// Adds the NIC of a template to a router; returns it as the router's VMs get it.
fn add(txn: &mut Txn, id: i32, template: &Template) -> Result<VectorAttribute, String> {
    if template.contains("NIC_ALIAS") {
        return Err("Alias can't be attached to virtual router.".to_owned());
    }
    let mut given = template.vectors("NIC");
    let (Some(nic), None) = (given.next(), given.next()) else {
        return Err("The template must contain one NIC attribute".to_owned());
    };
    let mut nic = nic.clone();
    let router = txn.object(Kind::VRouter, id).map_err(|e| e.text)?;
    let highest = router.template.vectors("NIC").filter_map(|nic| nic.id("NIC_ID")).max();
    let nic_id = highest.map_or(0, |highest| highest.saturating_add(1));
    let uid = router.uid;
    nic::attach(txn, Holder::VRouter(id), uid, nic_id, &mut nic)?;
    separate_floating(txn.settings(), &mut nic);
    txn.object_mut(Kind::VRouter, id).map_err(|e| e.text)?.template.add_vector("NIC", nic.clone());
    Ok(nic)
}

/// `one.vrouter.detachnic`: parameters id, NIC. Each of the router's VMs loses the NIC as well.
pub fn detach(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, nic_id) = (request.id(), request.int(1));
    let mut nics: Vec<VectorAttribute> = txn.object(Kind::VRouter, id)?.template.vectors("NIC").cloned().collect();
    let Some(at) = nics.iter().position(|nic| nic.id("NIC_ID") == Some(nic_id)) else {
        return Err(ApiError::action(format!("NIC with NIC_ID {nic_id} does not exist.")));
    };
    let nic = nics.remove(at);
    nic::release_floating(txn, id, &nic);
    booking::following(txn, Kind::VRouter, id, |txn| {
        txn.object_mut(Kind::VRouter, id).map(|object| object.template.set_vectors("NIC", nics))
    })?;
    for vm in txn.get::<VRouter>(id)?.1.vms.clone() {
        if let Err(refusal) = txn.attempt(|txn| plug::detach_from(txn, vm, nic_id)) {
            txn.keep_although_refused();
            return Err(ApiError::action(refusal.reason()));
        }
    }
    Ok(Value::Int(id))
}
