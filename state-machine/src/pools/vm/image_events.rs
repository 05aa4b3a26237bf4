//! What becomes of VMs when something happens to their images: the VM's side of what images announce
//! ([`quorate_model::announcement`]).
//!
//! A VM that is gone or not waiting is left alone.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::State as ImageState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State;
use quorate_model::template::VectorAttribute;

use super::ops::saveas;
use crate::booking;
use crate::pools::datastore::monitor;
use crate::pools::image::report;
use crate::txn::Txn;

/// A driver has made an image or failed: the VMs that wait for it hear so.
///
/// # Errors
/// None that refuses the report.
pub fn settled(txn: &mut Txn, image: i32) -> Result<(), ApiError> {
    let vms = txn.find_typed::<Image>(image).map(|(_, image)| image.vms.clone()).unwrap_or_default();
    vms.into_iter().try_for_each(|vm| disk_ready(txn, vm))
}

/// A driver has finished with an image that VM `vm` (CLONING) waits for; other images may still keep it waiting.
///
/// # Errors
/// None that refuses the report.
pub fn disk_ready(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let Some((_, body)) = txn.find_typed::<Vm>(vm) else { return Ok(()) };
    if ![State::Cloning, State::CloningFailure].contains(&body.state) {
        return Ok(());
    }
    let mut template = body.template.clone();
    let (mut waiting, mut failed) = (false, false);
    for disk in template.vectors_mut("DISK").filter(|disk| disk.is_yes("CLONING")) {
        let image = disk.id("IMAGE_ID").and_then(|id| txn.find_typed::<Image>(id)).map(|(_, image)| image);
        match image.map(|image| image.state) {
            Some(ImageState::Used | ImageState::UsedPersistent) => take_over_image(disk, image),
            Some(ImageState::Error) => failed = true,
            _ => waiting = true,
        }
    }
    let on_hold = template.is_yes("SUBMIT_ON_HOLD");
    let body = txn.body_mut::<Vm>(vm)?;
    body.template = template;
    body.set_state(match (failed, waiting) {
        (true, _) => State::CloningFailure,
        (false, true) => State::Cloning,
        (false, false) if on_hold => State::Hold,
        (false, false) => State::Pending,
    });
    Ok(())
}

/// A disk's image is there: the disk waits no longer and is what the image has become.
fn take_over_image(disk: &mut VectorAttribute, image: Option<&Image>) {
    disk.remove("CLONING");
    if let Some(image) = image {
        disk.set("SOURCE", &image.source);
        if !image.format.is_empty() {
            disk.set("DRIVER", &image.format).set("FORMAT", &image.format);
        }
    }
}

/// The image `image` that disk `disk` of VM `vm` is to be saved in has been made: the transfer may start, and the image
/// takes over the disk's FORMAT (or else DRIVER). An image that cannot be filled goes to ERROR.
///
/// # Errors
/// None that refuses the report.
pub fn save_target_made(txn: &mut Txn, image: i32, vm: i32, disk: i32) -> Result<(), ApiError> {
    let (_, body) = txn.get::<Image>(image)?;
    let (source, datastore) = (body.source.clone(), body.datastore);
    match saveas::ready(txn, vm, disk, image, &source) {
        Ok(format) => txn.body_mut::<Image>(image)?.format = format,
        Err(text) => {
            report::fail(txn, image, &text, &source)?;
            saveas::abandoned(txn, vm)?;
        }
    }
    monitor::start(txn, datastore);
    Ok(())
}

/// The image that a disk of VM `vm` is to be saved in could not be made or was deleted: the VM goes on.
///
/// # Errors
/// None that refuses the report.
pub fn save_target_lost(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    saveas::abandoned(txn, vm)
}

/// Backup image `image` of VM `vm` is gone.
///
/// # Errors
/// None that refuses the report.
pub fn backup_removed(txn: &mut Txn, vm: i32, image: i32) -> Result<(), ApiError> {
    if txn.find_typed::<Vm>(vm).is_none() {
        return Ok(());
    }
    // A backup that is just being made then takes an image of its own.
    booking::following(txn, Kind::Vm, vm, |txn| {
        txn.body_mut::<Vm>(vm)?.forget_backup(image);
        Ok(())
    })
}

/// The increments of a backup image of VM `vm` have been flattened, or could not be.
///
/// # Errors
/// None that refuses the report.
pub fn increments_flattened(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    if txn.find_typed::<Vm>(vm).is_some() {
        txn.body_mut::<Vm>(vm)?.backups.set_flattening(false);
    }
    Ok(())
}
