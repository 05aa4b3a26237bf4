//! VnTemplate: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a vntemplate.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VnTemplate {}

impl PoolBody for VnTemplate {
    const KIND: Kind = Kind::VnTemplate;
    body_of!(VnTemplate);
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
    unwritten("one.vntemplate.allocate", Kind::VnTemplate, &[req("template", Type::Str)], &[Need::Create(Kind::VnTemplate)]),
    write("one.vntemplate.chmod", Kind::VnTemplate, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::VnTemplate, 0)], verbs::chmod),
    write("one.vntemplate.chown", Kind::VnTemplate, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::VnTemplate, 0)], verbs::chown),
    unwritten("one.vntemplate.clone", Kind::VnTemplate, &[ID, req("name", Type::Str)], &[Need::Create(Kind::VnTemplate), Need::May(Kind::VnTemplate, 0, Op::Use)]),
    write("one.vntemplate.delete", Kind::VnTemplate, &[ID], &[Need::May(Kind::VnTemplate, 0, Op::Manage)], verbs::delete),
    read("one.vntemplate.info", Kind::VnTemplate, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::VnTemplate, 0, Op::Use)], verbs::info).while_disabled(),
    unwritten("one.vntemplate.instantiate", Kind::VnTemplate, &[ID, req("name", Type::Str), req("extra_template", Type::Str)], &[Need::May(Kind::VnTemplate, 0, Op::Use)]),
    write("one.vntemplate.lock", Kind::VnTemplate, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Manage)], verbs::lock),
    write("one.vntemplate.rename", Kind::VnTemplate, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::VnTemplate, 0)], verbs::rename),
    write("one.vntemplate.unlock", Kind::VnTemplate, &[ID], &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Manage)], verbs::unlock),
    write("one.vntemplate.update", Kind::VnTemplate, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::VnTemplate, 0, Op::Manage)], verbs::update),
    read("one.vntemplatepool.info", Kind::VnTemplate, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
