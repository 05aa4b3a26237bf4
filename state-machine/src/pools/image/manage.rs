//! `enable`, `persistent`, `chtype`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::{ImageType, State as ImageState};

use super::states;
use crate::methods::Request;
use crate::pools::datastore::capacity;
use crate::txn::Txn;

/// `one.image.enable`: parameters image, whether to enable.
pub fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, on) = (request.id(), request.bool(1));
    let refused = |reason: String| {
        ApiError::internal(format!("Could not {} image: {reason}", if on { "enable" } else { "disable" }))
    };
    let (_, image) = txn.get::<Image>(id)?;
    if image.image_type == ImageType::Backup {
        return Err(refused("Backup images cannot be enabled or disabled.".to_owned()));
    }
    match (image.state, on) {
        (ImageState::Disabled, true) => states::set(txn, id, ImageState::Ready)?,
        (ImageState::Error, true) => states::unlock(txn, id)?,
        (ImageState::Ready | ImageState::Error, false) => states::set(txn, id, ImageState::Disabled)?,
        (ImageState::Ready, true) | (ImageState::Disabled, false) => {}
        (state, _) => return Err(refused(format!("Image cannot be in state {}.", state.name()))),
    }
    Ok(Value::Int(id))
}

/// `one.image.persistent`: parameters image, whether it is to be persistent.
pub fn persistent(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    set_persistent(txn, request.id(), request.bool(1))?;
    Ok(Value::Int(request.id()))
}

/// Makes an image persistent or not; who may is the caller's to ask. Also for templates cloned with their disks.
///
/// # Errors
/// As `one.image.persistent` answers.
pub fn set_persistent(txn: &mut Txn, id: i32, persistent: bool) -> Result<(), ApiError> {
    let (_, image) = txn.get::<Image>(id)?;
    let Some((_, store)) = txn.find_typed::<Datastore>(image.datastore) else {
        return Err(ApiError::internal("Datastore no longer exists."));
    };
    if image.image_type.is_file() {
        return Err(ApiError::action("KERNEL, RAMDISK and CONTEXT must be non-persistent"));
    }
    if image.image_type == ImageType::Backup {
        return Err(ApiError::action("BACKUP images must be persistent"));
    }
    if !persistent && capacity::persistent_only(txn, store) {
        return Err(ApiError::internal("This Datastore only accepts persistent images."));
    }
    let refused = |reason: String| {
        let what = if persistent { "persistent" } else { "non-persistent" };
        Err(ApiError::internal(format!("Could not make image {what}: {reason}")))
    };
    if !persistent && !image.snapshots.is_empty() {
        return refused("Image has snapshots.".to_owned());
    }
    let in_use = [
        ImageState::Used,
        ImageState::Clone,
        ImageState::UsedPersistent,
        ImageState::LockedUsed,
        ImageState::LockedUsedPersistent,
    ];
    if in_use.contains(&image.state) {
        return refused(format!("Image cannot be in state {}.", image.state.name()));
    }
    txn.body_mut::<Image>(id)?.persistent = persistent;
    states::touch(txn, id)
}

/// `one.image.chtype`: parameters image, type.
pub fn chtype(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let (_, image) = txn.get::<Image>(id)?;
    let name = match request.str(1) {
        "" => txn.settings().value("DEFAULT_IMAGE_TYPE"),
        name => name,
    };
    // An unknown type is first taken for OS, then refused as unknown.
    let (was, assumed) = (image.image_type, ImageType::parse(name).unwrap_or_default());
    if was == ImageType::Backup {
        return Err(ApiError::action("Cannot change type for BACKUP images."));
    }
    if was.is_disk() != assumed.is_disk() || was.is_file() != assumed.is_file() {
        return Err(ApiError::action("Cannot change image type to an incompatible type for the current datastore."));
    }
    let wanted = ImageType::parse(name);
    if !image.snapshots.is_empty() && !wanted.is_some_and(ImageType::has_snapshots) {
        return Err(ApiError::internal("Image with snapshots can be only of type OS or DATABLOCK"));
    }
    // As in the reference (`Image.cc`, `set_type`), the text loses as many letters as the number of the image's type
    // says.
    let unknown = "Unknown type ".get(was as usize..).unwrap_or_default();
    let wanted = wanted.ok_or_else(|| ApiError::internal(unknown))?;
    txn.body_mut::<Image>(id)?.image_type = wanted;
    states::touch(txn, id)?;
    Ok(Value::Int(id))
}
