//! The rules of this repository, each as a test. A failure says where, which rule, and what to do.
//!
//! `make tidy` runs them. What breaks a rule today stands in `tidy/allowed-*.txt`, which only get shorter.

use quorate_tidy::arrows::{arrows, largest_circle};
use quorate_tidy::repository::Repository;
use quorate_tidy::{crates, dead_files, layers, lengths, prose, seams};

const STATE_MACHINE: &str = "state-machine/src/lib.rs";
const MODEL: &str = "model/src/lib.rs";

/// How many files use each other in the largest circle of the state machine and of the model. It may only go down.
const LARGEST_CIRCLES: [(&str, usize); 2] = [(STATE_MACHINE, 2), (MODEL, 2)];

#[test]
fn layers_of_the_state_machine_use_only_what_is_below() {
    let found = layers::wrong(&arrows(&Repository::here(), STATE_MACHINE));
    layers::ORDER.check(&found, "allowed-arrows.txt");
}

#[test]
fn every_row_of_the_table_of_layers_fits_a_file() {
    let repository = Repository::here();
    let files: Vec<&str> = repository.files().map(|source| source.path.as_str()).collect();
    assert_eq!(layers::idle_rows(&files), Vec::<&str>::new(), "delete these rows of tidy/src/layers.rs");
}

#[test]
fn the_largest_circles_do_not_grow() {
    for (root, largest) in LARGEST_CIRCLES {
        let circle = largest_circle(&arrows(&Repository::here(), root));
        let all = circle.iter().map(|file| format!("  {file}\n")).collect::<String>();
        let now = circle.len();
        assert!(
            now <= largest,
            "{root}: {now} files use each other in a circle, {largest} before: cut one that is new\n{all}"
        );
        assert_eq!(now, largest, "{root}: the circle is smaller: lower LARGEST_CIRCLES in tidy/tests/repository.rs");
    }
}

#[test]
fn crates_depend_inward_only() {
    crates::INWARD.check(&crates::wrong(&Repository::here()), "allowed-crates.txt");
}

#[test]
fn lines_are_short() {
    lengths::LINES.check(&lengths::long_lines(&Repository::here()), "allowed-long-lines.txt");
}

#[test]
fn files_are_short() {
    lengths::FILES.check(&lengths::long_files(&Repository::here()), "allowed-long-files.txt");
}

#[test]
fn functions_are_short() {
    lengths::FUNCTIONS.check(&lengths::long_functions(&Repository::here()), "allowed-long-functions.txt");
}

#[test]
fn comments_name_what_they_copy_of_the_reference() {
    prose::REFERENCES.check(&prose::bare_references(&Repository::here()), "allowed-bare-references.txt");
}

#[test]
fn sections_on_errors_say_which() {
    prose::ERRORS.check(&prose::empty_errors(&Repository::here()), "allowed-empty-errors.txt");
}

#[test]
fn modules_open_with_what_they_are_for() {
    prose::HEADERS.check_all(&prose::missing_headers(&Repository::here()));
}

#[test]
fn every_source_is_compiled() {
    dead_files::SOURCES.check_all(&dead_files::dead_sources(&Repository::here()));
}

#[test]
fn every_guide_is_linked() {
    dead_files::GUIDES.check_all(&dead_files::unlinked_guides(&Repository::here()));
}

#[test]
fn links_lead_to_files() {
    dead_files::LINKS.check_all(&dead_files::broken_links(&Repository::here()));
}

#[test]
fn every_frozen_file_is_read_by_a_test() {
    dead_files::GOLDEN.check_all(&dead_files::unnamed_golden(&Repository::here()));
}

#[test]
fn time_threads_and_randomness_go_through_the_seams() {
    seams::SEAMS.check_all(&seams::forbidden(&Repository::here()));
}

#[test]
fn every_exception_from_the_seams_is_needed() {
    seams::PLACES.check_all(&seams::idle_places(&Repository::here()));
}

#[test]
fn nothing_is_in_hash_order_in_the_state_machine() {
    seams::HASH_ORDER.check_all(&seams::hash_order(&Repository::here()));
}
