//! `quorate dev`: a zone on this machine, every node a process of its own.
//!
//! It starts and stops processes and writes their configuration; what a node does is `quorate serve`'s.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use rustix::process::{Pid, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::client::Client;
use crate::config::{self, Config};

/// Peer ports follow the XML-RPC ports at this distance: zones at base ports P and P+100 do not collide.
const PEER_OFFSET: u16 = 50;
/// How long the nodes may take until every one of them answers.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks at a node that does not answer yet.
const POLL: Duration = Duration::from_millis(20);
/// How long a node may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A zone on this machine, in the foreground.
#[derive(Args, Debug)]
pub struct Dev {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Node i serves XML-RPC at this port + i.
    #[arg(long, default_value_t = 2633, value_parser = clap::value_parser!(u16).range(1..=65000))]
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
}

/// A node of the zone and its process.
struct NodeProcess {
    index: u16,
    config: PathBuf,
    url: String,
    child: Child,
}

impl Dev {
    /// Runs until SIGTERM or SIGINT.
    pub fn run(self) -> anyhow::Result<()> {
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
        let mut nodes = Vec::new();
        for index in 0..self.nodes {
            let config = self.write_config(dir, index)?;
            let child = spawn_node(&config)?;
            let node = NodeProcess { index, config, url: self.url(index), child };
            node.announce();
            nodes.push(node);
        }
        let result = tokio::select! {
            result = self.watch(&mut nodes) => result,
            () = stop_signal(&mut terminate, &mut interrupt) => Ok(()),
        };
        stop(&mut nodes).await;
        result
    }

    /// Waits until every node answers, says so, then reports (and restarts) nodes that die.
    async fn watch(&self, nodes: &mut [NodeProcess]) -> anyhow::Result<()> {
        let ready = async {
            for node in &*nodes {
                let client = Client::new(&node.url)?;
                while !client.ready().await {
                    tokio::time::sleep(POLL).await;
                }
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(START_TIMEOUT, ready).await.context("the nodes did not become ready in time")??;
        println!("ready");
        loop {
            let (index, status) = first_exit(nodes).await?;
            let node = &mut nodes[index];
            println!("node {} ended: {status}", node.index);
            match self.restart_after {
                Some(seconds) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    node.child = spawn_node(&node.config)?;
                    node.announce();
                }
                None if nodes.iter_mut().all(|n| !matches!(n.child.try_wait(), Ok(None))) => {
                    anyhow::bail!("every node has ended");
                }
                None => {}
            }
        }
    }

    fn port(&self, index: u16) -> u16 {
        self.base_port + index
    }

    fn url(&self, index: u16) -> String {
        format!("http://127.0.0.1:{}/RPC2", self.port(index))
    }

    /// Writes the configuration of one node and returns its path.
    fn write_config(&self, dir: &Path, index: u16) -> anyhow::Result<PathBuf> {
        let node_dir = dir.join(format!("node-{index}"));
        fs::create_dir_all(&node_dir).with_context(|| node_dir.display().to_string())?;
        let auth_file = dir.join("one_auth");
        fs::write(&auth_file, "oneadmin:opennebula\n").with_context(|| auth_file.display().to_string())?;
        let servers = (0..self.nodes)
            .map(|i| config::Server {
                id: u64::from(i) + 1,
                name: format!("node-{i}"),
                endpoint: self.url(i),
                peer: format!("127.0.0.1:{}", self.port(i) + PEER_OFFSET),
            })
            .collect();
        let config = Config {
            node_id: u64::from(index) + 1,
            data_dir: node_dir.join("data"),
            listen: ([127, 0, 0, 1], self.port(index)).into(),
            peer_listen: ([127, 0, 0, 1], self.port(index) + PEER_OFFSET).into(),
            zone: config::Zone {
                cluster_id: format!("dev-{}", self.base_port),
                name: "OpenNebula".to_owned(),
                endpoint: self.url(0),
                auth_file,
                datastore_location: "/var/lib/one//datastores".to_owned(),
                servers,
            },
            raft: config::Raft::default(),
            reads: config::Reads::default(),
            dummy: config::Dummy { monitor_delay_ms: self.monitor_delay_ms, ..config::Dummy::default() },
        };
        let path = node_dir.join("quorate.toml");
        fs::write(&path, toml::to_string(&config)?).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

impl NodeProcess {
    fn announce(&self) {
        let pid = self.child.id().unwrap_or_default();
        println!("node {} pid {pid} xmlrpc {}", self.index, self.url);
    }
}

fn spawn_node(config: &Path) -> anyhow::Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(config.with_extension("log"))?;
    Command::new(std::env::current_exe()?)
        .args(["serve", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // A node must not get the terminal's SIGINT: it is stopped in order, by us.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("a node could not be started")
}

async fn stop_signal(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Waits for the first of the running nodes to end.
async fn first_exit(nodes: &mut [NodeProcess]) -> anyhow::Result<(usize, std::process::ExitStatus)> {
    let running = nodes.iter_mut().enumerate().filter(|(_, n)| n.child.id().is_some());
    let waits = running.map(|(i, node)| Box::pin(async move { (i, node.child.wait().await) }));
    let ((index, status), _, _) = futures::future::select_all(waits).await;
    Ok((index, status?))
}

/// Stops every node: SIGTERM first, SIGKILL for one that does not stop in time.
async fn stop(nodes: &mut [NodeProcess]) {
    for node in &*nodes {
        // A node that has ended already has no id; one that ends just now is no error.
        let pid = node.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(Err(e)) = pid.map(|pid| kill_process(pid, rustix::process::Signal::TERM)) {
            eprintln!("node {} could not be told to stop: {e}", node.index);
        }
    }
    for node in nodes {
        if tokio::time::timeout(STOP_TIMEOUT, node.child.wait()).await.is_err() {
            eprintln!("node {} did not stop in time and is killed", node.index);
            if let Err(e) = node.child.kill().await {
                eprintln!("node {}: {e}", node.index);
            }
        }
    }
}
