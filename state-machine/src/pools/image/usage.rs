//! Images as disks of VMs: finding, acquiring and releasing them, filling the DISK attribute.
//!
//! It must not know what a VM does with its disks, nor their quotas.

use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::image::Image;
use quorate_model::records::image::snapshots::Snapshots;
use quorate_model::records::image::states::{ImageType, State as ImageState};
use quorate_model::template::{VectorAttribute, leading_int};

use super::{states, store};
use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::budget::Budget;
use crate::state::State;
use crate::txn::Txn;

/// A disk that a VM has acquired.
#[derive(Clone, PartialEq, Debug)]
pub struct Acquired {
    /// Its image; `None`: a volatile disk.
    pub image: Option<i32>,
    /// What it counts as when targets are given out.
    pub image_type: ImageType,
    /// The prefix of its target.
    pub dev_prefix: String,
    /// The image's snapshots, now as the disk's; `None` when there are none.
    pub snapshots: Option<Snapshots>,
}

/// Takes an image (or nothing, for a volatile disk) for disk `disk_id` of VM `vm` and fills the DISK attribute; `uid`
/// is the owner whose images are meant by name, `attach` that the VM cannot wait for an image in the making.
///
/// A refused VM must refuse its whole call, which gives back what was acquired before.
///
/// # Errors
/// There is no such image, it is no disk, is in use or in another state, or the disk's size does not fit it; a disk
/// without image is of no known type or has no size.
pub fn acquire(
    txn: &mut Txn,
    vm: i32,
    uid: i32,
    disk: &mut VectorAttribute,
    disk_id: i32,
    attach: bool,
) -> Result<Acquired, String> {
    let Some(id) = named_image(txn, uid, disk)? else {
        let dev_prefix = check_volatile(txn, disk)?;
        disk.set("DISK_ID", disk_id);
        return Ok(Acquired { image: None, image_type: ImageType::Datablock, dev_prefix, snapshots: None });
    };
    take(txn, vm, id, attach)?;
    let (_, image) = txn.get::<Image>(id).map_err(|e| e.text)?;
    check_size(id, image, disk)?;
    let dev_prefix = describe_image(txn, id, disk);
    let (_, image) = txn.get::<Image>(id).map_err(|e| e.text)?;
    if !store::describe_disk(txn, image.datastore, disk) {
        return Err("Associated datastore for the image does not exist".to_owned());
    }
    disk.set("DISK_ID", disk_id);
    txn.budget().bytes(disk.memory())?;
    let snapshots = (!image.snapshots.is_empty()).then(|| image.snapshots.of_disk(disk_id));
    Ok(Acquired { image: Some(id), image_type: image.image_type, dev_prefix, snapshots })
}

/// Fills a DISK as [`acquire`] would, without taking anything; what cannot be found is left out. For quotas.
///
/// # Errors
/// That the budget is used up.
pub fn describe(
    state: &State,
    budget: &Budget,
    uid: i32,
    disk: &mut VectorAttribute,
    disk_id: i32,
) -> Result<(), String> {
    if let Some(id) = image_of(state, uid, disk)
        && let Some((_, image)) = state.find_typed::<Image>(id)
    {
        let datastore = image.datastore;
        describe_image(state, id, disk);
        store::describe_disk(state, datastore, disk);
    }
    disk.set("DISK_ID", disk_id);
    budget.bytes(disk.memory())
}

/// The image that a DISK means for `uid`, if it exists.
#[must_use]
pub fn image_of(state: &State, uid: i32, disk: &VectorAttribute) -> Option<i32> {
    let id = match disk.int("IMAGE_ID") {
        Some(id) => i32::try_from(id).ok()?,
        None => state.id_of(Kind::Image, owner_of(state, uid, disk)?, disk.get("IMAGE")?)?,
    };
    state.find(Kind::Image, id).map(|_| id)
}

/// The right that using a DISK's image takes, `None` when there is no image. An image by name is pinned: its id is
/// noted in the DISK, so that what is asked for is what is used. The name is looked for among the images of each of
/// `namers` in turn, as `pools/vm/wishes.rs` says. A name that leads nowhere leaves the id, which [`image_of`] takes:
/// asking nothing then, as the reference does (`VirtualMachineDisk.cc`, `authorize`), would open every image. Locks are
/// looked over where the disk waits for its image anyway, or when `check_lock` is false.
pub fn wish(state: &State, namers: &[i32], disk: &mut VectorAttribute, check_lock: bool) -> Option<AuthRequest> {
    let name = disk.get("IMAGE");
    let owned = |uid: &i32| state.id_of(Kind::Image, owner_of(state, *uid, disk)?, name?);
    if let Some(id) = namers.iter().find_map(owned) {
        disk.set("IMAGE_ID", id);
    }
    let object = state.find(Kind::Image, namers.iter().find_map(|uid| image_of(state, *uid, disk))?)?;
    let request = AuthRequest::on(object, Op::Use);
    Some(if disk.is_yes("CLONING") || !check_lock { request.ignoring_lock() } else { request })
}

/// A VM no longer uses an image; `failed`: a persistent image may be spoilt.
///
/// # Errors
/// None for an image that is gone or was not used.
pub fn release(txn: &mut Txn, vm: i32, id: i32, failed: bool) -> Result<(), ApiError> {
    let Some((_, image)) = txn.find_typed::<Image>(id) else { return Ok(()) };
    let (state, cloning) = (image.state, image.cloning_operations() > 0);
    let in_use =
        [ImageState::Used, ImageState::UsedPersistent, ImageState::LockedUsed, ImageState::LockedUsedPersistent];
    if !image.image_type.is_disk() || !in_use.contains(&state) {
        return Ok(());
    }
    let last = booking::following(txn, Kind::Image, id, |txn| -> Result<bool, ApiError> {
        let image = txn.body_mut::<Image>(id)?;
        image.vms.remove(&vm);
        let last = image.vms.is_empty();
        if last {
            // What disks had grown is the image's own by now, or gone with them.
            image.grown_mb = 0;
        }
        Ok(last)
    })?;
    let next = match state {
        ImageState::UsedPersistent | ImageState::LockedUsedPersistent if failed => ImageState::Error,
        ImageState::UsedPersistent if last => ImageState::Ready,
        ImageState::LockedUsedPersistent if last => ImageState::Locked,
        ImageState::Used if last && !cloning => ImageState::Ready,
        ImageState::LockedUsed if last && !cloning => ImageState::Locked,
        _ => return Ok(()),
    };
    states::set(txn, id, next)
}

/// A VM has ended or lost its disk: writes back to a persistent image what the disk had become (size, snapshots), then
/// [`release`]s it. A volatile disk is nothing to images. Quotas are the caller's.
///
/// # Errors
/// None for an image that is gone or was not used.
pub fn release_disk(
    txn: &mut Txn,
    vm: i32,
    disk: &VectorAttribute,
    snapshots: Option<&Snapshots>,
    failed: bool,
) -> Result<(), ApiError> {
    let Some(id) = disk.id("IMAGE_ID") else { return Ok(()) };
    let (size, original) = (disk.int("SIZE").unwrap_or(0), disk.int("ORIGINAL_SIZE").unwrap_or(0));
    if size > original {
        set_size(txn, id, size);
    }
    set_snapshots(txn, id, snapshots);
    release(txn, vm, id, failed)
}

/// The size of a persistent image in use follows its disk, MB.
pub fn set_size(txn: &mut Txn, id: i32, size_mb: i64) {
    if let Some(image) = persistent_in_use(txn, id) {
        keeping_total(image, |image| image.size_mb = size_mb);
    }
}

/// The snapshots of a persistent image in use follow its disk's; `None` or empty: it has none.
pub fn set_snapshots(txn: &mut Txn, id: i32, snapshots: Option<&Snapshots>) {
    if let Some(image) = persistent_in_use(txn, id) {
        keeping_total(image, |image| match snapshots.filter(|s| !s.is_empty()) {
            Some(snapshots) => image.snapshots = snapshots.of_image(),
            None => image.snapshots.clear(),
        });
    }
}

/// The image learns what its disk had become: all of that was paid for when the disk grew.
fn keeping_total(image: &mut Image, change: impl FnOnce(&mut Image)) {
    let own = |image: &Image| image.size_mb.saturating_add(image.snapshots.total_mb());
    let before = own(image);
    change(image);
    image.grown_mb = image.grown_mb.saturating_sub(own(image).saturating_sub(before));
}

fn persistent_in_use(txn: &mut Txn, id: i32) -> Option<&mut Image> {
    let (_, image) = txn.find_typed::<Image>(id)?;
    let follows = image.image_type.has_snapshots() && image.state == ImageState::UsedPersistent;
    if follows { txn.body_mut::<Image>(id).ok() } else { None }
}

/// The owner whose images a DISK names: IMAGE_UID, IMAGE_UNAME, or `uid`.
#[must_use]
pub fn owner_of(state: &State, uid: i32, disk: &VectorAttribute) -> Option<i32> {
    match (disk.value("IMAGE_UID"), disk.value("IMAGE_UNAME")) {
        ("", "") => Some(uid),
        ("", name) => state.id_of(Kind::User, -1, name),
        (id, _) => leading_int(id).and_then(|n| i32::try_from(n).ok()).filter(|n| *n != -1),
    }
}

/// The image that a DISK means; `None`: it means none.
fn named_image(state: &State, uid: i32, disk: &VectorAttribute) -> Result<Option<i32>, String> {
    if let Some(id) = disk.int("IMAGE_ID") {
        let known = i32::try_from(id).ok().filter(|id| state.find(Kind::Image, *id).is_some());
        return known.map(Some).ok_or_else(|| format!("Image with ID: {id} does not exist"));
    }
    let Some(name) = disk.get("IMAGE") else { return Ok(None) };
    let stranger = |uid: i32| {
        format!("User {uid} does not own an image with name: {name} . Set IMAGE_UNAME or IMAGE_UID of owner in DISK.")
    };
    let owner = owner_of(state, uid, disk).ok_or_else(|| stranger(uid))?;
    state.id_of(Kind::Image, owner, name).map(Some).ok_or_else(|| stranger(owner))
}

/// Counts a VM in on an image, if the image's type and state allow.
fn take(txn: &mut Txn, vm: i32, id: i32, attach: bool) -> Result<(), String> {
    let (object, image) = txn.get::<Image>(id).map_err(|e| e.text)?;
    if !image.image_type.is_disk() {
        let (name, kind) = (&object.name, image.image_type.name());
        return Err(format!("Image {id} ({name}) of type {kind} cannot be used as DISK."));
    }
    let shareable = object.template.value("PERSISTENT_TYPE").eq_ignore_ascii_case("SHAREABLE");
    let refused = |why: &str| Err(format!("Cannot acquire image {id}, it is {why}"));
    let next = match image.state {
        ImageState::Ready if image.persistent => Some(ImageState::UsedPersistent),
        ImageState::Ready => Some(ImageState::Used),
        ImageState::UsedPersistent | ImageState::LockedUsedPersistent if !shareable => {
            return refused("persistent and already in use");
        }
        ImageState::Used | ImageState::UsedPersistent => None,
        state if state.is_locked() && attach => return refused("locked"),
        ImageState::Locked if image.persistent => Some(ImageState::LockedUsedPersistent),
        ImageState::Locked => Some(ImageState::LockedUsed),
        ImageState::LockedUsed | ImageState::LockedUsedPersistent => None,
        state => return refused(&format!("in state: {}", state.name())),
    };
    txn.body_mut::<Image>(id).map_err(|e| e.text)?.vms.insert(vm);
    next.map_or(Ok(()), |next| states::set(txn, id, next)).map_err(|e| e.text)
}

/// The reference passes over a SIZE that is no number, and books nothing for it (`ImagePool::acquire_disk`): a tenant
/// would be past every quota.
fn check_size(id: i32, image: &Image, disk: &VectorAttribute) -> Result<(), String> {
    if disk.value("SIZE").is_empty() {
        return Ok(());
    }
    let size = disk.int("SIZE").ok_or("SIZE attribute must be a positive integer value.")?;
    if image.persistent && size != image.size_mb {
        return Err(format!("SIZE attribute is not supported for persistent image [{id}]."));
    }
    if image.image_type == ImageType::Cdrom && size != image.size_mb {
        return Err(format!("SIZE attribute is not supported for CDROM image [{id}]."));
    }
    if size < image.size_mb {
        return Err(format!("SIZE of {size}MB is less than the image [{id}] size of {}MB.", image.size_mb));
    }
    Ok(())
}

/// Checks a DISK without image; returns the prefix of its target.
fn check_volatile(state: &State, disk: &mut VectorAttribute) -> Result<String, String> {
    if !store::is_volatile(disk) {
        return Err(format!("Unknown disk type {}", disk.value("TYPE").to_ascii_uppercase()));
    }
    if disk.int("SIZE").is_none_or(|size| size <= 0) {
        return Err("SIZE attribute must be a positive integer value.".to_owned());
    }
    Ok(dev_prefix(state, disk, "", "DEFAULT_DEVICE_PREFIX"))
}

/// The prefix of a DISK's target: its own, else the image's, else the configured one; noted in the DISK.
fn dev_prefix(state: &State, disk: &mut VectorAttribute, of_image: &str, default: &str) -> String {
    if disk.value("DEV_PREFIX").is_empty() {
        disk.set("DEV_PREFIX", if of_image.is_empty() { state.settings().value(default) } else { of_image });
    }
    disk.value("DEV_PREFIX").to_owned()
}

/// Fills a DISK with what its image says; returns the prefix of its target.
fn describe_image(state: &State, id: i32, disk: &mut VectorAttribute) -> String {
    let Some((object, image)) = state.find_typed::<Image>(id) else { return String::new() };
    let cdrom = image.image_type == ImageType::Cdrom;
    let default = if cdrom { "DEFAULT_CDROM_DEVICE_PREFIX" } else { "DEFAULT_DEVICE_PREFIX" };
    let prefix = dev_prefix(state, disk, object.template.value("DEV_PREFIX"), default);
    disk.set("IMAGE", &object.name).set("IMAGE_ID", id).set("SOURCE", &image.source);
    disk.set("ORIGINAL_SIZE", image.size_mb).set("DISK_SNAPSHOT_TOTAL_SIZE", image.snapshots.total_mb());
    if disk.value("SIZE").is_empty() {
        disk.set("SIZE", image.size_mb);
    }
    if image.format.is_empty() {
        disk.remove("DRIVER");
        disk.remove("FORMAT");
    } else {
        let format = image.format.to_ascii_lowercase();
        disk.set("DRIVER", &format).set("FORMAT", format);
    }
    disk.set("IMAGE_STATE", image.state.number());
    describe_access(object, image, disk);
    if image.state.is_locked() {
        disk.set("CLONING", "YES");
    } else {
        disk.remove("CLONING");
    }
    let disk_type = match image.image_type {
        ImageType::Os | ImageType::Datablock => image.disk_type.name(),
        ImageType::Cdrom => image.disk_type.as_cdrom().name(),
        _ => "",
    };
    disk.set("TYPE", disk_type);
    let target = object.template.value("TARGET");
    if disk.value("TARGET").is_empty() && !target.is_empty() {
        disk.set("TARGET", target);
    }
    store::inherit(state, "INHERIT_IMAGE_ATTR", &object.template, disk);
    prefix
}

/// READONLY, PERSISTENT, CLONE, SAVE, SHAREABLE.
fn describe_access(object: &Object, image: &Image, disk: &mut VectorAttribute) {
    let sharing = object.template.value("PERSISTENT_TYPE").to_ascii_uppercase();
    if image.image_type == ImageType::Cdrom || sharing == "IMMUTABLE" {
        disk.set("SAVE", "NO").set("CLONE", "NO").set("READONLY", "YES");
        return;
    }
    if disk.value("READONLY").is_empty() {
        disk.set("READONLY", if object.template.is_yes("READONLY") { "YES" } else { "NO" });
    }
    if image.persistent {
        disk.set("PERSISTENT", "YES").set("CLONE", "NO").set("SAVE", "YES");
        if sharing == "SHAREABLE" && image.format.eq_ignore_ascii_case("raw") {
            disk.set("SHAREABLE", "YES");
        }
    } else {
        disk.set("CLONE", "YES").set("SAVE", "NO");
    }
}
