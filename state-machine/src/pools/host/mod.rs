//! Host: body, XML, methods.

pub mod report;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a host.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {}

impl PoolBody for Host {
    const KIND: Kind = Kind::Host;
    body_of!(Host);
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
    unwritten("one.host.allocate", Kind::Host, &[req("name", Type::Str), req("im_mad", Type::Str), req("vmm_mad", Type::Str), req("cluster_id", Type::Int)], &[Need::Create(Kind::Host)]),
    write("one.host.delete", Kind::Host, &[ID], &[Need::May(Kind::Host, 0, Op::Admin)], verbs::delete),
    read("one.host.info", Kind::Host, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Host, 0, Op::Use)], verbs::info).while_disabled(),
    unwritten("one.host.monitoring", Kind::Host, &[ID], &[Need::May(Kind::Host, 0, Op::Use)]),
    write("one.host.rename", Kind::Host, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Host, 0)], verbs::rename),
    unwritten("one.host.status", Kind::Host, &[ID, req("status", Type::Int)], &[Need::May(Kind::Host, 0, Op::Admin)]),
    write("one.host.update", Kind::Host, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Host, 0, Op::Admin)], verbs::update),
    read("one.hostpool.info", Kind::Host, &[], &[], verbs::pool_all).while_disabled(),
    unwritten("one.hostpool.monitoring", Kind::Host, &[opt("seconds", Type::Int, Default::Int(-1))], &[]).while_disabled(),
];
