//! The fuzzer for a bounded time: `QUORATE_SIM_SECONDS` (default 30), from seed `QUORATE_SIM_SEED` on.

use std::time::{Duration, Instant};

use quorate_sim_tests::fuzz::{self, Report};
use quorate_sim_tests::reproduce;

#[test]
fn seeds() {
    let seconds = std::env::var("QUORATE_SIM_SECONDS").map_or(30, |s| s.parse().expect("a number of seconds"));
    let started = Instant::now();
    let first = reproduce::seed(1);
    let mut seed = first;
    let mut total = Report::default();
    while seed == first || started.elapsed() < Duration::from_secs(seconds) {
        let report = fuzz::run(seed);
        println!("seed {seed}: {report:?}");
        total.add(report);
        seed += 1;
    }
    println!("{total}\nin {:?}", started.elapsed());
    // A workload that is only refused would find nothing.
    let idle: Vec<_> = total.done.iter().filter(|(_, count)| **count == 0).collect();
    assert!(total.seeds < 20 || idle.is_empty(), "never acknowledged: {idle:?}");
}
