//! A zone on this machine, every node a process of its own: for `quorate dev`, `quorate bench` and chaos.
//!
//! It writes configurations, starts, kills and stops processes; what a node does is `quorate serve`'s. A node
//! keeps an open pipe to this process as its standard input and stops when it closes, so that nothing is left
//! running even when this process is killed.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::Context as _;

use crate::config::{self, Config};

mod node;
mod plan;

use node::Process;

pub use node::Node;
pub use plan::{Namespace, Plan};

/// The administrator's session in every local zone.
pub const SESSION: &str = "oneadmin:opennebula";
/// The CA among a plan's certificates.
const CA_FILE: &str = "ca.crt";

/// A running local zone.
pub struct LocalZone {
    cluster_id: String,
    nodes: Vec<Node>,
}

fn node_dir(dir: &Path, index: u16) -> PathBuf {
    dir.join(format!("node-{index}"))
}

impl LocalZone {
    /// Starts every node of `plan` with its data in `dir`; continues with what is there.
    ///
    /// # Errors
    /// When a file cannot be written or a process not started.
    pub fn start(plan: &Plan, dir: &Path) -> anyhow::Result<LocalZone> {
        let cluster_id = plan.zone_in(dir)?;
        plan.check_ports()?;
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        write(&dir.join("one_auth"), &format!("{SESSION}\n"))?;
        let mut nodes = Vec::new();
        for index in 0..plan.nodes {
            let node_dir = node_dir(dir, index);
            fs::create_dir_all(&node_dir).with_context(|| node_dir.display().to_string())?;
            write(&config_of(&node_dir), &toml::to_string(&plan.config(dir, &cluster_id, index))?)?;
            let namespace = plan.namespaces.get(usize::from(index)).map(|own| own.file.clone());
            let process = Process::spawn(&plan.binary, &node_dir, namespace.as_deref())?;
            nodes.push(Node {
                index,
                url: plan.url(index),
                client: plan.client(index)?,
                dir: node_dir,
                namespace,
                binary: plan.binary.clone(),
                process,
            });
        }
        Ok(LocalZone { cluster_id, nodes })
    }

    /// What identifies it among peers.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The nodes in order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Waits until every node says that it is ready.
    ///
    /// # Errors
    /// When one does not in time; the text says where its log is.
    pub async fn ready(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            node.ready().await?;
        }
        Ok(())
    }

    /// Waits for the first of the running nodes to end; for ever when none runs.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub async fn first_exit(&mut self) -> anyhow::Result<(u16, ExitStatus)> {
        let running = self.nodes.iter_mut().filter(|n| n.pid().is_some());
        let waits: Vec<_> =
            running.map(|node| Box::pin(async { (node.index, node.process.child.wait().await) })).collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        let ((index, status), _, _) = futures::future::select_all(waits).await;
        Ok((index, status?))
    }

    /// Whether any node's process runs.
    #[must_use]
    pub fn any_runs(&self) -> bool {
        self.nodes.iter().any(|node| node.pid().is_some())
    }

    /// Kills a node with SIGKILL, as a power cut would end it.
    ///
    /// # Errors
    /// When its process cannot be killed.
    pub async fn kill(&mut self, index: u16) -> anyhow::Result<()> {
        self.node_mut(index)?.process.child.kill().await.with_context(|| format!("node {index}"))
    }

    /// Starts a node whose process has ended again.
    ///
    /// # Errors
    /// When its process cannot be started.
    pub fn restart(&mut self, index: u16) -> anyhow::Result<&Node> {
        let node = self.node_mut(index)?;
        node.process = Process::spawn(&node.binary, &node.dir, node.namespace.as_deref())?;
        Ok(node)
    }

    /// Gives a node another program, for its next start.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn install(&mut self, index: u16, binary: &Path) -> anyhow::Result<()> {
        binary.clone_into(&mut self.node_mut(index)?.binary);
        Ok(())
    }

    /// Starts a node whose process has ended again, without its data and as a server that joins the zone: it must
    /// have been removed and declared anew.
    ///
    /// # Errors
    /// When a file cannot be read, written or removed, or its process not started.
    pub fn rejoin(&mut self, index: u16) -> anyhow::Result<&Node> {
        let node = self.node_mut(index)?;
        let path = config_of(&node.dir);
        let mut config = Config::read(&path)?;
        if config.join.is_none() {
            // A zone's first servers are named in the configuration; from now on the zone itself knows better.
            let (own, others): (Vec<_>, Vec<_>) =
                std::mem::take(&mut config.zone.servers).into_iter().partition(|server| server.id == config.node_id);
            let own = own.into_iter().next().with_context(|| format!("{} does not name itself", path.display()))?;
            let seeds = others.into_iter().map(|server| server.peer).collect();
            config.join = Some(config::Join { name: own.name, peer: own.peer, seeds });
            config.node_id = 0;
            write(&path, &toml::to_string(&config)?)?;
        }
        for file in fs::read_dir(&config.data_dir)? {
            fs::remove_file(file?.path())?;
        }
        self.restart(index)
    }

    fn node_mut(&mut self, index: u16) -> anyhow::Result<&mut Node> {
        self.nodes.get_mut(usize::from(index)).with_context(|| format!("there is no node {index}"))
    }

    /// Stops one node in order: SIGTERM, and SIGKILL when it does not stop in time.
    ///
    /// # Errors
    /// When there is no such node, it had to be killed, or it says that something failed.
    pub async fn stop_node(&mut self, index: u16) -> anyhow::Result<()> {
        let node = self.node_mut(index)?;
        node.tell_to_stop();
        let status = node.stopped().await?;
        anyhow::ensure!(status.success(), "node {index} ended with {status}: {}", node.last_words());
        Ok(())
    }

    /// Stops every node in order, as [`LocalZone::stop_node`] does.
    pub async fn stop(mut self) {
        self.nodes.iter().for_each(Node::tell_to_stop);
        for node in &mut self.nodes {
            if let Err(e) = node.stopped().await {
                eprintln!("{e:#}");
            }
        }
    }
}

/// Writes a file that only its owner may read: configurations name secrets.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

fn data_of(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn config_of(dir: &Path) -> PathBuf {
    dir.join("quorate.toml")
}

fn log_of(dir: &Path) -> PathBuf {
    dir.join("quorate.log")
}
