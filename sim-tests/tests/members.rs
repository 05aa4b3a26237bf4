//! Servers come and go though nodes die in the middle of it.

use quorate_model::api::Arg;
use quorate_sim_tests::host::{endpoint, name, peer};
use quorate_sim_tests::{Crash, Shape, Zone, reproduce};

/// Declares a new machine through a node; the machine.
fn add(zone: &mut Zone, through: u64) -> u64 {
    let machine = zone.add_machine();
    let (name, endpoint, peer) = (name(machine), endpoint(machine), peer(machine));
    let server = format!("SERVER=[NAME=\"{name}\",ENDPOINT=\"{endpoint}\",PEER=\"{peer}\"]");
    zone.value(through, "one.zone.addserver", &[Arg::Int(0), Arg::Str(server)]);
    machine
}

fn is_member(zone: &Zone, machine: u64, voting: bool) -> bool {
    let newest = zone.newest().membership;
    let members = newest.membership();
    let found = members.nodes().find(|(_, server)| server.name == name(machine));
    found.is_some_and(|(id, _)| !voting || members.voter_ids().any(|voter| voter == *id))
}

#[test]
fn a_server_is_taken_in_though_the_leader_dies_in_the_middle() {
    let mut zone = Zone::new(reproduce::seed(1), Shape::default());
    let old = zone.elect();
    zone.write(old, "before");
    let new = add(&mut zone, old);
    zone.wait("the server is a learner", |zone| is_member(zone, new, false));
    zone.crash(old, Crash::Power { keep: 0 });
    zone.wait("the server votes", |zone| is_member(zone, new, true));
    zone.start(old);
    zone.converge();
    assert!(zone.host(new).node_id() > Some(3));
    zone.write(new, "after");
}

/// Found by fuzzing (seeds 702248 and 902347): it knew nobody to ask, and waited for its first entry for ever.
#[test]
fn a_server_that_is_removed_before_it_has_a_log_stops() {
    let mut zone = Zone::new(reproduce::seed(3), Shape::default());
    let leader = zone.elect();
    zone.write(leader, "before");
    let new = add(&mut zone, leader);
    zone.wait("the server is given a node id", |zone| zone.host(new).node_id().is_some());
    zone.isolate(new);
    // Labels count from 0 in the order of declaration.
    zone.value(leader, "one.zone.delserver", &[Arg::Int(0), Arg::Int(3)]);
    zone.wait("it is no member any more", |zone| !is_member(zone, new, false));
    zone.wait("it runs", |zone| zone.is_up(new));
    assert_eq!(zone.published(new).applied, None, "it has no log");
    zone.mend();
    zone.wait("the removed server ends by itself", |zone| zone.is_down(new));
    let reason = zone.host(new).failure().expect("it says why");
    assert!(reason.contains("removed from the zone"), "{reason}");
    zone.retire(new);
    zone.converge();
}

/// Found by fuzzing (seed 2000052): everybody it knew was replaced while it was away, and nobody else spoke to it.
#[test]
fn a_removed_server_that_knows_no_member_any_more_asks_its_seeds_and_stops() {
    let mut zone = Zone::new(reproduce::seed(8), Shape::default());
    let leader = zone.elect();
    let away = add(&mut zone, leader);
    zone.wait("it votes", |zone| is_member(zone, away, true));
    zone.wait("it knows so", |zone| zone.published(away).membership.membership().voter_ids().count() == 4);
    zone.crash(away, Crash::Process);
    zone.value(leader, "one.zone.delserver", &[Arg::Int(0), Arg::Int(3)]);
    zone.wait("it is no member any more", |zone| !is_member(zone, away, false));
    for old in 1..=3 {
        let through = zone.elect();
        let new = add(&mut zone, through);
        zone.wait("another votes in the place of an old one", |zone| is_member(zone, new, true));
        zone.value(new, "one.zone.delserver", &[Arg::Int(0), Arg::Int(old - 1)]);
        let old = u64::try_from(old).unwrap();
        zone.wait("the old one ends by itself", |zone| zone.is_down(old));
        zone.retire(old);
    }
    zone.start(away);
    zone.wait("the removed server ends by itself", |zone| zone.is_down(away) && zone.host(away).failure().is_some());
    let reason = zone.host(away).failure().expect("it says why");
    assert!(reason.contains("removed from the zone"), "{reason}");
    zone.retire(away);
    zone.converge();
}

#[test]
fn a_removed_server_stops_and_its_id_is_not_given_again() {
    let mut zone = Zone::new(reproduce::seed(2), Shape::default());
    let leader = zone.elect();
    let gone = leader % 3 + 1;
    // Labels count from 0 in the order of founding.
    let label = Arg::Int(i64::try_from(gone).unwrap() - 1);
    // Dead while it is removed: it learns so from the others when it is back.
    zone.crash(gone, Crash::Process);
    zone.value(leader, "one.zone.delserver", &[Arg::Int(0), label]);
    zone.wait("it is no member any more", |zone| !is_member(zone, gone, false));
    zone.start(gone);
    zone.wait("the removed server ends by itself", |zone| zone.is_down(gone));
    let reason = zone.host(gone).failure().expect("it says why");
    assert!(reason.contains("removed from the zone"), "{reason}");
    zone.retire(gone);
    let new = add(&mut zone, leader);
    zone.wait("another server votes in its place", |zone| is_member(zone, new, true));
    assert!(zone.host(new).node_id() > Some(3));
    zone.converge();
}

/// With the same configuration, the same key and an empty disk it would found a second zone with the same id.
#[test]
fn a_founder_that_has_lost_its_disk_does_not_found_the_zone_again() {
    let mut zone = Zone::new(reproduce::seed(7), Shape::default());
    zone.elect();
    let id = zone.write(2, "kept");
    zone.converge();
    zone.crash(1, Crash::Process);
    zone.host(1).engine.replace();
    zone.start(1);
    zone.wait("the founder asks the others and ends", |zone| zone.is_down(1) && zone.host(1).failure().is_some());
    let reason = zone.host(1).failure().unwrap_or_default();
    assert!(reason.contains("not founded again") && reason.contains("node-2"), "{reason}");
    zone.wait("the others go on", |zone| zone.leader().is_some_and(|leader| leader != 1));
    zone.write(3, "after");
    zone.read(2, id);
}
