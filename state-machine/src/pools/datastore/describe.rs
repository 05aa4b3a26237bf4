//! From a template to a datastore, when it is made and when it is updated.
//!
//! The texts are reasons; who calls puts them into an error.

use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::datastore::{Datastore, SYSTEM};
use quorate_model::settings::Settings;
use quorate_model::template::Template;

use crate::pools::datastore::drivers;

/// A datastore as a template describes it; takes from the template what the datastore itself keeps.
///
/// # Errors
/// When its drivers are missing, unknown or wrongly configured, or the template lacks what they require.
pub fn new(settings: &Settings, template: &mut Template) -> Result<Datastore, String> {
    template.remove("NAME");
    let mut datastore = Datastore {
        ds_mad: template.value("DS_MAD").to_owned(),
        tm_mad: template.value("TM_MAD").to_owned(),
        ds_type: DatastoreType::assume(template.value("TYPE")),
        ..Datastore::default()
    };
    match (datastore.ds_type, datastore.ds_mad.is_empty()) {
        (DatastoreType::System, true) => drivers::NO_DRIVER.clone_into(&mut datastore.ds_mad),
        (DatastoreType::System, false) => {
            return Err("SYSTEM datastores cannot have DS_MAD defined.".to_owned());
        }
        (_, true) => return Err("No DS_MAD in template.".to_owned()),
        (_, false) => {}
    }
    drivers::check_ds_mad(settings, &datastore, template)?;
    if datastore.ds_type == DatastoreType::Backup {
        drivers::NO_DRIVER.clone_into(&mut datastore.tm_mad);
    } else {
        drivers::apply_tm_mad(settings, datastore.ds_type, &datastore.tm_mad, template)?;
    }
    template.remove("BASE_PATH");
    let disk_type = template.take("DISK_TYPE").unwrap_or_default();
    datastore.disk_type = drivers::apply_disk_type(datastore.ds_type, &disk_type, template)?;
    if template.value("SAFE_DIRS").is_empty() && template.value("RESTRICTED_DIRS").is_empty() {
        template.set("SAFE_DIRS", "/var/tmp");
        template.set("RESTRICTED_DIRS", "/");
    }
    Ok(datastore)
}

/// Follows a new template. The type of backup datastores and of the first system datastore stays.
///
/// # Errors
/// As those of [`new`].
pub fn update(datastore: &mut Datastore, settings: &Settings, id: i32, template: &mut Template) -> Result<(), String> {
    let given = template.value("TYPE").to_owned();
    if id == SYSTEM {
        datastore.ds_type = DatastoreType::System;
    } else if datastore.ds_type != DatastoreType::Backup && !given.is_empty() {
        datastore.ds_type = DatastoreType::assume(&given);
    }
    template.set("TYPE", datastore.ds_type.name());
    let disk_type = template.take("DISK_TYPE").unwrap_or_default();
    if !disk_type.is_empty() {
        datastore.disk_type = drivers::apply_disk_type(datastore.ds_type, &disk_type, template)?;
    }
    let tm_mad = template.value("TM_MAD").to_owned();
    if tm_mad.is_empty() || datastore.ds_type == DatastoreType::Backup {
        template.set("TM_MAD", &datastore.tm_mad);
    } else {
        if datastore.ds_type == DatastoreType::System && tm_mad != datastore.tm_mad {
            datastore.forget_space();
        }
        drivers::apply_tm_mad(settings, datastore.ds_type, &tm_mad, template)?;
        datastore.tm_mad = tm_mad;
    }
    let ds_mad = template.value("DS_MAD").to_owned();
    if datastore.ds_type == DatastoreType::System {
        drivers::NO_DRIVER.clone_into(&mut datastore.ds_mad);
        template.remove("DS_MAD");
    } else if ds_mad.is_empty() {
        template.set("DS_MAD", &datastore.ds_mad);
    } else if ds_mad != datastore.ds_mad {
        datastore.ds_mad = ds_mad;
        datastore.forget_space();
    }
    drivers::check_ds_mad(settings, datastore, template)
}
