//! `one.host.allocate`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::cluster::Cluster;
use quorate_model::records::host::Host;
use quorate_model::template::Template;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::names;
use crate::pools::cluster::members;
use crate::pools::host::monitor;
use crate::txn::Txn;

/// `one.host.allocate`: parameters name, monitoring driver, hypervisor driver, cluster (-1: the default one).
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let cluster = members::named(request.int(3));
    let cluster_object = txn.object(Kind::Cluster, cluster)?;
    let cluster_name = cluster_object.name.clone();
    let actor = txn.actor();
    let create = AuthRequest::create(Kind::Host, actor.uid, txn.effective_gid(actor));
    txn.authorize(&[create, AuthRequest::on(cluster_object, Op::Admin)])?;
    let (name, im_mad, vm_mad) = (request.str(0), request.str(1), request.str(2));
    if let Some(reason) = names::invalid(name, "") {
        return Err(ApiError::internal(reason));
    }
    for (mad, text) in [(im_mad, "IM_MAD_NAME"), (vm_mad, "VMM_MAD_NAME")] {
        if mad.is_empty() {
            return Err(ApiError::internal(format!("{text} cannot be empty.")));
        }
    }
    names::check_new(txn, Kind::Host, -1, name)?;
    let mut template = Template::new();
    for (name, value) in [("RESERVED_CPU", ""), ("RESERVED_MEM", ""), ("IM_MAD", im_mad), ("VM_MAD", vm_mad)] {
        template.set(name, value);
    }
    let (im_mad, vm_mad) = (im_mad.to_owned(), vm_mad.to_owned());
    let host = Host { im_mad, vm_mad, cluster, cluster_name, ..Host::default() };
    let id = txn.insert(Object::new(name, template, host).owned_by_oneadmin(0o600));
    txn.body_mut::<Cluster>(cluster)?.hosts.insert(id);
    monitor::start(txn, id);
    Ok(Value::Int(id))
}
