//! Group: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {}

impl PoolBody for Group {
    const KIND: Kind = Kind::Group;
    body_of!(Group);
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
    unwritten("one.group.addadmin", Kind::Group, &[ID, req("uid", Type::Int)], &[Need::May(Kind::Group, 0, Op::Admin), Need::May(Kind::User, 1, Op::Admin)]),
    unwritten("one.group.allocate", Kind::Group, &[req("name", Type::Str)], &[Need::Create(Kind::Group)]),
    unwritten("one.group.deladmin", Kind::Group, &[ID, req("uid", Type::Int)], &[Need::May(Kind::Group, 0, Op::Admin), Need::May(Kind::User, 1, Op::Admin)]),
    write("one.group.delete", Kind::Group, &[ID], &[Need::May(Kind::Group, 0, Op::Admin)], verbs::delete),
    read("one.group.info", Kind::Group, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Group, 0, Op::Use)], verbs::info).while_disabled(),
    unwritten("one.group.quota", Kind::Group, &[ID, req("template", Type::Str)], &[Need::May(Kind::Group, 0, Op::Admin)]),
    write("one.group.update", Kind::Group, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Group, 0, Op::Manage)], verbs::update),
    read("one.grouppool.info", Kind::Group, &[], &[], verbs::pool_all).while_disabled(),
    unwritten("one.groupquota.info", Kind::Group, &[], &[]).while_disabled(),
    unwritten("one.groupquota.update", Kind::Group, &[req("template", Type::Str)], &[Need::AdminGroup]),
];
