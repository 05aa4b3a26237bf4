//! NUMA nodes of a host: which VM's virtual CPUs are pinned to which threads, whose memory is where.
//!
//! It must not know VMs beyond ids, nor how a place for one is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::template::{VectorAttribute, leading_int};
use crate::xml::XmlWriter;

/// A core: threads that share its resources.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Core {
    /// The VMs pinned to each thread; a VM may be there more than once.
    pub threads: BTreeMap<u32, Vec<i32>>,
    /// Threads that are kept from VMs.
    pub isolated: BTreeSet<u32>,
    /// Whether one VM has it for itself.
    pub dedicated: bool,
    /// How many VMs may share a thread.
    pub vms_thread: u32,
}

/// Memory pages of one size.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HugePages {
    /// How many there are.
    pub pages: u64,
    /// How many VMs have.
    pub usage: u64,
}

/// A node: cores with memory close to them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its cores by id.
    pub cores: BTreeMap<u32, Core>,
    /// Its pages by size in KB.
    pub pages: BTreeMap<u64, HugePages>,
    /// Whether its memory is known.
    pub has_memory: bool,
    /// Its memory in KB.
    pub total_mem: i64,
    /// What VMs take of it.
    pub mem_usage: i64,
    /// All nodes, the closest first.
    pub distance: Vec<u32>,
}

impl Core {
    /// Reads threads `0,16` or, with their VMs, `0:7,16:-1`; -1 nobody, -2 isolated.
    #[must_use]
    pub fn parse(threads: &str, vms_thread: u32) -> Core {
        let mut core = Core { vms_thread, ..Core::default() };
        for part in threads.split(',') {
            let (thread, vm) = part.split_once(':').unwrap_or((part, ""));
            let Some(thread) = number(thread) else { continue };
            let vms = core.threads.entry(thread).or_default();
            match leading_int(vm).and_then(|n| i32::try_from(n).ok()) {
                Some(vm) if vm >= 0 => vms.push(vm),
                Some(-2) => {
                    core.isolated.insert(thread);
                }
                _ => {}
            }
        }
        core
    }

    /// How many threads VMs have; one, when the core is dedicated.
    #[must_use]
    pub fn used(&self) -> usize {
        if self.dedicated { 1 } else { self.threads.values().map(Vec::len).sum() }
    }

    /// How many more virtual CPUs it can take.
    #[must_use]
    pub fn free(&self) -> usize {
        if self.dedicated {
            return 0;
        }
        let threads = self.threads.len().saturating_sub(self.isolated.len());
        threads.saturating_mul(usize::try_from(self.vms_thread).unwrap_or(1)).saturating_sub(self.used())
    }

    fn to_attribute(&self, id: u32) -> VectorAttribute {
        let mut cpus = String::new();
        for (thread, vms) in &self.threads {
            let vms: Vec<i32> = match vms.as_slice() {
                _ if self.isolated.contains(thread) => vec![-2],
                [] => vec![-1],
                vms => vms.to_vec(),
            };
            for vm in vms {
                let comma = if cpus.is_empty() { "" } else { "," };
                // Writing to a String cannot fail.
                let _ = write!(cpus, "{comma}{thread}:{vm}");
            }
        }
        let dedicated = if self.dedicated { "YES" } else { "NO" };
        let fields = [("CPUS", cpus), ("DEDICATED", dedicated.to_owned())];
        let mut attribute = VectorAttribute::from_iter(fields);
        attribute.set("FREE", self.free()).set("ID", id);
        attribute
    }
}

impl Node {
    /// `<NODE>`
    pub fn render(&self, id: u32, w: &mut XmlWriter) {
        w.element("NODE", |w| {
            for (id, core) in &self.cores {
                core.to_attribute(*id).render("CORE", w);
            }
            for (size, pages) in &self.pages {
                let fields = [("SIZE", *size), ("PAGES", pages.pages), ("USAGE", pages.usage)];
                VectorAttribute::from_iter(fields).render("HUGEPAGE", w);
            }
            if self.has_memory {
                let distance = self.distance.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
                let mut memory = VectorAttribute::from_iter([("DISTANCE", distance)]);
                memory.set("TOTAL", self.total_mem).set("USAGE", self.mem_usage);
                memory.render("MEMORY", w);
            }
            w.cdata("NODE_ID", &id.to_string());
        });
    }

    /// How many VMs may share a thread from now on.
    pub fn set_vms_thread(&mut self, vms_thread: u32) {
        for core in self.cores.values_mut() {
            core.vms_thread = vms_thread;
        }
    }

    /// Keeps these threads, and no others, from VMs; a thread that a VM has is left to it.
    pub fn isolate(&mut self, threads: &[u32]) {
        for core in self.cores.values_mut() {
            for (thread, vms) in &core.threads {
                if !threads.contains(thread) {
                    core.isolated.remove(thread);
                } else if vms.is_empty() {
                    core.isolated.insert(*thread);
                }
            }
        }
    }

    /// Its memory that VMs do not take, KB.
    #[must_use]
    pub fn free_memory(&self) -> i64 {
        self.total_mem.saturating_sub(self.mem_usage)
    }

    /// Its threads that are not kept from VMs.
    #[must_use]
    pub fn open_threads(&self) -> String {
        let cores = self.cores.values();
        let open = cores.flat_map(|c| c.threads.keys().filter(|thread| !c.isolated.contains(thread)));
        open.map(u32::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The number a text begins with, when it can be an id.
#[must_use]
pub fn number(text: &str) -> Option<u32> {
    leading_int(text).and_then(|n| u32::try_from(n).ok())
}
