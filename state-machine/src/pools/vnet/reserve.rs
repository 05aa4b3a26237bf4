//! `one.vn.reserve`: addresses of a network become a network of their own, or join one that is.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::quota::Charge;
use quorate_model::records::vnet::Vnet;
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vnet::range::{Address, AddressRange};
use quorate_model::template::{Template, parse, whole_int};

use super::{allocate, leases};
use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::methods::Request;
use crate::txn::Txn;

/// What is to be reserved.
struct Wish {
    size: u32,
    /// The reservation that is to grow; none: a new one of this name.
    target: Option<i32>,
    name: String,
    range: Option<i32>,
    /// The first address.
    first: Option<First>,
}

enum First {
    Ip(String),
    Ip6(String),
    Mac(String),
}

impl First {
    fn address(&self) -> Address<'_> {
        match self {
            First::Ip(text) => Address::Ip(text),
            First::Ip6(text) => Address::Ip6(text),
            First::Mac(text) => Address::Mac(text),
        }
    }
}

/// Parameters network, template with SIZE and NAME or NETWORK_ID, and if wanted AR_ID with IP, IP6 or MAC.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let template = parse::parse(request.str(1)).map_err(ApiError::action)?;
    let wish = read(txn, id, &template)?;
    authorize(txn, id, &wish)?;
    if let Some(target) = wish.target {
        fill(txn, id, target, &wish)?;
        return Ok(Value::Int(target));
    }
    let made = txn.attempt(|txn| {
        let target = new_reservation(txn, id, wish.name.clone()).map_err(|refusal| (false, refusal))?;
        fill(txn, id, target, &wish).map(|()| target).map_err(|refusal| (true, refusal))
    });
    made.map(Value::Int).map_err(|(takes_id, refusal)| {
        if takes_id {
            // A network that could not be filled was there for a moment (the reference:
            // `RequestManagerVirtualNetwork.cc`, `VirtualNetworkReserve::request_execute`).
            txn.next_id(Kind::Net);
            txn.keep_although_refused();
        }
        refusal
    })
}

/// Gives a reservation the wanted addresses, on account of its owner.
fn fill(txn: &mut Txn, id: i32, target: i32, wish: &Wish) -> Result<(), ApiError> {
    let owner = txn.object(Kind::Net, target)?;
    let (uid, gid) = (owner.uid, owner.gid);
    booking::book(txn, uid, gid, &[Charge::leases(id, i64::from(wish.size))])?;
    move_addresses(txn, id, target, wish).map_err(ApiError::action)
}

fn read(txn: &Txn, id: i32, template: &Template) -> Result<Wish, ApiError> {
    let refuse = |text: &str| Err(ApiError::action(text));
    let int = |name: &str| template.get(name).and_then(whole_int).and_then(|n| i32::try_from(n).ok());
    let Some(size) = int("SIZE").and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) else {
        return refuse("Reservation SIZE must be a greater than 0");
    };
    let target = int("NETWORK_ID");
    if let Some(target) = target {
        check_target(txn, id, target)?;
    }
    let name = template.value("NAME").to_owned();
    if name.is_empty() && target.is_none() {
        return refuse("NAME for reservation has to be set");
    }
    let range = int("AR_ID");
    if range.is_some_and(|range| range < 0) {
        return refuse("AR_ID must be equal or greater than 0");
    }
    let given = |name: &str| Some(template.value(name).to_owned()).filter(|text| !text.is_empty());
    let first = given("IP").map(First::Ip).or_else(|| given("IP6").map(First::Ip6));
    let first = first.or_else(|| given("MAC").map(First::Mac));
    if range.is_none() && first.is_some() {
        return refuse("AR_ID must be specified for IP/MAC based reservations");
    }
    Ok(Wish { size, target, name, range, first })
}

/// An existing reservation can only grow by addresses of its own parent.
fn check_target(txn: &Txn, id: i32, target: i32) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::action(text));
    if target < 0 {
        return refuse("NETWORK_ID must be equal or greater than 0".to_owned());
    }
    if target == id {
        return refuse("Cannot add a reservation from the same network".to_owned());
    }
    match txn.get::<Vnet>(target)?.1.parent {
        None => refuse("Cannot add reservations to a non-reservation VNET".to_owned()),
        Some(parent) if parent != id => {
            refuse(format!("New reservations for virtual network {target} have to be from network {parent}"))
        }
        Some(_) => Ok(()),
    }
}

fn authorize(txn: &Txn, id: i32, wish: &Wish) -> Result<(), ApiError> {
    // The refusal does not name the network that is missing (the reference: `RequestManagerVirtualNetwork.cc`,
    // `VirtualNetworkReserve::request_execute`).
    let (object, network) = txn.get::<Vnet>(id).map_err(|_| ApiError::no_exists(Kind::Net, -1))?;
    if network.parent.is_some() {
        return Err(ApiError::action("Cannot reserve addresses from a reserved VNET"));
    }
    let mut wishes = vec![AuthRequest::on(object, Op::Use)];
    if let Some(target) = wish.target {
        wishes.push(AuthRequest::on(txn.object(Kind::Net, target)?, Op::Manage));
    }
    txn.authorize(&wishes)
}

/// The caller's new network with the attributes and clusters of the network whose addresses it will have.
fn new_reservation(txn: &mut Txn, id: i32, name: String) -> Result<i32, ApiError> {
    let (object, network) = txn.get::<Vnet>(id)?;
    let mut template = object.template.clone();
    template.set("NAME", name);
    let vlans = [
        ("VLAN_ID", "AUTOMATIC_VLAN_ID", &network.vlan_id),
        ("OUTER_VLAN_ID", "AUTOMATIC_OUTER_VLAN_ID", &network.outer_vlan_id),
    ];
    for (name, automatic, vlan) in vlans {
        if vlan.is_empty() {
            template.set(automatic, "NO");
        } else {
            template.set(name, vlan);
        }
    }
    let clusters = network.clusters.clone();
    let owner = txn.actor().clone();
    txn.inherit_secrets(Kind::Net, id);
    allocate::from_template(txn, &owner, template, &clusters, Some(id))
}

/// Takes the addresses from network `id` and makes them a range of reservation `target`.
fn move_addresses(txn: &mut Txn, id: i32, target: i32, wish: &Wish) -> Result<(), String> {
    let refused = || match wish.range {
        None => "Not enough free addresses in an address range".to_owned(),
        Some(range) => format!("Not enough free addresses in address range {range}, or it does not exist"),
    };
    let parent = txn.body_mut::<Vnet>(id).map_err(|e| e.text)?;
    let candidates: Vec<i32> = match wish.range {
        Some(range) => vec![range],
        None => parent.ranges.iter().filter_map(|range| i32::try_from(range.id).ok()).collect(),
    };
    let taken = candidates.into_iter().find_map(|range| take(parent.ranges.get_mut(range)?, target, wish));
    let (parent_range, attributes) = taken.ok_or_else(refused)?;
    let next = txn.get::<Vnet>(target).map_err(|e| e.text)?.1.ranges.next_id();
    let mut range = leases::new_range(txn, next, attributes)?;
    range.attributes.set("PARENT_NETWORK_AR_ID", parent_range);
    let network = txn.body_mut::<Vnet>(target).map_err(|e| e.text)?;
    network.ranges.insert(range);
    network.reserved = network.reserved.saturating_add(u64::from(wish.size));
    Ok(())
}

/// Takes the wanted addresses from one range, all or none; returns the range's id and the new range's attributes.
fn take(range: &mut AddressRange, target: i32, wish: &Wish) -> Option<(u32, quorate_model::template::VectorAttribute)> {
    let start = match &wish.first {
        Some(first) => range.place(first.address())?,
        None => range.first_free(wish.size)?,
    };
    let end = u64::from(start) + u64::from(wish.size);
    if end > range.size || !range.take_many(start, wish.size, Holder::Net(target)) {
        return None;
    }
    let mut attributes = range.from_place(start);
    attributes.set("SIZE", wish.size);
    attributes.remove("IPAM_MAD");
    Some((range.id, attributes))
}
