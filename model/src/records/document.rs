//! Documents: what is stored of them, and their XML.

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::records::Record;
use crate::xml::XmlWriter;

/// The particular part of a document.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// What its service tells kinds of documents apart by.
    pub doc_type: i32,
}

impl Record for Document {
    const KIND: Kind = Kind::Document;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            w.plain("TYPE", self.doc_type);
            head.permissions.render(w);
            head.render_lock(w);
            head.template.render("TEMPLATE", w);
        });
    }
}
