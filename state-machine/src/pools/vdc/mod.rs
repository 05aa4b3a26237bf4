//! Virtual data centres: hooks, the table of methods. A VDC's groups and resources are kept as access control rules
//! ([`rules`]).

pub mod allocate;
pub mod groups;
pub mod resources;
mod rules;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::cluster::Cluster;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::host::Host;
use quorate_model::records::vdc::Vdc;
use quorate_model::records::vnet::Vnet;

use crate::methods::{ID, Method, Need, Param, read, req, write};
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

/// VDCs below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;

impl Pool for Vdc {
    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        if id < FIRST_DELETABLE {
            return Err(ApiError::action("Cannot delete VDC. System VDCs (ID < 100) cannot be deleted."));
        }
        let vdc = txn.get::<Vdc>(id)?.1.clone();
        for gid in &vdc.groups {
            rules::remove(txn, *gid, &vdc.all());
        }
        Ok(())
    }
}

const EXISTS: &[Need] = &[Need::Exists(Kind::Vdc, 0)];
const MANAGE: &[Need] = &[Need::May(Kind::Vdc, 0, Op::Manage)];
const ADMIN: &[Need] = &[Need::May(Kind::Vdc, 0, Op::Admin)];
const SEE: &[Need] = &[Need::MayIgnoringLock(Kind::Vdc, 0, Op::Use)];
const CLUSTER: &[Param] = &[ID, req("zone_id", Type::Int), req("cluster_id", Type::Int)];
const DATASTORE: &[Param] = &[ID, req("zone_id", Type::Int), req("datastore_id", Type::Int)];
const HOST: &[Param] = &[ID, req("zone_id", Type::Int), req("host_id", Type::Int)];
const VNET: &[Param] = &[ID, req("zone_id", Type::Int), req("vnet_id", Type::Int)];
const ADMIN_OF_BOTH: &[Need] = &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Group, 1, Op::Admin)];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vdc.addcluster", Kind::Vdc, CLUSTER, &[], resources::add::<Cluster>),
    write("one.vdc.adddatastore", Kind::Vdc, DATASTORE, &[], resources::add::<Datastore>),
    write("one.vdc.addgroup", Kind::Vdc, &[ID, req("gid", Type::Int)], ADMIN_OF_BOTH, groups::add_call),
    write("one.vdc.addhost", Kind::Vdc, HOST, &[], resources::add::<Host>),
    write("one.vdc.addvnet", Kind::Vdc, VNET, &[], resources::add::<Vnet>),
    write("one.vdc.allocate", Kind::Vdc, &[req("template", Type::Str)], &[Need::Create(Kind::Vdc)], allocate::call).makes_object(),
    write("one.vdc.delcluster", Kind::Vdc, CLUSTER, &[], resources::remove::<Cluster>),
    write("one.vdc.deldatastore", Kind::Vdc, DATASTORE, &[], resources::remove::<Datastore>),
    write("one.vdc.delete", Kind::Vdc, &[ID], ADMIN, verbs::delete::<Vdc>).ends_object(),
    write("one.vdc.delgroup", Kind::Vdc, &[ID, req("gid", Type::Int)], &[], groups::remove_call),
    write("one.vdc.delhost", Kind::Vdc, HOST, &[], resources::remove::<Host>),
    write("one.vdc.delvnet", Kind::Vdc, VNET, &[], resources::remove::<Vnet>),
    read("one.vdc.info", Kind::Vdc, params::INFO, SEE, verbs::info).while_disabled(),
    write("one.vdc.rename", Kind::Vdc, params::RENAME, EXISTS, verbs::rename::<Vdc>),
    write("one.vdc.update", Kind::Vdc, params::UPDATE, MANAGE, verbs::update::<Vdc>),
    read("one.vdcpool.info", Kind::Vdc, &[], &[], verbs::pool_all).while_disabled(),
];
