//! Making clusters, and moving what is in them.

use quorate_model::api::{ApiReply, Value};
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::Record;
use quorate_model::records::cluster::{self, Cluster};
use quorate_model::template::Template;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::names;
use crate::pools::cluster::members;
use crate::txn::Txn;

fn new_object(name: &str) -> Object {
    let mut template = Template::new();
    template.set("RESERVED_CPU", "");
    template.set("RESERVED_MEM", "");
    Object::new(name, template, Cluster::default()).owned_by_oneadmin(0o600)
}

/// The cluster of a fresh zone; datastores join it as they are made.
pub fn bootstrap(txn: &mut Txn) {
    txn.put_with_id(cluster::DEFAULT, new_object("default"));
}

/// `one.cluster.allocate`: parameter name.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let name = request.str(0);
    names::check_new(txn, Kind::Cluster, -1, name)?;
    Ok(Value::Int(txn.insert(new_object(name))))
}

/// Parameters cluster, datastore or network.
pub fn add<M: Record>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    members::add(txn, request.id(), M::KIND, request.int(1))?;
    Ok(Value::Int(request.id()))
}

/// Parameters cluster, datastore or network.
pub fn remove<M: Record>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    members::remove(txn, request.id(), M::KIND, request.int(1))?;
    Ok(Value::Int(request.id()))
}

/// `one.cluster.addhost`: parameters cluster, host, which leaves its former cluster.
pub fn add_host(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    members::move_host(txn, request.int(1), request.id())?;
    Ok(Value::Int(request.id()))
}

/// `one.cluster.delhost`: parameters cluster, host. As in the reference
/// (`RequestManagerCluster.h`, `ClusterDelHost::request_execute`), the first is ignored and the host goes to the
/// default cluster, whose id is the answer.
pub fn remove_host(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let wishes = [(Kind::Cluster, cluster::DEFAULT), (Kind::Host, request.int(1))];
    let wishes = wishes.map(|(kind, id)| txn.object(kind, id).map(|object| AuthRequest::on(object, Op::Admin)));
    txn.authorize(&wishes.into_iter().collect::<Result<Vec<_>, _>>()?)?;
    members::move_host(txn, request.int(1), cluster::DEFAULT)?;
    Ok(Value::Int(cluster::DEFAULT))
}
