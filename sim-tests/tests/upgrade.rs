//! Nodes whose programs support different feature levels: the level rises once all support it, and strands nobody.

use std::time::Duration;

use quorate_sim_tests::{Crash, Shape, Zone, reproduce};
use quorate_state_machine::levels;

const POWER: Crash = Crash::Power { keep: 0 };
const NEW: u32 = levels::NEWEST;
const OLD: u32 = NEW - 1;
/// Longer than any leader takes to notice that the level could rise.
const A_WHILE: Duration = Duration::from_secs(4);

/// A zone whose nodes all run the old build.
fn old_zone(seed: u64) -> Zone {
    let mut zone = Zone::new(reproduce::seed(seed), Shape::default());
    for node in zone.ids() {
        zone.host(node).supports.set(OLD);
    }
    zone.elect();
    zone
}

fn level(zone: &Zone, node: u64) -> u32 {
    zone.published(node).state.feature_level()
}

fn all_at(zone: &Zone, at: u32) -> bool {
    zone.ids().into_iter().all(|node| zone.is_up(node) && level(zone, node) == at)
}

/// A node dies and starts again with another build.
fn reinstall(zone: &mut Zone, node: u64, how: Crash, supports: u32) {
    zone.crash(node, how);
    zone.host(node).supports.set(supports);
    zone.start(node);
}

/// Every order of crashes: nodes are replaced one at a time, and whoever leads dies the moment the level has risen.
fn upgrade(seed: u64, how: Crash) {
    let mut zone = old_zone(seed);
    let mut written = Vec::new();
    for node in zone.ids() {
        written.extend(zone.ids().into_iter().map(|via| zone.write(via, &format!("before-{node}-{via}"))));
        zone.run_for(A_WHILE);
        assert!(all_at(&zone, OLD), "node {node} does not support {NEW} yet");
        reinstall(&mut zone, node, how, NEW);
        zone.elect();
    }
    zone.wait("the level rises by itself", |zone| {
        zone.ids().into_iter().any(|node| zone.is_up(node) && level(zone, node) == NEW)
    });
    let leader = zone.elect();
    reinstall(&mut zone, leader, how, NEW);
    zone.elect();
    zone.converge();
    assert!(all_at(&zone, NEW));
    for id in written {
        zone.read(1, id);
    }
}

#[test]
fn the_level_rises_when_the_last_node_supports_it_though_the_leader_dies_then() {
    for seed in 1..=4 {
        upgrade(seed, if seed % 2 == 0 { POWER } else { Crash::Process });
    }
}

#[test]
fn a_node_can_go_back_to_its_old_build_until_the_level_has_risen() {
    let mut zone = old_zone(11);
    for node in [1, 2] {
        reinstall(&mut zone, node, POWER, NEW);
        zone.elect();
    }
    reinstall(&mut zone, 1, Crash::Process, OLD);
    zone.elect();
    zone.write(1, "as-before");
    zone.run_for(A_WHILE);
    assert!(all_at(&zone, OLD));
    zone.converge();
}

#[test]
fn a_node_of_the_old_build_stops_at_the_raise_in_its_log() {
    let mut zone = Zone::new(reproduce::seed(21), Shape::default());
    zone.elect();
    zone.wait("the level rises", |zone| all_at(zone, NEW));
    // The state that it applied was not on the disk yet: it begins again with its log.
    zone.crash(2, POWER);
    zone.host(2).supports.set(OLD);
    zone.start(2);
    zone.wait("the node stops by itself", |zone| zone.is_down(2));
    let said = zone.host(2).failure().expect("it says why");
    assert!(said.contains(&format!("feature level {NEW}")) && said.contains("install quorate"), "{said}");
}
