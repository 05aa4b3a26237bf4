//! Runs seeds of the fuzzer, for minutes or for nights: `cargo run -p quorate-sim-tests --release -- --seeds 1..1000`.

use std::ops::Range;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use quorate_sim_tests::Sabotage;
use quorate_sim_tests::fuzz::{self, Report};

/// Fuzzes simulated zones.
#[derive(Parser)]
struct Options {
    /// The seeds, from the first to before the last.
    #[arg(long, value_parser = range, default_value = "1..18446744073709551615")]
    seeds: Range<u64>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Break something on purpose.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// Print a line per seed.
    #[arg(long)]
    verbose: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("not of the form A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|e| format!("'{text}': {e}"));
    Ok(number(from)?..number(to)?)
}

fn main() -> ExitCode {
    let options = Options::parse();
    // How long it takes is for people; no simulation sees this clock.
    let started = Instant::now();
    let (mut total, mut run, mut failed) = (Report::default(), 0, Vec::new());
    for seed in options.seeds {
        if options.seconds.is_some_and(|limit| started.elapsed() >= Duration::from_secs(limit)) {
            break;
        }
        match catch_unwind(|| fuzz::run_sabotaged(seed, options.sabotage)) {
            Ok(report) => {
                if options.verbose {
                    println!("{seed}: {report:?}");
                }
                total.add(report);
            }
            Err(_) => {
                failed.push(seed);
                println!("seed {seed} FAILED; failed so far: {failed:?}");
                if !options.keep_going {
                    break;
                }
            }
        }
        run += 1;
        if run % 50 == 0 {
            println!("seed {seed}: {run} seeds, {:.0} per hour, failed: {failed:?}", per_hour(run, started));
        }
    }
    println!("{total}");
    println!(
        "{run} seeds in {:.0} s ({:.0} per hour); failed: {failed:?}",
        started.elapsed().as_secs_f64(),
        per_hour(run, started)
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_hour(seeds: u64, started: Instant) -> f64 {
    seeds as f64 * 3600.0 / started.elapsed().as_secs_f64().max(0.001)
}
