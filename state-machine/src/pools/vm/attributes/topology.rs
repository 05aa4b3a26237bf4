//! TOPOLOGY and NUMA_NODE: sockets, cores, threads, and how memory and CPUs spread over nodes.

use quorate_model::template::{Template, VectorAttribute, whole_int};

/// More virtual nodes than this are not made: a call that asks for any number of them must not take the zone's memory.
const MOST_NODES: i64 = 1024;

/// Whether a topology pins the VM's CPUs.
#[must_use]
pub fn is_pinned(template: &Template) -> bool {
    template.vector("TOPOLOGY").is_some_and(pins)
}

fn pins(topology: &VectorAttribute) -> bool {
    matches!(topology.value("PIN_POLICY").to_ascii_uppercase().as_str(), "CORE" | "THREAD" | "SHARED")
}

/// A number of a vector that is not negative; 0 when there is none.
fn number(vector: &VectorAttribute, name: &str) -> i64 {
    vector.get(name).and_then(whole_int).filter(|n| *n >= 0).unwrap_or(0)
}

/// Checks the topology of a template against its CPU and memory and completes both.
///
/// # Errors
/// Sockets, cores, threads or nodes that do not fit CPU and memory, or each other.
pub fn parse(template: &mut Template) -> Result<(), String> {
    let wanted: Vec<VectorAttribute> = template.vectors("NUMA_NODE").cloned().collect();
    let given = template.vector("TOPOLOGY").cloned();
    template.remove("TOPOLOGY");
    if given.is_none() && wanted.is_empty() {
        return Ok(());
    }
    let mut topology = given.unwrap_or_default();
    let pinned = pins(&topology);
    let affinity = topology.get("NODE_AFFINITY").and_then(whole_int);
    if affinity.is_none() {
        topology.remove("NODE_AFFINITY");
    }
    // As in the reference (`VirtualMachine::parse_topology`), -1 is the same as no affinity.
    let affinity = affinity.filter(|n| *n != -1);
    if pinned && affinity.is_some() {
        return Err("NUMA node affinity cannot be set for pinned VMs".to_owned());
    }
    let memory = template.get("MEMORY").and_then(whole_int).ok_or("VM has not MEMORY set")?;
    let vcpu = match template.get("VCPU").and_then(whole_int).filter(|n| *n >= 0) {
        Some(vcpu) => vcpu,
        None => {
            template.set("VCPU", 1);
            1
        }
    };
    if pinned {
        template.set("CPU", vcpu);
    }
    if template.get("VCPU_MAX").and_then(whole_int).is_some() {
        return Err("VM with TOPOLOGY does not support CPU hotplug (VCPU_MAX)".to_owned());
    }
    let nodes = if pinned {
        pin(&mut topology, &wanted, vcpu, memory)?
    } else {
        virtual_only(&mut topology, affinity.is_some(), vcpu, memory)?
    };
    template.set_vectors("TOPOLOGY", [topology]);
    template.set_vectors("NUMA_NODE", nodes);
    Ok(())
}

fn node(cpus: i64, memory_mb: i64) -> VectorAttribute {
    VectorAttribute::from_iter([("TOTAL_CPUS", cpus), ("MEMORY", memory_mb.saturating_mul(1024))])
}

/// A topology that only the guest sees; a node of its own is needed for affinity or huge pages.
fn virtual_only(
    topology: &mut VectorAttribute,
    affinity: bool,
    vcpu: i64,
    memory: i64,
) -> Result<Vec<VectorAttribute>, String> {
    let [sockets, cores, threads] = ["SOCKETS", "CORES", "THREADS"].map(|name| number(topology, name));
    match (sockets, cores, threads) {
        (0, 0, 0) => {
            topology.set("SOCKETS", 1).set("CORES", vcpu).set("THREADS", 1);
        }
        (0, _, _) | (_, 0, _) | (_, _, 0) => {
            let text = "Non-pinned VMs with a virtual topology needs to set  SOCKETS, CORES and THREADS numbers.";
            return Err(text.to_owned());
        }
        _ if sockets.saturating_mul(cores).saturating_mul(threads) != vcpu => {
            return Err("Total threads per core and socket needs to match VCPU".to_owned());
        }
        _ => {}
    }
    topology.set("PIN_POLICY", "NONE");
    let needed = affinity || number(topology, "HUGEPAGE_SIZE") != 0;
    Ok(if needed { vec![node(vcpu, memory)] } else { Vec::new() })
}

/// A topology that is laid over the host's nodes.
fn pin(
    topology: &mut VectorAttribute,
    wanted: &[VectorAttribute],
    vcpu: i64,
    memory: i64,
) -> Result<Vec<VectorAttribute>, String> {
    let [mut sockets, cores, threads] = ["SOCKETS", "CORES", "THREADS"].map(|name| number(topology, name));
    if sockets == 0 {
        sockets = i64::try_from(wanted.len().max(1)).unwrap_or(1);
        topology.set("SOCKETS", sockets);
    }
    let of_cores = cores.saturating_mul(sockets);
    if cores != 0 && threads != 0 && of_cores.saturating_mul(threads) != vcpu {
        return Err("Total threads per core and socket needs to match VCPU".to_owned());
    }
    if threads == 0 && cores != 0 {
        if vcpu % of_cores != 0 {
            return Err("VCPU is not multiple of the total number of cores".to_owned());
        }
        let threads = vcpu / of_cores;
        if threads & (threads - 1) != 0 {
            return Err("Computed number of threads is not power of 2".to_owned());
        }
        topology.set("THREADS", threads);
    }
    if wanted.is_empty() {
        if vcpu % sockets != 0 {
            return Err("VCPU is not multiple of the number of NUMA nodes".to_owned());
        }
        if memory % sockets != 0 {
            return Err("MEMORY is not multiple of the number of NUMA nodes".to_owned());
        }
        if sockets > MOST_NODES {
            return Err(format!("At most {MOST_NODES} NUMA nodes can be defined"));
        }
        let one = node(vcpu / sockets, memory / sockets);
        return Ok((0..sockets).map(|_| one.clone()).collect());
    }
    asymmetric(wanted, vcpu, memory)
}

fn asymmetric(wanted: &[VectorAttribute], vcpu: i64, memory: i64) -> Result<Vec<VectorAttribute>, String> {
    let mut nodes = Vec::new();
    let (mut cpus, mut megabytes) = (0_i64, 0_i64);
    for given in wanted {
        let (node_cpus, node_memory) = (number(given, "TOTAL_CPUS"), number(given, "MEMORY"));
        if node_cpus == 0 {
            return Err("A NUMA_NODE must have TOTAL_CPUS greater than 0".to_owned());
        }
        if node_memory <= 0 {
            return Err(" A NUMA_NODE must have MEMORY greater than 0".to_owned());
        }
        nodes.push(node(node_cpus, node_memory));
        cpus = cpus.saturating_add(node_cpus);
        megabytes = megabytes.saturating_add(node_memory);
    }
    if cpus != vcpu {
        return Err("Total CPUS of NUMA nodes is different from VM VCPU".to_owned());
    }
    if megabytes != memory {
        return Err("Total MEMORY of NUMA nodes is different from VM MEMORY".to_owned());
    }
    Ok(nodes)
}
