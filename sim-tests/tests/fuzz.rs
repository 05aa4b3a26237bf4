//! The fuzzer for a bounded time: `QUORATE_SIM_SECONDS` (default 30), from seed `QUORATE_SIM_SEED` on.

use std::time::{Duration, Instant};

use quorate_sim_tests::{fuzz, reproduce};

#[test]
fn seeds() {
    let seconds = std::env::var("QUORATE_SIM_SECONDS").map_or(30, |s| s.parse().expect("a number of seconds"));
    let started = Instant::now();
    let first = reproduce::seed(1);
    let mut seed = first;
    while seed == first || started.elapsed() < Duration::from_secs(seconds) {
        println!("seed {seed}: {:?}", fuzz::run(seed));
        seed += 1;
    }
    println!("{} seeds in {:?}", seed - first, started.elapsed());
}
