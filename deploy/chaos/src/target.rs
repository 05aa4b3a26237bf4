//! The zone under test: real nodes in their namespaces with small disks, and what has been done to each.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use quorate_node::client::{Client, records};
use quorate_node::config::Reads;
use quorate_node::local_zone::{LocalZone, Node, Plan, SESSION};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::time::timeout;

use crate::disk;
use crate::network::Network;

/// The port of every node's XML-RPC.
const PORT: u16 = 2633;
/// How long a node may take to say who leads.
const ANSWER_TIME: Duration = Duration::from_millis(300);

/// What has been done to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    /// Nothing: it must run.
    Well,
    /// Its process was ended.
    Ended,
    /// Its process gets no time.
    Frozen,
    /// Its disk was full: it may end by itself.
    Strained,
}

/// The zone under test.
pub struct Target {
    /// Its network.
    pub network: Network,
    /// Every node's XML-RPC endpoint, in order.
    pub urls: Vec<String>,
    zone: LocalZone,
    conditions: Vec<Condition>,
}

impl Target {
    /// Starts a zone of so many nodes with its files in `dir`, and waits until every node is ready. Reads may be made
    /// stale on purpose.
    ///
    /// # Errors
    /// When something cannot be made, or a node does not become ready.
    pub async fn start(binary: &Path, nodes: u16, reads: Reads, dir: &Path, seed: u64) -> anyhow::Result<Target> {
        let network = Network::make(nodes, seed).await?;
        let namespaces = network.namespaces.clone();
        let plan = Plan { binary: binary.to_owned(), reads, namespaces, ..Plan::new(nodes, PORT)? };
        for index in 0..nodes {
            disk::mount(&plan.data_dir(dir, index))?;
        }
        let zone = LocalZone::start(&plan, dir)?;
        zone.ready().await?;
        let urls = (0..nodes).map(|index| plan.url(index)).collect();
        Ok(Target { network, urls, zone, conditions: vec![Condition::Well; usize::from(nodes)] })
    }

    /// The nodes' numbers.
    pub fn nodes(&self) -> Vec<u16> {
        self.zone.nodes().iter().map(|node| node.index).collect()
    }

    /// Who leads, as the nodes that answer say.
    pub async fn leader(&self) -> Option<u16> {
        let mut newest = None;
        for index in self.nodes() {
            let asked = timeout(ANSWER_TIME, term_if_leader(&self.urls[usize::from(index)])).await;
            let term = asked.ok().flatten();
            newest = newest.max(term.map(|term| (term, index)));
        }
        newest.map(|(_, index)| index)
    }

    /// Kills a node with SIGKILL.
    ///
    /// # Errors
    /// When there is no process to kill.
    pub async fn kill(&mut self, index: u16) -> anyhow::Result<()> {
        self.set(index, Condition::Ended);
        self.zone.kill(index).await
    }

    /// Stops a node with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(&mut self, index: u16) -> anyhow::Result<()> {
        self.set(index, Condition::Ended);
        self.zone.stop_node(index).await
    }

    /// Starts a node that was ended.
    ///
    /// # Errors
    /// When its process cannot be started.
    pub fn start_again(&mut self, index: u16) -> anyhow::Result<()> {
        self.zone.restart(index)?;
        self.set(index, Condition::Well);
        Ok(())
    }

    /// Stops a node's time with SIGSTOP.
    ///
    /// # Errors
    /// When it has no process.
    pub fn freeze(&mut self, index: u16) -> anyhow::Result<()> {
        self.set(index, Condition::Frozen);
        self.signal(index, Signal::STOP)
    }

    /// Lets a frozen node go on.
    ///
    /// # Errors
    /// When it has no process.
    pub fn thaw(&mut self, index: u16) -> anyhow::Result<()> {
        self.set(index, Condition::Well);
        self.signal(index, Signal::CONT)
    }

    /// Leaves no space on a node's disk: its next write fails.
    ///
    /// # Errors
    /// When the disk cannot be written for another reason, or the node does not run.
    pub fn fill_disk(&mut self, index: u16) -> anyhow::Result<()> {
        let disk = self.node(index)?.data_dir();
        disk::fill(&disk)?;
        self.freeze(index)?;
        self.wait_until_frozen(index)?;
        disk::trim(&disk)?;
        disk::fill(&disk)?;
        self.thaw(index)?;
        self.set(index, Condition::Strained);
        Ok(())
    }

    /// Gives a node's disk its space back.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn free_disk(&mut self, index: u16) -> anyhow::Result<()> {
        disk::free(&self.node(index)?.data_dir())
    }

    /// Starts nodes again that have ended because their disks were full.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn start_strained(&mut self) -> anyhow::Result<()> {
        for index in self.nodes() {
            if self.conditions[usize::from(index)] == Condition::Strained && self.node(index)?.has_ended() {
                self.start_again(index)?;
            }
        }
        Ok(())
    }

    /// From now on every node must run.
    pub fn all_are_well(&mut self) {
        self.conditions.fill(Condition::Well);
    }

    /// Nodes that have ended though nothing was done to them.
    pub fn surprises(&self) -> Vec<String> {
        let well = self.zone.nodes().iter().filter(|node| self.conditions[usize::from(node.index)] == Condition::Well);
        let ended = well.filter(|node| node.has_ended());
        ended.map(|node| format!("node {} ended by itself: {}", node.index, node.last_words())).collect()
    }

    /// Whether a node says that it is ready.
    pub async fn is_ready(&self, index: u16) -> bool {
        let Ok(client) = Client::new(&self.urls[usize::from(index)]) else { return false };
        timeout(ANSWER_TIME, client.ready()).await.unwrap_or(false)
    }

    fn set(&mut self, index: u16, condition: Condition) {
        self.conditions[usize::from(index)] = condition;
    }

    fn node(&self, index: u16) -> anyhow::Result<&Node> {
        self.zone.nodes().get(usize::from(index)).with_context(|| format!("there is no node {index}"))
    }

    fn signal(&self, index: u16, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.pid(index)?, signal)?;
        Ok(())
    }

    /// Waits until all threads of a node that gets no time have stopped.
    fn wait_until_frozen(&self, index: u16) -> anyhow::Result<()> {
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid(index)?), stopped)?;
        Ok(())
    }

    fn pid(&self, index: u16) -> anyhow::Result<Pid> {
        let pid = self.node(index)?.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        pid.with_context(|| format!("node {index} does not run"))
    }
}

/// The term of a node that leads.
async fn term_if_leader(url: &str) -> Option<u64> {
    let mut client = Client::new(url).ok()?;
    let reply = client.call("one.zone.raftstatus", SESSION, &[]).await.ok()?.into_value().ok()?;
    let status = records(&reply, "RAFT").ok()?.into_iter().next()?;
    (status.get("STATE")? == "3").then(|| status.get("TERM")?.parse().ok())?
}
