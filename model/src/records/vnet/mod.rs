//! Virtual networks: what is stored of them, and their XML: with leases for `info`, without for listings.
//!
//! A network lends addresses of its ranges to NICs and to reservations; it must not know what either is.

pub mod address;
pub mod holder;
pub mod range;
mod range_xml;
pub mod ranges;
pub mod sight;
pub mod taken;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::range_xml::{list_range, render_range};
use self::ranges::AddressRanges;
use self::sight::{Eyes, Seen};
use super::rollout::Rollout;
use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::numbered::numbered;
use crate::parts::Parts;
use crate::quota::Charge;
use crate::records::Record;
use crate::xml::XmlWriter;

/// The numbers of ranges' leases among a network's parts begin here; below are those of [`Rollout`].
const RANGES: u64 = 1 << 32;

numbered! {
    /// The state of a network; UPDATE_FAILURE has no name in texts (the reference: `include/VirtualNetwork.h`,
    /// `state_to_str`).
    #[derive(Default)]
    State {
        /// Just made.
        #[default]
        Init = 0 "INIT",
        /// It can be used.
        Ready = 1 "READY",
        /// The driver is creating it.
        LockCreate = 2 "LOCK_CREATE",
        /// The driver is deleting it.
        LockDelete = 3 "LOCK_DELETE",
        /// It is gone.
        Done = 4 "DONE",
        /// The driver failed.
        Error = 5 "ERROR",
        /// A change of it did not come to all its VMs.
        UpdateFailure = 6 "",
    }
}

/// The particular part of a network.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vnet {
    /// Its state.
    pub state: State,
    /// The state before the last change.
    pub prev_state: State,
    /// The clusters it is in.
    pub clusters: BTreeSet<i32>,
    /// The driver, as VN_MAD gives it.
    pub vn_mad: String,
    /// The bridge on hosts.
    pub bridge: String,
    /// What kind of bridge that is.
    pub bridge_type: String,
    /// The physical device on hosts.
    pub phydev: String,
    /// The VLAN.
    pub vlan_id: String,
    /// The VLAN around it.
    pub outer_vlan_id: String,
    /// Whether the VLAN was chosen for it.
    pub vlan_id_automatic: bool,
    /// Whether the outer VLAN was chosen for it.
    pub outer_vlan_id_automatic: bool,
    /// The network whose addresses it has reserved.
    pub parent: Option<i32>,
    /// The virtual routers with a NIC in it.
    pub vrouters: BTreeSet<i32>,
    /// Its VMs, by how far its last change has come to them; in records of their own.
    #[serde(skip)]
    pub vms: Rollout,
    /// Its addresses.
    pub ranges: AddressRanges,
    /// How many addresses of its parent it has.
    pub reserved: u64,
}

impl Vnet {
    /// Enters a state.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
        self.ranges.forget_dropped();
        // Storing an object makes its state the previous one (the reference: `include/VirtualNetwork.h`,
        // `set_prev_state`).
        self.prev_state = state;
    }
}

impl Record for Vnet {
    const KIND: Kind = Kind::Net;
    const RESTRICTED: &'static str = "VNET_RESTRICTED_ATTR";

    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        render(self, head, form, w);
    }

    fn overhead(&self) -> u64 {
        self.ranges.iter().map(|range| range.attributes.overhead()).sum()
    }

    fn charges(&self, _head: &Head<'_>) -> Vec<Charge> {
        let reserved = i64::try_from(self.reserved).unwrap_or(i64::MAX);
        self.parent.filter(|_| reserved > 0).map(|parent| Charge::leases(parent, reserved)).into_iter().collect()
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        let leases = self.ranges.iter().map(|range| (RANGES | u64::from(range.id), &range.taken as &dyn Parts));
        self.vms.parts().into_iter().chain(leases).collect()
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        if map < RANGES {
            return self.vms.part_mut(map);
        }
        let id = i32::try_from(map ^ RANGES).ok()?;
        Some(&mut self.ranges.get_mut(id)?.taken)
    }

    fn clusters(&self) -> Vec<i32> {
        self.clusters.iter().copied().collect()
    }

    fn clusters_mut(&mut self) -> Option<&mut BTreeSet<i32>> {
        Some(&mut self.clusters)
    }

    fn named_rules_only(&self) -> bool {
        self.parent.is_some()
    }
}

/// A network's XML with no leases but those of a VM.
#[must_use]
pub fn document_for_vm(network: &Vnet, head: &Head<'_>, vm: i32) -> String {
    let only = |id: Option<i32>| Seen::Only(id.into_iter().collect());
    let eyes = Eyes { vms: only(Some(vm)), nets: only(None), routers: only(None) };
    let mut w = XmlWriter::new();
    render_for(network, head, Some(&eyes), &mut w);
    w.finish()
}

/// Writes a network's XML in one form.
fn render(network: &Vnet, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
    render_for(network, head, (form == Form::Full).then_some(&Eyes::ALL), w);
}

/// Writes a network's XML with the leases that `eyes` see, or the form of listings.
pub fn render_for(network: &Vnet, head: &Head<'_>, eyes: Option<&Eyes>, w: &mut XmlWriter) {
    w.element("VNET", |w| {
        head.render_head(w);
        head.render_lock(w);
        head.permissions.render(w);
        w.ids("CLUSTERS", &network.clusters);
        w.cdata("BRIDGE", &network.bridge).cdata("BRIDGE_TYPE", &network.bridge_type);
        w.cdata("STATE", &network.state.number().to_string());
        w.cdata("PREV_STATE", &network.prev_state.number().to_string());
        match network.parent {
            Some(parent) => w.plain("PARENT_NETWORK_ID", parent),
            None => w.empty("PARENT_NETWORK_ID"),
        };
        let optional = [
            ("VN_MAD", &network.vn_mad),
            ("PHYDEV", &network.phydev),
            ("VLAN_ID", &network.vlan_id),
            ("OUTER_VLAN_ID", &network.outer_vlan_id),
        ];
        for (name, value) in optional {
            if value.is_empty() {
                w.empty(name)
            } else {
                w.cdata(name, value)
            };
        }
        w.plain("VLAN_ID_AUTOMATIC", u8::from(network.vlan_id_automatic));
        w.plain("OUTER_VLAN_ID_AUTOMATIC", u8::from(network.outer_vlan_id_automatic));
        let used = if eyes.is_some() { network.ranges.used() } else { network.ranges.listed_as_used() };
        w.plain("USED_LEASES", used);
        w.ids("VROUTERS", network.vrouters.iter().filter(|id| eyes.is_none_or(|eyes| eyes.routers.has(**id))));
        network.vms.render(w);
        head.template.render("TEMPLATE", w);
        w.element("AR_POOL", |w| {
            for range in network.ranges.iter() {
                match eyes {
                    Some(eyes) => w.element("AR", |w| render_range(range, eyes, w)),
                    None => w.element("AR", |w| list_range(range, w)),
                };
            }
        });
    });
}
