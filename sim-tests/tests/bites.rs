//! Proof that the fuzzer bites: what is broken on purpose is noticed within so many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quorate_sim_tests::{Sabotage, fuzz};

/// Runs seeds until one of them fails; how it failed.
fn noticed(sabotage: Sabotage, seeds: u64) -> String {
    for seed in 1..=seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| fuzz::run_sabotaged(seed, Some(sabotage)))) {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            println!("{sabotage:?} was noticed with seed {seed}: {}", text.lines().next().unwrap_or_default());
            return text;
        }
    }
    panic!("{sabotage:?} was not noticed in {seeds} seeds");
}

#[test]
fn stale_reads_are_noticed() {
    let how = noticed(Sabotage::StaleReads, 10);
    assert!(how.contains("no order explains"), "{how}");
}

#[test]
fn disks_that_lie_are_noticed() {
    noticed(Sabotage::LyingDisks, 10);
}

#[test]
fn forgotten_operations_are_noticed() {
    let how = noticed(Sabotage::ForgottenOperations, 20);
    assert!(how.contains("still pending"), "{how}");
}
