//! The record of a VM template.

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::records::Record;
use crate::template::Template;
use crate::xml::XmlWriter;

/// The particular part of a template.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VmTemplate {
    /// When it was made, unix seconds.
    pub registered: i64,
}

impl Record for VmTemplate {
    const KIND: Kind = Kind::Template;
    const RESTRICTED: &'static str = "VM_RESTRICTED_ATTR";

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        self.render_with(head, head.template, w);
    }
}

impl VmTemplate {
    /// The XML of an object with another template than its own.
    pub fn render_with(&self, head: &Head<'_>, template: &Template, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            head.render_lock(w);
            head.permissions.render(w);
            w.plain("REGTIME", self.registered);
            template.render("TEMPLATE", w);
        });
    }
}
