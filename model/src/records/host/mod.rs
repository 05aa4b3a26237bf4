//! Hosts: what they have, and which VMs take of it.

pub mod capacity;
pub mod numa;
pub mod share;
pub mod state;

use serde::{Deserialize, Serialize};

use self::share::Share;
use self::state::HostState;
use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::records::Record;
use crate::set::Set;
use crate::xml::XmlWriter;

/// The particular part of a host.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its state.
    pub state: HostState,
    /// The driver that monitors it.
    pub im_mad: String,
    /// The driver of its hypervisor.
    pub vm_mad: String,
    /// Its cluster.
    pub cluster: i32,
    /// Its cluster's name.
    pub cluster_name: String,
    /// What it has and what VMs take of it.
    pub share: Share,
    /// The VMs that take capacity of it; each in a record of its own.
    #[serde(skip)]
    pub vms: Set<i32>,
    /// Whether it was changed since it was made.
    pub saved: bool,
    /// When its monitoring was last started, unix seconds.
    pub monitored_at: i64,
    /// The operation that has it monitored.
    pub look: Option<u64>,
}

impl Record for Host {
    const KIND: Kind = Kind::Host;

    /// As in the reference, listings show no figures of disk space before a host's first change
    /// (`HostShareDatastore.cc`, `from_xml_node` adds them), and the former state is the present one once a change is
    /// complete (`HostPool.cc`, `update`).
    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        w.element("HOST", |w| {
            w.plain("ID", head.id).plain("NAME", head.name);
            w.plain("STATE", self.state.number()).plain("PREV_STATE", self.state.number());
            w.cdata("IM_MAD", &self.im_mad).cdata("VM_MAD", &self.vm_mad);
            w.plain("CLUSTER_ID", self.cluster).plain("CLUSTER", &self.cluster_name);
            self.share.render(self.saved || form == Form::Full, w);
            w.ids("VMS", &self.vms);
            head.template.render("TEMPLATE", w);
            w.empty("MONITORING");
        });
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.vms)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.vms as &mut dyn Parts)
    }

    fn clusters(&self) -> Vec<i32> {
        vec![self.cluster]
    }
}
