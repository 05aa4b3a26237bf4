//! What a datastore driver's answer does to an image.

use quorate_model::announcement::Announcement;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::ImageAction;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::{ImageType, State as ImageState};
use quorate_model::template::leading_int;

use super::copies::{self, Copy};
use super::create::is_saving;
use super::{delete, states};
use crate::pools::datastore::monitor;
use crate::txn::Txn;
use crate::{booking, ctime};

/// What is shown when a driver cannot make an empty image.
const CANNOT_MAKE: &str = "Error creating datablock";

/// A driver's payload, or its message of failure.
type Outcome<'a> = Result<&'a str, &'a str>;

/// Applies a driver's answer.
///
/// # Errors
/// None that refuses the report: an object that is gone is ignored.
pub fn image(txn: &mut Txn, image: i32, action: ImageAction, outcome: Outcome<'_>) -> Result<(), ApiError> {
    if txn.find_typed::<Image>(image).is_none() {
        return Ok(());
    }
    match action {
        ImageAction::Copy => copied(txn, image, outcome),
        ImageAction::Clone => cloned(txn, image, outcome),
        ImageAction::Make => made(txn, image, outcome),
        ImageAction::Remove => removed(txn, image, outcome),
        ImageAction::SnapshotDelete => snapshot_deleted(txn, image, outcome),
        ImageAction::SnapshotRevert => snapshot_reverted(txn, image, outcome),
        ImageAction::SnapshotFlatten => snapshots_flattened(txn, image, outcome),
        ImageAction::IncrementFlatten => increments_flattened(txn, image, outcome),
    }
}

/// Shows `text` in the image's template, with what the driver said unless that is nothing (`-`).
fn show_error(txn: &mut Txn, id: i32, text: &str, said: &str) -> Result<(), ApiError> {
    let text = if said.is_empty() || said.starts_with('-') { text.to_owned() } else { format!("{text}: {said}") };
    let now = txn.time_in_words();
    ctime::set_error(&mut txn.object_mut(Kind::Image, id)?.template, ctime::ERROR, &now, &text);
    Ok(())
}

/// An image is in error, and shows why: `text`, and what the driver said.
///
/// # Errors
/// NO_EXISTS.
pub fn fail(txn: &mut Txn, id: i32, text: &str, said: &str) -> Result<(), ApiError> {
    show_error(txn, id, text, said)?;
    states::set(txn, id, ImageState::Error)
}

/// `<source> <format>`
fn copied(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    let datastore = txn.get::<Image>(id)?.1.datastore;
    let mut words = outcome.unwrap_or_default().split_whitespace();
    match (words.next(), words.next()) {
        (Some(source), Some(format)) => {
            let image = txn.body_mut::<Image>(id)?;
            source.clone_into(&mut image.source);
            format.clone_into(&mut image.format);
            states::unlock(txn, id)?;
        }
        (Some(source), None) => {
            source.clone_into(&mut txn.body_mut::<Image>(id)?.source);
            fail(txn, id, "CP operation succeeded but image FORMAT was not returned.", "")?;
        }
        (None, _) => fail(txn, id, "Error copying image in the datastore", outcome.err().unwrap_or_default())?,
    }
    monitor::start(txn, datastore);
    Ok(())
}

/// `<source> [<format>]`
fn cloned(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    let (_, image) = txn.get::<Image>(id)?;
    let (datastore, original) = (image.datastore, image.cloning_from);
    let mut words = outcome.unwrap_or_default().split_whitespace();
    let source = words.next();
    if let Some(source) = source {
        let image = txn.body_mut::<Image>(id)?;
        source.clone_into(&mut image.source);
        if let Some(format) = words.next() {
            format.clone_into(&mut image.format);
        }
        states::unlock(txn, id)?;
        monitor::start(txn, datastore);
    } else {
        let text = format!("Error cloning from Image {}", original.unwrap_or(-1));
        fail(txn, id, &text, outcome.err().unwrap_or_default())?;
    }
    txn.body_mut::<Image>(id)?.cloning_from = None;
    original.map_or(Ok(()), |original| copies::end(txn, original, Copy::Image(id)))
}

/// `<source>`
fn made(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    let (object, image) = txn.get::<Image>(id)?;
    if image.state == ImageState::Delete {
        return Ok(());
    }
    let datastore = image.datastore;
    let number = |name: &str| object.template.get(name).and_then(leading_int).and_then(|n| i32::try_from(n).ok());
    let saved = is_saving(&object.template)
        .then(|| (number("SAVED_VM_ID").unwrap_or(-1), number("SAVED_DISK_ID").unwrap_or(-1)));
    if let Ok(source) = outcome {
        source.clone_into(&mut txn.body_mut::<Image>(id)?.source);
    }
    match (saved, outcome) {
        (None, Ok(_)) => states::unlock(txn, id)?,
        (None, Err(said)) => fail(txn, id, CANNOT_MAKE, said)?,
        (Some((vm, disk)), Ok(_)) => {
            // The disk's transfer begins before its datastore is looked at.
            txn.announce(Announcement::SaveTargetMade { image: id, vm, disk });
            return Ok(());
        }
        (Some((vm, _)), Err(said)) => {
            fail(txn, id, CANNOT_MAKE, said)?;
            txn.announce(Announcement::SaveTargetLost { vm });
        }
    }
    monitor::start(txn, datastore);
    Ok(())
}

fn removed(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    let (object, image) = txn.get::<Image>(id)?;
    if outcome.is_err() && !object.template.is_yes(delete::FORCED) {
        let text = "Error removing image from datastore. Retry the operation or manually remove image source  and run \
                    the delete --force operation to completely delete the image";
        return fail(txn, id, text, "");
    }
    let backed_up = image.vms.first().copied().filter(|_| image.image_type == ImageType::Backup);
    delete::forget(txn, id);
    if let Some(vm) = backed_up {
        txn.announce(Announcement::BackupRemoved { image: id, vm });
    }
    Ok(())
}

/// Ends the work on a snapshot: the image is free again. The snapshot, if there was one.
fn end_snapshot_work(txn: &mut Txn, id: i32) -> Result<Option<i32>, ApiError> {
    states::unlock(txn, id)?;
    Ok(txn.body_mut::<Image>(id)?.target_snapshot.take())
}

fn snapshot_deleted(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    let Some(snapshot) = end_snapshot_work(txn, id)? else { return Ok(()) };
    match outcome {
        Ok(_) => booking::following(txn, Kind::Image, id, |txn| {
            txn.body_mut::<Image>(id).map(|image| image.snapshots.delete(snapshot))
        }),
        Err(said) => show_error(txn, id, &format!("Error removing snapshot {snapshot} from image {id}"), said),
    }
}

fn snapshot_reverted(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    let Some(snapshot) = end_snapshot_work(txn, id)? else { return Ok(()) };
    match outcome {
        Ok(_) => {
            txn.body_mut::<Image>(id)?.snapshots.activate(snapshot, true);
            Ok(())
        }
        Err(said) => show_error(txn, id, &format!("Error reverting image {id} to snapshot {snapshot}"), said),
    }
}

fn snapshots_flattened(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    end_snapshot_work(txn, id)?;
    match outcome {
        Ok(_) => booking::following(txn, Kind::Image, id, |txn| {
            txn.body_mut::<Image>(id).map(|image| image.snapshots.clear())
        }),
        Err(said) => show_error(txn, id, "Error flattening image snapshot", said),
    }
}

/// `<size MB> <id>:<source>,...`
fn increments_flattened(txn: &mut Txn, id: i32, outcome: Outcome<'_>) -> Result<(), ApiError> {
    let flattened = booking::following(txn, Kind::Image, id, |txn| -> Result<bool, ApiError> {
        let Ok(said) = outcome else { return Ok(false) };
        let mut words = said.split_whitespace();
        let size = words.next().and_then(leading_int).unwrap_or(0);
        let image = txn.body_mut::<Image>(id)?;
        let known = image.increments.flattened(words.next().unwrap_or_default(), size);
        image.size_mb = image.increments.total_mb();
        Ok(known)
    })?;
    if !flattened {
        show_error(txn, id, "Error flattening backup increments", outcome.unwrap_or_else(|said| said))?;
    }
    states::unlock(txn, id)?;
    if let Some(vm) = txn.get::<Image>(id)?.1.vms.first().copied() {
        txn.announce(Announcement::IncrementsFlattened { vm });
    }
    Ok(())
}
