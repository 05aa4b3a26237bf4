//! Virtual data centres: groups and the resources they may use.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clean::Name;
use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::records::Record;
use crate::xml::XmlWriter;

/// The VDC that every new group joins.
pub const DEFAULT: i32 = 0;
/// In place of a resource's id: all of the zone.
pub const ALL_RESOURCES: i32 = -10;

/// A zone and a resource of it.
pub type Resource = (i32, i32);

/// The particular part of a VDC.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vdc {
    /// The groups that may use the resources.
    pub groups: BTreeSet<i32>,
    /// Clusters, for their hosts, networks and datastores.
    pub clusters: BTreeSet<Resource>,
    /// Single hosts.
    pub hosts: BTreeSet<Resource>,
    /// Single datastores.
    pub datastores: BTreeSet<Resource>,
    /// Single virtual networks.
    pub vnets: BTreeSet<Resource>,
}

/// The kinds of resource, in the order in which their rules are made.
pub const KINDS: [Kind; 4] = [Kind::Cluster, Kind::Host, Kind::Datastore, Kind::Net];

impl Vdc {
    /// Its resources of one kind.
    #[must_use]
    pub fn resources(&self, kind: Kind) -> &BTreeSet<Resource> {
        match kind {
            Kind::Cluster => &self.clusters,
            Kind::Host => &self.hosts,
            Kind::Datastore => &self.datastores,
            _ => &self.vnets,
        }
    }

    /// Its resources of one kind, to change.
    pub fn resources_mut(&mut self, kind: Kind) -> &mut BTreeSet<Resource> {
        match kind {
            Kind::Cluster => &mut self.clusters,
            Kind::Host => &mut self.hosts,
            Kind::Datastore => &mut self.datastores,
            _ => &mut self.vnets,
        }
    }

    /// All its resources, in the order in which their rules are made.
    #[must_use]
    pub fn all(&self) -> Vec<(Kind, Resource)> {
        KINDS.into_iter().flat_map(|kind| self.resources(kind).iter().map(move |r| (kind, *r))).collect()
    }
}

impl Record for Vdc {
    const KIND: Kind = Kind::Vdc;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("VDC", |w| {
            w.plain("ID", head.id).plain("NAME", head.name).ids("GROUPS", &self.groups);
            for (kind, plural) in KINDS.into_iter().zip(["CLUSTERS", "HOSTS", "DATASTORES", "VNETS"]) {
                let element = kind.info().element;
                w.element(plural, |w| {
                    for (zone, id) in self.resources(kind) {
                        w.element(element, |w| {
                            w.plain("ZONE_ID", zone).plain(&Name::of_parts(&[element, "_ID"]), id);
                        });
                    }
                });
            }
            head.template.render("TEMPLATE", w);
        });
    }
}
