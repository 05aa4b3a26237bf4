//! The zone under test: real nodes in their namespaces with small disks, and what has been done to each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use quorate_node::client::{Client, records};
use quorate_node::config::Reads;
use quorate_node::local_zone::{LocalZone, Node, Plan, SESSION};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::disk;
use crate::network::Network;

/// The port of every node's XML-RPC.
const PORT: u16 = 2633;
/// How long a node may take to say who leads.
const ANSWER_TIME: Duration = Duration::from_millis(300);
/// How long an operator tries.
const OPERATING_TIME: Duration = Duration::from_secs(30);
/// How long a new server may take until it votes.
const JOINING_TIME: Duration = Duration::from_secs(30);

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
    peers: Vec<String>,
    binary: PathBuf,
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
        let peers = (0..nodes).map(|index| plan.peer_listen(index).to_string()).collect();
        let conditions = vec![Condition::Well; usize::from(nodes)];
        Ok(Target { network, urls, peers, binary: plan.binary, zone, conditions })
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
    /// When there is no process to kill, or it has ended by itself.
    pub async fn kill(&mut self, index: u16) -> anyhow::Result<()> {
        self.no_surprise(index)?;
        self.set(index, Condition::Ended);
        self.zone.kill(index).await
    }

    /// Stops a node with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time and well, or has ended by itself.
    pub async fn stop(&mut self, index: u16) -> anyhow::Result<()> {
        self.no_surprise(index)?;
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

    /// Removes an ended server by the command line of another, declares it anew, starts it without its data, and waits
    /// until it votes.
    ///
    /// # Errors
    /// When the zone refuses, or does not let it vote in time.
    pub async fn replace(&mut self, index: u16, other: u16) -> anyhow::Result<()> {
        let (at, via) = (usize::from(index), usize::from(other));
        let name = format!("node-{index}");
        self.operate(via, &["zone", "remove", &name]).await?;
        let declared = ["zone", "add", &name, "--endpoint", &self.urls[at], "--peer", &self.peers[at]];
        self.operate(via, &declared).await?;
        self.zone.rejoin(index)?;
        self.set(index, Condition::Well);
        let votes = async {
            while !self.votes(via, &name).await.unwrap_or(false) {
                sleep(ANSWER_TIME).await;
            }
        };
        timeout(JOINING_TIME, votes).await.with_context(|| format!("{name} does not vote in time"))
    }

    async fn votes(&self, via: usize, name: &str) -> anyhow::Result<bool> {
        let rows = self.operate(via, &["zone", "status", "--json"]).await?;
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&rows)?;
        Ok(rows.iter().any(|row| row["name"] == name && row["voter"] == true))
    }

    /// Runs the program as an operator does, and again for a while when it fails; what it printed.
    async fn operate(&self, via: usize, args: &[&str]) -> anyhow::Result<Vec<u8>> {
        let deadline = Instant::now() + OPERATING_TIME;
        loop {
            let mut command = Command::new(&self.binary);
            let command = command.args(args).env("ONE_XMLRPC", &self.urls[via]).env_remove("ONE_AUTH");
            let output = command.kill_on_drop(true).output().await?;
            if output.status.success() {
                return Ok(output.stdout);
            }
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(Instant::now() < deadline, "quorate {}: {}", args.join(" "), said.trim());
            sleep(ANSWER_TIME).await;
        }
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

    /// A node about to be ended must not have ended already: nobody would notice any more.
    fn no_surprise(&self, index: u16) -> anyhow::Result<()> {
        let surprises = self.surprises();
        anyhow::ensure!(surprises.is_empty(), "before node {index} was ended: {}", surprises.join("; "));
        Ok(())
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
