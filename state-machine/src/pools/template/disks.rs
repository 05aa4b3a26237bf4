//! Templates together with the images of their disks: deep copies, `chmod` and `delete` with the images.

use std::collections::BTreeSet;

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::template::{Template, VectorAttribute, whole_int};

use crate::pools::image::{clone, delete, usage};
use crate::state::State;
use crate::txn::Txn;
use crate::verbs;

/// What a disk says of its image besides the id: no longer true of a copy.
const ORIGINAL: [&str; 4] = ["IMAGE", "IMAGE_UNAME", "IMAGE_UID", "OPENNEBULA_MANAGED"];

/// The image that a disk names; an id need not exist.
fn image_of(state: &State, uid: i32, disk: &VectorAttribute) -> Option<i32> {
    let by_id = disk.get("IMAGE_ID").and_then(whole_int).and_then(|id| i32::try_from(id).ok());
    by_id.or_else(|| usage::image_of(state, uid, disk))
}

fn images_of(state: &State, uid: i32, template: &Template) -> BTreeSet<i32> {
    template.vectors("DISK").filter_map(|disk| image_of(state, uid, disk)).collect()
}

/// Copies the images of a new template's disks: the copies are named `<name>-disk-<number>` and replace the originals.
///
/// As in the reference (`VMTemplateClone::clone`), a refusal deletes the new template again, and its id is gone with
/// it.
///
/// # Errors
/// ACTION, quoting why an image could not be copied.
pub fn copy_images(txn: &mut Txn, id: i32, name: &str, persistent: bool) -> Result<(), ApiError> {
    let mut disks: Vec<VectorAttribute> = txn.object(Kind::Template, id)?.template.vectors("DISK").cloned().collect();
    if let Err(refused) = txn.attempt(|txn| copy_each(txn, &mut disks, name, persistent)) {
        txn.remove(Kind::Template, id);
        txn.keep_although_refused();
        return Err(ApiError::action(format!("Failed to clone images: {}", refused.reason())));
    }
    txn.object_mut(Kind::Template, id)?.template.set_vectors("DISK", disks);
    Ok(())
}

fn copy_each(txn: &mut Txn, disks: &mut [VectorAttribute], name: &str, persistent: bool) -> Result<(), ApiError> {
    let uid = txn.actor().uid;
    for (number, disk) in disks.iter_mut().enumerate() {
        let Some(original) = image_of(txn, uid, disk) else { continue };
        let memory = txn.find(Kind::Image, original).map_or(0, |image| image.template.memory());
        txn.budget().bytes(memory).map_err(ApiError::action)?;
        let copy = clone::copy(txn, original, &format!("{name}-disk-{number}"), None, persistent)?;
        for attribute in ORIGINAL {
            disk.remove(attribute);
        }
        disk.set("IMAGE_ID", copy);
    }
    Ok(())
}

/// Changes the permission bits of the images of a template's disks; as in the reference (`RequestManagerChmod.cc`),
/// what could be changed stays so.
///
/// # Errors
/// ACTION with the images that refused.
pub fn chmod_images(txn: &mut Txn, id: i32, wanted: [i32; 9]) -> Result<(), ApiError> {
    let images = images_of(txn, txn.actor().uid, &txn.object(Kind::Template, id)?.template);
    let mut refused = Vec::new();
    for image in images {
        if txn.attempt(|txn| verbs::chmod_object(txn, Kind::Image, image, wanted)).is_err() {
            refused.push(image.to_string());
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    txn.keep_although_refused();
    Err(ApiError::action(format!("Cannot chmod image: {}", refused.join(","))))
}

/// Deletes the images of a template that has been deleted; those that cannot be deleted stay.
pub fn delete_images(txn: &mut Txn, template: &Template) {
    for image in images_of(txn, txn.actor().uid, template) {
        // As in the reference (`TemplateDelete::drop`), the template is gone all the same.
        let _ = txn.attempt(|txn| delete::delete(txn, image, false));
    }
}
