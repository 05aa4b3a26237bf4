//! The one way to a new image: the rules of its template, and the driver's work on it.
//!
//! It must not check rights, capacity or quotas: those differ from caller to caller and come before.

use quorate_model::head::Permissions;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{ImageAction, Operation};
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::{ImageType, State as ImageState};
use quorate_model::template::{Template, leading_int};

use super::{copies, states};
use crate::names;
use crate::pools::datastore::capacity;
use crate::state::State;
use crate::txn::Txn;

/// What a new image is made from.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// Its owner and group.
    pub owner: (i32, i32),
    /// Its permissions.
    pub permissions: Permissions,
    /// Its template, with NAME, TYPE, SIZE, PATH, SOURCE, ...; SAVE_AS_HOT: a VM's disk will be saved in it.
    pub template: Template,
    /// Its datastore.
    pub datastore: i32,
    /// The image it is a copy of.
    pub cloning_from: Option<i32>,
}

/// Makes an image: LOCKED until the driver has made it, or READY when there is nothing to make.
///
/// # Errors
/// The reference's text, most often answered as [`quorate_model::error::ApiError::allocate`].
pub fn create(txn: &mut Txn, new: NewImage) -> Result<i32, String> {
    let NewImage { owner: (uid, gid), permissions, mut template, datastore, cloning_from } = new;
    let name = template.take("NAME").unwrap_or_default();
    if let Some(reason) = names::invalid(&name, "") {
        return Err(reason);
    }
    let default_type = txn.settings().value("DEFAULT_IMAGE_TYPE").to_owned();
    let (store, body) = txn.find_typed::<Datastore>(datastore).ok_or("Datastore no longer exists")?;
    check_store(body.ds_type, ImageType::assume(template.value("TYPE"), &default_type))?;
    if let Some(id) = txn.id_of(Kind::Image, uid, &name) {
        return Err(format!("NAME is already taken by IMAGE {id}."));
    }
    if let Some(id) = cloning_from {
        copies::check(txn, id)?;
    }
    let mut image = Image {
        disk_type: body.disk_type,
        regtime: txn.now(),
        datastore,
        datastore_name: store.name.clone(),
        cloning_from,
        ..Image::default()
    };
    txn.begin_insert(Kind::Image);
    read_template(txn, &mut image, &mut template)?;
    let (has_source, saving) = (!image.source.is_empty(), is_saving(&template));
    let action = if cloning_from.is_some() {
        Some(ImageAction::Clone)
    } else if !image.path.is_empty() {
        Some(ImageAction::Copy)
    } else if !has_source && (saving || image.image_type.has_snapshots()) {
        Some(ImageAction::Make)
    } else {
        None
    };
    let mut object = Object::new(name, template, image);
    (object.uid, object.gid, object.permissions) = (uid, gid, permissions);
    object.uname = txn.find(Kind::User, uid).map(|user| user.name.clone()).unwrap_or_default();
    object.gname = txn.find(Kind::Group, gid).map(|group| group.name.clone()).unwrap_or_default();
    let id = txn.insert(object);
    if let Some(from) = cloning_from {
        copies::begin(txn, from, copies::Copy::Image(id))?;
    }
    if let Some(action) = action {
        txn.start(Operation::Image { image: id, action });
    } else if has_source {
        states::unlock(txn, id).map_err(|e| e.text)?;
        states::touch(txn, id).map_err(|e| e.text)?;
    }
    capacity::add_image(txn, datastore, id).map_err(|e| e.text)?;
    Ok(id)
}

/// Whether the image waits for a VM's disk to be saved in it.
#[must_use]
pub fn is_saving(template: &Template) -> bool {
    template.is_yes("SAVE_AS_HOT")
}

fn check_store(kind: DatastoreType, image_type: ImageType) -> Result<(), String> {
    let refusal = match image_type {
        t if t.is_disk() && kind != DatastoreType::Image => {
            "Only IMAGES of type KERNEL, RAMDISK and CONTEXT can be registered in a FILE_DS datastore"
        }
        t if t.is_file() && kind != DatastoreType::File => {
            "IMAGES of type KERNEL, RAMDISK and CONTEXT cannot be registered in an IMAGE_DS datastore"
        }
        ImageType::Backup if kind != DatastoreType::Backup => {
            "IMAGES of type BACKUP can only be registered in an BACKUP_DS datastore"
        }
        _ => return Ok(()),
    };
    Err(refusal.to_owned())
}

/// Moves what is the image's own from the template to its fields.
fn read_template(state: &State, image: &mut Image, template: &mut Template) -> Result<(), String> {
    let type_name = match template.take("TYPE") {
        Some(name) if !name.is_empty() => name,
        _ => state.settings().value("DEFAULT_IMAGE_TYPE").to_owned(),
    };
    image.image_type = ImageType::parse(&type_name).ok_or("Unknown type ")?;
    let persistent = template.take("PERSISTENT").is_some_and(|v| v.eq_ignore_ascii_case("YES"));
    if image.image_type.is_disk() {
        image.persistent = persistent;
        if template.value("DEV_PREFIX").is_empty() {
            let cdrom = image.image_type == ImageType::Cdrom;
            let default = if cdrom { "DEFAULT_CDROM_DEVICE_PREFIX" } else { "DEFAULT_DEVICE_PREFIX" };
            template.set("DEV_PREFIX", state.settings().value(default));
        }
    } else {
        image.persistent = image.image_type == ImageType::Backup;
        template.remove("DEV_PREFIX");
    }
    image.size_mb = template.take("SIZE").as_deref().and_then(leading_int).unwrap_or(0);
    image.fs = template.take("FS").unwrap_or_default();
    template.remove("DRIVER");
    image.path = template.take("PATH").unwrap_or_default();
    image.source = template.take("SOURCE").unwrap_or_default();
    image.format = template.take("FORMAT").unwrap_or_default();
    template.remove("TM_MAD");
    if is_saving(template) {
        "save_as".clone_into(&mut image.format);
    } else if image.cloning_from.is_none() {
        choose_format(state, image, template)?;
    }
    image.state = ImageState::Locked;
    if image.image_type == ImageType::Backup {
        let vm = template.take("VM_ID").as_deref().and_then(leading_int).and_then(|n| i32::try_from(n).ok());
        image.vms.insert(vm.ok_or("No associated VM ID for BACKUP image.")?);
        image.state = ImageState::Ready;
    }
    Ok(())
}

/// The format of an image that is neither a copy nor a saved disk, and what it may be made from.
fn choose_format(state: &State, image: &mut Image, template: &mut Template) -> Result<(), String> {
    let has_path = !image.path.is_empty();
    if !image.source.is_empty() {
        if has_path {
            return Err("PATH and SOURCE cannot be both set.".to_owned());
        }
        if image.format.is_empty() {
            return Err("SOURCE needs FORMAT to be set.".to_owned());
        }
    } else if image.image_type == ImageType::Backup {
        return Err("SOURCE cannot be empty for BACKUP images".to_owned());
    } else if has_path {
        // The driver finds it out when it copies.
        image.format.clear();
    } else if image.image_type.has_snapshots() {
        let forced = capacity::driver(state, image.datastore);
        if !forced.is_empty() {
            template.set("DRIVER", &forced);
            image.format = forced;
        } else if image.format.is_empty() {
            "raw".clone_into(&mut image.format);
        }
    } else {
        return Err("No PATH nor SOURCE in template.".to_owned());
    }
    Ok(())
}

/// Decides PERSISTENT of a new image's template: a copy (or saved disk) follows DEFAULT_IMAGE_PERSISTENT, a `new` image
/// only when its template says nothing, DEFAULT_IMAGE_PERSISTENT_NEW; of the user, the group or the configuration.
/// Returns whether it is persistent.
pub fn decide_persistent(state: &State, uid: i32, gid: i32, template: &mut Template, new: bool) -> bool {
    let wanted = template.is_yes("PERSISTENT");
    let attribute = if new { "DEFAULT_IMAGE_PERSISTENT_NEW" } else { "DEFAULT_IMAGE_PERSISTENT" };
    let persistent = if new && template.get("PERSISTENT").is_some() {
        wanted
    } else {
        match default_of(state, uid, gid, attribute) {
            "" => wanted,
            default => default.eq_ignore_ascii_case("YES"),
        }
    };
    template.set("PERSISTENT", if persistent { "YES" } else { "NO" });
    if !persistent && template.value("PERSISTENT_TYPE").eq_ignore_ascii_case("SHAREABLE") {
        template.remove("PERSISTENT_TYPE");
    }
    persistent
}

/// A configuration value that a user's or group's OPENNEBULA attribute may replace.
fn default_of<'a>(state: &'a State, uid: i32, gid: i32, name: &str) -> &'a str {
    let own = |kind: Kind, id: i32| state.find(kind, id)?.template.vector("OPENNEBULA")?.get(name);
    own(Kind::User, uid).or_else(|| own(Kind::Group, gid)).unwrap_or_else(|| state.settings().value(name))
}
