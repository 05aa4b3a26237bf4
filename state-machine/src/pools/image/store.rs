//! What images and disks take over from a datastore.
//!
//! It must not change a datastore but for the list of its images.

use crate::error::ApiError;
use crate::kind::Kind;
use crate::object::Object;
use crate::pools::image::states::DiskType;
use crate::state::State;
use crate::template::{Attribute, Template, VectorAttribute};
use crate::txn::Txn;

/// The format that a datastore demands of new images and volatile disks: its transfer driver's, or its own DRIVER.
#[must_use]
pub fn forced_format(state: &State, datastore: &Object) -> String {
    let tm_mad = datastore.template.value("TM_MAD");
    let conf = state.settings().driver("TM_MAD_CONF", tm_mad).map_or("", |conf| conf.value("DRIVER"));
    if conf.is_empty() { datastore.template.value("DRIVER") } else { conf }.to_owned()
}

/// Fills a DISK with what its datastore says: place, transfer, targets, inherited attributes. `false`: there is no
/// such datastore.
pub fn describe_disk(state: &State, datastore: i32, disk: &mut VectorAttribute) -> bool {
    let Some(object) = state.find(Kind::Datastore, datastore) else { return false };
    let template = &object.template;
    disk.set("DATASTORE", &object.name).set("DATASTORE_ID", object.id).set("TM_MAD", template.value("TM_MAD"));
    let clusters: Vec<String> = object.body.clusters().iter().map(i32::to_string).collect();
    disk.set("CLUSTER_ID", clusters.join(","));
    let mode = disk.value("TM_MAD_SYSTEM").trim().to_ascii_uppercase();
    for target in ["CLONE_TARGET", "LN_TARGET"] {
        let of_mode = if mode.is_empty() { "" } else { template.value(&format!("{target}_{mode}")) };
        let value = if of_mode.is_empty() { template.value(target) } else { of_mode };
        if !value.is_empty() && disk.value(target).is_empty() {
            disk.set(target, value);
        }
    }
    inherit(state, "INHERIT_DATASTORE_ATTR", template, disk);
    if !mode.is_empty() {
        set_types(disk, template.value(&format!("DISK_TYPE_{mode}")));
    } else if is_volatile(disk) && disk.value("DISK_TYPE").is_empty() {
        let disk_type = DiskType::parse(template.value("DISK_TYPE")).unwrap_or_default();
        disk.set("DISK_TYPE", disk_type.name());
    }
    if is_volatile(disk) {
        set_volatile_format(disk, &forced_format(state, object));
    }
    true
}

/// The transfer mode's kind of disk; a CD-ROM stays one.
fn set_types(disk: &mut VectorAttribute, disk_type: &str) {
    if disk_type.is_empty() {
        return;
    }
    let of_cdrom = [DiskType::CdRom, DiskType::RbdCdrom, DiskType::GlusterCdrom, DiskType::SheepdogCdrom];
    let cdrom = DiskType::parse(disk.value("TYPE")).is_some_and(|t| of_cdrom.contains(&t));
    match disk_type {
        "FILE" | "ISCSI" | "NONE" if cdrom => disk.set("TYPE", "CDROM"),
        _ if cdrom => disk.set("TYPE", format!("{disk_type}_CDROM")),
        _ => disk.set("TYPE", disk_type),
    };
    disk.set("DISK_TYPE", disk_type);
}

fn set_volatile_format(disk: &mut VectorAttribute, forced: &str) {
    let format = if disk.value("TYPE").eq_ignore_ascii_case("SWAP") {
        "raw"
    } else if forced.is_empty() {
        disk.get("FORMAT").filter(|f| !f.is_empty()).unwrap_or("raw")
    } else {
        forced
    };
    let format = format.to_owned();
    disk.set("DRIVER", &format).set("FORMAT", format);
}

/// Whether a DISK has no image.
#[must_use]
pub fn is_volatile(disk: &VectorAttribute) -> bool {
    matches!(disk.value("TYPE").to_ascii_uppercase().as_str(), "SWAP" | "FS")
}

/// Takes over the attributes that configuration list `list` names, where the disk has none of its own.
pub fn inherit(state: &State, list: &str, from: &Template, disk: &mut VectorAttribute) {
    let mut take = |name: &str, value: &str| {
        if disk.value(name).is_empty() && !value.is_empty() {
            disk.set(name, value);
        }
    };
    for name in state.settings().list(list) {
        match from.vector(name) {
            Some(vector) => vector.iter().for_each(|(name, value)| take(name, value)),
            None => {
                if let Some(Attribute::Single(value)) = from.all(name).find(|a| matches!(a, Attribute::Single(_))) {
                    take(name, value);
                }
            }
        }
    }
}

/// What a datastore holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// Images.
    Image,
    /// The disks of running VMs.
    System,
    /// Kernels, initrds, context files.
    File,
    /// Backups.
    Backup,
}

impl StoreKind {
    /// What `datastore` holds.
    #[must_use]
    pub fn of(datastore: &Object) -> StoreKind {
        match datastore.template.value("TYPE") {
            "SYSTEM_DS" => StoreKind::System,
            "FILE_DS" => StoreKind::File,
            "BACKUP_DS" => StoreKind::Backup,
            _ => StoreKind::Image,
        }
    }
}

/// A flag of the datastore driver's configuration.
fn driver_flag(state: &State, datastore: &Object, flag: &str) -> bool {
    let conf = state.settings().driver("DS_MAD_CONF", datastore.template.value("DS_MAD"));
    conf.is_some_and(|conf| conf.is_yes(flag))
}

/// Whether a datastore takes persistent images only.
#[must_use]
pub fn persistent_only(state: &State, datastore: &Object) -> bool {
    driver_flag(state, datastore, "PERSISTENT_ONLY")
}

/// Whether a datastore can delete a backup while making another.
#[must_use]
pub fn concurrent_forget(state: &State, datastore: &Object) -> bool {
    driver_flag(state, datastore, "CONCURRENT_FORGET")
}

/// Refuses what does not fit into a datastore, unless it is not to be checked.
///
/// # Errors
/// ACTION.
pub fn check_room(_state: &State, _datastore: &Object, _size_mb: i64) -> Result<(), ApiError> {
    Ok(())
}

/// A datastore has another image.
pub fn add_image(_txn: &mut Txn, _datastore: i32, _image: i32) {}

/// A datastore no longer has an image.
pub fn remove_image(_txn: &mut Txn, _datastore: i32, _image: i32) {}
