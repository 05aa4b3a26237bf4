//! Security groups: what is stored of them, and their XML.

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::records::Record;
use crate::records::rollout::Rollout;
use crate::xml::XmlWriter;

/// The group that networks get by themselves.
pub const DEFAULT: i32 = 0;

/// The particular part of a security group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecGroup {
    /// The VMs with these rules, by how far its last change has come to them; in records of their own.
    #[serde(skip)]
    pub vms: Rollout,
}

impl Record for SecGroup {
    const KIND: Kind = Kind::SecGroup;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            head.permissions.render(w);
            self.vms.render(w);
            head.template.render("TEMPLATE", w);
        });
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        self.vms.parts()
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        self.vms.part_mut(map)
    }
}
