//! What VMs use: capacity, running capacity, disks in datastores, leases, images.
//!
//! Pure functions of templates, as the reference's quota classes compute it. Templates must be complete: disks with
//! the image's attributes (`SIZE`, `CLONE`, `CLONE_TARGET`, ...) and NICs with `NETWORK_ID`, as the pools fill them in.

use crate::quota::amount::{Amount, Used};
use crate::quota::charge::Charge;
use crate::quota::limits::Table;
use crate::template::{Template, VectorAttribute};

/// Whose quota pays for the space of a disk outside the VM's own system disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Payers {
    /// The VM's owner pays in the image's datastore (the disk is a copy there).
    pub vm_owner: bool,
    /// The image's owner pays in the image's datastore (the disk is the image itself).
    pub image_owner: bool,
    /// The VM's owner pays as system disk (the disk is in the system datastore).
    pub system: bool,
}

/// Everything that a VM uses: leases, capacity, images, space in image datastores. For a new VM `template` is the one
/// of the call with its disks completed.
#[must_use]
pub fn whole(template: &Template, running: bool) -> Vec<Charge> {
    let mut charges = nics(template);
    charges.push(capacity(template, running));
    charges.extend(template.vectors("DISK").filter_map(image));
    charges.extend(template.vectors("DISK").filter_map(image_datastore));
    charges
}

/// CPU and memory of a VM, as quotas count them.
struct Capacity {
    cpu: Amount,
    memory: Amount,
    fault: Option<String>,
}

impl Capacity {
    /// As in the reference (`QuotaVirtualMachine::check`), a wrong MEMORY is found before a wrong CPU.
    fn read(cpu: &str, memory: &str) -> Capacity {
        let (cpu, memory) = (Used::cpu(cpu), Used::memory(memory));
        Capacity { cpu: cpu.amount, memory: memory.amount, fault: memory.fault.or(cpu.fault) }
    }

    fn of(template: &Template) -> Capacity {
        Capacity::read(template.value("CPU"), template.value("MEMORY"))
    }
}

/// The capacity of a VM: as one VM, its CPU and memory, its system disk; and as a running one.
#[must_use]
pub fn capacity(template: &Template, running: bool) -> Charge {
    let Capacity { cpu, memory, fault } = Capacity::of(template);
    let system_disk = Used::system_disk(system_disk(template));
    let of_running = |amount| if running { amount } else { Amount::whole(0) };
    let charge = Charge::vm(vec![
        ("VMS", Amount::whole(1)),
        ("RUNNING_VMS", of_running(Amount::whole(1))),
        ("CPU", cpu),
        ("RUNNING_CPU", of_running(cpu)),
        ("MEMORY", memory),
        ("RUNNING_MEMORY", of_running(memory)),
        ("SYSTEM_DISK_SIZE", system_disk.amount),
    ]);
    Charge { fault: fault.or(system_disk.fault), ..charge }
}

/// What starting (again) a VM that does not count as running takes. As in the reference (`QuotaVirtualMachine::check`,
/// which asks for every metric, if only for 0), limits that are exceeded already, of whatever metric, stop it too.
#[must_use]
pub fn start(template: &Template) -> Charge {
    let none = Amount::whole(0);
    let Capacity { cpu, memory, fault } = Capacity::of(template);
    let charge = Charge::vm(vec![
        ("VMS", none),
        ("RUNNING_VMS", Amount::whole(1)),
        ("CPU", none),
        ("RUNNING_CPU", cpu),
        ("MEMORY", none),
        ("RUNNING_MEMORY", memory),
        ("SYSTEM_DISK_SIZE", none),
    ]);
    Charge { fault, ..charge }
}

/// The difference that a resize makes, from (CPU, MEMORY) to others, as a VM's template has them.
#[must_use]
pub fn resize(from: (&str, &str), to: (&str, &str), running: bool) -> Charge {
    let (from, to) = (Capacity::read(from.0, from.1), Capacity::read(to.0, to.1));
    let (cpu, memory) = (to.cpu.less(from.cpu), to.memory.less(from.memory));
    let mut amounts = vec![("CPU", cpu), ("MEMORY", memory)];
    if running {
        amounts.extend([("RUNNING_CPU", cpu), ("RUNNING_MEMORY", memory)]);
    }
    Charge { fault: to.fault, ..Charge::vm(amounts) }
}

/// So many megabytes more as system disk.
#[must_use]
pub fn system_disk_size(size_mb: i64) -> Charge {
    Charge::used(Table::Vm, -1, vec![("SYSTEM_DISK_SIZE", Used::system_disk(size_mb))])
}

/// What a snapshot of the whole VM takes. As in the reference (`QuotaVirtualMachine::check`, which asks for every
/// metric, if only for 0), limits that are exceeded already, of whatever metric, stop it.
#[must_use]
pub fn snapshot(snapshot: &VectorAttribute) -> Charge {
    let size = Used::system_disk(megabytes(snapshot, "SYSTEM_DISK_SIZE"));
    let others = ["VMS", "RUNNING_VMS", "CPU", "RUNNING_CPU", "MEMORY", "RUNNING_MEMORY"];
    let mut amounts: Vec<_> = others.into_iter().map(|name| (name, Amount::whole(0))).collect();
    amounts.push(("SYSTEM_DISK_SIZE", size.amount));
    Charge { fault: size.fault, ..Charge::vm(amounts) }
}

/// What a disk takes when it is attached (its image's attributes filled in): system disk first, then its image, then
/// the space of a copy in the image's datastore, which the reference neither asks for nor counts.
#[must_use]
pub fn attached_disk(disk: &VectorAttribute) -> Vec<Charge> {
    let size = disk_in_system_datastore(disk);
    let system = (size != 0).then(|| system_disk_size(size));
    system.into_iter().chain(image(disk)).chain(image_datastore(disk)).collect()
}

/// The leases of all NICs, aliases and PCI devices that are NICs; without the automatic ones that have no network yet.
#[must_use]
pub fn nics(template: &Template) -> Vec<Charge> {
    let devices = template.vectors("PCI").filter(|pci| pci.value("TYPE") == "NIC");
    template.vectors("NIC").chain(devices).chain(template.vectors("NIC_ALIAS")).filter_map(nic).collect()
}

/// The lease of a NIC.
#[must_use]
pub fn nic(nic: &VectorAttribute) -> Option<Charge> {
    by_id(nic.value("NETWORK_ID"), Charge::lease)
}

/// The use of a disk's image.
#[must_use]
pub fn image(disk: &VectorAttribute) -> Option<Charge> {
    by_id(disk.value("IMAGE_ID"), Charge::image)
}

fn by_id(id: &str, charge: fn(i32) -> Charge) -> Option<Charge> {
    if id.is_empty() {
        return None;
    }
    Some(id.parse().map_or_else(|_| Charge::impossible(format!("String '{id}' is not a valid ID")), charge))
}

/// The space of a disk that is a copy in its image's datastore, with its snapshots.
#[must_use]
pub fn image_datastore(disk: &VectorAttribute) -> Option<Charge> {
    if target(disk) != "SELF" {
        return None;
    }
    let size = megabytes(disk, "SIZE");
    let size = size.saturating_add(megabytes(disk, "DISK_SNAPSHOT_TOTAL_SIZE"));
    let charge = |datastore| Charge::datastore(datastore, 0, size);
    (size != 0).then(|| disk.value("DATASTORE_ID").parse().ok().map(charge)).flatten()
}

/// Who pays when a disk grows, by a resize or a snapshot.
#[must_use]
pub fn payers(disk: &VectorAttribute) -> Payers {
    let target = target(disk);
    let volatile = is_volatile(disk);
    Payers {
        vm_owner: !volatile && target == "SELF",
        image_owner: !volatile && (disk.is_yes("PERSISTENT") || target == "NONE"),
        system: volatile || target == "SYSTEM",
    }
}

/// Megabytes of system disk that a VM takes: its disks there with their snapshots, and snapshots of the whole VM.
#[must_use]
pub fn system_disk(template: &Template) -> i64 {
    let disks = template.vectors("DISK").map(disk_in_system_datastore);
    let snapshots = template.vectors("SNAPSHOT").map(|s| megabytes(s, "SYSTEM_DISK_SIZE"));
    disks.chain(snapshots).fold(0, i64::saturating_add)
}

/// Megabytes of a VM's disks in the system datastore, without their snapshots.
#[must_use]
pub fn system_disks_alone(template: &Template) -> i64 {
    let there = |disk: &&VectorAttribute| is_volatile(disk) || target(disk) == "SYSTEM";
    let sizes = template.vectors("DISK").filter(there).map(|disk| megabytes(disk, "SIZE"));
    sizes.fold(0, i64::saturating_add)
}

/// A size of a vector; a negative one, which only a caller can have written, takes nothing and gives nothing.
fn megabytes(vector: &VectorAttribute, name: &str) -> i64 {
    vector.int(name).unwrap_or(0).max(0)
}

fn disk_in_system_datastore(disk: &VectorAttribute) -> i64 {
    let size = megabytes(disk, "SIZE");
    if is_volatile(disk) || target(disk) == "SYSTEM" {
        size.saturating_add(megabytes(disk, "DISK_SNAPSHOT_TOTAL_SIZE"))
    } else {
        0
    }
}

/// Whether a disk is made for the VM alone, without an image.
#[must_use]
pub fn is_volatile(disk: &VectorAttribute) -> bool {
    ["SWAP", "FS"].iter().any(|ty| disk.value("TYPE").eq_ignore_ascii_case(ty))
}

/// Where the disk's data go, in upper case: `SELF` the image's datastore, `SYSTEM` the system datastore, `NONE` the
/// image itself; empty when unknown. The only place that reads it from a disk (in the reference
/// `VirtualMachineDisk::get_tm_target`).
///
/// Callers may set these attributes of their own disks. That nothing is copied (`NONE`) is believed of disks of an image
/// only, where the datastore has said it (see `pools::image`, `describe_disk`). Anything else takes space: when
/// the attribute is something unknown, it counts as a disk of the system datastore.
#[must_use]
pub fn target(disk: &VectorAttribute) -> String {
    let Some(clone) = disk.get("CLONE") else { return String::new() };
    let name = if clone.eq_ignore_ascii_case("YES") { "CLONE_TARGET" } else { "LN_TARGET" };
    let of_image = disk.id("IMAGE_ID").is_some() && disk.id("DATASTORE_ID").is_some();
    match disk.value(name).to_ascii_uppercase() {
        known if known.is_empty() || known == "SELF" || (known == "NONE" && of_image) => known,
        _ => "SYSTEM".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse::parse;

    fn amount(charge: &Charge, name: &str) -> String {
        charge.amounts.iter().find(|(n, _)| *n == name).map(|(_, a)| a.to_string()).unwrap_or_default()
    }

    #[test]
    fn only_disks_in_the_system_datastore_and_snapshots_are_system_disk() -> Result<(), String> {
        let vm = parse(
            "CPU=0.5 MEMORY=64 SNAPSHOT=[SYSTEM_DISK_SIZE=7]
             DISK=[TYPE=fs,SIZE=100]
             DISK=[IMAGE_ID=1,SIZE=10,CLONE=YES,CLONE_TARGET=system,LN_TARGET=NONE,DISK_SNAPSHOT_TOTAL_SIZE=3]
             DISK=[IMAGE_ID=2,SIZE=1000,CLONE=NO,CLONE_TARGET=SYSTEM,LN_TARGET=NONE,DATASTORE_ID=4]
             DISK=[IMAGE_ID=3,SIZE=2000,CLONE=YES,CLONE_TARGET=SELF,DATASTORE_ID=4]",
        )?;
        let charges = whole(&vm, false);
        assert_eq!(amount(&charges[0], "SYSTEM_DISK_SIZE"), "120");
        assert_eq!((amount(&charges[0], "CPU"), amount(&charges[0], "RUNNING_CPU")), ("0.50".into(), "0".into()));
        let rest = [Charge::image(1), Charge::image(2), Charge::image(3), Charge::datastore(4, 0, 2000)];
        assert_eq!(charges[1..], rest);
        Ok(())
    }

    #[test]
    fn every_nic_with_a_network_takes_a_lease() -> Result<(), String> {
        let vm = parse(
            "NIC=[NETWORK_ID=1] NIC=[NETWORK_MODE=auto] NIC_ALIAS=[NETWORK_ID=2] PCI=[TYPE=NIC,NETWORK_ID=3]
             PCI=[NETWORK_ID=4] NIC=[NETWORK_ID=x]",
        )?;
        let wrong = Charge::impossible("String 'x' is not a valid ID");
        assert_eq!(nics(&vm), [Charge::lease(1), wrong, Charge::lease(3), Charge::lease(2)]);
        Ok(())
    }

    #[test]
    fn the_payer_of_growth_is_where_the_data_are() -> Result<(), String> {
        let disks = parse(
            "DISK=[TYPE=SWAP] DISK=[CLONE=YES,CLONE_TARGET=SELF] DISK=[CLONE=NO,PERSISTENT=YES,LN_TARGET=NONE,IMAGE_ID=1,DATASTORE_ID=1]
             DISK=[CLONE=YES,CLONE_TARGET=SYSTEM]",
        )?;
        let found: Vec<_> = disks.vectors("DISK").map(payers).map(|p| (p.vm_owner, p.image_owner, p.system)).collect();
        assert_eq!(found, [(false, false, true), (true, false, false), (false, true, false), (false, false, true)]);
        Ok(())
    }

    #[test]
    fn a_difference_counts_row_by_row() {
        let before = [Charge::datastore(1, 1, 10), Charge::lease(3)];
        let after = [Charge::datastore(1, 1, 15), Charge::lease(3), Charge::image(2)];
        let grown = Charge { amounts: vec![("SIZE", Amount::whole(5))], ..Charge::datastore(1, 0, 0) };
        assert_eq!(Charge::difference(&before, &after), [grown, Charge::image(2)]);
    }
}
