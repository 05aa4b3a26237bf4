//! Disks of a new VM: their images, their targets, the context disk.

use std::collections::{BTreeMap, BTreeSet};

use quorate_model::records::image::snapshots::Snapshots;
use quorate_model::records::image::states::ImageType;
use quorate_model::template::{Attribute, Template, VectorAttribute};

use crate::pools::image::usage;
use crate::txn::Txn;

/// The most disks a new VM may have.
const MAX_DISKS: usize = 20;

/// A disk (by its place) or the context disk that has no target yet, with its prefix.
type Waiting = (String, Option<usize>);

/// Moves DISK and CONTEXT, acquires the images, and gives every disk its target. Answers the disks' snapshots by disk.
///
/// # Errors
/// Too many disks, an image that cannot be used, two disks with one target.
pub fn take(
    txn: &mut Txn,
    vm: i32,
    uid: i32,
    user: &mut Template,
    template: &mut Template,
) -> Result<BTreeMap<i32, Snapshots>, String> {
    let mut contexts = take_vectors(user, "CONTEXT");
    let mut disks = take_vectors(user, "DISK");
    if disks.len() > MAX_DISKS {
        return Err(format!("Exceeded the maximum number of disks ({MAX_DISKS})"));
    }
    let mode = user.take("TM_MAD_SYSTEM");
    if let Some(mode) = &mode {
        template.add("TM_MAD_SYSTEM", mode);
    }
    let mut snapshots = BTreeMap::new();
    let mut targets = Targets::default();
    for (i, disk) in disks.iter_mut().enumerate() {
        disk.remove("TM_MAD_SYSTEM");
        if let Some(mode) = mode.as_deref().filter(|mode| !mode.is_empty()) {
            disk.set("TM_MAD_SYSTEM", mode);
        }
        let id = i32::try_from(i).unwrap_or(i32::MAX);
        let acquired = usage::acquire(txn, vm, uid, disk, id, false).map_err(|reason| format!("DISK {i}: {reason}"))?;
        if let Some(found) = acquired.snapshots.filter(|_| acquired.image_type.has_snapshots()) {
            snapshots.insert(id, found);
        }
        targets.add(disk, i, acquired.image_type, acquired.dev_prefix)?;
    }
    targets.assign_os(&mut disks);
    if let Some(context) = contexts.first_mut() {
        targets.add_context(context, txn.settings().value("DEFAULT_CDROM_DEVICE_PREFIX"))?;
        context.set("DISK_ID", disks.len());
    }
    targets.assign_rest(&mut disks, contexts.first_mut());
    contexts.into_iter().for_each(|context| template.add_vector("CONTEXT", context));
    disks.into_iter().for_each(|disk| template.add_vector("DISK", disk));
    Ok(snapshots)
}

/// Takes the vectors of a name out of a template; single values of that name vanish.
pub fn take_vectors(template: &mut Template, name: &str) -> Vec<VectorAttribute> {
    let all = template.remove(name).into_iter();
    all.filter_map(|a| match a {
        Attribute::Vector(vector) => Some(vector),
        Attribute::Single(_) => None,
    })
    .collect()
}

/// The targets of a VM's disks, given out in the reference's order: the first OS disk, CD-ROMs (the context disk is
/// the last), data disks.
#[derive(Default)]
struct Targets {
    used: BTreeSet<String>,
    os: Option<Waiting>,
    cdroms: Vec<Waiting>,
    data: Vec<Waiting>,
}

impl Targets {
    fn use_own(&mut self, disk: &VectorAttribute) -> Result<bool, String> {
        let target = disk.value("TARGET");
        if !target.is_empty() && !self.used.insert(target.to_owned()) {
            return Err(format!("Two disks have defined the same target {target}"));
        }
        Ok(!target.is_empty())
    }

    fn add(&mut self, disk: &VectorAttribute, i: usize, ty: ImageType, prefix: String) -> Result<(), String> {
        if self.use_own(disk)? {
            return Ok(());
        }
        let waiting = (prefix, Some(i));
        match ty {
            ImageType::Os if self.os.is_none() => self.os = Some(waiting),
            ImageType::Os | ImageType::Datablock => self.data.push(waiting),
            ImageType::Cdrom => self.cdroms.push(waiting),
            _ => {}
        }
        Ok(())
    }

    fn add_context(&mut self, context: &VectorAttribute, default_prefix: &str) -> Result<(), String> {
        if !self.use_own(context)? {
            let prefix = context.value("DEV_PREFIX");
            let prefix = if prefix.is_empty() { default_prefix } else { prefix };
            self.cdroms.push((prefix.to_owned(), None));
        }
        Ok(())
    }

    fn assign_os(&mut self, disks: &mut [VectorAttribute]) {
        let os = self.os.take();
        self.assign(os, disks, None);
    }

    fn assign_rest(&mut self, disks: &mut [VectorAttribute], context: Option<&mut VectorAttribute>) {
        let (cdroms, data) = (std::mem::take(&mut self.cdroms), std::mem::take(&mut self.data));
        self.assign(cdroms, disks, context);
        self.assign(data, disks, None);
    }

    fn assign(
        &mut self,
        waiting: impl IntoIterator<Item = Waiting>,
        disks: &mut [VectorAttribute],
        mut context: Option<&mut VectorAttribute>,
    ) {
        for (prefix, i) in waiting {
            let disk = match i {
                Some(i) => disks.get_mut(i),
                None => context.as_deref_mut(),
            };
            let target = free_target(&self.used, &prefix);
            if let Some(disk) = disk {
                disk.set("TARGET", &target);
            }
            self.used.insert(target);
        }
    }
}

/// The first free target with a prefix; as in the reference (`VirtualMachineDisks::assign_disk_targets`) the last
/// letter when none is free.
#[must_use]
pub fn free_target(used: &BTreeSet<String>, prefix: &str) -> String {
    let mut targets = ('a'..='z').map(|letter| format!("{prefix}{letter}"));
    targets.find(|target| !used.contains(target)).unwrap_or_else(|| format!("{prefix}z"))
}
