//! Network drivers: what each needs of a network, the bridge it makes, the VLAN it is given.
//!
//! It must not change networks: it answers questions about templates and about which VLANs are in use.

use std::collections::BTreeSet;

use quorate_model::records::vnet::Vnet;
use quorate_model::settings::Settings;
use quorate_model::template::{Template, VectorAttribute};

use crate::state::State;

/// VLAN ids are below this.
const VLANS: u32 = 4096;

/// A driver with rules of its own; names are compared in their exact case (the reference: `include/VirtualNetwork.h`,
/// `str_to_driver`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// `dummy`
    Dummy,
    /// `802.1Q`
    Vlan,
    /// `vxlan`
    Vxlan,
    /// `ovswitch`
    Ovswitch,
    /// `ovswitch_vxlan`
    OvswitchVxlan,
    /// `vcenter`
    Vcenter,
    /// `bridge`, `ebtables`, `fw`
    Plain,
    /// Any other name.
    Other,
}

impl Driver {
    /// The driver of this name.
    #[must_use]
    pub fn parse(vn_mad: &str) -> Driver {
        match vn_mad {
            "dummy" => Driver::Dummy,
            "802.1Q" => Driver::Vlan,
            "vxlan" => Driver::Vxlan,
            "ovswitch" => Driver::Ovswitch,
            "ovswitch_vxlan" => Driver::OvswitchVxlan,
            "vcenter" => Driver::Vcenter,
            "bridge" | "ebtables" | "fw" => Driver::Plain,
            _ => Driver::Other,
        }
    }

    /// Whether automatic VLAN ids of its networks are chosen from those that are free.
    fn picks_vlan(self) -> bool {
        matches!(self, Driver::Vlan | Driver::Ovswitch | Driver::OvswitchVxlan | Driver::Vcenter)
    }
}

/// Refuses a template that lacks what its driver needs.
///
/// # Errors
/// Which attribute its driver misses, in the reference's words.
pub fn check(template: &Template) -> Result<(), String> {
    let vn_mad = template.value("VN_MAD");
    let lacks = |name: &str| template.value(name).is_empty();
    let lacks_id = |name: &str, automatic: &str| lacks(name) && !template.is_yes(automatic);
    let driver = Driver::parse(vn_mad);
    let missing = match driver {
        Driver::Vlan | Driver::Vxlan if lacks("PHYDEV") => "PHYDEV",
        Driver::Dummy if lacks("BRIDGE") => "BRIDGE",
        Driver::Vlan | Driver::Vxlan if lacks_id("VLAN_ID", "AUTOMATIC_VLAN_ID") => "VLAN_ID (or AUTOMATIC_VLAN_ID)",
        Driver::OvswitchVxlan if lacks_id("OUTER_VLAN_ID", "AUTOMATIC_OUTER_VLAN_ID") => "OUTER_VLAN_ID (or AUTOMATIC)",
        _ => return Ok(()),
    };
    Err(format!("{missing} is mandatory for driver {vn_mad}"))
}

/// Whether a text is a kind of bridge.
#[must_use]
pub fn is_bridge_type(text: &str) -> bool {
    ["linux", "openvswitch", "openvswitch_dpdk", "vcenter_port_groups", "none"].contains(&text)
}

/// The kind of bridge that the configuration gives to a driver.
///
/// # Errors
/// That VN_MAD_CONF has no such driver, or no kind of bridge for it, in the reference's words.
pub fn bridge_type(settings: &Settings, vn_mad: &str) -> Result<String, String> {
    let conf = settings
        .driver("VN_MAD_CONF", vn_mad)
        .ok_or_else(|| format!("VN_MAD named \"{vn_mad}\" is not defined in oned.conf"))?;
    let given = conf.value("BRIDGE_TYPE");
    if is_bridge_type(given) {
        Ok(given.to_owned())
    } else {
        Err(format!("Attribute bridge type in VN_MAD_CONF for {vn_mad} is missing or has wrong value in oned.conf"))
    }
}

/// Gives a new network the VLAN ids that it asks to have chosen.
///
/// # Errors
/// The reference's text when no id is free.
pub fn choose_vlans(state: &State, id: i32, network: &mut Vnet) -> Result<(), String> {
    let driver = Driver::parse(&network.vn_mad);
    if driver.picks_vlan() && network.vlan_id_automatic {
        let vlan = free_vlan(state, id).ok_or("Cannot automatically assign VLAN_ID to network.".to_owned())?;
        network.vlan_id = vlan.to_string();
    }
    if driver == Driver::Vxlan && network.vlan_id_automatic {
        network.vlan_id = vxlan(state, id);
    }
    if driver == Driver::OvswitchVxlan && network.outer_vlan_id_automatic {
        network.outer_vlan_id = vxlan(state, id);
    }
    Ok(())
}

fn vxlan(state: &State, id: i32) -> String {
    let start = state.settings().all().vector("VXLAN_IDS").and_then(|v| v.int("START")).unwrap_or(2);
    start.saturating_add(i64::from(id)).to_string()
}

/// The id at the network's own number from the start on, or else the lowest free one.
fn free_vlan(state: &State, id: i32) -> Option<u32> {
    let conf = state.settings().all().vector("VLAN_IDS").cloned().unwrap_or_default();
    let start = conf.int("START").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let taken = taken_vlans(state, &conf);
    let span = (VLANS - 1).checked_sub(start).filter(|span| *span > 0)?;
    let hint = start + u32::try_from(id).unwrap_or(0) % span;
    std::iter::once(hint).filter(|hint| *hint != 0).chain(start..VLANS).find(|vlan| !taken.contains(vlan))
}

/// The ids that are reserved or that were chosen for networks.
fn taken_vlans(state: &State, conf: &VectorAttribute) -> BTreeSet<u32> {
    let networks = state.each::<Vnet>().map(|(_, network)| network);
    let chosen = networks.filter(|n| n.vlan_id_automatic && Driver::parse(&n.vn_mad) != Driver::Vxlan);
    let mut taken: BTreeSet<u32> = chosen.filter_map(|n| n.vlan_id.parse().ok()).collect();
    for part in conf.value("RESERVED").split(',') {
        let mut ends = part.split(':').map(|end| end.trim().parse::<u32>());
        match (ends.next(), ends.next()) {
            (Some(Ok(vlan)), None) => {
                taken.insert(vlan);
            }
            (Some(Ok(first)), Some(Ok(last))) => taken.extend(first..=last.min(VLANS)),
            _ => {}
        }
    }
    taken
}
