//! `one.vm.disksaveas`: a disk of a VM becomes a new image. First the image is made, then the disk is copied into it.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::pending::TransferAction;
use quorate_model::quota::Charge;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::State as ImageState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction, Waits};
use quorate_model::template::{Template, VectorAttribute};

use super::common;
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::datastore::capacity;
use crate::pools::image::create::{self, NewImage};
use crate::pools::image::states;
use crate::pools::vm::{drivers, rights};
use crate::txn::Txn;
use crate::{booking, verbs};

/// Marks the disk that is being saved.
const ACTIVE: &str = "HOTPLUG_SAVE_AS_ACTIVE";

/// What the VM does meanwhile; `None`: its disks cannot be saved now.
fn saving(vm: &Vm) -> Option<LcmState> {
    match vm.state {
        State::Active if common::is_running(vm) => Some(LcmState::HotplugSaveas),
        State::Poweroff if common::is_off(vm) => Some(LcmState::HotplugSaveasPoweroff),
        State::Suspended => Some(LcmState::HotplugSaveasSuspended),
        State::Undeployed => Some(LcmState::HotplugSaveasUndeployed),
        State::Stopped => Some(LcmState::HotplugSaveasStopped),
        _ => None,
    }
}

/// Whether the VM is saving a disk.
#[must_use]
pub fn is_saving(vm: &Vm) -> bool {
    vm.state == State::Active && vm.lcm_state.facts().waits == Waits::Saveas
}

/// Parameters VM, disk, name of the image, its type (empty: that of the disk's image), snapshot (-1: the disk as it
/// is). Answers the image's id.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, disk_id, snapshot) = (request.id(), request.int(1), request.int(4));
    let vm = txn.get::<Vm>(id)?.1;
    let no_state = || ApiError::internal("VM has to be RUNNING, POWEROFF or SUSPENDED to save disks.");
    let doing = saving(vm).ok_or_else(no_state)?;
    let refuse = |reason: &str| ApiError::internal(format!("Cannot use DISK. {reason}"));
    let disk = vm.disk(disk_id).ok_or_else(|| refuse("DISK does not exist."))?;
    let image = disk.int("IMAGE_ID").and_then(|n| i32::try_from(n).ok());
    let image = image.ok_or_else(|| refuse("DISK does not have a valid IMAGE_ID."))?;
    if snapshot != -1 && vm.snapshots.get(&disk_id).and_then(|s| s.get(snapshot)).is_none() {
        return Err(refuse("Snapshot does not exist."));
    }
    let size = disk.int("SIZE").unwrap_or(0);
    let (template, store) = new_image(txn, request, image, size)?;
    let uid = txn.actor().uid;
    let gid = txn.effective_gid(txn.actor());
    let wishes =
        vec![AuthRequest::create(Kind::Image, uid, gid), AuthRequest::on(txn.object(Kind::Datastore, store)?, Op::Use)];
    rights::authorize_with(txn, id, VmAction::DiskSaveas, wishes)?;
    booking::book(txn, uid, gid, &[Charge::datastore(store, 1, size)])?;
    let vm = txn.body_mut::<Vm>(id)?;
    vm.set_lcm(doing);
    if let Some(disk) = vm.disk_mut(disk_id) {
        disk.set(ACTIVE, "YES").set("HOTPLUG_SAVE_AS_SNAPSHOT_ID", snapshot);
    }
    let permissions = verbs::initial_permissions(txn, txn.actor());
    let new = NewImage { owner: (uid, gid), permissions, template, datastore: store, cloning_from: None };
    let saved = create::create(txn, new).map_err(|reason| ApiError::allocate(Kind::Image, reason))?;
    Ok(Value::Int(saved))
}

/// The template of the new image, and its datastore: that of the disk's image.
fn new_image(txn: &Txn, request: &Request<'_>, image: i32, size: i64) -> Result<(Template, i32), ApiError> {
    let (object, body) = txn.get::<Image>(image)?;
    if !body.image_type.is_disk() {
        return Err(ApiError::internal(format!("Cannot save_as image of type {}", body.image_type.name())));
    }
    txn.object(Kind::Datastore, body.datastore)?;
    let (free, enforced) = capacity::avail_mb(txn, body.datastore);
    if enforced && size > free {
        return Err(ApiError::action("Not enough space in datastore"));
    }
    let mut template = Template::new();
    template.set("NAME", request.str(2));
    template.set("SIZE", size);
    template.set("SAVED_IMAGE_ID", image);
    template.set("SAVED_DISK_ID", request.int(1));
    template.set("SAVED_VM_ID", request.id());
    template.set("SAVE_AS_HOT", "YES");
    template.set("TYPE", if request.str(3).is_empty() { body.image_type.name() } else { request.str(3) });
    for name in ["TARGET", "DEV_PREFIX"] {
        let value = object.template.value(name);
        if !value.is_empty() {
            template.set(name, value);
        }
    }
    let actor = txn.actor();
    create::decide_persistent(txn, actor.uid, txn.effective_gid(actor), &mut template, false);
    Ok((template, body.datastore))
}

fn disk_in_saving(vm: &mut Vm) -> Option<&mut VectorAttribute> {
    vm.template.vectors_mut("DISK").find(|disk| disk.is_yes(ACTIVE))
}

/// The image is there, at `source`: the disk may be copied into it. Answers the disk's format.
///
/// # Errors
/// Why the image cannot be filled, in the reference's words.
pub fn ready(txn: &mut Txn, id: i32, disk: i32, image: i32, source: &str) -> Result<String, String> {
    let Ok(vm) = txn.body_mut::<Vm>(id) else {
        return Err("Image created to save as a disk but VM does not exist.".to_owned());
    };
    let no_longer = || "Image created to save as disk but VM is no longer running".to_owned();
    if !is_saving(vm) {
        return Err(no_longer());
    }
    let saved = disk_in_saving(vm).filter(|saved| saved.id("DISK_ID") == Some(disk)).ok_or_else(no_longer)?;
    let format = match saved.value("FORMAT") {
        "" => saved.value("DRIVER").to_owned(),
        format => format.to_owned(),
    };
    if format.is_empty() {
        let text = "Image created to save as a disk but VM disk does not contains either FORMAT or DRIVER attribute.";
        return Err(text.to_owned());
    }
    saved.set("HOTPLUG_SAVE_AS", image).set("HOTPLUG_SAVE_AS_SOURCE", source);
    common::transfer(txn, id, TransferAction::DiskSaveas, answered).map_err(|e| e.text)?;
    Ok(format)
}

/// The image could not be made, or is gone: the VM goes on.
///
/// # Errors
/// None for a VM that is gone or does not save a disk.
pub fn abandoned(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    if txn.find_typed::<Vm>(id).is_some_and(|(_, vm)| is_saving(vm)) {
        drivers::cancel(txn, id);
        end(txn, id)?;
    }
    Ok(())
}

/// The VM no longer saves a disk; the image it was saving it in.
fn end(txn: &mut Txn, id: i32) -> Result<Option<i32>, ApiError> {
    let vm = txn.body_mut::<Vm>(id)?;
    let image = disk_in_saving(vm).and_then(|disk| {
        let image = disk.id("HOTPLUG_SAVE_AS");
        for name in [ACTIVE, "HOTPLUG_SAVE_AS", "HOTPLUG_SAVE_AS_SOURCE", "HOTPLUG_SAVE_AS_SNAPSHOT_ID"] {
            disk.remove(name);
        }
        image
    });
    common::finish_operation(txn, id)?;
    Ok(image)
}

/// The disk has been copied, or not: then the image is in error.
///
/// # Errors
/// NO_EXISTS.
pub fn answered(txn: &mut Txn, id: i32, done: bool) -> Result<(), ApiError> {
    let Some(image) = end(txn, id)?.filter(|image| txn.find_typed::<Image>(*image).is_some()) else { return Ok(()) };
    txn.object_mut(Kind::Image, image)?.template.remove("SAVE_AS_HOT");
    if done { states::unlock(txn, image) } else { states::set(txn, image, ImageState::Error) }
}
