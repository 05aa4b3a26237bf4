//! The command line: one file per command, nothing but arguments and printing here.

mod backup;
mod bench;
mod dev;
mod serve;
mod settings;
mod zone;
mod zone_add;
mod zone_time;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use quorate_state_machine::levels;

use crate::client::Client;
use crate::data_dir;
use crate::local_zone::SESSION;

/// A highly available control plane for OpenNebula zones.
#[derive(Parser, Debug)]
#[command(name = "quorate", version, about = "A highly available control plane for OpenNebula zones")]
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
    /// Save the zone's state as of one log index, while it runs.
    Backup(backup::Backup),
    /// Make a new zone of one server from a backup.
    Restore(backup::Restore),
    /// Make a zone of one server from the data directory of the last survivor.
    Recover(backup::Recover),
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
        // Databases, backups, configurations with secrets: nothing that it writes is for others.
        data_dir::keep_files_private();
        match self.command {
            Command::Dev(dev) => dev.run(),
            Command::Serve(serve) => serve.run(),
            Command::Zone(zone) => zone.run(),
            Command::Backup(backup) => backup.run(),
            Command::Restore(restore) => restore.run(),
            Command::Recover(recover) => recover.run(),
            Command::Bench(bench) => bench.run(),
            Command::Version => {
                let (version, level) = (env!("CARGO_PKG_VERSION"), levels::NEWEST);
                println!("quorate {version} (OpenNebula API 6.6.3, feature level {level})");
                Ok(())
            }
        }
    }
}

/// A multi-threaded runtime for a command.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Where a zone is looked for.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:2633/RPC2";

/// Which server to ask.
#[derive(Args, Debug)]
struct Endpoint {
    /// The endpoint of any server.
    #[arg(long, env = "ONE_XMLRPC", default_value = DEFAULT_ENDPOINT)]
    endpoint: String,
    #[command(flatten)]
    trust: Trust,
}

impl Endpoint {
    fn client(&self) -> anyhow::Result<Client> {
        self.trust.client(&self.endpoint)
    }
}

/// Which servers to believe.
#[derive(Args, Debug)]
struct Trust {
    /// A PEM file with the CAs to believe where the endpoint is https, in place of this machine's.
    #[arg(long, env = "QUORATE_CACERT")]
    cacert: Option<PathBuf>,
}

impl Trust {
    fn client(&self, endpoint: &str) -> anyhow::Result<Client> {
        Client::trusting(endpoint, self.cacert.as_deref())
    }
}

/// `user:password` from the file that ONE_AUTH names, or the development default.
fn session() -> anyhow::Result<String> {
    match std::env::var_os("ONE_AUTH") {
        Some(path) => {
            let text = std::fs::read_to_string(&path).with_context(|| path.to_string_lossy().into_owned())?;
            Ok(text.trim().to_owned())
        }
        None => Ok(SESSION.to_owned()),
    }
}
