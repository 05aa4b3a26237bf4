//! Market: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a market.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Market {}

impl PoolBody for Market {
    const KIND: Kind = Kind::Market;
    body_of!(Market);
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
    unwritten("one.market.allocate", Kind::Market, &[req("template", Type::Str)], &[Need::Create(Kind::Market)]),
    unwritten("one.market.allocatedb", Kind::Market, &[req("xml", Type::Str)], &[Need::Oneadmin]),
    write("one.market.chmod", Kind::Market, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::Market, 0)], verbs::chmod),
    write("one.market.chown", Kind::Market, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Market, 0)], verbs::chown),
    write("one.market.delete", Kind::Market, &[ID], &[Need::May(Kind::Market, 0, Op::Manage)], verbs::delete),
    unwritten("one.market.enable", Kind::Market, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::Market, 0, Op::Manage)]),
    read("one.market.info", Kind::Market, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Market, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.market.rename", Kind::Market, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Market, 0)], verbs::rename),
    write("one.market.update", Kind::Market, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Market, 0, Op::Manage)], verbs::update),
    unwritten("one.market.updatedb", Kind::Market, &[ID, req("xml", Type::Str)], &[Need::Oneadmin]),
    read("one.marketpool.info", Kind::Market, &[], &[], verbs::pool_all).while_disabled(),
];
