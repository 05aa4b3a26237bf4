//! Clusters: hosts with the datastores and networks that they reach.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::records::Record;
use crate::set::Set;
use crate::xml::XmlWriter;

/// The cluster that a host, datastore or network gets when none is named (`-1`).
pub const DEFAULT: i32 = 0;

/// The kinds of member, with the plurals of texts and elements.
pub const MEMBER_KINDS: [(Kind, &str, &str); 3] =
    [(Kind::Host, "hosts", "HOSTS"), (Kind::Datastore, "datastores", "DATASTORES"), (Kind::Net, "vnets", "VNETS")];

/// The particular part of a cluster.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// Its hosts.
    pub hosts: BTreeSet<i32>,
    /// Its datastores.
    pub datastores: BTreeSet<i32>,
    /// Its virtual networks.
    pub vnets: BTreeSet<i32>,
    /// Console ports that its VMs have.
    pub vnc_ports: Set<u32>,
}

impl Cluster {
    /// The members of one kind (hosts, datastores or virtual networks).
    #[must_use]
    pub fn members(&self, kind: Kind) -> &BTreeSet<i32> {
        match kind {
            Kind::Host => &self.hosts,
            Kind::Datastore => &self.datastores,
            _ => &self.vnets,
        }
    }

    /// The members of one kind, to change.
    pub fn members_mut(&mut self, kind: Kind) -> &mut BTreeSet<i32> {
        match kind {
            Kind::Host => &mut self.hosts,
            Kind::Datastore => &mut self.datastores,
            _ => &mut self.vnets,
        }
    }
}

impl Record for Cluster {
    const KIND: Kind = Kind::Cluster;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("CLUSTER", |w| {
            w.plain("ID", head.id).plain("NAME", head.name);
            for (kind, _, element) in MEMBER_KINDS {
                w.ids(element, self.members(kind));
            }
            head.template.render("TEMPLATE", w);
        });
    }

    /// As in the reference (`Cluster.cc`, `from_xml`), a cluster is its own group.
    fn authority(&self, head: &Head<'_>) -> (i32, i32) {
        (head.uid, head.id)
    }
}
