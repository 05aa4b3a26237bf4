//! Chaos on real processes: `quorate serve` in network namespaces, faults of all kinds, and the same oracle as in
//! simulation over what clients were told. `make chaos` runs it.
//!
//! Everything happens in a sandbox of its own (`sandbox.rs`): the machine's network, mounts and processes are not
//! touched, and nothing of a run outlives it except the directory of one that found something.

mod clock;
mod disk;
mod episode;
mod faults;
mod finale;
mod home;
mod network;
mod report;
mod run;
mod sandbox;
mod switch;
mod target;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Injects faults into a zone of real processes and judges what its clients were told.
#[derive(Parser, Clone, Debug)]
pub struct Options {
    /// The `quorate` binary.
    #[arg(long)]
    binary: PathBuf,
    /// For how long faults are injected.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many nodes; without it, the seed decides between three and five.
    #[arg(long, value_parser = clap::value_parser!(u16).range(3..=5))]
    nodes: Option<u16>,
    /// Decides the faults, their order and length, and what clients do; not how the machine schedules it all.
    #[arg(long, default_value_t = rand::random_range(1..1_000_000))]
    seed: u64,
    /// Where configurations and logs go, and the nodes' data after a failure; must be empty. Without it a temporary
    /// directory, removed after a run without anomalies.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only these faults, by their names in the table; a weather among them comes with others, too.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Sabotage: nodes answer reads from what they happen to have. The run then succeeds if the oracle notices.
    #[arg(long)]
    stale_reads: bool,
    /// Fail where the sandbox cannot be made.
    #[arg(long)]
    require: bool,
    /// In the sandbox already.
    #[arg(long, hide = true)]
    inside: bool,
    /// Only try whether the sandbox can be made.
    #[arg(long, hide = true)]
    probe: bool,
}

fn main() -> ExitCode {
    match main_or_error(Options::parse()) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("chaos: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn main_or_error(options: Options) -> anyhow::Result<ExitCode> {
    if !options.inside {
        if let Err(reason) = sandbox::try_out() {
            println!("chaos: skipped: no sandbox of namespaces can be made here: {reason}");
            return Ok(if options.require { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        return Err(sandbox::enter()).context("the sandbox could not be entered");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        if options.probe {
            return network::Network::make(1, options.seed).await.map(|_| ExitCode::SUCCESS);
        }
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            result = run::run(&options) => result,
            _ = terminate.recv() => Ok(interrupted()),
            _ = interrupt.recv() => Ok(interrupted()),
        }
    })
}

/// The sandbox ends with this process, and everything in it.
fn interrupted() -> ExitCode {
    println!("chaos: interrupted");
    ExitCode::from(130)
}
