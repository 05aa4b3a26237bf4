//! Logs of a simulation on request, `QUORATE_SIM_LOG=quorate=debug,openraft=info`, with simulated time.

use std::fmt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

struct SimTime;

impl FormatTime for SimTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        match turmoil::sim_elapsed() {
            Some(elapsed) => write!(w, "{:>9.3}", elapsed.as_secs_f64()),
            None => write!(w, "        -"),
        }
    }
}

/// Prints logs to standard error when the environment asks for them.
pub fn init() {
    let Ok(filter) = std::env::var("QUORATE_SIM_LOG") else { return };
    // A second simulation in the same process finds it set already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_timer(SimTime)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .try_init();
}
