//! A node that was away until the log it needs was purged catches up from a snapshot, while writes go on.

use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_node::config;
use quorate_sim_tests::{Crash, Shape, Zone, reproduce};

fn purged(zone: &Zone, node: u64) -> Option<u64> {
    let node = zone.host(node).running().expect("it runs");
    node.raft.metrics().borrow_watched().purged.as_ref().map(|id| id.index)
}

#[test]
fn a_node_away_long_enough_to_need_a_snapshot_catches_up() {
    let raft =
        config::Raft { election_timeout_ms: 250, snapshot_every: 20, keep_entries: 5, ..config::Raft::default() };
    let mut zone = Zone::new(reproduce::seed(1), Shape { raft, ..Shape::default() });
    let leader = zone.elect();
    let away = leader % 3 + 1;
    zone.write(away, "before");
    zone.converge();
    let had = zone.published(away).applied.expect("it applied something").index;
    zone.crash(away, Crash::Power { keep: 0 });
    let written: Vec<i32> = (0..100).map(|n| zone.write(leader, &format!("w{n}"))).collect();
    zone.wait("the log it needs is purged", |zone| purged(zone, leader) > Some(had));

    zone.start(away);
    // Writes go on while it catches up.
    let later: Vec<i32> = (0..10).map(|n| zone.write(leader, &format!("later-{n}"))).collect();
    zone.converge();
    let snapshot = {
        let node = zone.host(away).running().expect("it runs");
        node.raft.metrics().borrow_watched().snapshot
    };
    assert!(snapshot.is_some_and(|id| id.index > had), "it got a snapshot: {snapshot:?}");
    for id in written.iter().chain(&later) {
        zone.read(away, *id);
    }
    // What it got is on its disk as well.
    zone.crash(away, Crash::Power { keep: 0 });
    zone.start(away);
    zone.converge();
}
