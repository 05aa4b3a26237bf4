//! VmTemplate: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a template.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VmTemplate {}

impl PoolBody for VmTemplate {
    const KIND: Kind = Kind::Template;
    body_of!(Template);
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
    unwritten("one.template.allocate", Kind::Template, &[req("template", Type::Str)], &[Need::Create(Kind::Template)]),
    write("one.template.chmod", Kind::Template, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int), opt("recursive", Type::Bool, Default::Bool(false))], &[Need::Exists(Kind::Template, 0)], verbs::chmod),
    write("one.template.chown", Kind::Template, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Template, 0)], verbs::chown),
    unwritten("one.template.clone", Kind::Template, &[ID, req("name", Type::Str), opt("recursive", Type::Bool, Default::Bool(false))], &[Need::Create(Kind::Template), Need::May(Kind::Template, 0, Op::Use)]),
    write("one.template.delete", Kind::Template, &[ID, opt("recursive", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Template, 0, Op::Manage)], verbs::delete),
    read("one.template.info", Kind::Template, &[ID, opt("extended", Type::Bool, Default::Bool(false)), opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Template, 0, Op::Use)], verbs::info).while_disabled(),
    unwritten("one.template.instantiate", Kind::Template, &[ID, req("name", Type::Str), opt("hold", Type::Bool, Default::Bool(false)), opt("extra_template", Type::Str, Default::Str("")), opt("persistent", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Template, 0, Op::Use)]),
    write("one.template.lock", Kind::Template, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Template, 0, Op::Manage)], verbs::lock),
    write("one.template.rename", Kind::Template, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Template, 0)], verbs::rename),
    write("one.template.unlock", Kind::Template, &[ID], &[Need::MayIgnoringLock(Kind::Template, 0, Op::Manage)], verbs::unlock),
    write("one.template.update", Kind::Template, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Template, 0, Op::Manage)], verbs::update),
    read("one.templatepool.info", Kind::Template, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
