//! What the configuration says of the drivers that a datastore names, and what its template gets from there.
//!
//! Used when a datastore is made or updated. The texts are reasons; who calls puts them into an error.

use quorate_model::clean::Name;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::{DatastoreType, DiskType};
use quorate_model::settings::Settings;
use quorate_model::template::{Template, VectorAttribute};

/// The drivers of kinds that have none.
pub const NO_DRIVER: &str = "-";

/// Refuses a DS_MAD that is not configured or whose required attributes the template lacks. System datastores have
/// none.
///
/// # Errors
/// There is no such DS_MAD, or the template lacks an attribute that it requires.
pub fn check_ds_mad(settings: &Settings, datastore: &Datastore, template: &Template) -> Result<(), String> {
    if datastore.ds_type == DatastoreType::System {
        return Ok(());
    }
    let name = &datastore.ds_mad;
    let conf = settings
        .driver("DS_MAD_CONF", name)
        .ok_or_else(|| format!("DS_MAD named \"{name}\" is not defined in oned.conf"))?;
    for attribute in list(conf.value("REQUIRED_ATTRS")) {
        if template.value(&attribute).is_empty() {
            return Err(format!("Datastore template is missing the \"{attribute}\" attribute or it's empty."));
        }
    }
    Ok(())
}

/// The parts of a comma-separated list, in upper case.
fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|part| !part.is_empty()).map(|part| part.trim().to_ascii_uppercase()).collect()
}

/// Refuses a TM_MAD that is not configured (well) and writes what its configuration says into the template.
///
/// # Errors
/// No TM_MAD is given, there is no such one, or its configuration lacks what this type of datastore needs.
pub fn apply_tm_mad(
    settings: &Settings,
    ds_type: DatastoreType,
    tm_mad: &str,
    template: &mut Template,
) -> Result<(), String> {
    if tm_mad.is_empty() {
        return Err("No TM_MAD in template.".to_owned());
    }
    let conf = settings
        .driver("TM_MAD_CONF", tm_mad)
        .ok_or_else(|| format!("TM_MAD named \"{tm_mad}\" is not defined in oned.conf"))?;
    let wrong = || {
        format!(
            "Attribute shared, ln_target or clone_target in TM_MAD_CONF for {tm_mad} is missing or has wrong value in \
             oned.conf"
        )
    };
    match ds_type {
        DatastoreType::System => describe_system(conf, template).ok_or_else(wrong)?,
        DatastoreType::Image | DatastoreType::File => describe_targets(conf, template).ok_or_else(wrong)?,
        DatastoreType::Backup => return Ok(()),
    }
    template.set("ALLOW_ORPHANS", conf.get("ALLOW_ORPHANS").unwrap_or("NO"));
    Ok(())
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}

fn describe_system(conf: &VectorAttribute, template: &mut Template) -> Option<()> {
    conf.get("SHARED")?;
    template.set("SHARED", yes_no(conf.is_yes("SHARED")));
    template.set("DS_MIGRATE", yes_no(conf.get("DS_MIGRATE").is_none() || conf.is_yes("DS_MIGRATE")));
    template.remove("LN_TARGET");
    template.remove("CLONE_TARGET");
    Some(())
}

/// Where disks are linked and cloned to, also for every system driver that may be combined with this one.
fn describe_targets(conf: &VectorAttribute, template: &mut Template) -> Option<()> {
    let systems = conf.value("TM_MAD_SYSTEM");
    if !systems.is_empty() {
        template.set("TM_MAD_SYSTEM", systems);
        for system in list(systems) {
            for name in [format!("LN_TARGET_{system}"), format!("CLONE_TARGET_{system}")] {
                let name = Name::new(name)?;
                template.set(&name, target(conf, &name)?);
            }
            let name = Name::new(format!("DISK_TYPE_{system}"))?;
            let disk_type = conf.get(&name).filter(|t| !t.is_empty())?;
            template.set(&name, disk_type);
        }
    }
    for name in ["LN_TARGET", "CLONE_TARGET"] {
        template.set(name, target(conf, name)?);
    }
    let driver = conf.value("DRIVER");
    if !driver.is_empty() {
        template.set("DRIVER", driver);
    }
    template.remove("SHARED");
    Some(())
}

fn target(conf: &VectorAttribute, name: &str) -> Option<String> {
    let target = conf.value(name).to_ascii_uppercase();
    ["NONE", "SELF", "SYSTEM"].contains(&target.as_str()).then_some(target)
}

/// The kind of disk that a template's DISK_TYPE means for this type of datastore; it goes into the template where disks
/// have one.
///
/// # Errors
/// The DISK_TYPE is unknown, or this type of datastore cannot have it.
pub fn apply_disk_type(ds_type: DatastoreType, given: &str, template: &mut Template) -> Result<DiskType, String> {
    let disk_type = if given.is_empty() { Some(DiskType::File) } else { DiskType::parse(given) };
    let (what, valid): (&str, &[DiskType]) = match ds_type {
        DatastoreType::Image => (
            "an Image",
            &[DiskType::File, DiskType::Block, DiskType::Iscsi, DiskType::Rbd, DiskType::Gluster, DiskType::Sheepdog],
        ),
        DatastoreType::System => ("a System", &[DiskType::File, DiskType::Rbd, DiskType::Block]),
        DatastoreType::File | DatastoreType::Backup => return Ok(DiskType::File),
    };
    let disk_type = disk_type.ok_or("Unknown DISK_TYPE in template.")?;
    if !valid.contains(&disk_type) {
        return Err(format!("Invalid DISK_TYPE for {what} Datastore."));
    }
    template.add("DISK_TYPE", disk_type.name());
    Ok(disk_type)
}
