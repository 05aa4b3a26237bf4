//! What a host has and what its VMs take of it: CPU, memory, disk, PCI devices, NUMA nodes.
//!
//! Units as in the reference (`HostShare.h`): CPU in hundredths of a core, memory in KB, disk in MB. It must not know
//! VMs beyond ids.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::records::host::numa::Node;
use crate::template::{Template, VectorAttribute, leading_int};
use crate::xml::XmlWriter;

/// What is kept from VMs: absolute, a percentage (`10%`), negative to give more than there is; empty: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reservation {
    /// Of CPU.
    pub cpu: String,
    /// Of memory.
    pub mem: String,
}

impl Reservation {
    /// RESERVED_CPU and RESERVED_MEM of a template.
    #[must_use]
    pub fn of(template: &Template) -> Reservation {
        Reservation { cpu: template.value("RESERVED_CPU").to_owned(), mem: template.value("RESERVED_MEM").to_owned() }
    }

    /// Whether both are said.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.cpu.is_empty() && !self.mem.is_empty()
    }

    /// What is not said is as in `other`.
    #[must_use]
    pub fn or(self, other: &Reservation) -> Reservation {
        let pick = |own: String, other: &String| if own.is_empty() { other.clone() } else { own };
        Reservation { cpu: pick(self.cpu, &other.cpu), mem: pick(self.mem, &other.mem) }
    }
}

/// What is left of `total` after a reservation; as in the reference (`HostShare.cc`, `set_reserved_metric`), an
/// unreadable one reserves nothing.
fn after_reservation(total: i64, reserved: &str) -> i64 {
    let text = if reserved.ends_with(|c: char| c.is_ascii_whitespace()) { reserved.trim() } else { reserved };
    let (number, percent) = match text.strip_suffix('%') {
        Some(number) => (number, true),
        None => (text, false),
    };
    match whole_int(number) {
        None => total,
        Some(n) if percent => percent_left(total, n),
        Some(n) => total.saturating_sub(n),
    }
}

/// An integer that is all of the text but leading blanks, as a stream that must be at its end reads it.
fn whole_int(text: &str) -> Option<i64> {
    let text = text.trim_start();
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// `total` less a percentage, cut to a whole number as the reference's conversion does.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn percent_left(total: i64, percent: i64) -> i64 {
    (total as f64 * (1.0 - percent as f64 / 100.0)) as i64
}

/// Disk space below the datastores' location on the host, and what its VMs take of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Disks {
    /// What VMs take.
    pub usage: i64,
    /// What there is.
    pub max: i64,
    /// What is free.
    pub free: i64,
    /// What is used, by whomever.
    pub used: i64,
    /// Datastores that are not shared, with their own figures.
    pub datastores: Vec<VectorAttribute>,
}

/// What a host has and what its VMs take.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Share {
    /// Memory that VMs take.
    pub mem_usage: i64,
    /// CPU that VMs take.
    pub cpu_usage: i64,
    /// Memory there is.
    pub total_mem: i64,
    /// CPU there is.
    pub total_cpu: i64,
    /// Memory for VMs: what there is less what is reserved.
    pub max_mem: i64,
    /// CPU for VMs.
    pub max_cpu: i64,
    /// How many VMs take capacity.
    pub running_vms: i64,
    /// How many VMs may share a CPU thread when pinned.
    pub vms_thread: u32,
    /// Disk space.
    pub disks: Disks,
    /// PCI devices, in the order in which they were found; VMID says who has one, -1 nobody.
    pub pci: Vec<VectorAttribute>,
    /// NUMA nodes by id.
    pub numa: BTreeMap<u32, Node>,
}

impl Default for Share {
    fn default() -> Share {
        Share {
            mem_usage: 0,
            cpu_usage: 0,
            total_mem: 0,
            total_cpu: 0,
            max_mem: 0,
            max_cpu: 0,
            running_vms: 0,
            vms_thread: 1,
            disks: Disks::default(),
            pci: Vec::new(),
            numa: BTreeMap::new(),
        }
    }
}

impl Share {
    /// `<HOST_SHARE>`; without figures of disk space when `with_disks` is false.
    pub fn render(&self, with_disks: bool, w: &mut XmlWriter) {
        w.element("HOST_SHARE", |w| {
            w.plain("MEM_USAGE", self.mem_usage).plain("CPU_USAGE", self.cpu_usage);
            w.plain("TOTAL_MEM", self.total_mem).plain("TOTAL_CPU", self.total_cpu);
            w.plain("MAX_MEM", self.max_mem).plain("MAX_CPU", self.max_cpu);
            w.plain("RUNNING_VMS", self.running_vms).plain("VMS_THREAD", self.vms_thread);
            w.element("DATASTORES", |w| {
                if with_disks {
                    self.disks.render(w);
                }
            });
            w.element("PCI_DEVICES", |w| {
                for device in &self.pci {
                    device.render("PCI", w);
                }
            });
            w.element("NUMA_NODES", |w| {
                for (id, node) in &self.numa {
                    node.render(*id, w);
                }
            });
        });
    }

    /// Applies reservations and what the host's template says about pinning.
    pub fn reserve(&mut self, template: &mut Template, reservation: &Reservation) {
        self.max_cpu = after_reservation(self.total_cpu, &reservation.cpu);
        self.max_mem = after_reservation(self.total_mem, &reservation.mem);
        if let Some(threads) = template.int("VMS_THREAD").and_then(|n| u32::try_from(n).ok()) {
            if threads == 0 {
                template.set("VMS_THREAD", 1);
            }
            self.vms_thread = threads.max(1);
            for node in self.numa.values_mut() {
                node.set_vms_thread(self.vms_thread);
            }
        }
        if let Some(cpus) = template.get("ISOLCPUS") {
            let cpus: Vec<u32> =
                cpus.split(',').filter_map(leading_int).filter_map(|n| u32::try_from(n).ok()).collect();
            for node in self.numa.values_mut() {
                node.isolate(&cpus);
            }
        }
    }

    /// What there is has changed or not; `reservation` counts when it has.
    pub fn set_totals(&mut self, cpu: i64, mem: i64, reservation: &Reservation) {
        if (cpu, mem) != (self.total_cpu, self.total_mem) {
            (self.total_cpu, self.total_mem) = (cpu, mem);
            self.max_cpu = after_reservation(cpu, &reservation.cpu);
            self.max_mem = after_reservation(mem, &reservation.mem);
        }
    }

    /// The host is offline: it has nothing to give.
    pub fn reset(&mut self) {
        (self.total_cpu, self.total_mem, self.max_cpu, self.max_mem) = (0, 0, 0, 0);
    }
}

impl Disks {
    fn render(&self, w: &mut XmlWriter) {
        w.cdata("DISK_USAGE", &self.usage.to_string());
        for datastore in &self.datastores {
            datastore.render("DS", w);
        }
        w.cdata("FREE_DISK", &self.free.to_string());
        w.cdata("MAX_DISK", &self.max.to_string());
        w.cdata("USED_DISK", &self.used.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::after_reservation;

    #[test]
    fn reservations_are_read_as_the_reference_reads_them() {
        assert_eq!(after_reservation(800, ""), 800);
        assert_eq!(after_reservation(800, "100"), 700);
        assert_eq!(after_reservation(800, "-100"), 900);
        assert_eq!(after_reservation(800, "10%"), 720);
        assert_eq!(after_reservation(800, "-50% "), 1200);
        assert_eq!(after_reservation(800, "1.5"), 800, "unreadable: nothing is reserved");
        assert_eq!(after_reservation(800, "some"), 800);
        assert_eq!(after_reservation(800, "%"), 800);
    }
}
