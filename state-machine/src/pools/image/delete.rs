//! `one.image.delete`: what keeps an image from being deleted, what its deletion ends.

use quorate_model::announcement::Announcement;
use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::pending::{ImageAction, Operation};
use quorate_model::records::datastore::Datastore;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::{ImageType, State as ImageState};
use quorate_model::records::vm::Vm;
use quorate_model::template::leading_int;

use super::{copies, create, states};
use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::methods::Request;
use crate::pools::datastore::capacity;
use crate::rules;
use crate::state::State;
use crate::txn::Txn;

/// What makes a failing driver's answer count as success.
pub const FORCED: &str = "FORCE_DELETE";

/// `one.image.delete`: parameters image, whether to delete it though a driver works on it or fails.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    delete(txn, request.id(), request.bool(1))?;
    Ok(Value::Int(request.id()))
}

/// Deletes an image as the caller. Also for templates that are deleted with their images.
///
/// # Errors
/// As `one.image.delete` answers.
pub fn delete(txn: &mut Txn, id: i32, force: bool) -> Result<(), ApiError> {
    txn.exempt_from_limits();
    let (object, image) = txn.get::<Image>(id)?;
    let locked = image.state.is_locked();
    if locked && !force {
        let text = "Image locked, use --force flag to remove the image. Force delete may leave some files on Datastore";
        return Err(ApiError { object_id: id, ..ApiError::internal(text) });
    }
    txn.authorize(&[AuthRequest::on(object, if locked { Op::Admin } else { Op::Manage })])?;
    if force {
        txn.object_mut(Kind::Image, id)?.template.set(FORCED, "YES");
    }
    if let Err(reason) = txn.attempt(|txn| remove(txn, id)) {
        // As in the reference (`ImageDelete::request_execute`), the wish to force it stays on an image that cannot be
        // deleted now.
        txn.keep_although_refused();
        return Err(ApiError::action(format!("Cannot delete image. {reason}")));
    }
    rules::forget_object(txn, Kind::Image, id);
    Ok(())
}

/// Deletes an image, whoever asks: at once when no driver has made anything of it yet, else once its driver has removed
/// it. Also for backups that are too many.
///
/// # Errors
/// The image or its datastore is gone, or VMs, copies or a backup still need it.
pub fn remove(txn: &mut Txn, id: i32) -> Result<(), String> {
    let (object, image) = txn.find_typed::<Image>(id).ok_or("Image does not exist")?;
    if txn.find(Kind::Datastore, image.datastore).is_none() {
        return Err("Datastore no longer exists cannot remove image".to_owned());
    }
    check_free(txn, image)?;
    let was_locked = image.state == ImageState::Locked;
    let original = image.cloning_from.filter(|_| was_locked);
    let saved_vm = (was_locked && create::is_saving(&object.template))
        .then(|| object.template.get("SAVED_VM_ID").and_then(leading_int))
        .flatten()
        .and_then(|n| i32::try_from(n).ok());
    let made = !image.source.is_empty();
    // Whatever a driver still does to it no longer matters.
    txn.cancel(|op| matches!(op, Operation::Image { image, .. } if *image == id));
    if made {
        txn.start(Operation::Image { image: id, action: ImageAction::Remove });
        states::set(txn, id, ImageState::Delete).map_err(|e| e.text)?;
        txn.body_mut::<Image>(id).map_err(|e| e.text)?.cloning_from = None;
    } else {
        forget(txn, id);
    }
    if let Some(original) = original {
        copies::end(txn, original, copies::Copy::Image(id)).map_err(|e| e.text)?;
    }
    if let Some(vm) = saved_vm {
        txn.announce(Announcement::SaveTargetLost { vm });
    }
    Ok(())
}

/// Removes an image from its pool and its datastore, and its usage.
pub fn forget(txn: &mut Txn, id: i32) {
    let Some((_, image)) = txn.find_typed::<Image>(id) else { return };
    let datastore = image.datastore;
    booking::release_object(txn, Kind::Image, id);
    txn.remove(Kind::Image, id);
    capacity::remove_image(txn, datastore, id);
}

fn check_free(state: &State, image: &Image) -> Result<(), String> {
    if image.image_type == ImageType::Backup {
        let store = state.find_typed::<Datastore>(image.datastore);
        let concurrent = store.is_some_and(|(_, store)| capacity::concurrent_forget(state, store));
        let vm = image.vms.first().and_then(|vm| state.find_typed::<Vm>(*vm));
        if vm.is_some_and(|(_, vm)| vm.keeps_backups(concurrent)) {
            let text = "Active backup on the associated VM. Wait till it finish to delete the backup Image";
            return Err(text.to_owned());
        }
    }
    let vms = image.vms.len();
    let used = match image.state {
        ImageState::Ready => vms != 0 && image.image_type != ImageType::Backup,
        ImageState::Clone => {
            return Err(format!("There are {} active clone operations.", image.cloning_operations()));
        }
        state => matches!(
            state,
            ImageState::Used | ImageState::UsedPersistent | ImageState::LockedUsed | ImageState::LockedUsedPersistent
        ),
    };
    if used { Err(format!("There are {vms} VMs using it.")) } else { Ok(()) }
}
