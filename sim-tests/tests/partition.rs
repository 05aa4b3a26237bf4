//! A zone elects, takes writes through every node, loses its leader to a partition, goes on, and is one again.

use quorate_model::api::Arg;
use quorate_node::client::ApiReply;
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
    zone.converge();

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
    let write = zone.start_call(old, "one.document.delete", &[Arg::Int(i64::from(id))]);
    let read = zone.start_call(old, "one.document.info", &[Arg::Int(i64::from(id))]);
    for promise in [write, read] {
        let reply = zone.keep(&promise);
        assert!(matches!(reply, Ok(ApiReply::Refused(_, 0x2000))), "{reply:?}");
    }
}

/// What it had in its log and nobody else had is replaced, and not acknowledged.
#[test]
fn a_deposed_leader_with_a_longer_log_gives_in() {
    let mut zone = Zone::new(reproduce::seed(3), Shape::default());
    let old = zone.elect();
    zone.write(old, "before");
    zone.converge();
    zone.isolate(old);
    let lost: Vec<_> = (0..8)
        .map(|n| {
            let template = Arg::Str(format!("NAME=\"lost-{n}\""));
            zone.start_call(old, "one.document.allocate", &[template, Arg::Int(0)])
        })
        .collect();
    zone.wait("another node leads", |zone| zone.leader().is_some_and(|leader| leader != old));
    let id = zone.write(old % 3 + 1, "after");
    zone.mend();
    // The old leader proposes them again through the new one, under the same request ids: each is made once.
    let mut ids: Vec<String> =
        lost.iter().map(|p| zone.keep(p).and_then(ApiReply::into_value).expect("in the end")).collect();
    ids.push(id.to_string());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 9, "an id was given twice: {ids:?}");
    zone.converge();
}
