//! Rules of this repository that the compiler does not know, as functions from sources to findings.
//!
//! `tests/repository.rs` applies each rule to the whole repository; the unit tests beside a rule show it a bad example
//! that it must find. What breaks a rule today stands in a list beside `Cargo.toml` (`allowed-*.txt`) that may only
//! get shorter ([`ratchet`]).
//!
//! This crate depends on no other crate of the workspace and builds in seconds, so that it runs before everything else.
//! It judges text: what a program does is for the tests of the crate that holds it.

pub mod arrows;
pub mod crates;
pub mod dead_files;
pub mod layers;
pub mod lengths;
pub mod modules;
pub mod prose;
pub mod ratchet;
pub mod repository;
pub mod seams;
pub mod source;
