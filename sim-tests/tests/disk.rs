//! A leader whose disk fails stops leading and ends; with a good disk it starts again and catches up.

use std::time::Duration;

use quorate_sim_tests::{Shape, Zone, reproduce};

#[test]
fn a_leader_whose_disk_is_full_makes_way() {
    let mut zone = Zone::new(reproduce::seed(1), Shape::default());
    let old = zone.elect();
    let survivor = old % 3 + 1;
    zone.write(survivor, "before");
    zone.host(old).engine.fail_writes(Some(std::io::ErrorKind::StorageFull));

    let before = zone.elapsed();
    let id = zone.write(survivor, "without");
    let pause = zone.elapsed() - before;
    assert!(pause < Duration::from_secs(1), "the write waited {pause:?}");
    assert_ne!(zone.leader(), Some(old));
    zone.wait("the node ends", |zone| zone.is_down(old));
    let reason = zone.host(old).failure().expect("it ended by itself");
    assert!(reason.contains("injected failure"), "{reason}");

    zone.host(old).engine.fail_writes(None);
    zone.start(old);
    zone.converge();
    zone.read(old, id);
}

#[test]
fn a_follower_whose_disk_fails_hinders_nobody() {
    let mut zone = Zone::new(reproduce::seed(2), Shape::default());
    let leader = zone.elect();
    let follower = leader % 3 + 1;
    zone.host(follower).engine.fail_writes(Some(std::io::ErrorKind::Other));
    let before = zone.elapsed();
    zone.write(leader, "without");
    let pause = zone.elapsed() - before;
    assert!(pause < Duration::from_millis(100), "the write waited {pause:?}");
    zone.wait("the node ends", |zone| zone.is_down(follower));
    assert_eq!(zone.leader(), Some(leader));
    zone.host(follower).engine.fail_writes(None);
    zone.start(follower);
    zone.converge();
}
