//! Clusters: hooks, the table of methods. A cluster groups hosts with the datastores and networks that they reach.
//!
//! Membership is in [`members`]; it must not be changed elsewhere.

pub mod calls;
pub mod members;
pub mod vnc;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::cluster::{Cluster, MEMBER_KINDS};
use quorate_model::records::datastore::Datastore;
use quorate_model::records::host::Host;
use quorate_model::records::vnet::Vnet;

use crate::methods::{ID, Method, Need, Param, read, req, write};
use crate::pools::acl;
use crate::pools::host::reservations;
use crate::pools::vdc::resources;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

/// Clusters below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;

impl Pool for Cluster {
    /// Its reservations count for its hosts that have none of their own.
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let reservation = reservations::of_cluster(txn, id);
        let hosts = txn.get::<Cluster>(id).map_err(|e| e.text)?.1.hosts.clone();
        for host in hosts {
            reservations::follow_cluster(txn, host, &reservation).map_err(|e| e.text)?;
        }
        Ok(())
    }

    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        let (object, cluster) = txn.get::<Cluster>(id)?;
        let (name, hosts) = (object.name.clone(), cluster.hosts.clone());
        for host in hosts {
            let host = txn.body_mut::<Host>(host)?;
            host.cluster_name.clone_from(&name);
            host.saved = true;
        }
        Ok(())
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        let refused = |reason: String| Err(ApiError::action(format!("Cannot delete cluster. {reason}")));
        if id < FIRST_DELETABLE {
            return refused("System Clusters (ID < 100) cannot be deleted.".to_owned());
        }
        let (_, cluster) = txn.get::<Cluster>(id)?;
        for (kind, plural, _) in MEMBER_KINDS {
            let count = cluster.members(kind).len();
            if count > 0 {
                return refused(format!("Cluster {id} is not empty, it contains {count} {plural}."));
            }
        }
        acl::changes::forget_cluster(txn, id);
        resources::forget(txn, Kind::Cluster, id);
        Ok(())
    }
}

/// Cluster and member are looked up before any right, negative ids as well.
const fn both(kind: Kind) -> [Need; 4] {
    [
        Need::Exists(Kind::Cluster, 0),
        Need::Exists(kind, 1),
        Need::May(Kind::Cluster, 0, Op::Admin),
        Need::May(kind, 1, Op::Admin),
    ]
}

const EXISTS: &[Need] = &[Need::Exists(Kind::Cluster, 0)];
const MANAGE: &[Need] = &[Need::May(Kind::Cluster, 0, Op::Manage)];
const ADMIN: &[Need] = &[Need::May(Kind::Cluster, 0, Op::Admin)];
const SEE: &[Need] = &[Need::MayIgnoringLock(Kind::Cluster, 0, Op::Use)];
const DATASTORE: &[Param] = &[req("cluster_id", Type::Int), req("datastore_id", Type::Int)];
const HOST: &[Param] = &[req("cluster_id", Type::Int), req("host_id", Type::Int)];
const VNET: &[Param] = &[req("cluster_id", Type::Int), req("vnet_id", Type::Int)];
const CREATE: &[Need] = &[Need::Create(Kind::Cluster)];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.cluster.adddatastore", Kind::Cluster, DATASTORE, &both(Kind::Datastore), calls::add::<Datastore>),
    write("one.cluster.addhost", Kind::Cluster, HOST, &both(Kind::Host), calls::add_host),
    write("one.cluster.addvnet", Kind::Cluster, VNET, &both(Kind::Net), calls::add::<Vnet>),
    write("one.cluster.allocate", Kind::Cluster, &[req("name", Type::Str)], CREATE, calls::allocate).makes_object(),
    write("one.cluster.deldatastore", Kind::Cluster, DATASTORE, &both(Kind::Datastore), calls::remove::<Datastore>),
    write("one.cluster.delete", Kind::Cluster, &[ID], ADMIN, verbs::delete::<Cluster>).ends_object(),
    write("one.cluster.delhost", Kind::Cluster, HOST, &[], calls::remove_host),
    write("one.cluster.delvnet", Kind::Cluster, VNET, &both(Kind::Net), calls::remove::<Vnet>),
    read("one.cluster.info", Kind::Cluster, params::INFO, SEE, verbs::info).while_disabled(),
    write("one.cluster.rename", Kind::Cluster, params::RENAME, EXISTS, verbs::rename::<Cluster>),
    write("one.cluster.update", Kind::Cluster, params::UPDATE, MANAGE, verbs::update::<Cluster>),
    read("one.clusterpool.info", Kind::Cluster, &[], &[], verbs::pool_all).while_disabled(),
];
