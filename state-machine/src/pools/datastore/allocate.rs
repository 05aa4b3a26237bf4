//! `one.datastore.allocate`, and the datastores of a fresh zone.

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::head::{Op, Permissions};
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::cluster;
use quorate_model::records::datastore::{DEFAULT, Datastore, FILES, SYSTEM};
use quorate_model::template::Template;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::cluster::members;
use crate::pools::datastore::{describe, location, monitor};
use crate::txn::Txn;
use crate::{names, verbs};

/// `one.datastore.allocate`: parameters template, cluster (-1: the default one). Its group may always use it.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::parse_new(request.str(0))?;
    let cluster = members::named(request.int(1));
    let cluster_object = txn.object(Kind::Cluster, cluster)?;
    let actor = txn.actor().clone();
    let create = AuthRequest::create(Kind::Datastore, actor.uid, txn.effective_gid(&actor));
    txn.authorize(&[create, AuthRequest::on(cluster_object, Op::Admin)])?;
    let name = template.value("NAME").to_owned();
    names::check_new(txn, Kind::Datastore, -1, &name)?;
    let datastore = describe::new(txn.settings(), &mut template).map_err(ApiError::internal)?;
    let mut object = Object::new(name, template, datastore);
    verbs::own(txn, &actor, &mut object)?;
    object.permissions = Permissions(object.permissions.0 | 0o040);
    Ok(Value::Int(add(txn, None, object, cluster)?))
}

/// Adds a datastore with the next id, or the given one, to the pool and a cluster.
fn add(txn: &mut Txn, id: Option<i32>, mut object: Object, cluster: i32) -> Result<i32, ApiError> {
    let id = id.unwrap_or_else(|| txn.next_id(Kind::Datastore));
    let base_path = location::base_path(txn, id);
    if let Some(datastore) = Datastore::of_mut(&mut object.body) {
        datastore.base_path = base_path;
    }
    object.template.drop_empty_vectors();
    txn.put_with_id(id, object);
    members::add(txn, cluster, Kind::Datastore, id)?;
    monitor::start(txn, id);
    Ok(id)
}

/// The datastores of a fresh zone: for disks, images and files.
///
/// # Errors
/// INTERNAL if the shipped configuration lacked their drivers.
pub fn bootstrap(txn: &mut Txn) -> Result<(), ApiError> {
    let all = [(SYSTEM, "system", "SYSTEM_DS"), (DEFAULT, "default", "IMAGE_DS"), (FILES, "files", "FILE_DS")];
    for (id, name, ds_type) in all {
        let mut template = Template::new();
        template.set("TYPE", ds_type);
        template.set("TM_MAD", "ssh");
        if id != SYSTEM {
            template.set("DS_MAD", "fs");
        }
        let datastore = describe::new(txn.settings(), &mut template).map_err(ApiError::internal)?;
        add(txn, Some(id), Object::new(name, template, datastore).owned_by_oneadmin(0o640), cluster::DEFAULT)?;
    }
    Ok(())
}
