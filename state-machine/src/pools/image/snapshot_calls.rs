//! `snapshotdelete`, `snapshotrevert`, `snapshotflatten`: asked of the datastore's driver while the image is LOCKED.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::{ImageAction, Operation};
use quorate_model::records::image::Image;
use quorate_model::records::image::snapshots::Snapshots;
use quorate_model::records::image::states::State as ImageState;

use super::states;
use crate::methods::Request;
use crate::txn::Txn;

/// `one.image.snapshotdelete`: parameters image, snapshot.
pub fn delete(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    ask_driver(txn, request, ImageAction::SnapshotDelete, "delete snapshot", Snapshots::test_delete_from_image)
}

/// `one.image.snapshotrevert`: parameters image, snapshot.
pub fn revert(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    ask_driver(txn, request, ImageAction::SnapshotRevert, "revert to snapshot", exists)
}

/// `one.image.snapshotflatten`: parameters image, snapshot.
pub fn flatten(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    ask_driver(txn, request, ImageAction::SnapshotFlatten, "flatten snapshot", exists)
}

fn exists(snapshots: &Snapshots, id: i32) -> Result<(), String> {
    snapshots.get(id).map(|_| ()).ok_or_else(|| "Snapshot does not exist".to_owned())
}

fn ask_driver(
    txn: &mut Txn,
    request: &Request<'_>,
    action: ImageAction,
    verb: &str,
    test: fn(&Snapshots, i32) -> Result<(), String>,
) -> ApiReply {
    let (id, snapshot) = (request.id(), request.int(1));
    let (_, image) = txn.get::<Image>(id)?;
    if txn.find(Kind::Datastore, image.datastore).is_none() {
        return Err(ApiError::action("Datastore no longer exists"));
    }
    if !image.image_type.has_snapshots() {
        let text = "IMAGES of type KERNEL, RAMDISK, BACKUP and CONTEXT does not have snapshots.";
        return Err(ApiError::action(text));
    }
    if image.state != ImageState::Ready {
        return Err(ApiError::action(format!("Cannot {verb} in state {}", image.state.name())));
    }
    test(&image.snapshots, snapshot).map_err(ApiError::action)?;
    txn.body_mut::<Image>(id)?.target_snapshot = Some(snapshot);
    states::set(txn, id, ImageState::Locked)?;
    txn.start(Operation::Image { image: id, action });
    Ok(Value::Int(snapshot))
}
