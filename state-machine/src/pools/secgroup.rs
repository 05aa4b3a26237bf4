//! SecGroup: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a secgroup.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecGroup {}

impl PoolBody for SecGroup {
    const KIND: Kind = Kind::SecGroup;
    body_of!(SecGroup);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// The objects of this pool in a fresh zone.
pub fn bootstrap(_txn: &mut Txn) {}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.secgroup.allocate", Kind::SecGroup, &[req("template", Type::Str)], &[Need::Create(Kind::SecGroup)]),
    write("one.secgroup.chmod", Kind::SecGroup, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::SecGroup, 0)], verbs::chmod),
    write("one.secgroup.chown", Kind::SecGroup, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::SecGroup, 0)], verbs::chown),
    unwritten("one.secgroup.clone", Kind::SecGroup, &[ID, req("name", Type::Str)], &[Need::Create(Kind::SecGroup), Need::May(Kind::SecGroup, 0, Op::Use)]),
    unwritten("one.secgroup.commit", Kind::SecGroup, &[ID, req("recover", Type::Bool)], &[Need::May(Kind::SecGroup, 0, Op::Manage)]),
    write("one.secgroup.delete", Kind::SecGroup, &[ID], &[Need::May(Kind::SecGroup, 0, Op::Manage)], verbs::delete),
    read("one.secgroup.info", Kind::SecGroup, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::SecGroup, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.secgroup.rename", Kind::SecGroup, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::SecGroup, 0)], verbs::rename),
    write("one.secgroup.update", Kind::SecGroup, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::SecGroup, 0, Op::Manage)], verbs::update),
    read("one.secgrouppool.info", Kind::SecGroup, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
