//! NICs and networks: what a network gives to a NIC, and the lease that a NIC takes and gives back.
//!
//! For VMs and virtual routers alike. It must not know where a NIC stands in its object's template, nor ask for rights
//! by itself: [`wishes`] says which a caller needs.

use std::collections::BTreeSet;

use quorate_model::body::Variant;
use quorate_model::clean::Name;
use quorate_model::head::Op;
use quorate_model::ids::{id_list, join_ids};
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vnet::range::{Address, AddressRange};
use quorate_model::records::vnet::{State as NetworkState, Vnet};
use quorate_model::template::{Attribute, VectorAttribute, leading_int};

use crate::authorize::Request as AuthRequest;
use crate::state::State;
use crate::txn::Txn;

/// Takes a lease for a NIC and writes into it what its network says: addresses, BRIDGE, VLAN_ID, TARGET, the
/// attributes of INHERIT_VNET_ATTR, SECURITY_GROUPS and so on. The reference's `VirtualNetworkPool::nic_attribute`.
///
/// The network is the one of NETWORK_ID, or that of NETWORK among the networks of NETWORK_UID, NETWORK_UNAME or `uid`
/// (the owner of the VM or router). `nic_id` becomes NIC_ID. A wanted IP, IP6 or MAC is taken from the NIC. A virtual
/// router takes an address only for a NIC with FLOATING_IP. NICs of mode AUTO are for the caller to leave out, and so
/// are NIC_DEFAULT, aliases' PARENT_ID and the rules of the security groups ([`crate::pools::secgroup::add_vm`]).
///
/// `Ok(false)`: the NIC names no network, and nothing was taken.
///
/// # Errors
/// That there is no such network or user, or no such free address, in the reference's words; or that the budget is used
/// up. The caller must refuse its call: the NIC is half written then.
pub fn attach(txn: &mut Txn, holder: Holder, uid: i32, nic_id: i32, nic: &mut VectorAttribute) -> Result<bool, String> {
    nic.set("NIC_ID", nic_id);
    let Some(id) = network_of(txn, uid, nic)? else { return Ok(false) };
    let inherited: BTreeSet<Name> = txn.settings().names("INHERIT_VNET_ATTR").collect();
    let no_lease = || format!("Cannot get IP/MAC lease from virtual network {id}.");
    let object = txn.object_mut(Kind::Net, id).map_err(|e| e.text)?;
    if let Holder::Vm(vm) = holder {
        describe_network(object, vm, nic);
        take(object, holder, nic, &inherited).ok_or_else(no_lease)?;
        inherit_from_network(object, nic, &inherited);
        add_security_groups(object, nic);
        txn.body_mut::<Vnet>(id).map_err(|e| e.text)?.vms.updated.insert(vm);
    } else {
        nic.set("NETWORK", &object.name).set("NETWORK_ID", id);
        if nic.is_yes("FLOATING_IP") {
            take(object, holder, nic, &inherited).ok_or_else(no_lease)?;
        }
        if let (Holder::VRouter(router), Ok(network)) = (holder, txn.body_mut::<Vnet>(id)) {
            network.vrouters.insert(router);
        }
    }
    txn.budget().bytes(nic.memory())?;
    Ok(true)
}

/// Gives a VM's lease of a NIC back. A NIC without network or MAC, and a network that is gone, are passed over.
pub fn release(txn: &mut Txn, vm: i32, nic: &VectorAttribute) {
    give_back(txn, Holder::Vm(vm), nic, nic.value("MAC"));
}

/// Gives a virtual router's lease of a NIC back, and with it its place in the network's list of routers.
pub fn release_floating(txn: &mut Txn, router: i32, nic: &VectorAttribute) {
    give_back(txn, Holder::VRouter(router), nic, nic.value("VROUTER_MAC"));
}

fn give_back(txn: &mut Txn, holder: Holder, nic: &VectorAttribute, mac: &str) {
    let Some(id) = nic.id("NETWORK_ID") else { return };
    if txn.find(Kind::Net, id).is_none() || mac.is_empty() && matches!(holder, Holder::Vm(_)) {
        return;
    }
    let range = nic.int("AR_ID").map(|n| i32::try_from(n).unwrap_or(-1));
    let Ok(network) = txn.body_mut::<Vnet>(id) else { return };
    network.ranges.give_back(range, Address::Mac(mac), holder);
    match holder {
        Holder::Vm(vm) => forget_vm(network, vm),
        Holder::VRouter(router) => {
            network.vrouters.remove(&router);
        }
        Holder::Net(_) => {}
    }
}

/// A VM is no longer among those that a change of the network comes to.
pub fn forget_vm(network: &mut Vnet, vm: i32) {
    let had_failed = network.vms.error.contains(&vm);
    network.vms.forget(vm);
    if had_failed && network.vms.error.is_empty() && network.state == NetworkState::UpdateFailure {
        network.set_state(NetworkState::Ready);
    }
}

/// The rights that using a NIC takes: USE on its network and on all security groups that come with it. Sets NETWORK_ID
/// of a NIC that gives its network by name, so that what is asked for is what is used; the name is looked for among the
/// networks of each of `namers` in turn, as `pools/vm/wishes.rs` says. A network or group that does not
/// exist takes none.
#[must_use]
pub fn wishes(state: &State, namers: &[i32], nic: &mut VectorAttribute, ignoring_lock: bool) -> Vec<AuthRequest> {
    // One that waits for the scheduler to choose its network; with a network of its own it would be attached there.
    let automatic = nic.value("NETWORK_MODE").eq_ignore_ascii_case("AUTO");
    if automatic && nic.value("NETWORK_ID").is_empty() && nic.value("NETWORK").is_empty() {
        return Vec::new();
    }
    let mut groups = id_list(nic.value("SECURITY_GROUPS"));
    let network = namers.iter().find_map(|uid| network_of(state, *uid, nic).ok().flatten());
    let network = network.and_then(|id| state.get::<Vnet>(id).ok());
    let mut used: Vec<&Object> = Vec::new();
    if let Some((object, network)) = network {
        if !automatic {
            nic.set("NETWORK_ID", object.id);
        }
        groups.extend(id_list(object.template.value("SECURITY_GROUPS")));
        groups.extend(network.ranges.security_groups());
        used.push(object);
    }
    used.extend(groups.iter().filter_map(|group| state.find(Kind::SecGroup, *group)).map(|object| &**object));
    let wish = |object: &Object| {
        let wish = AuthRequest::on(object, Op::Use);
        if ignoring_lock { wish.ignoring_lock() } else { wish }
    };
    used.into_iter().map(wish).collect()
}

/// The network that a NIC names, `None` for none.
///
/// # Errors
/// The reference's text when there is no such network or user.
pub fn network_of(state: &State, uid: i32, nic: &VectorAttribute) -> Result<Option<i32>, String> {
    let id = nic.value("NETWORK_ID");
    if !id.is_empty() {
        let number = leading_int(id).and_then(|n| i32::try_from(n).ok());
        let found = number.filter(|n| state.find(Kind::Net, *n).is_some());
        return found.map(Some).ok_or_else(|| format!("Virtual network with ID: {id} does not exist"));
    }
    let name = nic.value("NETWORK");
    if name.is_empty() {
        return Ok(None);
    }
    let owner = network_owner(state, uid, nic)?;
    state.id_of(Kind::Net, owner, name).map(Some).ok_or_else(|| {
        format!(
            "User {owner} does not own a network with name: {name} . \
             Set NETWORK_UNAME or NETWORK_UID of owner in NIC."
        )
    })
}

fn network_owner(state: &State, uid: i32, nic: &VectorAttribute) -> Result<i32, String> {
    let (id, name) = (nic.value("NETWORK_UID"), nic.value("NETWORK_UNAME"));
    if !id.is_empty() {
        let number = leading_int(id).and_then(|n| i32::try_from(n).ok());
        return number.ok_or_else(|| "Cannot get user in NETWORK_UID".to_owned());
    }
    if !name.is_empty() {
        let user = state.id_of(Kind::User, -1, name);
        return user.ok_or_else(|| "User set in NETWORK_UNAME does not exist".to_owned());
    }
    Ok(uid)
}

/// What a network itself says of every NIC in it.
fn describe_network(object: &Object, vm: i32, nic: &mut VectorAttribute) {
    let Some(network) = Vnet::of(&object.body) else { return };
    nic.set("NETWORK", &object.name).set("NETWORK_ID", object.id).set("BRIDGE", &network.bridge);
    let given = [
        ("VN_MAD", &network.vn_mad),
        ("PHYDEV", &network.phydev),
        ("VLAN_ID", &network.vlan_id),
        ("OUTER_VLAN_ID", &network.outer_vlan_id),
        ("BRIDGE_TYPE", &network.bridge_type),
    ];
    for (name, value) in given.into_iter().filter(|(_, value)| !value.is_empty()) {
        nic.set(name, value);
    }
    if let Some(parent) = network.parent {
        nic.set("PARENT_NETWORK_ID", parent);
    }
    if nic.value("TARGET").is_empty() {
        let target = format!("one-{vm}-{}", nic.value("NIC_ID"));
        nic.set("TARGET", target);
    }
    nic.set("CLUSTER_ID", join_ids(&network.clusters));
}

/// Takes the wanted address or any, and writes it and what its range says into the NIC.
fn take(object: &mut Object, holder: Holder, nic: &mut VectorAttribute, inherited: &BTreeSet<Name>) -> Option<()> {
    let network = Vnet::of_mut(&mut object.body)?;
    let wanted = Address::of(nic).ok()?;
    let (range, index) = network.ranges.take(wanted, holder)?;
    let range = network.ranges.get(i32::try_from(range).ok()?)?;
    range.describe(index, nic);
    nic.set("AR_ID", range.id);
    for name in ["VN_MAD", "BRIDGE", "PHYDEV", "VLAN_ID"] {
        let value = range.attributes.value(name);
        if !value.is_empty() {
            nic.set(name, value);
        }
    }
    for name in inherited {
        inherit(nic, name, range.attributes.value(name));
    }
    Some(())
}

fn inherit(nic: &mut VectorAttribute, name: &Name, value: &str) {
    if nic.value(name).is_empty() && !value.is_empty() {
        nic.set(name, value);
    }
}

fn inherit_from_network(object: &Object, nic: &mut VectorAttribute, inherited: &BTreeSet<Name>) {
    for name in inherited {
        match object.template.all(name).next() {
            Some(Attribute::Single(value)) => inherit(nic, name, value),
            Some(Attribute::Vector(vector)) => vector.iter().for_each(|(name, value)| inherit(nic, name, value)),
            None => {}
        }
    }
}

fn add_security_groups(object: &Object, nic: &mut VectorAttribute) {
    let mut groups = id_list(nic.value("SECURITY_GROUPS"));
    groups.extend(id_list(object.template.value("SECURITY_GROUPS")));
    let range = nic.int("AR_ID").and_then(|n| i32::try_from(n).ok());
    if let (Some(network), Some(range)) = (Vnet::of(&object.body), range) {
        groups.extend(network.ranges.get(range).map(AddressRange::security_groups).unwrap_or_default());
    }
    nic.set("SECURITY_GROUPS", join_ids(&groups));
}

/// Brings the attributes that the network's VNET_UPDATE lists into a NIC, except those that the NIC had set itself.
/// Returns VNET_UPDATE, with the old values, and how many attributes changed; `None` when the network has none.
pub fn update(state: &State, network: i32, nic: &mut VectorAttribute) -> Option<(VectorAttribute, usize)> {
    let (object, body) = state.get::<Vnet>(network).ok()?;
    let changes = object.template.vector("VNET_UPDATE")?;
    let range = nic.int("AR_ID").and_then(|n| i32::try_from(n).ok()).unwrap_or(-1);
    let mut count = 0;
    for (name, old) in changes.iter() {
        if nic.get(name).is_some_and(|value| value != old) {
            continue;
        }
        match body.ranges.attribute(range, name).or_else(|| object.template.get(name)) {
            Some(new) => {
                nic.set(name, new);
            }
            None => {
                nic.remove(name);
            }
        }
        count += 1;
    }
    Some((changes.clone(), count))
}
