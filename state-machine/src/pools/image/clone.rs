//! Copies of images: which images can be copied, how a copy holds its original.
//!
//! Apps of marketplaces hold images in the same way.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::quota::Charge;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::image::Image;
use quorate_model::template::Template;

use super::create::{self, NewImage};
use super::store;
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::state::State;
use crate::txn::Txn;
use crate::{booking, verbs};

/// The template of a copy.
fn copied_template(object: &Object, image: &Image, name: &str) -> Template {
    let mut template = object.template.clone();
    template.set("NAME", name);
    template.set("TYPE", image.image_type.name());
    template.set("PATH", &image.source);
    template.set("FORMAT", &image.format);
    template.set("SIZE", image.size_mb);
    template.remove("VCENTER_IMPORTED");
    template.set("PERSISTENT", if image.persistent { "YES" } else { "NO" });
    template
}

/// `one.image.clone`: parameters image, name, datastore (-1: the same).
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let store = Some(request.int(2)).filter(|id| *id != -1);
    copy(txn, request.id(), request.str(1), store, false).map(Value::Int)
}

/// Makes a copy of an image for the caller; `persistent`: the copy is, whatever the original. Also for templates that
/// are cloned with their disks.
///
/// # Errors
/// As `one.image.clone` answers.
pub fn copy(txn: &mut Txn, id: i32, name: &str, datastore: Option<i32>, persistent: bool) -> Result<i32, ApiError> {
    let (object, image) = txn.get::<Image>(id)?;
    if !image.image_type.is_disk() {
        return Err(ApiError::action("KERNEL, RAMDISK, BACKUP and CONTEXT cannot be cloned."));
    }
    if !image.snapshots.is_empty() {
        return Err(ApiError::action("Cannot clone images with snapshots"));
    }
    let mut template = copied_template(object, image, name);
    let mut wishes = vec![AuthRequest::on(object, Op::Use)];
    let (from, size) = (image.datastore, image.size_mb);
    let to = datastore.unwrap_or(from);
    let actor = txn.actor().clone();
    let gid = txn.effective_gid(&actor);
    if persistent {
        template.set("PERSISTENT", "YES");
    } else {
        create::decide_persistent(txn, actor.uid, gid, &mut template, false);
    }
    let (target, target_body) = store_for_copies(txn, to)?;
    wishes.push(AuthRequest::on(target, Op::Use));
    if from != to {
        let (origin, origin_body) = store_for_copies(txn, from)?;
        if origin_body.ds_mad != target_body.ds_mad {
            return Err(ApiError::action("Clone only supported to same DS_MAD Datastores"));
        }
        wishes.push(AuthRequest::on(origin, Op::Use));
    }
    store::check_room(txn, to, size)?;
    wishes.insert(0, AuthRequest::create(Kind::Image, actor.uid, gid));
    txn.authorize(&wishes)?;
    booking::book(txn, actor.uid, gid, &[Charge::datastore(to, 1, size)])?;
    txn.inherit_secrets(Kind::Image, id);
    let permissions = verbs::initial_permissions(txn, &actor);
    let new = NewImage { owner: (actor.uid, gid), permissions, template, datastore: to, cloning_from: Some(id) };
    create::create(txn, new).map_err(|reason| ApiError::allocate(Kind::Image, reason))
}

fn store_for_copies(state: &State, id: i32) -> Result<(&Object, &Datastore), ApiError> {
    let (object, body) = state.get::<Datastore>(id)?;
    if body.ds_type == DatastoreType::Image {
        Ok((object, body))
    } else {
        Err(ApiError::action("Clone only supported for IMAGE_DS Datastores"))
    }
}
