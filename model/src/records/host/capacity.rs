//! What a VM takes of a host.
//!
//! Taking it writes into it what the VM was given (PCI addresses, NUMA nodes), for the VM's template.

use crate::template::VectorAttribute;

/// What a VM takes of its host.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Capacity {
    /// Virtual CPUs.
    pub vcpu: u32,
    /// CPU in hundredths of a core (the template's CPU times 100).
    pub cpu: i64,
    /// Memory in KB (the template's MEMORY times 1024).
    pub mem: i64,
    /// Disk in MB: the space on the host's system datastore that the VM's disks take.
    pub disk: i64,
    /// The VM's PCI attributes; taking it writes the devices' addresses into them.
    pub pci: Vec<VectorAttribute>,
    /// The VM's TOPOLOGY; taking it writes THREADS and CORES into it.
    pub topology: Option<VectorAttribute>,
    /// The VM's NUMA_NODE attributes; taking it writes NODE_ID, CPUS and MEMORY_NODE_ID into them.
    pub nodes: Vec<VectorAttribute>,
}
