//! VmGroup: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a vmgroup.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VmGroup {}

impl PoolBody for VmGroup {
    const KIND: Kind = Kind::VmGroup;
    body_of!(VmGroup);
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
    unwritten("one.vmgroup.allocate", Kind::VmGroup, &[req("template", Type::Str)], &[Need::Create(Kind::VmGroup)]),
    write("one.vmgroup.chmod", Kind::VmGroup, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::VmGroup, 0)], verbs::chmod),
    write("one.vmgroup.chown", Kind::VmGroup, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::VmGroup, 0)], verbs::chown),
    write("one.vmgroup.delete", Kind::VmGroup, &[ID], &[Need::May(Kind::VmGroup, 0, Op::Manage)], verbs::delete),
    read("one.vmgroup.info", Kind::VmGroup, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::VmGroup, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vmgroup.lock", Kind::VmGroup, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Manage)], verbs::lock),
    write("one.vmgroup.rename", Kind::VmGroup, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::VmGroup, 0)], verbs::rename),
    write("one.vmgroup.unlock", Kind::VmGroup, &[ID], &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Manage)], verbs::unlock),
    write("one.vmgroup.update", Kind::VmGroup, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::VmGroup, 0, Op::Manage)], verbs::update),
    read("one.vmgrouppool.info", Kind::VmGroup, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
