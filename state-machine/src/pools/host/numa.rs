//! Finding a place for a VM's virtual nodes among a host's, taking it, giving it back.
//!
//! The search follows the reference's rules (`src/host/HostShareNUMA.cc`), so that VMs get the same CPUs.

use std::collections::{BTreeMap, BTreeSet};

use quorate_model::records::host::capacity::Capacity;
use quorate_model::records::host::numa::{Core, Node, number};
use quorate_model::template::{Template, VectorAttribute};

type Nodes = BTreeMap<u32, Node>;

/// How a VM's CPUs are tied to the host's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pin {
    /// Not at all.
    None,
    /// A core for each virtual CPU.
    Core,
    /// A thread for each (THREAD), or a set of threads for all (SHARED).
    Threads,
}

/// What a VM's TOPOLOGY asks for.
struct Wish {
    pin: Pin,
    affinity: Option<u32>,
    page_size: u64,
    threads: u32,
    sockets: u32,
}

impl Wish {
    fn of(topology: &VectorAttribute) -> Wish {
        let pin = match topology.value("PIN_POLICY").to_ascii_uppercase().as_str() {
            "CORE" => Pin::Core,
            "THREAD" | "SHARED" => Pin::Threads,
            _ => Pin::None,
        };
        let page_mb = topology.int("HUGEPAGE_SIZE").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        Wish {
            pin,
            affinity: number(topology.value("NODE_AFFINITY")),
            page_size: page_mb.saturating_mul(1024),
            threads: number(topology.value("THREADS")).unwrap_or(0),
            sockets: number(topology.value("SOCKETS")).unwrap_or(0),
        }
    }

    /// How many pages `memory` takes.
    fn pages(&self, memory: i64) -> u64 {
        u64::try_from(memory).unwrap_or(0).checked_div(self.page_size).unwrap_or(0)
    }
}

/// Where a virtual node goes.
struct Place {
    cpu_node: u32,
    mem_node: u32,
    cpus: u32,
    memory: i64,
}

/// How a VM is spread over a host's nodes.
enum Spread {
    /// It goes to this node as a whole: by affinity, or for huge pages without pinning.
    To(u32),
    /// It would go to one node as a whole, but none can take it.
    Nowhere,
    /// Its virtual nodes are placed one by one.
    ByVirtualNode,
}

/// Whether a host's nodes can take a VM; one without topology or virtual nodes goes anywhere.
#[must_use]
pub fn fits(nodes: &Nodes, wanted: &Capacity) -> bool {
    let Some(topology) = wanted.topology.as_ref().filter(|_| !wanted.nodes.is_empty()) else { return true };
    let wish = Wish::of(topology);
    match Spread::of(nodes, &wish, wanted) {
        Spread::To(_) => return true,
        Spread::Nowhere => return false,
        Spread::ByVirtualNode => {}
    }
    // As in the reference (`HostShareNUMA.cc`, `make_topology`), the test looks at each virtual node alone.
    thread_counts(nodes, &wish, wanted).into_iter().rev().any(|threads| {
        let mut taken = Taken::default();
        wanted.nodes.iter().all(|node| {
            let (cpus, memory) = request(node);
            taken.candidates(nodes, &wish, threads, cpus, memory, &BTreeSet::new()).is_some()
        })
    })
}

/// A VM takes its place; its NUMA_NODE and TOPOLOGY attributes say where. Without a place nothing changes.
pub fn add(nodes: &mut Nodes, taken: &mut Capacity, vm: i32) {
    let Some(topology) = taken.topology.as_ref().filter(|_| !taken.nodes.is_empty()) else { return };
    let wish = Wish::of(topology);
    match Spread::of(nodes, &wish, taken) {
        Spread::To(node) => take_whole(nodes, node, &wish, taken),
        Spread::Nowhere => {}
        Spread::ByVirtualNode => {
            for threads in thread_counts(nodes, &wish, taken).into_iter().rev() {
                if let Some(places) = schedule(nodes, &wish, threads, taken) {
                    take_places(nodes, &places, &wish, threads, taken, vm);
                    return;
                }
            }
        }
    }
}

/// A VM gives its place back.
pub fn remove(nodes: &mut Nodes, taken: &Capacity, vm: i32) {
    let wish = taken.topology.as_ref().map(Wish::of);
    for attribute in &taken.nodes {
        let (Some(cpu_node), Some(mem_node), Some(cpus), Some(memory)) = (
            attribute.id("NODE_ID").and_then(|n| u32::try_from(n).ok()),
            attribute.id("MEMORY_NODE_ID").and_then(|n| u32::try_from(n).ok()),
            attribute.get("CPUS"),
            attribute.int("MEMORY"),
        ) else {
            continue;
        };
        if let Some(node) = nodes.get_mut(&cpu_node) {
            let cpus: BTreeSet<u32> = cpus.split(',').filter_map(number).collect();
            for core in node.cores.values_mut() {
                leave(core, &cpus, vm);
            }
        }
        if let Some(node) = nodes.get_mut(&mem_node) {
            node.mem_usage = node.mem_usage.saturating_sub(memory);
            if let Some(wish) = wish.as_ref().filter(|w| w.page_size != 0)
                && let Some(pages) = node.pages.get_mut(&wish.page_size)
            {
                pages.usage = pages.usage.saturating_sub(wish.pages(memory));
            }
        }
    }
}

/// Takes what monitoring found out of the host's template. Cores that are known stay as they are.
pub fn monitored(nodes: &mut Nodes, template: &mut Template, vms_thread: u32) {
    for core in template.vectors("CORE") {
        let (Some(node), Some(id)) = (number(core.value("NODE_ID")), number(core.value("ID"))) else { continue };
        let cores = &mut nodes.entry(node).or_default().cores;
        cores.entry(id).or_insert_with(|| Core::parse(core.value("CPUS"), vms_thread));
    }
    for pages in template.vectors("HUGEPAGE") {
        let Some(node) = number(pages.value("NODE_ID")) else { continue };
        let figure = |name: &str| pages.int(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        nodes.entry(node).or_default().pages.entry(figure("SIZE")).or_default().pages = figure("PAGES");
    }
    for memory in template.vectors("MEMORY_NODE") {
        let Some(node) = number(memory.value("NODE_ID")) else { continue };
        let node = nodes.entry(node).or_default();
        node.has_memory = true;
        node.total_mem = memory.int("TOTAL").unwrap_or(node.total_mem);
        node.distance = memory.value("DISTANCE").split(' ').filter_map(number).collect();
    }
    for name in ["CORE", "HUGEPAGE", "MEMORY_NODE"] {
        template.remove(name);
    }
}

fn leave(core: &mut Core, cpus: &BTreeSet<u32>, vm: i32) {
    let mut touched = false;
    for (thread, vms) in &mut core.threads {
        if cpus.contains(thread) {
            vms.retain(|v| *v != vm);
            touched = true;
        }
    }
    if touched {
        core.dedicated = false;
    }
}

fn request(node: &VectorAttribute) -> (u32, i64) {
    (number(node.value("TOTAL_CPUS")).unwrap_or(0), node.int("MEMORY").unwrap_or(0))
}

fn has_pages(node: &Node, wish: &Wish, memory: i64, taken: u64) -> bool {
    let free = node.pages.get(&wish.page_size).map_or(0, |p| p.pages.saturating_sub(p.usage).saturating_sub(taken));
    free > 0 && free >= wish.pages(memory)
}

impl Spread {
    fn of(nodes: &Nodes, wish: &Wish, wanted: &Capacity) -> Spread {
        let has_memory = |node: &Node| node.free_memory() > 0 && node.free_memory() >= wanted.mem;
        let found = if let Some(affinity) = wish.affinity {
            let fits = |node: &&Node| has_memory(node) && (wish.page_size == 0 || has_pages(node, wish, wanted.mem, 0));
            nodes.get(&affinity).filter(fits).map(|_| affinity)
        } else if wish.page_size == 0 || wish.pin != Pin::None {
            return Spread::ByVirtualNode;
        } else {
            let fitting = nodes.iter().filter(|(_, node)| has_memory(node) && has_pages(node, wish, wanted.mem, 0));
            let free = |node: &Node| node.pages.get(&wish.page_size).map_or(0, |p| p.pages.saturating_sub(p.usage));
            // The most free pages; of equals the first.
            fitting.rev().max_by_key(|(_, node)| free(node)).map(|(id, _)| *id)
        };
        found.map_or(Spread::Nowhere, Spread::To)
    }
}

fn take_whole(nodes: &mut Nodes, id: u32, wish: &Wish, taken: &mut Capacity) {
    let Some(node) = nodes.get_mut(&id) else { return };
    node.mem_usage = node.mem_usage.saturating_add(taken.mem);
    if let Some(pages) = node.pages.get_mut(&wish.page_size).filter(|_| wish.page_size != 0) {
        pages.usage = pages.usage.saturating_add(wish.pages(taken.mem));
    }
    let cpus = node.open_threads();
    for attribute in &mut taken.nodes {
        attribute.set("NODE_ID", id).set("MEMORY_NODE_ID", id).set("CPUS", &cpus);
    }
}

/// The numbers of threads for each virtual core that suit every virtual node on this host.
fn thread_counts(nodes: &Nodes, wish: &Wish, wanted: &Capacity) -> Vec<u32> {
    if wish.pin == Pin::Core {
        return vec![1];
    }
    let core = nodes.values().next().and_then(|node| node.cores.values().next());
    let of_host = core.and_then(|core| u32::try_from(core.threads.len()).ok()).unwrap_or(1).max(1);
    let most = if wish.threads == 0 { of_host } else { wish.threads.min(of_host) };
    let powers = (0..32).map(|shift| 1u32 << shift).take_while(|n| *n <= most);
    let suits = |n: &u32| wanted.nodes.iter().all(|node| request(node).0.is_multiple_of(*n));
    powers.filter(suits).filter(|n| wish.threads == 0 || *n == wish.threads).collect()
}

/// What the virtual nodes placed so far take of each node.
#[derive(Default)]
struct Taken {
    cpus: BTreeMap<u32, u32>,
    memory: BTreeMap<u32, i64>,
    pages: BTreeMap<u32, u64>,
}

impl Taken {
    fn add(&mut self, node: u32, cpus: u32, memory: i64, pages: u64) {
        let all = (self.cpus.entry(node), self.memory.entry(node), self.pages.entry(node));
        let (all_cpus, all_memory, all_pages) = (all.0.or_default(), all.1.or_default(), all.2.or_default());
        *all_cpus = all_cpus.saturating_add(cpus);
        *all_memory = all_memory.saturating_add(memory);
        *all_pages = all_pages.saturating_add(pages);
    }

    /// Nodes with room for the CPUs, the least suited first, and nodes with room for the memory; `None` when either is
    /// empty.
    fn candidates(
        &mut self,
        nodes: &Nodes,
        wish: &Wish,
        threads: u32,
        cpus: u32,
        memory: i64,
        near: &BTreeSet<u32>,
    ) -> Option<(Vec<u32>, BTreeSet<u32>)> {
        let mut for_cpus: Vec<(f32, u32)> = Vec::new();
        let mut for_memory = BTreeSet::new();
        for (id, node) in nodes {
            let taken = self.cpus.get(id).copied().unwrap_or(0) / threads.max(1);
            let room = free_groups(node, wish, threads).saturating_sub(taken).saturating_mul(threads);
            if room >= cpus {
                for_cpus.push((fit(room, cpus) + if near.contains(id) { 1.0 } else { 0.0 }, *id));
            }
            let free = node.free_memory().saturating_sub(self.memory.get(id).copied().unwrap_or(0));
            let pages = self.pages.get(id).copied().unwrap_or(0);
            if free >= memory && (wish.page_size == 0 || has_pages(node, wish, memory, pages)) {
                for_memory.insert(*id);
            }
        }
        if for_cpus.is_empty() || for_memory.is_empty() {
            return None;
        }
        for_cpus.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Some((for_cpus.into_iter().map(|(_, id)| id).collect(), for_memory))
    }
}

/// Which share of a node's room stays free.
#[allow(clippy::cast_precision_loss)]
fn fit(room: u32, cpus: u32) -> f32 {
    if room == 0 { 0.0 } else { 1.0 - cpus as f32 / room as f32 }
}

/// How many groups of `threads` threads of one core are free; for dedicated cores, how many cores nobody uses.
fn free_groups(node: &Node, wish: &Wish, threads: u32) -> u32 {
    let threads = usize::try_from(threads.max(1)).unwrap_or(1);
    let groups: usize = match wish.pin {
        Pin::Core => node.cores.values().filter(|core| can_be_dedicated(core)).count(),
        _ => node.cores.values().map(|core| core.free() / threads).sum(),
    };
    u32::try_from(groups).unwrap_or(u32::MAX)
}

fn can_be_dedicated(core: &Core) -> bool {
    core.used() == 0 && core.isolated.len() < core.threads.len()
}

/// Places all virtual nodes: close to the VM's PCI devices and to their memory, where most stays free.
fn schedule(nodes: &Nodes, wish: &Wish, threads: u32, wanted: &Capacity) -> Option<Vec<Place>> {
    let near: BTreeSet<u32> = wanted.pci.iter().filter_map(|device| number(device.value("NUMA_NODE"))).collect();
    let mut taken = Taken::default();
    let mut places = Vec::new();
    for node in &wanted.nodes {
        let (cpus, memory) = request(node);
        let (for_cpus, for_memory) = taken.candidates(nodes, wish, threads, cpus, memory, &near)?;
        let hops = (0..nodes.len()).flat_map(|hop| for_cpus.iter().rev().map(move |id| (hop, *id)));
        let (cpu_node, mem_node) = hops
            .filter_map(|(hop, id)| Some((id, *nodes.get(&id)?.distance.get(hop)?)))
            .find(|(_, mem_node)| for_memory.contains(mem_node))?;
        // As in the reference (`HostShareNUMA.cc`, `schedule_nodes`), memory is counted where the CPUs are.
        taken.add(cpu_node, cpus, memory, wish.pages(memory));
        places.push(Place { cpu_node, mem_node, cpus, memory });
    }
    Some(places)
}

fn take_places(nodes: &mut Nodes, places: &[Place], wish: &Wish, threads: u32, taken: &mut Capacity, vm: i32) {
    for (place, attribute) in places.iter().zip(&mut taken.nodes) {
        let cpus = nodes.get_mut(&place.cpu_node).map(|node| match wish.pin {
            Pin::Core => dedicate(node, place.cpus, vm),
            _ => pin(node, place.cpus, threads, vm),
        });
        if let Some(node) = nodes.get_mut(&place.mem_node) {
            node.mem_usage = node.mem_usage.saturating_add(place.memory);
            if let Some(pages) = node.pages.get_mut(&wish.page_size).filter(|_| wish.page_size != 0) {
                pages.usage = pages.usage.saturating_add(wish.pages(place.memory));
            }
        }
        attribute.set("NODE_ID", place.cpu_node).set("MEMORY_NODE_ID", place.mem_node);
        attribute.set("CPUS", cpus.unwrap_or_default());
    }
    if let Some(topology) = &mut taken.topology {
        let cores = taken.vcpu / threads.saturating_mul(wish.sockets.max(1)).max(1);
        topology.set("THREADS", threads).set("CORES", cores);
    }
}

/// Gives a VM whole cores; the first thread of each stands for it.
fn dedicate(node: &mut Node, cpus: u32, vm: i32) -> String {
    let mut given = Vec::new();
    for core in node.cores.values_mut() {
        if given.len() >= usize::try_from(cpus).unwrap_or(0) {
            break;
        }
        if !can_be_dedicated(core) {
            continue;
        }
        if let Some((thread, vms)) = core.threads.iter_mut().next() {
            vms.push(vm);
            given.push(thread.to_string());
            core.dedicated = true;
        }
    }
    given.join(",")
}

/// Gives a VM threads, in groups of `threads` of the same core.
fn pin(node: &mut Node, cpus: u32, threads: u32, vm: i32) -> String {
    let (mut left, group) = (usize::try_from(cpus).unwrap_or(0), usize::try_from(threads.max(1)).unwrap_or(1));
    let mut given = Vec::new();
    for core in node.cores.values_mut() {
        let mut here = core.free() / group * group;
        let share = usize::try_from(core.vms_thread).unwrap_or(1);
        for (thread, vms) in &mut core.threads {
            if left == 0 || here == 0 {
                break;
            }
            if vms.len() < share && !core.isolated.contains(thread) {
                let at = vms.partition_point(|v| *v <= vm);
                vms.insert(at, vm);
                given.push(thread.to_string());
                left -= 1;
                here -= 1;
            }
        }
    }
    given.join(",")
}
