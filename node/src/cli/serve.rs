//! `quorate serve`: one node, in the foreground, until SIGTERM or SIGINT. SIGHUP: new certificates.

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tokio::net::unix::pipe;
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
    /// Stop when standard input ends: for a node that must not outlive the process that started it.
    #[arg(long)]
    stop_with_stdin: bool,
}

impl Serve {
    /// Serves until told to stop; hands leadership over first.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
        super::runtime()?.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            // Without a handler it would end the process.
            let hangup = signal(SignalKind::hangup())?;
            let stdin = self.stop_with_stdin.then(stdin_pipe).transpose()?;
            let stop = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = ended(stdin) => {}
                }
            };
            production::run(config, stop, hangup).await
        })
    }
}

/// Standard input as a pipe that can be watched without a thread.
fn stdin_pipe() -> anyhow::Result<pipe::Receiver> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    pipe::Receiver::from_owned_fd(stdin).context("--stop-with-stdin: standard input is not a pipe")
}

/// Waits until the pipe ends or can no longer be read; without a pipe it waits for ever.
async fn ended(pipe: Option<pipe::Receiver>) {
    match pipe {
        Some(mut pipe) => drop(tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await),
        None => std::future::pending().await,
    }
}
