//! The ports for remote consoles: unique among the VMs of a cluster, so that a VM keeps its port when it moves within.

use quorate_model::error::ApiError;
use quorate_model::records::cluster::Cluster;
use quorate_model::settings::Settings;
use quorate_model::template::leading_int;

use crate::state::State;
use crate::txn::Txn;

/// Ports end below this number.
const END: u32 = 65_536;

/// The configured ports: where they start and which are never given.
struct Ports {
    start: u32,
    reserved: Vec<(u32, u32)>,
}

impl Ports {
    fn of(settings: &Settings) -> Ports {
        let conf = settings.all().vector("VNC_PORTS");
        let number = |text: &str| leading_int(text).and_then(|n| u32::try_from(n).ok());
        let range = |part: &str| match part.split_once(':') {
            None => number(part).map(|port| (port, port)),
            Some((from, to)) => Some((number(from)?, number(to)?)),
        };
        let start = conf.and_then(|c| number(c.value("START"))).unwrap_or(5900);
        let reserved = conf.map(|c| c.value("RESERVED").split(',').filter_map(range).collect()).unwrap_or_default();
        Ports { start, reserved }
    }

    fn is_reserved(&self, port: u32) -> bool {
        self.reserved.iter().any(|(from, to)| (*from..=*to).contains(&port))
    }
}

/// The port that a VM would get in a cluster: the one that its id hints at, else the lowest free one.
#[must_use]
pub fn free_port(state: &State, cluster: i32, vm: i32) -> Option<u32> {
    let ports = Ports::of(state.settings());
    let (_, cluster) = state.find_typed::<Cluster>(cluster)?;
    let free = |port: &u32| !cluster.vnc_ports.contains(port) && !ports.is_reserved(*port);
    let room = END.saturating_sub(1).saturating_sub(ports.start).max(1);
    let hint = ports.start.saturating_add(u32::try_from(vm).unwrap_or(0) % room);
    Some(hint).filter(free).or_else(|| (ports.start..END).find(free))
}

/// Gives a VM a port in a cluster; `None` when all are taken or the cluster is gone.
pub fn take(txn: &mut Txn, cluster: i32, vm: i32) -> Option<u32> {
    let port = free_port(txn, cluster, vm)?;
    txn.body_mut::<Cluster>(cluster).ok()?.vnc_ports.insert(port);
    Some(port)
}

/// Marks a port that a VM names itself as taken; whether it was free.
///
/// # Errors
/// NO_EXISTS when the cluster is gone.
pub fn claim(txn: &mut Txn, cluster: i32, port: u32) -> Result<bool, ApiError> {
    let cluster = txn.body_mut::<Cluster>(cluster)?;
    Ok(port < END && cluster.vnc_ports.insert(port))
}

/// Gives a port back.
pub fn release(txn: &mut Txn, cluster: i32, port: u32) {
    if let Ok(cluster) = txn.body_mut::<Cluster>(cluster) {
        cluster.vnc_ports.remove(&port);
    }
}
