//! Vnet: body, XML, methods.

pub mod report;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a net.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vnet {}

impl PoolBody for Vnet {
    const KIND: Kind = Kind::Net;
    body_of!(Net);
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
    unwritten("one.vn.add_ar", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Admin)]),
    unwritten("one.vn.allocate", Kind::Net, &[req("template", Type::Str), req("cluster_id", Type::Int)], &[Need::Create(Kind::Net)]),
    write("one.vn.chmod", Kind::Net, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::Net, 0)], verbs::chmod),
    write("one.vn.chown", Kind::Net, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Net, 0)], verbs::chown),
    write("one.vn.delete", Kind::Net, &[ID], &[Need::May(Kind::Net, 0, Op::Manage)], verbs::delete),
    unwritten("one.vn.free_ar", Kind::Net, &[ID, req("ar_id", Type::Int), opt("force", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Net, 0, Op::Manage)]),
    unwritten("one.vn.hold", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Manage)]),
    read("one.vn.info", Kind::Net, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Net, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vn.lock", Kind::Net, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Net, 0, Op::Manage)], verbs::lock),
    unwritten("one.vn.recover", Kind::Net, &[ID, req("operation", Type::Int)], &[Need::May(Kind::Net, 0, Op::Manage)]),
    unwritten("one.vn.release", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Manage)]),
    write("one.vn.rename", Kind::Net, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Net, 0)], verbs::rename),
    unwritten("one.vn.reserve", Kind::Net, &[ID, req("template", Type::Str)], &[]),
    unwritten("one.vn.rm_ar", Kind::Net, &[ID, req("ar_id", Type::Int), opt("force", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Net, 0, Op::Admin)]),
    write("one.vn.unlock", Kind::Net, &[ID], &[Need::MayIgnoringLock(Kind::Net, 0, Op::Manage)], verbs::unlock),
    write("one.vn.update", Kind::Net, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Net, 0, Op::Manage)], verbs::update),
    unwritten("one.vn.update_ar", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Manage)]),
    read("one.vnpool.info", Kind::Net, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
