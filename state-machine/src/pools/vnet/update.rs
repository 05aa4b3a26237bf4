//! Changes of a network's template: what the network itself keeps of them, and bringing them to the NICs of its VMs.

use quorate_model::announcement::Announcement;
use quorate_model::body::Variant;
use quorate_model::kind::Kind;
use quorate_model::records::rollout::Rollout;
use quorate_model::records::vnet::{State, Vnet};
use quorate_model::template::{Attribute, Template, VectorAttribute};

use super::allocate::keep_one;
use super::driver;
use crate::txn::Txn;

/// The attributes whose change reaches the NICs of running VMs.
const ROLLED_OUT: [&str; 13] = [
    "PHYDEV",
    "MTU",
    "VLAN_ID",
    "QINQ_TYPE",
    "CVLANS",
    "VLAN_TAGGED_ID",
    "OUTER_VLAN_ID",
    "INBOUND_AVG_BW",
    "INBOUND_PEAK_BW",
    "INBOUND_PEAK_KB",
    "OUTBOUND_AVG_BW",
    "OUTBOUND_PEAK_BW",
    "OUTBOUND_PEAK_KB",
];

/// Adds VNET_UPDATE to a template that is about to replace or join the old one: the old values of what changes for VMs.
pub fn note_changes(old: &Template, new: &mut Template, replaces: bool) {
    let mut changes = VectorAttribute::new();
    for (name, attribute) in new.iter().filter(|(name, _)| ROLLED_OUT.contains(&name.as_str())) {
        if let Attribute::Single(value) = attribute
            && old.get(name) != Some(value.as_str())
        {
            changes.set(name, old.value(name));
        }
    }
    for (name, attribute) in old.iter().filter(|(name, _)| replaces && ROLLED_OUT.contains(&name.as_str())) {
        if let Attribute::Single(value) = attribute
            && new.get(name).is_none()
        {
            changes.set(name, value);
        }
    }
    if !changes.is_empty() {
        new.set_vectors("VNET_UPDATE", [changes]);
    }
}

/// After a template was stored: takes over what the network itself keeps. VN_MAD and PHYDEV are emptied by a template
/// without them, the bridge is not (the reference: `VirtualNetwork.cc`, `post_update_template`).
///
/// # Errors
/// When the network is gone.
pub fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
    let object = txn.object_mut(Kind::Net, id).map_err(|e| e.text)?;
    let mut template = std::mem::take(&mut object.template);
    if let Some(network) = Vnet::of_mut(&mut object.body) {
        take_over(network, &mut template);
    }
    let rolls_out = template.vector("VNET_UPDATE").is_some();
    object.template = template;
    if rolls_out {
        start(txn, id, |rollout| rollout.commit(false));
    }
    Ok(())
}

fn take_over(network: &mut Vnet, template: &mut Template) {
    network.ranges.forget_dropped();
    network.vn_mad = keep_one(template, "VN_MAD");
    network.phydev = keep_one(template, "PHYDEV");
    template.remove("AUTOMATIC_VLAN_ID");
    template.remove("AUTOMATIC_OUTER_VLAN_ID");
    let vlans = [
        ("VLAN_ID", network.vlan_id_automatic, &mut network.vlan_id),
        ("OUTER_VLAN_ID", network.outer_vlan_id_automatic, &mut network.outer_vlan_id),
    ];
    for (name, automatic, vlan) in vlans {
        if automatic {
            template.remove(name);
        } else {
            *vlan = keep_one(template, name);
        }
    }
    let bridge = template.take("BRIDGE").unwrap_or_default();
    if !bridge.is_empty() {
        network.bridge = bridge;
    }
    template.set("BRIDGE", &network.bridge);
    let bridge_type = template.take("BRIDGE_TYPE").unwrap_or_default();
    if driver::is_bridge_type(&bridge_type) {
        network.bridge_type = bridge_type;
    }
    template.set("BRIDGE_TYPE", &network.bridge_type);
}

/// Begins to bring VNET_UPDATE to the VMs that `commit` puts among the outdated ones.
pub fn start(txn: &mut Txn, id: i32, commit: impl FnOnce(&mut Rollout)) {
    let Ok(network) = txn.body_mut::<Vnet>(id) else { return };
    commit(&mut network.vms);
    if network.state == State::UpdateFailure {
        network.set_state(State::Ready);
    }
    txn.announce(Announcement::NetworkChanged { network: id });
}
