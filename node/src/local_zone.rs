//! A zone on this machine, every node a process of its own: for `quorate dev`, `quorate bench` and chaos.
//!
//! It writes configurations, starts, kills and stops processes; what a node does is `quorate serve`'s. A node
//! keeps an open pipe to this process as its standard input and stops when it closes, so that nothing is left
//! running even when this process is killed.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::process::{Child, ChildStdin, Command};

use crate::client::Client;
use crate::config::{self, Config};
use crate::ports::{self, Ports};

/// The administrator's session in every local zone.
pub const SESSION: &str = "oneadmin:opennebula";
/// The CA among a plan's certificates.
const CA_FILE: &str = "ca.crt";
/// How long the nodes may take until every one of them answers.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks at a node that does not answer yet.
const POLL: Duration = Duration::from_millis(10);
/// How long a node may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What a local zone is to be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `quorate` binary.
    pub binary: PathBuf,
    /// How many nodes, 1 to 9.
    pub nodes: u16,
    /// Where they listen.
    pub ports: Ports,
    /// Raft's timing and log.
    pub raft: config::Raft,
    /// How reads are answered.
    pub reads: config::Reads,
    /// How the dummy drivers behave.
    pub dummy: config::Dummy,
    /// The process that is asked about users of other authentication drivers.
    pub auth_driver: Option<config::AuthDriver>,
    /// A directory with certificates of zone [`Plan::cluster_id`] for `node-0`, `node-1` and so on, as
    /// `deploy/test-ca.sh` makes them: traffic is then encrypted. Without it, plain.
    pub certificates: Option<PathBuf>,
    /// The network namespace of each node, where they have different ones; empty: all are on this machine's loopback.
    pub namespaces: Vec<Namespace>,
}

/// A network namespace for one node, made by whoever starts the zone.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its file, as `nsenter --net` takes it.
    pub file: PathBuf,
    /// The address in it at which the other nodes and clients reach the node.
    pub address: Ipv4Addr,
}

/// A running local zone.
pub struct LocalZone {
    nodes: Vec<Node>,
}

/// A node of the zone and its process.
pub struct Node {
    /// Its number, from 0.
    pub index: u16,
    /// Its XML-RPC endpoint.
    pub url: String,
    client: Client,
    dir: PathBuf,
    namespace: Option<PathBuf>,
    /// The program that its next start runs.
    binary: PathBuf,
    process: Process,
}

/// A node's process and the pipe that keeps it running.
struct Process {
    child: Child,
    /// Kept apart from `child`, whose `wait` would close it.
    lifeline: Option<ChildStdin>,
}

impl Plan {
    /// So many nodes of this program from a port on, or on ports that the kernel gives (0), with defaults for the rest.
    ///
    /// # Errors
    /// When the operating system has no ports, or does not say where this program is.
    pub fn new(nodes: u16, base_port: u16) -> anyhow::Result<Plan> {
        let (binary, ports) = (std::env::current_exe()?, Ports::new(nodes, base_port)?);
        let (raft, dummy) = (config::Raft::default(), config::Dummy::default());
        let (reads, namespaces) = (config::Reads::default(), Vec::new());
        Ok(Plan { binary, nodes, ports, raft, reads, dummy, auth_driver: None, certificates: None, namespaces })
    }

    /// Where node `index` serves XML-RPC.
    #[must_use]
    pub fn listen(&self, index: u16) -> SocketAddr {
        match self.namespaces.get(usize::from(index)) {
            Some(own) => (own.address, self.ports.client(0)).into(),
            None => (Ipv4Addr::LOCALHOST, self.ports.client(index)).into(),
        }
    }

    /// Where node `index` serves its peers.
    #[must_use]
    pub fn peer_listen(&self, index: u16) -> SocketAddr {
        match self.namespaces.get(usize::from(index)) {
            Some(own) => (own.address, self.ports.peer(0)).into(),
            None => (Ipv4Addr::LOCALHOST, self.ports.peer(index)).into(),
        }
    }

    /// The XML-RPC endpoint of node `index`.
    #[must_use]
    pub fn url(&self, index: u16) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/RPC2", self.listen(index))
    }

    /// A client of node `index`.
    ///
    /// # Errors
    /// When there are no certificates where they should be.
    pub fn client(&self, index: u16) -> anyhow::Result<Client> {
        let cacert = self.certificates.as_ref().map(|dir| dir.join(CA_FILE));
        Client::trusting(&self.url(index), cacert.as_deref())
    }

    /// What identifies the zone among peers.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        format!("local-{}", self.ports.base())
    }

    /// Where node `index` of a zone in `dir` keeps its data.
    #[must_use]
    pub fn data_dir(&self, dir: &Path, index: u16) -> PathBuf {
        data_of(&node_dir(dir, index))
    }

    /// Refuses a directory with the data of another zone.
    fn check_directory(&self, dir: &Path) -> anyhow::Result<()> {
        let path = config_of(&node_dir(dir, 0));
        if !path.exists() {
            return Ok(());
        }
        let old = Config::read(&path)?;
        let (nodes, port) = (old.zone.servers.len(), old.listen.port());
        anyhow::ensure!(
            nodes == usize::from(self.nodes) && port == self.listen(0).port(),
            "{} holds a zone of {nodes} nodes from port {port} on: start it so, or take another directory",
            dir.display()
        );
        Ok(())
    }

    /// Refuses ports that somebody listens on: another zone would answer in this one's place.
    fn check_ports(&self) -> anyhow::Result<()> {
        // In a namespace of its own a node meets nobody.
        let shared = (0..self.nodes).filter(|index| self.namespaces.get(usize::from(*index)).is_none());
        for index in shared {
            for address in [self.listen(index), self.peer_listen(index)] {
                TcpListener::bind(address).map_err(|e| ports::explain(address, &e))?;
            }
        }
        Ok(())
    }

    /// The configuration of node `index` of a zone that lives in `dir`.
    fn config(&self, dir: &Path, index: u16) -> Config {
        let server = |i: u16| config::Server {
            id: u64::from(i) + 1,
            name: format!("node-{i}"),
            endpoint: self.url(i),
            peer: self.peer_listen(i).to_string(),
        };
        let cert = |dir: &Path| dir.join(format!("node-{index}.crt"));
        let key = |dir: &Path| dir.join(format!("node-{index}.key"));
        Config {
            node_id: u64::from(index) + 1,
            data_dir: self.data_dir(dir, index),
            key_file: None,
            listen: self.listen(index),
            peer_listen: self.peer_listen(index),
            zone: config::Zone {
                cluster_id: self.cluster_id(),
                name: "OpenNebula".to_owned(),
                endpoint: self.url(0),
                auth_file: dir.join("one_auth"),
                datastore_location: "/var/lib/one//datastores".to_owned(),
                servers: (0..self.nodes).map(server).collect(),
            },
            join: None,
            clients: config::Clients::default(),
            raft: self.raft,
            reads: self.reads,
            dummy: self.dummy.clone(),
            raft_hooks: config::Hooks::default(),
            peer_tls: self.certificates.as_deref().map(|dir| config::PeerTls {
                cert: cert(dir),
                key: key(dir),
                ca: dir.join(CA_FILE),
            }),
            tls: self.certificates.as_deref().map(|dir| config::Tls { cert: cert(dir), key: key(dir) }),
            auth_driver: self.auth_driver.clone(),
        }
    }
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
        plan.check_directory(dir)?;
        plan.check_ports()?;
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        write(&dir.join("one_auth"), &format!("{SESSION}\n"))?;
        let mut nodes = Vec::new();
        for index in 0..plan.nodes {
            let node_dir = node_dir(dir, index);
            fs::create_dir_all(&node_dir).with_context(|| node_dir.display().to_string())?;
            write(&config_of(&node_dir), &toml::to_string(&plan.config(dir, index))?)?;
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
        Ok(LocalZone { nodes })
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

impl Node {
    /// The process; `None` when it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.child.id()
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.another()
    }

    /// Everything that it has logged.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        let path = log_of(&self.dir);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Where the node keeps its data.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        data_of(&self.dir)
    }

    fn tell_to_stop(&self) {
        // A node that has ended already has no id; one that ends just now is no error.
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(Err(e)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
            eprintln!("node {} could not be told to stop: {e}", self.index);
        }
    }

    /// Waits until its process has ended; kills it after a while.
    async fn stopped(&mut self) -> anyhow::Result<ExitStatus> {
        let Process { child, lifeline } = &mut self.process;
        if let Ok(status) = tokio::time::timeout(STOP_TIMEOUT, child.wait()).await {
            return Ok(status?);
        }
        drop(lifeline.take());
        child.kill().await.with_context(|| format!("node {}", self.index))?;
        anyhow::bail!("node {} did not stop in time and was killed", self.index)
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or does not in time; the text says why, or where its log is.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let ready = async {
            while !self.client.ready().await {
                anyhow::ensure!(!self.has_ended(), "node {} ended: {}", self.index, self.last_words());
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        tokio::time::timeout(START_TIMEOUT, ready).await.with_context(|| {
            format!("node {} did not become ready in time, see {}", self.index, log_of(&self.dir).display())
        })?
    }

    /// Whether its process has ended, though perhaps nobody has waited for it yet.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return true };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_)))
    }

    /// The last line of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = self.log().unwrap_or_default();
        log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("its log is empty").to_owned()
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

impl Process {
    fn spawn(binary: &Path, dir: &Path, namespace: Option<&Path>) -> anyhow::Result<Process> {
        let path = log_of(dir);
        let log = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let mut command = match namespace {
            None => Command::new(binary),
            Some(namespace) => {
                // It becomes the node: the process that is killed and stopped is the node's.
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={}", namespace.display())).arg("--").arg(binary);
                command
            }
        };
        let mut child = command
            .args(["serve", "--stop-with-stdin", "--config"])
            .arg(config_of(dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.with_context(|| path.display().to_string())?)
            // A node must not get the terminal's SIGINT: it is stopped in order, by us.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("a node could not be started")?;
        let lifeline = child.stdin.take();
        Ok(Process { child, lifeline })
    }
}
