//! Address ranges and held leases of existing networks: `one.vn.add_ar`, `rm_ar`, `free_ar`, `update_ar`, `hold`,
//! `release`.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::clean::Name;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::Record;
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vnet::range::{Address, AddressRange, check_prefixes};
use quorate_model::records::vnet::{State, Vnet, address};
use quorate_model::template::{Template, VectorAttribute, whole_int, whole_u64};

use super::update;
use crate::booking;
use crate::methods::Request;
use crate::txn::Txn;
use crate::verbs;

/// `one.vn.add_ar`: parameters network, template with AR.
pub fn add_range(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = parameters(txn, request)?;
    let Some(range) = template.vector("AR") else {
        return Err(ApiError::internal("Wrong AR definition. AR vector attribute is missing."));
    };
    add(txn, request.id(), range.clone()).map_err(ApiError::internal)?;
    Ok(Value::Int(request.id()))
}

/// Adds an address range to a network.
///
/// # Errors
/// NO_EXISTS; that the range has another IPAM driver than `internal`; what [`AddressRange::new`] refuses.
pub(super) fn add(txn: &mut Txn, id: i32, mut attributes: VectorAttribute) -> Result<(), String> {
    let (object, network) = txn.get::<Vnet>(id).map_err(|e| e.text)?;
    let ipam = object.template.value("IPAM_MAD");
    if !ipam.is_empty() && attributes.value("IPAM_MAD").is_empty() {
        attributes.set("IPAM_MAD", ipam);
    }
    let ipam = attributes.value("IPAM_MAD");
    if !ipam.is_empty() && ipam != "internal" {
        // Addresses are given away by apply, which cannot ask anybody outside.
        return Err(format!("IPAM driver '{ipam}' not available"));
    }
    let next = network.ranges.next_id();
    let range = new_range(txn, next, attributes)?;
    txn.body_mut::<Vnet>(id).map_err(|e| e.text)?.ranges.insert(range);
    Ok(())
}

/// A range with a MAC of the zone's prefix, unless it has one.
pub(super) fn new_range(txn: &mut Txn, id: u32, attributes: VectorAttribute) -> Result<AddressRange, String> {
    let [a, b, c, d, ..] = txn.random();
    let prefix = mac_prefix(txn.settings().value("MAC_PREFIX"));
    AddressRange::new(id, attributes, prefix, u32::from_be_bytes([a, b, c, d]))
}

/// The first two bytes of MACs; `00:01` when the configuration does not give two.
fn mac_prefix(text: &str) -> u32 {
    let with_rest = format!("{text}:00:00:00:00");
    address::Mac::parse(&with_rest).map_or(1, |mac| mac.high)
}

/// `one.vn.rm_ar` and `one.vn.free_ar`: parameters network, range, force. What a reservation gives up returns to its
/// parent network.
pub fn remove_range(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, range_id, force) = (request.id(), request.int(1), request.bool(2));
    let (_, network) = txn.get::<Vnet>(id)?;
    check_usable(network, "Could not remove Adress Range, ")?;
    let parent = network.parent;
    let Some(range) = network.ranges.get(range_id) else {
        return Err(ApiError::internal("Address Range does not exist"));
    };
    if !force && range.used() > 0 {
        return Err(ApiError::internal("Address Range has leases in use"));
    }
    let reserved = parent.zip(range.parent_range());
    let (mac, size) = (range.attributes.value("MAC").to_owned(), range.size);
    txn.body_mut::<Vnet>(id)?.ranges.remove(range_id);
    if let Some((parent, parent_range)) = reserved {
        booking::following(txn, Kind::Net, id, |txn| give_back_range(txn, id, (parent, parent_range), &mac, size));
    }
    Ok(Value::Int(id))
}

/// Gives the addresses of a removed range of reservation `id` back to its parent.
fn give_back_range(txn: &mut Txn, id: i32, (parent, range): (i32, i32), mac: &str, size: u64) {
    if txn.find(Kind::Net, parent).is_none() {
        return;
    }
    let freed = txn
        .body_mut::<Vnet>(parent)
        .ok()
        .and_then(|network| network.ranges.get_mut(range))
        .map_or(0, |range| range.give_back_from(mac, size, Holder::Net(id)));
    if let Ok(network) = txn.body_mut::<Vnet>(id) {
        network.reserved = network.reserved.saturating_sub(freed);
    }
}

/// `one.vn.update_ar`: parameters network, template with AR, of which the first counts.
pub fn update_range(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let template = parameters(txn, request)?;
    let Some(new) = template.vector("AR").cloned() else {
        return Err(ApiError::internal("Wrong AR definition. AR vector attribute is missing."));
    };
    let Some(range_id) = new.get("AR_ID").and_then(whole_u64) else {
        return Err(ApiError::internal("AR/AR_ID attribute is missing."));
    };
    let (_, network) = txn.get::<Vnet>(id)?;
    let range = i32::try_from(range_id).ok().and_then(|range_id| network.ranges.get(range_id));
    let Some(mut range) = range.cloned() else {
        return Err(ApiError::internal(format!("Address Range with ID {range_id} was not found.")));
    };
    let keep_restricted = network.parent.is_some() && !txn.is_admin(txn.actor());
    let kept = if keep_restricted {
        let restricted = txn.settings().restricted(Vnet::RESTRICTED);
        restricted.parts_of("AR").filter_map(Name::new).collect()
    } else {
        BTreeSet::new()
    };
    let inherited: BTreeSet<Name> = txn.settings().names("INHERIT_VNET_ATTR").collect();
    let old = replace_attributes(&mut range, new, &kept, &inherited).map_err(ApiError::internal)?;
    let vms = range.taken.holders().filter_map(|holder| match holder {
        Holder::Vm(vm) if vm >= 0 => Some(vm),
        _ => None,
    });
    let vms: BTreeSet<i32> = vms.collect();
    txn.body_mut::<Vnet>(id)?.ranges.insert(range);
    if !old.is_empty() {
        txn.object_mut(Kind::Net, id)?.template.set_vectors("VNET_UPDATE", [old]);
        update::start(txn, id, |rollout| rollout.commit_for(&vms));
    }
    Ok(Value::Int(id))
}

/// Gives a range new attributes, except those that make its addresses and the `kept` ones; returns the old values of
/// the `inherited` ones that changed.
fn replace_attributes(
    range: &mut AddressRange,
    mut new: VectorAttribute,
    kept: &BTreeSet<Name>,
    inherited: &BTreeSet<Name>,
) -> Result<VectorAttribute, String> {
    let old = range.attributes.clone();
    let families = range.families();
    for name in kept {
        copy(&old, &mut new, name);
    }
    const GENERATED: [&str; 11] = [
        "ALLOCATED",
        "USED_LEASES",
        "LEASES",
        "MAC_END",
        "IP_END",
        "IP6_END",
        "IP6_ULA",
        "IP6_ULA_END",
        "IP6_GLOBAL",
        "IP6_GLOBAL_END",
        "PARENT_NETWORK_AR_ID",
    ];
    for name in GENERATED {
        new.remove(name);
    }
    for name in ["TYPE", "MAC", "IP", "IP6", "AR_ID", "PARENT_NETWORK_AR_ID"] {
        copy(&old, &mut new, &name.into());
    }
    if !old.value("IPAM_MAD").is_empty() {
        copy(&old, &mut new, &"IPAM_MAD".into());
    }
    if !families.v6_static {
        new.remove("PREFIX_LENGTH");
    } else if new.get("PREFIX_LENGTH").and_then(whole_int).is_none() {
        new.set("PREFIX_LENGTH", old.value("PREFIX_LENGTH"));
    }
    check_prefixes(&mut new, families)?;
    if families.v6 {
        for name in ["GLOBAL_PREFIX", "ULA_PREFIX"] {
            let value = new.value(name).to_owned();
            new.set(name, value);
        }
    }
    let size = new_size(range, new.value("SIZE"))?;
    new.set("SIZE", size);
    for name in ["PORT_START", "PORT_SIZE"] {
        if new.get(name).and_then(whole_u64).is_none() {
            new.remove(name);
        }
    }
    let mut changed = VectorAttribute::new();
    for name in inherited.iter().filter(|name| new.get(name) != old.get(name)) {
        changed.set(name, old.value(name));
    }
    range.size = size;
    range.attributes = new;
    range.was_used = true;
    Ok(changed)
}

/// Takes an attribute, or that there is none, from one vector into another.
fn copy(from: &VectorAttribute, to: &mut VectorAttribute, name: &Name) {
    match from.get(name) {
        Some(value) => {
            to.set(name, value);
        }
        None => {
            to.remove(name);
        }
    }
}

fn new_size(range: &AddressRange, text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(range.size);
    }
    let size = whole_u64(text).ok_or("Unable to read the SIZE attribute, it must be number >= 0".to_owned())?;
    if range.attributes.int("PARENT_NETWORK_AR_ID").is_some() && size != range.size {
        return Err("The SIZE of a reservation cannot be changed.".to_owned());
    }
    if range.taken.highest().is_some_and(|last| u64::from(last) >= size) {
        let text = "New SIZE cannot be applied. There are used leases that would fall outside the range.";
        return Err(text.to_owned());
    }
    Ok(size)
}

/// `one.vn.hold`: parameters network, template with LEASES.
pub fn hold(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = parameters(txn, request)?;
    let (only, address) = named_lease(&template)?;
    if !txn.body_mut::<Vnet>(request.id())?.ranges.hold(only, address) {
        return Err(ApiError::internal("Address is not part of the address range or in use."));
    }
    Ok(Value::Int(request.id()))
}

/// `one.vn.release`: parameters network, template with LEASES. An address that is not held is left as it is.
pub fn release(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = parameters(txn, request)?;
    let (only, address) = named_lease(&template)?;
    txn.body_mut::<Vnet>(request.id())?.ranges.give_back(only, address, Holder::NOBODY);
    Ok(Value::Int(request.id()))
}

/// The range (`None`: any) and address that LEASES names.
fn named_lease(template: &Template) -> Result<(Option<i32>, Address<'_>), ApiError> {
    let lease = template.vector("LEASES").ok_or_else(|| ApiError::internal("Empty lease description."))?;
    let address = Address::of(lease).map_err(ApiError::internal)?;
    let address = address.ok_or_else(|| ApiError::internal("Missing MAC, IP or IP6."))?;
    let only = lease.get("AR_ID").and_then(whole_u64).map(|id| i32::try_from(id).unwrap_or(-1));
    Ok((only, address))
}

/// The template of a call about leases, and that its network can be used.
fn parameters(txn: &Txn, request: &Request<'_>) -> Result<Template, ApiError> {
    let template = verbs::parse_new(request.str(1))?;
    let (_, network) = txn.get::<Vnet>(request.id())?;
    // Without a blank (the reference: `RequestManagerVirtualNetwork.cc`, `request_execute`).
    check_usable(network, &format!("Could not execute {}", request.method.name))?;
    Ok(template)
}

fn check_usable(network: &Vnet, refused: &str) -> Result<(), ApiError> {
    if matches!(network.state, State::Ready | State::UpdateFailure) {
        return Ok(());
    }
    let state = network.state.name();
    Err(ApiError::action(format!("{refused}Virtual Network is in wrong state: {state}")))
}
