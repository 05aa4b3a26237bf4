//! Backup images: what a VM's backup adds to them.
//!
//! It must not know when a VM makes backups, nor book quotas: a backup is booked before it is made.

use super::Image;
use super::create::{self, NewImage};
use super::states::{self, ImageType, State as ImageState};
use crate::kind::Kind;
use crate::object::Permissions;
use crate::pending::Operation;
use crate::template::Template;
use crate::txn::Txn;

/// Makes the image of a backup of VM `vm`, which belongs to `owner`: the driver calls it `source` and says it is
/// `size_mb` large (a text that begins with a number).
///
/// # Errors
/// The reference's text.
pub fn create(
    txn: &mut Txn,
    vm: i32,
    owner: (i32, i32),
    datastore: i32,
    source: &str,
    size_mb: &str,
) -> Result<i32, String> {
    if txn.find(Kind::Datastore, datastore).is_none() {
        return Err("backup datastore does not exist".to_owned());
    }
    let mut template = Template::new();
    template.set("NAME", format!("{vm} {}", txn.settings().local_time().stamp(txn.now())));
    template.set("SOURCE", source);
    template.set("SIZE", size_mb);
    template.set("FORMAT", "raw");
    template.set("VM_ID", vm);
    template.set("TYPE", ImageType::Backup.name());
    let permissions = Permissions(0o600);
    let new = NewImage { owner, permissions, template, datastore, cloning_from: None };
    create::create(txn, new).map_err(|reason| format!("backup image allocate error: {reason}"))
}

/// Adds an increment (`full`: the first one) to a backup image, whose size is that of all its increments. Returns the
/// increment's id.
///
/// # Errors
/// The reference's text.
pub fn add_increment(txn: &mut Txn, image: i32, source: &str, size_mb: i64, full: bool) -> Result<i32, String> {
    let now = txn.now();
    let body = txn.body_mut::<Image>(image).map_err(|_| "backup image does not exists")?;
    let id = body.increments.add(source, size_mb, full, now).ok_or("cannot add increment to backup image")?;
    body.size_mb = body.increments.total_mb();
    Ok(id)
}

/// Has a driver flatten all but the VM's KEEP_LAST newest increments of a backup image; it is LOCKED meanwhile. The VM
/// hears of the end through [`crate::pools::vm::image_events::increments_flattened`].
///
/// # Errors
/// The reference's text.
pub fn flatten(txn: &mut Txn, image: i32) -> Result<(), String> {
    let (_, body) = txn.find_typed::<Image>(image).ok_or("Image does not exist")?;
    if txn.find(Kind::Datastore, body.datastore).is_none() {
        return Err("Datastore no longer exists".to_owned());
    }
    if body.image_type != ImageType::Backup {
        return Err("Image is not of type BACKUP".to_owned());
    }
    if body.state != ImageState::Ready {
        return Err(format!("Cannot flatten increments in state {}", body.state.name()));
    }
    states::set(txn, image, ImageState::Locked).map_err(|e| e.text)?;
    txn.start(Operation::Image { image, action: "INCREMENT_FLATTEN".to_owned() });
    Ok(())
}
