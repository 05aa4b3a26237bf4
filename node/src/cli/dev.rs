//! `quorate dev`: a zone on this machine, in the foreground. The printed lines are a contract with scripts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config;
use crate::local_zone::{LocalZone, Node, Plan};

/// A zone on this machine, in the foreground.
#[derive(Args, Debug)]
pub struct Dev {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Node i serves XML-RPC at this port + i, and its peers at this + 50 + i. 0: at ports that the kernel gives, with
    /// --ephemeral.
    #[arg(long, default_value_t = 2633, value_parser = clap::value_parser!(u16).range(0..=65000))]
    base_port: u16,
    /// Where the nodes keep their data; a second start continues with it.
    #[arg(long, default_value = "quorate-dev", conflicts_with = "ephemeral")]
    data_dir: PathBuf,
    /// Start empty in a temporary directory, removed at the end.
    #[arg(long)]
    ephemeral: bool,
    /// Start a node process that died again after so many seconds.
    #[arg(long)]
    restart_after: Option<u64>,
    /// The dummy drivers' delay before a new host's first monitoring data, in milliseconds.
    #[arg(long, default_value_t = config::Dummy::default().monitor_delay_ms)]
    monitor_delay_ms: u64,
    /// What identifies the zone among its nodes. Without it the zone gets an id that no other has, and keeps it.
    #[arg(long)]
    cluster_id: Option<String>,
    /// Encrypt all traffic with the certificates in this directory, made by: deploy/test-ca.sh DIRECTORY local-PORT
    /// node-0=127.0.0.1 node-1=127.0.0.1 ..., where PORT is the base port, and local-PORT the cluster id unless given.
    #[arg(long)]
    certificates: Option<PathBuf>,
}

impl Dev {
    /// Runs until SIGTERM or SIGINT.
    pub fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.base_port > 0 || self.ephemeral,
            "--base-port 0 needs --ephemeral: a zone that continues is where it was"
        );
        // Removed when it goes out of scope, after the nodes have stopped.
        let temporary = self.ephemeral.then(tempfile::tempdir).transpose()?;
        let dir = temporary.as_ref().map_or(self.data_dir.clone(), |t| t.path().to_owned());
        let result = super::runtime()?.block_on(self.serve(&dir));
        if let Some(temporary) = temporary {
            temporary.close().context("the temporary directory was not removed")?;
        }
        result
    }

    async fn serve(&self, dir: &Path) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut plan = Plan::new(self.nodes, self.base_port)?;
        plan.cluster_id.clone_from(&self.cluster_id);
        if let Some(certificates) = &self.certificates {
            plan.encrypt(certificates.clone());
        }
        plan.dummy.monitor_delay_ms = self.monitor_delay_ms;
        let mut zone = LocalZone::start(&plan, dir)?;
        zone.nodes().iter().for_each(announce);
        let result = tokio::select! {
            result = self.watch(&mut zone) => result,
            () = stop_signal(&mut terminate, &mut interrupt) => Ok(()),
        };
        zone.stop().await;
        result
    }

    /// Waits until every node answers, says so, then reports (and restarts) nodes that die.
    async fn watch(&self, zone: &mut LocalZone) -> anyhow::Result<()> {
        zone.ready().await?;
        println!("ready");
        let mut restarts = FuturesUnordered::new();
        loop {
            tokio::select! {
                exit = zone.first_exit() => {
                    let (index, status) = exit?;
                    println!("node {index} ended: {status}");
                    if let Some(seconds) = self.restart_after {
                        restarts.push(async move {
                            tokio::time::sleep(Duration::from_secs(seconds)).await;
                            index
                        });
                    } else if !zone.any_runs() {
                        anyhow::bail!("every node has ended");
                    }
                }
                Some(index) = restarts.next() => announce(zone.restart(index)?),
            }
        }
    }
}

fn announce(node: &Node) {
    let pid = node.pid().unwrap_or_default();
    println!("node {} pid {pid} xmlrpc {}", node.index, node.url);
}

async fn stop_signal(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
