//! VRouter: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a vrouter.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VRouter {}

impl PoolBody for VRouter {
    const KIND: Kind = Kind::VRouter;
    body_of!(VRouter);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// A VM of a virtual router has ended: the router forgets it.
#[allow(unused_variables)]
pub fn forget_vm(txn: &mut Txn, router: i32, vm: i32) {}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.vrouter.allocate", Kind::VRouter, &[req("template", Type::Str)], &[Need::Create(Kind::VRouter)]),
    unwritten("one.vrouter.attachnic", Kind::VRouter, &[ID, req("template", Type::Str)], &[Need::May(Kind::VRouter, 0, Op::Manage)]),
    write("one.vrouter.chmod", Kind::VRouter, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::VRouter, 0)], verbs::chmod),
    write("one.vrouter.chown", Kind::VRouter, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::VRouter, 0)], verbs::chown),
    write("one.vrouter.delete", Kind::VRouter, &[ID, opt("ignored", Type::Bool, Default::Bool(false))], &[Need::May(Kind::VRouter, 0, Op::Manage)], verbs::delete),
    unwritten("one.vrouter.detachnic", Kind::VRouter, &[ID, req("nic_id", Type::Int)], &[Need::May(Kind::VRouter, 0, Op::Manage)]),
    read("one.vrouter.info", Kind::VRouter, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::VRouter, 0, Op::Use)], verbs::info).while_disabled(),
    unwritten("one.vrouter.instantiate", Kind::VRouter, &[ID, req("number", Type::Int), req("template_id", Type::Int), req("name", Type::Str), req("hold", Type::Bool), req("extra_template", Type::Str)], &[Need::May(Kind::VRouter, 0, Op::Manage)]),
    write("one.vrouter.lock", Kind::VRouter, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Manage)], verbs::lock),
    write("one.vrouter.rename", Kind::VRouter, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::VRouter, 0)], verbs::rename),
    write("one.vrouter.unlock", Kind::VRouter, &[ID], &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Manage)], verbs::unlock),
    write("one.vrouter.update", Kind::VRouter, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::VRouter, 0, Op::Manage)], verbs::update),
    read("one.vrouterpool.info", Kind::VRouter, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
