//! `quorate`: a highly available control plane for OpenNebula zones.
//!
//! Parses the command line and hands over to [`quorate_node::cli`]. Exit codes: 0 done, 1 failed, 2 wrong usage.

use std::process::ExitCode;

use clap::Parser as _;
use quorate_node::cli::Cli;
use tikv_jemallocator::Jemalloc;

/// Gives memory that is free again back to the system, where the C library's allocator keeps much of it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("quorate: {e:#}");
            ExitCode::FAILURE
        }
    }
}
