//! A seed decides everything: the same bytes at the same simulated times, twice; another seed, others.

use quorate_sim_tests::{Crash, Shape, Zone, fuzz, reproduce};

fn course(seed: u64) -> ((u64, u64), std::time::Duration) {
    let mut zone = Zone::new(seed, Shape::default());
    let leader = zone.elect();
    for node in zone.ids() {
        zone.write(node, "x");
    }
    zone.crash(leader, Crash::Power { keep: 0 });
    zone.elect();
    zone.start(leader);
    zone.converge();
    (zone.trace().digest(), zone.elapsed())
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let seed = reproduce::seed(1);
    let first = course(seed);
    assert_eq!(first, course(seed));
    assert_ne!(first, course(seed + 1));
}

#[test]
fn the_same_seed_gives_the_same_fuzz() {
    let seed = reproduce::seed(7);
    let (first, second) = (fuzz::run(seed), fuzz::run(seed));
    assert_eq!((first.trace, first.simulated, first.calls), (second.trace, second.simulated, second.calls));
}
