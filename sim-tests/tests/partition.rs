//! A zone elects, takes writes through every node, loses its leader to a partition, goes on, and is one again.

use quorate_sim_tests::{Shape, Zone, reproduce};

#[test]
fn writes_go_on_without_the_leader_and_all_nodes_agree_after_healing() {
    let mut zone = Zone::new(reproduce::seed(1), Shape::default());
    let old = zone.elect();
    let mut written: Vec<i32> =
        zone.ids().into_iter().map(|node| zone.write(node, &format!("before-{node}"))).collect();

    zone.isolate(old);
    let others: Vec<u64> = zone.ids().into_iter().filter(|id| *id != old).collect();
    zone.wait("another node leads", |zone| zone.leader().is_some_and(|leader| leader != old));
    written.extend(others.iter().map(|node| zone.write(*node, &format!("during-{node}"))));

    zone.mend();
    written.extend(zone.ids().into_iter().map(|node| zone.write(node, &format!("after-{node}"))));
    zone.settle();

    let mut unique = written.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), written.len(), "an id was given twice: {written:?}");
    for node in zone.ids() {
        for id in &written {
            zone.read(node, *id);
        }
    }
}

#[test]
fn an_isolated_leader_serves_neither_writes_nor_stale_reads() {
    let mut zone = Zone::new(reproduce::seed(2), Shape::default());
    let old = zone.elect();
    let id = zone.write(old, "first");
    zone.isolate(old);
    let write = zone.start_call(old, "one.document.delete", &[quorate_state_machine::api::Arg::Int(i64::from(id))]);
    let read = zone.start_call(old, "one.document.info", &[quorate_state_machine::api::Arg::Int(i64::from(id))]);
    for promise in [write, read] {
        let reply = zone.keep(&promise);
        assert!(matches!(reply, Ok(quorate_node::client::ApiReply::Refused(_, 0x2000))), "{reply:?}");
    }
}
