//! Servers come and go while anything may fail: an operator who adds and removes them by the API, with machines to match.
//!
//! A call may get lost like any other; the zone's state says what is declared. When all is well again, declared servers,
//! members and machines must be the same.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_model::api::Arg;
use quorate_model::command::ZoneServer;
use quorate_model::kind::LOCAL_ZONE;
use quorate_model::records::zone::Zone as ZoneBody;
use quorate_raft_store::Published;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::host::{endpoint, name, peer};
use crate::zone::Zone;

/// Servers of a zone at most, and at least.
const MOST: usize = 7;
const LEAST: usize = 3;
/// How long an operator waits before asking again.
const PAUSE: Duration = Duration::from_secs(1);

/// Declares a server through a node, and puts a machine for it into service.
pub fn add(zone: &mut Zone, through: u64) {
    let joining = zone.ids().into_iter().filter(|id| zone.is_joining(*id)).count();
    if zone.ids().len() < MOST && joining < 2 {
        let machine = zone.add_machine();
        declare(zone, through, machine);
    }
}

fn declare(zone: &Zone, through: u64, machine: u64) {
    let (name, endpoint, peer) = (name(machine), endpoint(machine), peer(machine));
    let server = format!("SERVER=[NAME=\"{name}\",ENDPOINT=\"{endpoint}\",PEER=\"{peer}\"]");
    let _ = zone.start_call(through, "one.zone.addserver", &[Arg::Int(0), Arg::Str(server)]);
}

/// Removes a server, by its label, through a node. Its machine runs on until it notices.
pub fn remove(zone: &Zone, through: u64, rng: &mut StdRng) {
    let declared = declared(&zone.newest());
    if declared.len() > LEAST
        && let Some(server) = declared.choose(rng)
    {
        undeclare(zone, through, server.id);
    }
}

fn undeclare(zone: &Zone, through: u64, label: i32) {
    let _ = zone.start_call(through, "one.zone.delserver", &[Arg::Int(0), Arg::Int(i64::from(label))]);
}

fn declared(published: &Published) -> Vec<ZoneServer> {
    published.state.find_typed::<ZoneBody>(LOCAL_ZONE).map(|(_, zone)| zone.servers.clone()).unwrap_or_default()
}

/// Takes machines out of service whose nodes have ended because their server was removed. Whether it was is looked at
/// when all is well again: until then nobody who runs may know of it.
pub fn bury(zone: &mut Zone) {
    for machine in zone.ids() {
        let host = zone.host(machine).clone();
        if zone.is_down(machine) && host.failure().is_some_and(|reason| reason.contains("removed from the zone")) {
            zone.retire(machine);
        }
    }
}

/// Lets the operator finish: waits until declared servers, members and machines are the same.
///
/// # Panics
/// When that takes too long, or a node has ended as removed and is a member.
pub fn finish(zone: &mut Zone, limit: Duration) {
    let end = zone.elapsed() + limit;
    let members = zone.newest().membership;
    for host in zone.machines().iter().filter(|host| host.retired.get()) {
        let is_member = host.node_id().is_some_and(|id| members.membership().get_node(&id).is_some());
        assert!(!is_member, "{} ended as removed, but is in {members:?}", name(host.id));
    }
    while !is_finished(zone) {
        assert!(zone.elapsed() < end, "{:?}: members do not follow the declared servers\n{}", end, zone.describe());
        tidy(zone);
        zone.run_for(PAUSE);
    }
}

/// Declares what runs and is not declared, removes what is declared and does not run, and buries what is over.
fn tidy(zone: &mut Zone) {
    bury(zone);
    let newest = zone.newest();
    let declared = declared(&newest);
    let Some(through) = zone.leader() else { return };
    let machines = zone.ids();
    for machine in machines.iter().filter(|id| zone.is_down(**id)).copied().collect::<Vec<_>>() {
        // Its disk failed before all was well again, and it ends only now.
        zone.start(machine);
    }
    let joining: Vec<u64> = machines.iter().copied().filter(|id| zone.is_joining(*id)).collect();
    for machine in joining {
        if !declared.iter().any(|server| server.name == name(machine)) {
            declare(zone, through, machine);
        }
    }
    if let Some(server) = declared.iter().find(|server| !machines.iter().any(|id| name(*id) == server.name)) {
        undeclare(zone, through, server.id);
    }
}

/// Whether every machine is a voter, every voter a declared server, and every declared server on a machine.
fn is_finished(zone: &Zone) -> bool {
    let newest = zone.newest();
    let members = newest.membership.membership();
    let voters: BTreeSet<u64> = members.voter_ids().collect();
    let names = voters.iter().filter_map(|id| members.get_node(id)).map(|server| server.name.clone());
    let names: BTreeSet<String> = names.collect();
    let machines: BTreeSet<String> = zone.ids().into_iter().map(name).collect();
    let servers: BTreeSet<String> = declared(&newest).into_iter().map(|server| server.name).collect();
    members.get_joint_config().len() == 1
        && members.learner_ids().next().is_none()
        && names.len() == voters.len()
        && names == machines
        && names == servers
        && zone.ids().iter().all(|id| zone.is_up(*id))
}
