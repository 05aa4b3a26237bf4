//! Vdc: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a vdc.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vdc {}

impl PoolBody for Vdc {
    const KIND: Kind = Kind::Vdc;
    body_of!(Vdc);
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
    unwritten("one.vdc.addcluster", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("cluster_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    unwritten("one.vdc.adddatastore", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("datastore_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    unwritten("one.vdc.addgroup", Kind::Vdc, &[ID, req("gid", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Group, 1, Op::Admin)]),
    unwritten("one.vdc.addhost", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("host_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    unwritten("one.vdc.addvnet", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("vnet_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    unwritten("one.vdc.allocate", Kind::Vdc, &[req("template", Type::Str)], &[Need::Create(Kind::Vdc)]),
    unwritten("one.vdc.delcluster", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("cluster_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    unwritten("one.vdc.deldatastore", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("datastore_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    write("one.vdc.delete", Kind::Vdc, &[ID], &[Need::May(Kind::Vdc, 0, Op::Admin)], verbs::delete),
    unwritten("one.vdc.delgroup", Kind::Vdc, &[ID, req("gid", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Group, 1, Op::Admin)]),
    unwritten("one.vdc.delhost", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("host_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    unwritten("one.vdc.delvnet", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("vnet_id", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Zone, 1, Op::Admin)]),
    read("one.vdc.info", Kind::Vdc, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Vdc, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vdc.rename", Kind::Vdc, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Vdc, 0)], verbs::rename),
    write("one.vdc.update", Kind::Vdc, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Vdc, 0, Op::Manage)], verbs::update),
    read("one.vdcpool.info", Kind::Vdc, &[], &[], verbs::pool_all).while_disabled(),
];
