//! How much room a datastore has, and what its drivers' configuration says of its images. The interface for the pools
//! of images and VMs.

use quorate_model::error::ApiError;
use quorate_model::object::Object;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::settings::Settings;
use quorate_model::template::VectorAttribute;

use crate::pools::datastore::monitor;
use crate::state::State;
use crate::txn::Txn;

/// The room in a datastore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Free MB, no more than its limit leaves.
    pub mb: i64,
    /// Whether what does not fit is refused (DATASTORE_CAPACITY_CHECK of the datastore, else of the configuration).
    pub is_enforced: bool,
}

/// The room in a datastore (the reference's `get_avail_mb`).
#[must_use]
pub fn room(settings: &Settings, object: &Object, datastore: &Datastore) -> Room {
    let template = &object.template;
    let limited = template.int("LIMIT_MB").map(|limit| limit.saturating_sub(datastore.used_mb));
    let mb = limited.map_or(datastore.free_mb, |left| left.min(datastore.free_mb)).max(0);
    let is_enforced = match template.get("DATASTORE_CAPACITY_CHECK") {
        Some(_) => template.is_yes("DATASTORE_CAPACITY_CHECK"),
        None => settings.is_yes("DATASTORE_CAPACITY_CHECK"),
    };
    Room { mb, is_enforced }
}

/// [`room`] by id: free MB and whether the check is enforced; nothing and no check when there is no such datastore.
#[must_use]
pub fn avail_mb(state: &State, id: i32) -> (i64, bool) {
    state.find_typed::<Datastore>(id).map_or((0, false), |(object, datastore)| {
        let room = room(state.settings(), object, datastore);
        (room.mb, room.is_enforced)
    })
}

/// The type of a datastore; `None` when there is no such one.
#[must_use]
pub fn ds_type(state: &State, id: i32) -> Option<DatastoreType> {
    state.find_typed::<Datastore>(id).map(|(_, datastore)| datastore.ds_type)
}

/// The configuration of a transfer driver (`TM_MAD_CONF` by name).
#[must_use]
pub fn tm_conf<'a>(settings: &'a Settings, tm_mad: &str) -> Option<&'a VectorAttribute> {
    settings.driver("TM_MAD_CONF", tm_mad)
}

/// The configuration of a datastore driver (`DS_MAD_CONF` by name).
#[must_use]
pub fn ds_conf<'a>(settings: &'a Settings, ds_mad: &str) -> Option<&'a VectorAttribute> {
    settings.driver("DS_MAD_CONF", ds_mad)
}

/// Whether its driver takes persistent images only.
#[must_use]
pub fn persistent_only(state: &State, datastore: &Datastore) -> bool {
    ds_conf(state.settings(), &datastore.ds_mad).is_some_and(|conf| conf.is_yes("PERSISTENT_ONLY"))
}

/// Whether its driver can forget backups while it makes others.
#[must_use]
pub fn concurrent_forget(state: &State, datastore: &Datastore) -> bool {
    ds_conf(state.settings(), &datastore.ds_mad).is_some_and(|conf| conf.is_yes("CONCURRENT_FORGET"))
}

/// The image format that images and disks in it get: its transfer driver's, else its own DRIVER, else none.
#[must_use]
pub fn driver(state: &State, id: i32) -> String {
    let Some((object, datastore)) = state.find_typed::<Datastore>(id) else { return String::new() };
    let configured = tm_conf(state.settings(), &datastore.tm_mad).map(|conf| conf.value("DRIVER")).unwrap_or_default();
    if configured.is_empty() { object.template.value("DRIVER").to_owned() } else { configured.to_owned() }
}

/// Whether all hosts reach it (SHARED of its template; yes when nothing is said).
#[must_use]
pub fn is_shared(object: &Object) -> bool {
    object.template.get("SHARED").is_none() || object.template.is_yes("SHARED")
}

/// Where a datastore's disks go when a VM runs on system datastores of another transfer driver.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Targets {
    /// Persistent disks: `NONE`, `SELF` or `SYSTEM`.
    pub ln: String,
    /// Other disks.
    pub clone: String,
    /// The kind of disk there.
    pub disk_type: String,
}

/// The targets of a datastore together with a system datastore's transfer driver; `None` when the two do not go
/// together.
#[must_use]
pub fn targets(object: &Object, tm_mad_system: &str) -> Option<Targets> {
    let system = tm_mad_system.trim().to_ascii_uppercase();
    let value = |name: &str| {
        let value = object.template.value(&format!("{name}_{system}"));
        (!value.is_empty()).then(|| value.to_owned())
    };
    Some(Targets { clone: value("CLONE_TARGET")?, ln: value("LN_TARGET")?, disk_type: value("DISK_TYPE")? })
}

/// An image is in a datastore from now on.
///
/// # Errors
/// NO_EXISTS for the datastore.
pub fn add_image(txn: &mut Txn, datastore: i32, image: i32) -> Result<(), ApiError> {
    txn.body_mut::<Datastore>(datastore)?.images.insert(image);
    Ok(())
}

/// An image is no longer in a datastore; its space is looked at again. A datastore that is gone is ignored.
pub fn remove_image(txn: &mut Txn, datastore: i32, image: i32) {
    if let Ok(body) = txn.body_mut::<Datastore>(datastore) {
        body.images.remove(&image);
        monitor::start(txn, datastore);
    }
}

/// The clusters a datastore is in.
#[must_use]
pub fn clusters_of(state: &State, datastore: i32) -> Vec<i32> {
    state.find_typed::<Datastore>(datastore).map(|(_, d)| d.clusters.iter().copied().collect()).unwrap_or_default()
}
