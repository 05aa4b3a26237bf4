//! Every node in turn, and all of them together, lose power and with it what was not synced.

use std::time::Duration;

use quorate_raft_store::SyncPolicy;
use quorate_sim_tests::{Crash, Shape, Zone, reproduce};

const POWER: Crash = Crash::Power { keep: 0 };

fn slow_disks() -> Shape {
    Shape { sync: SyncPolicy::Delayed(Duration::from_millis(8)), ..Shape::default() }
}

/// `Zone::crash` also opens what the crash left on the disk, and finds there what the node had acknowledged.
fn crash_each_in_turn(seed: u64, shape: Shape) {
    let mut zone = Zone::new(reproduce::seed(seed), shape);
    zone.elect();
    let mut written = Vec::new();
    for node in zone.ids() {
        // The last write is acknowledged just before the lights go out.
        written.extend((0..5).map(|n| zone.write(node, &format!("{node}-{n}"))));
        zone.crash(node, POWER);
        assert!(zone.host(node).engine.unsynced() == 0, "a crash leaves nothing that is not synced");
        let survivor = zone.ids().into_iter().find(|id| *id != node).expect("three nodes");
        written.push(zone.write(survivor, &format!("without-{node}")));
        zone.start(node);
        zone.converge();
        for id in &written {
            zone.read(node, *id);
        }
    }
}

#[test]
fn each_node_in_turn_loses_power() {
    crash_each_in_turn(1, Shape::default());
}

#[test]
fn each_node_in_turn_loses_power_with_slow_disks() {
    crash_each_in_turn(2, slow_disks());
}

#[test]
fn nothing_acknowledged_is_lost_when_all_nodes_lose_power_at_once() {
    let mut zone = Zone::new(reproduce::seed(3), slow_disks());
    zone.elect();
    let written: Vec<i32> = (0..20).map(|n| zone.write(n % 3 + 1, &format!("w{n}"))).collect();
    for node in zone.ids() {
        zone.crash(node, POWER);
    }
    for node in zone.ids() {
        zone.start(node);
    }
    zone.elect();
    for (n, id) in written.iter().enumerate() {
        assert!(zone.read(1, *id).contains(&format!("w{n}")), "document {id}");
    }
    zone.converge();
}

#[test]
fn a_killed_process_starts_again_over_its_disk() {
    let mut zone = Zone::new(reproduce::seed(4), Shape::default());
    let leader = zone.elect();
    let id = zone.write(leader, "kept");
    zone.crash(leader, Crash::Process);
    zone.elect();
    zone.start(leader);
    zone.converge();
    assert!(zone.read(leader, id).contains("kept"));
}

#[test]
fn a_node_stopped_in_order_hands_leadership_over_first() {
    let mut zone = Zone::new(reproduce::seed(5), Shape::default());
    let old = zone.elect();
    zone.write(old, "before");
    zone.stop(old);
    let new = zone.leader().expect("another node leads at once");
    assert_ne!(new, old);
    let before = zone.elapsed();
    zone.write(new, "after");
    assert!(zone.elapsed() - before < Duration::from_millis(100), "a write waited {:?}", zone.elapsed() - before);
    zone.start(old);
    zone.converge();
}
