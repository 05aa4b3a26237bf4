//! What images and disks take over from a datastore.
//!
//! It must not change a datastore.

use quorate_model::clean::Name;
use quorate_model::error::ApiError;
use quorate_model::ids::join_ids;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DiskType;
use quorate_model::template::{Attribute, Template, VectorAttribute};

use crate::pools::datastore::capacity;
use crate::state::State;

/// Fills a DISK with what its datastore says: place, transfer, targets, inherited attributes. `false`: there is no
/// such datastore.
pub fn describe_disk(state: &State, datastore: i32, disk: &mut VectorAttribute) -> bool {
    let Some((object, body)) = state.find_typed::<Datastore>(datastore) else { return false };
    let template = &object.template;
    disk.set("DATASTORE", &object.name).set("DATASTORE_ID", object.id).set("TM_MAD", &body.tm_mad);
    disk.set("CLUSTER_ID", join_ids(&body.clusters));
    let mode = disk.value("TM_MAD_SYSTEM").trim().to_ascii_uppercase();
    for target in ["CLONE_TARGET", "LN_TARGET"] {
        let of_mode = if mode.is_empty() { "" } else { template.value(&format!("{target}_{mode}")) };
        let value = if of_mode.is_empty() { template.value(target) } else { of_mode };
        // A caller may choose among the places where space is counted. That a disk takes none only the datastore can
        // say.
        let counted = ["SYSTEM", "SELF"].iter().any(|place| disk.value(target).eq_ignore_ascii_case(place));
        if !counted {
            disk.remove(target);
        }
        if !value.is_empty() && disk.value(target).is_empty() {
            disk.set(target, value);
        }
    }
    inherit(state, "INHERIT_DATASTORE_ATTR", template, disk);
    if !mode.is_empty() {
        set_types(disk, template.value(&format!("DISK_TYPE_{mode}")));
    } else if is_volatile(disk) && disk.value("DISK_TYPE").is_empty() {
        disk.set("DISK_TYPE", body.disk_type.name());
    }
    if is_volatile(disk) {
        set_volatile_format(disk, &capacity::driver(state, object.id));
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
    let mut take = |name: &Name, value: &str| {
        if disk.value(name).is_empty() && !value.is_empty() {
            disk.set(name, value);
        }
    };
    for name in &state.settings().names(list).collect::<Vec<Name>>() {
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

/// Refuses what does not fit into a datastore, where that is to be checked.
///
/// # Errors
/// ACTION.
pub fn check_room(state: &State, datastore: i32, size_mb: i64) -> Result<(), ApiError> {
    match capacity::avail_mb(state, datastore) {
        (room, true) if size_mb > room => Err(ApiError::action("Not enough space in datastore")),
        _ => Ok(()),
    }
}
