//! Datastores: hooks, the table of methods. What their drivers' configuration demands is in [`drivers`], their space in
//! [`capacity`] and [`monitor`].

pub mod allocate;
pub mod capacity;
mod describe;
mod drivers;
mod enable;
pub mod location;
pub mod monitor;

use quorate_model::api::Type;
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::image::Image;

use crate::methods::{ID, Method, Need, Param, read, req, write};
use crate::pools::cluster::members;
use crate::pools::vdc::resources;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for Datastore {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let object = txn.object(Kind::Datastore, id).map_err(|e| e.text)?;
        let mut template = object.template.clone();
        let Some(mut datastore) = Datastore::of(&object.body).cloned() else { return Ok(()) };
        describe::update(&mut datastore, txn.settings(), id, &mut template)?;
        let object = txn.object_mut(Kind::Datastore, id).map_err(|e| e.text)?;
        object.template = template;
        object.body = datastore.into();
        Ok(())
    }

    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        let name = txn.object(Kind::Datastore, id)?.name.clone();
        for image in txn.get::<Datastore>(id)?.1.images.clone() {
            if let Ok(image) = txn.body_mut::<Image>(image) {
                name.clone_into(&mut image.datastore_name);
            }
        }
        Ok(())
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        if !txn.get::<Datastore>(id)?.1.images.is_empty() {
            return Err(ApiError::action(format!("Cannot delete datastore. Datastore {id} is not empty.")));
        }
        members::forget(txn, Kind::Datastore, id);
        resources::forget(txn, Kind::Datastore, id);
        Ok(())
    }
}

const EXISTS: &[Need] = &[Need::Exists(Kind::Datastore, 0)];
const MANAGE: &[Need] = &[Need::May(Kind::Datastore, 0, Op::Manage)];
const ADMIN: &[Need] = &[Need::May(Kind::Datastore, 0, Op::Admin)];
const SEE: &[Need] = &[Need::MayIgnoringLock(Kind::Datastore, 0, Op::Use)];
const ALLOCATE: &[Param] = &[req("template", Type::Str), req("cluster_id", Type::Int)];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.datastore.allocate", Kind::Datastore, ALLOCATE, &[], allocate::call).makes_object(),
    write("one.datastore.chmod", Kind::Datastore, params::CHMOD, EXISTS, verbs::chmod),
    write("one.datastore.chown", Kind::Datastore, params::CHOWN, EXISTS, verbs::chown::<Datastore>),
    write("one.datastore.delete", Kind::Datastore, &[ID], ADMIN, verbs::delete::<Datastore>).ends_object(),
    write("one.datastore.enable", Kind::Datastore, &[ID, req("enable", Type::Bool)], MANAGE, enable::call),
    read("one.datastore.info", Kind::Datastore, params::INFO, SEE, verbs::info).while_disabled(),
    write("one.datastore.rename", Kind::Datastore, params::RENAME, EXISTS, verbs::rename::<Datastore>),
    write("one.datastore.update", Kind::Datastore, params::UPDATE, MANAGE, verbs::update::<Datastore>),
    read("one.datastorepool.info", Kind::Datastore, &[], &[], verbs::pool_all).while_disabled(),
];
