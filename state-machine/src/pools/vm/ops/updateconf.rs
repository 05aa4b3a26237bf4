//! The configuration that a VM keeps through its life: OS, FEATURES, INPUT, GRAPHICS, RAW, CPU_MODEL, CONTEXT and the
//! configuration of its backups.

use crate::pools::vm::Vm;
use crate::template::{Attribute, Template};

/// Takes BACKUP_CONFIG (the first) out of `from`, a new VM's template or one of `one.vm.updateconf`, into the VM.
/// `with_volatile`: volatile disks, which stop increments, are thought to take part. `append`: what is not given stays.
///
/// # Errors
/// The reference's text.
pub fn take_backup_config(vm: &mut Vm, from: &mut Template, with_volatile: bool, append: bool) -> Result<(), String> {
    match from.remove("BACKUP_CONFIG").first() {
        None => Ok(()),
        Some(Attribute::Single(_)) => Err("Internal error parsing BACKUP_CONFIG attribute.".to_owned()),
        Some(Attribute::Vector(given)) => {
            let can_increment = can_increment(vm, with_volatile);
            vm.backups.configure(given, can_increment, append);
            Ok(())
        }
    }
}

/// Whether all disks that take part in backups allow increments: QCOW2 without snapshots.
fn can_increment(vm: &Vm, with_volatile: bool) -> bool {
    let mut disks = vm.disks().filter(|disk| takes_part(disk.value("TYPE"), with_volatile));
    disks.all(|disk| {
        let has_snapshots = disk.id("DISK_ID").is_some_and(|id| vm.snapshots.contains_key(&id));
        disk.value("FORMAT").eq_ignore_ascii_case("QCOW2") && !has_snapshots
    })
}

/// Whether a disk of this TYPE is backed up.
#[must_use]
pub fn takes_part(disk_type: &str, with_volatile: bool) -> bool {
    match disk_type.to_ascii_uppercase().as_str() {
        "SWAP" => false,
        "FS" => with_volatile,
        _ => true,
    }
}
