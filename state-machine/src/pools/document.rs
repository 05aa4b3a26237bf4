//! Document: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a document.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {}

impl PoolBody for Document {
    const KIND: Kind = Kind::Document;
    body_of!(Document);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.document.allocate", Kind::Document, &[req("template", Type::Str), req("type", Type::Int)], &[Need::Create(Kind::Document)]),
    write("one.document.chmod", Kind::Document, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::Document, 0)], verbs::chmod),
    write("one.document.chown", Kind::Document, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Document, 0)], verbs::chown),
    unwritten("one.document.clone", Kind::Document, &[ID, req("name", Type::Str)], &[Need::Create(Kind::Document), Need::May(Kind::Document, 0, Op::Use)]),
    write("one.document.delete", Kind::Document, &[ID], &[Need::May(Kind::Document, 0, Op::Manage)], verbs::delete),
    read("one.document.info", Kind::Document, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Document, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.document.lock", Kind::Document, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Document, 0, Op::Manage)], verbs::lock),
    write("one.document.rename", Kind::Document, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Document, 0)], verbs::rename),
    write("one.document.unlock", Kind::Document, &[ID], &[Need::MayIgnoringLock(Kind::Document, 0, Op::Manage)], verbs::unlock),
    write("one.document.update", Kind::Document, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Document, 0, Op::Manage)], verbs::update),
    read("one.documentpool.info", Kind::Document, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int), req("type", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
