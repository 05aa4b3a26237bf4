//! `quorate serve`: one node, in the foreground, until SIGTERM or SIGINT.

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::production;

/// One node of a real zone.
#[derive(Args, Debug)]
pub struct Serve {
    /// The node's configuration.
    #[arg(long)]
    config: PathBuf,
}

impl Serve {
    /// Serves until told to stop; hands leadership over first.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,openraft=warn"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
        super::runtime()?.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            production::run(config, async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            })
            .await
        })
    }
}
