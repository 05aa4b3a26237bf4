//! The command line: one file per command, nothing but arguments and printing here.

mod bench;
mod dev;
mod serve;
mod zone;

use clap::{Parser, Subcommand};

/// A highly available control plane for OpenNebula zones.
#[derive(Parser, Debug)]
#[command(name = "quorate", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// A zone on this machine, in the foreground.
    Dev(dev::Dev),
    /// One node of a real zone.
    Serve(serve::Serve),
    /// The zone's servers.
    #[command(subcommand)]
    Zone(zone::Zone),
    /// Measure a zone of its own: one JSON line per figure.
    Bench(bench::Bench),
    /// What this binary is.
    Version,
}

impl Cli {
    /// Does what the arguments say.
    ///
    /// # Errors
    /// When the operation failed; the text is for the operator.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Dev(dev) => dev.run(),
            Command::Serve(serve) => serve.run(),
            Command::Zone(zone) => zone.run(),
            Command::Bench(bench) => bench.run(),
            Command::Version => {
                println!("quorate {} (OpenNebula API 6.6.3)", env!("CARGO_PKG_VERSION"));
                Ok(())
            }
        }
    }
}

/// A multi-threaded runtime for a command.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
