//! The record of a virtual router.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::quota::Charge;
use crate::records::Record;
use crate::template::VectorAttribute;
use crate::xml::XmlWriter;

/// The particular part of a virtual router. Its NICs are in the object's template.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VRouter {
    /// Its VMs.
    pub vms: BTreeSet<i32>,
}

impl Record for VRouter {
    const KIND: Kind = Kind::VRouter;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            head.permissions.render(w);
            head.render_lock(w);
            w.ids("VMS", &self.vms);
            head.template.render("TEMPLATE", w);
        });
    }

    fn charges(&self, head: &Head<'_>) -> Vec<Charge> {
        nic_charges(head.template.vectors("NIC"))
    }
}

/// What NICs use: a lease for each floating address.
pub fn nic_charges<'a>(nics: impl IntoIterator<Item = &'a VectorAttribute>) -> Vec<Charge> {
    let floating = nics.into_iter().filter(|nic| nic.is_yes("FLOATING_IP"));
    floating.filter_map(|nic| nic.id("NETWORK_ID")).map(Charge::lease).collect()
}
