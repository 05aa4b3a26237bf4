//! Virtual network templates: what is stored of them, and their XML.

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::records::Record;
use crate::xml::XmlWriter;

/// The particular part of a virtual network template.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VnTemplate {
    /// When it was made, unix seconds.
    pub registered: i64,
}

impl Record for VnTemplate {
    const KIND: Kind = Kind::VnTemplate;
    const RESTRICTED: &'static str = "VNET_RESTRICTED_ATTR";

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            head.render_lock(w);
            head.permissions.render(w);
            w.plain("REGTIME", self.registered);
            head.template.render("TEMPLATE", w);
        });
    }
}
