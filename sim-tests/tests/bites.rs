//! Proof that the fuzzer bites: what is broken on purpose is noticed within so many seeds, and for the right reason.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quorate_sim_tests::{Sabotage, fuzz};

/// Runs seeds until one of them fails, which must happen in one of these ways.
fn noticed(sabotage: Sabotage, seeds: u64, ways: &[&str]) {
    noticed_from(1, sabotage, seeds, ways);
}

/// The same from a seed on that is known to be near one that fails, where failures are rare.
fn noticed_from(first: u64, sabotage: Sabotage, seeds: u64, ways: &[&str]) {
    for seed in first..first + seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| fuzz::run_sabotaged(seed, Some(sabotage)))) {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            println!("{sabotage:?} was noticed with seed {seed}: {}", text.lines().next().unwrap_or_default());
            assert!(ways.iter().any(|way| text.contains(way)), "{text}");
            return;
        }
    }
    panic!("{sabotage:?} was not noticed in {seeds} seeds from {first} on");
}

#[test]
fn stale_reads_are_noticed() {
    noticed(Sabotage::StaleReads, 10, &["no order explains"]);
}

#[test]
fn disks_that_lie_are_noticed() {
    noticed(Sabotage::LyingDisks, 10, &["the disk ends with", "went back"]);
}

#[test]
fn a_clock_that_is_believed_whatever_it_says_is_noticed() {
    noticed(Sabotage::AnyClock, 20, &["ahead of the true time"]);
}

#[test]
fn forgotten_operations_are_noticed() {
    noticed(Sabotage::ForgottenOperations, 20, &["still pending"]);
}

#[test]
fn operations_that_are_repeated_blindly_are_noticed() {
    noticed(Sabotage::BlindRepeats, 20, &["was begun again"]);
}

#[test]
fn stale_tails_are_noticed() {
    noticed(Sabotage::StaleTails, 50, &["states differ", "logs do not match", "another node"]);
}

#[test]
fn reused_ids_are_noticed() {
    noticed(Sabotage::ReusedIds, 10, &["both got id", "was acknowledged as"]);
}

#[test]
fn repeated_proposals_are_noticed() {
    noticed_from(151, Sabotage::RepeatedProposals, 200, &["was made twice", "no order explains"]);
}

#[test]
fn hash_order_is_noticed() {
    noticed(Sabotage::HashOrder, 5, &["states differ"]);
}

#[test]
fn a_local_clock_is_noticed() {
    noticed(Sabotage::LocalClock, 5, &["states differ", "ahead of the true time"]);
}
