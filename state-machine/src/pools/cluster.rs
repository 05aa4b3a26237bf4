//! Cluster: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a cluster.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {}

impl PoolBody for Cluster {
    const KIND: Kind = Kind::Cluster;
    body_of!(Cluster);
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
    unwritten("one.cluster.adddatastore", Kind::Cluster, &[req("cluster_id", Type::Int), req("datastore_id", Type::Int)], &[Need::May(Kind::Cluster, 0, Op::Admin), Need::May(Kind::Datastore, 1, Op::Admin)]),
    unwritten("one.cluster.addhost", Kind::Cluster, &[req("cluster_id", Type::Int), req("host_id", Type::Int)], &[Need::May(Kind::Cluster, 0, Op::Admin), Need::May(Kind::Host, 1, Op::Admin)]),
    unwritten("one.cluster.addvnet", Kind::Cluster, &[req("cluster_id", Type::Int), req("vnet_id", Type::Int)], &[Need::May(Kind::Cluster, 0, Op::Admin), Need::May(Kind::Net, 1, Op::Admin)]),
    unwritten("one.cluster.allocate", Kind::Cluster, &[req("name", Type::Str)], &[Need::Create(Kind::Cluster)]),
    unwritten("one.cluster.deldatastore", Kind::Cluster, &[req("cluster_id", Type::Int), req("datastore_id", Type::Int)], &[Need::May(Kind::Cluster, 0, Op::Admin), Need::May(Kind::Datastore, 1, Op::Admin)]),
    write("one.cluster.delete", Kind::Cluster, &[ID], &[Need::May(Kind::Cluster, 0, Op::Admin)], verbs::delete),
    unwritten("one.cluster.delhost", Kind::Cluster, &[req("cluster_id", Type::Int), req("host_id", Type::Int)], &[Need::May(Kind::Host, 1, Op::Admin)]),
    unwritten("one.cluster.delvnet", Kind::Cluster, &[req("cluster_id", Type::Int), req("vnet_id", Type::Int)], &[Need::May(Kind::Cluster, 0, Op::Admin), Need::May(Kind::Net, 1, Op::Admin)]),
    read("one.cluster.info", Kind::Cluster, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Cluster, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.cluster.rename", Kind::Cluster, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Cluster, 0)], verbs::rename),
    write("one.cluster.update", Kind::Cluster, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Cluster, 0, Op::Manage)], verbs::update),
    read("one.clusterpool.info", Kind::Cluster, &[], &[], verbs::pool_all).while_disabled(),
];
