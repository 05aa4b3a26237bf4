//! A simulated zone: nodes and clients' machines on one simulated network, stepped a millisecond at a time.
//!
//! Tests are plain sequences: they call, cut, crash and wait, and time passes inside those. The invariants
//! are checked after every step.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_drivers::embedded::Behaviour;
use quorate_node::client::{ApiReply, Client};
use quorate_node::config;
use quorate_raft_store::rng;
use quorate_raft_store::types::LogId;
use quorate_raft_store::{Published, SyncPolicy};
use quorate_state_machine::api::Arg;
use quorate_state_machine::pending::Operation;
use turmoil::Sim;

use crate::console::{self, Console, Promise, SESSION};
use crate::disk;
use crate::drivers::Ledger;
use crate::host::{Common, EPOCH, Host, Running, endpoint, name};
use crate::invariants::{Invariants, NodeView};
use crate::logging;
use crate::net::{SimNet, Trace};
use crate::reproduce;
use crate::sabotage::Sabotage;

/// How long a scenario waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a scenario's call may take: longer than a node looks for a leader.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// How a zone is built.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many nodes.
    pub nodes: u64,
    /// How many machines for clients.
    pub consoles: usize,
    /// How long a message is on its way, from and to.
    pub latency: (Duration, Duration),
    /// Raft's timing and log.
    pub raft: config::Raft,
    /// The drivers.
    pub behaviour: Behaviour,
    /// Who syncs the log.
    pub sync: SyncPolicy,
    /// How far clocks are off at most, in seconds.
    pub skew: i64,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            nodes: 3,
            consoles: 1,
            latency: (Duration::from_millis(1), Duration::from_millis(5)),
            raft: config::Raft::default(),
            behaviour: Behaviour::default(),
            sync: SyncPolicy::Inline,
            skew: 0,
            sabotage: None,
        }
    }
}

/// How a node dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// Its process is killed: the system closes its connections. The disk keeps everything written.
    Process,
    /// Its machine loses power: nobody is told, and so many of the writes that were not synced survive.
    Power {
        /// The surviving writes.
        keep: usize,
    },
}

/// A simulated zone.
pub struct Zone {
    seed: u64,
    sim: Sim<'static>,
    common: Common,
    /// All machines there ever were, by number.
    hosts: Vec<Rc<Host>>,
    /// The numbers of those in service, for clients.
    in_service: Rc<RefCell<Vec<u64>>>,
    consoles: Vec<Console>,
    net: SimNet,
    ledger: Ledger,
    /// Directed links that are cut, by the names of their ends.
    cut: BTreeSet<(String, String)>,
    invariants: Invariants,
}

impl Zone {
    /// Starts a zone; everything that happens in it follows from `seed`.
    #[must_use]
    pub fn new(seed: u64, shape: Shape) -> Zone {
        logging::init();
        reproduce::announce(seed);
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .epoch(UNIX_EPOCH + Duration::from_secs(EPOCH.unsigned_abs()))
            .simulation_duration(Duration::from_secs(24 * 3600))
            .tick_duration(Duration::from_millis(1))
            .min_message_latency(shape.latency.0)
            .max_message_latency(shape.latency.1)
            .tcp_capacity(4096)
            .build();
        quorate_node::sabotage::keep_stale_tails(shape.sabotage == Some(Sabotage::StaleTails));
        quorate_node::sabotage::believe_any_clock(shape.sabotage == Some(Sabotage::AnyClock));
        let (net, ledger) = (SimNet::default(), Ledger::default());
        let common = Common {
            seed,
            founders: shape.nodes,
            raft: shape.raft,
            behaviour: shape.behaviour,
            skews: shape.skew != 0,
            sync: shape.sync,
            sabotage: shape.sabotage,
            net: net.clone(),
            ledger: ledger.clone(),
        };
        let hosts: Vec<_> = (1..=shape.nodes).map(|id| Host::new(id, common.clone())).collect();
        for host in &hosts {
            // One is right, one is ahead, one behind.
            let side = [-1, 0, 1][usize::try_from(host.id % 3).unwrap_or(0)];
            host.skew.store(shape.skew * side, Ordering::Relaxed);
            let host = host.clone();
            sim.host(name(host.id), move || host.clone().run());
        }
        let consoles = (1..=shape.consoles).map(|n| Console::add(&mut sim, format!("client-{n}"))).collect();
        let cut = BTreeSet::new();
        let in_service = Rc::new(RefCell::new((1..=shape.nodes).collect()));
        let invariants = Invariants::default();
        Zone { seed, sim, common, hosts, in_service, consoles, net, ledger, cut, invariants }
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What was sent so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.net.0
    }

    /// The network, for clients.
    #[must_use]
    pub fn net(&self) -> SimNet {
        self.net.clone()
    }

    /// What the drivers did.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Every operation for drivers that was seen pending.
    #[must_use]
    pub fn operations(&self) -> &BTreeMap<u64, Operation> {
        self.invariants.operations()
    }

    /// Simulated time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// The numbers of all machines in service.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.in_service.borrow().clone()
    }

    /// The numbers of all machines in service, kept up to date.
    #[must_use]
    pub fn in_service(&self) -> Rc<RefCell<Vec<u64>>> {
        self.in_service.clone()
    }

    fn hosts_in_service(&self) -> impl Iterator<Item = &Rc<Host>> {
        self.hosts.iter().filter(|host| !host.retired.get())
    }

    /// All machines there ever were.
    #[must_use]
    pub fn machines(&self) -> &[Rc<Host>] {
        &self.hosts
    }

    /// A node's machine.
    #[must_use]
    pub fn host(&self, node: u64) -> &Rc<Host> {
        &self.hosts[usize::try_from(node - 1).expect("small")]
    }

    /// Lets a millisecond pass, and checks the invariants.
    ///
    /// # Panics
    /// When a node fails to start or panics, or an invariant is broken.
    pub fn step(&mut self) {
        if let Err(e) = self.sim.step() {
            panic!("{:?}: a simulated machine failed: {e}", self.elapsed());
        }
        for host in &self.hosts {
            if let Err(broken) = self.invariants.written(host) {
                panic!("{:?}, {}: {broken}", self.sim.elapsed(), name(host.id));
            }
        }
        let elapsed = i64::try_from(self.sim.elapsed().as_secs()).unwrap_or(0);
        for (host, node) in self.hosts.iter().filter_map(|h| Some((h.id, h.running()?))) {
            let metrics = node.raft.metrics();
            let metrics = metrics.borrow_watched();
            let published = node.published.borrow();
            let view = NodeView { host, id: node.id, metrics: &metrics, published: &published, elapsed };
            if let Err(broken) = self.invariants.observe(&view) {
                panic!("{:?}, {}: {broken}", self.sim.elapsed(), name(host));
            }
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.elapsed() + time;
        while self.elapsed() < end {
            self.step();
        }
    }

    /// Lets time pass until `condition`.
    ///
    /// # Panics
    /// When that takes longer than [`PATIENCE`].
    pub fn wait(&mut self, what: &str, condition: impl FnMut(&Zone) -> bool) {
        assert!(
            self.wait_at_most(PATIENCE, condition),
            "{:?}: waited in vain: {what}\n{}",
            self.elapsed(),
            self.describe()
        );
    }

    /// Lets time pass until `condition`; `false` when it does not come true in time.
    pub fn wait_at_most(&mut self, limit: Duration, mut condition: impl FnMut(&Zone) -> bool) -> bool {
        let end = self.elapsed() + limit;
        while !condition(self) {
            if self.elapsed() >= end {
                return false;
            }
            self.step();
        }
        true
    }

    /// One line per node, for failures.
    #[must_use]
    pub fn describe(&self) -> String {
        let line = |host: &Rc<Host>| match (host.running(), host.failure()) {
            (Some(node), _) => {
                let metrics = node.raft.metrics();
                let m = metrics.borrow_watched();
                let pending = node.published.borrow().state.pending().len();
                format!(
                    "{} (id {}): {:?} term {} leader {:?} log {:?} applied {:?} purged {:?}, {pending} pending operations, {}",
                    name(host.id),
                    node.id,
                    m.state,
                    m.current_term,
                    m.current_leader,
                    m.last_log_index,
                    m.last_applied,
                    m.purged,
                    m.membership_config.membership()
                )
            }
            (None, Some(reason)) => format!("{}: stopped by itself: {reason}", name(host.id)),
            (None, None) if host.is_alive() => format!("{}: starting or stopping", name(host.id)),
            (None, None) => format!("{}: down", name(host.id)),
        };
        let cut: Vec<_> = self.cut.iter().map(|(from, to)| format!("{from}->{to}")).collect();
        format!("{}\ncut: {}", self.hosts_in_service().map(line).collect::<Vec<_>>().join("\n"), cut.join(" "))
    }

    // --- who leads, what they hold ---

    /// The node that leads in the newest term.
    #[must_use]
    pub fn leader(&self) -> Option<u64> {
        let leading = self.hosts.iter().filter_map(|host| {
            let node = host.running()?;
            let metrics = node.raft.metrics();
            let metrics = metrics.borrow_watched();
            (metrics.state == ServerState::Leader).then_some((metrics.current_term, host.id))
        });
        leading.max().map(|(_, id)| id)
    }

    /// Waits until somebody leads whom a majority follows, and the zone has its first content; returns the leader.
    pub fn elect(&mut self) -> u64 {
        let ready = |zone: &Zone| {
            zone.followed_leader().is_some_and(|leader| zone.published(leader).state.globals().bootstrapped)
        };
        self.wait("a leader with a majority behind it", ready);
        self.followed_leader().expect("just seen")
    }

    fn followed_leader(&self) -> Option<u64> {
        let leader = self.leader()?;
        let voters = self.voters(leader)?;
        let id = self.host(leader).running()?.id;
        let follows = |node: &Running| {
            let metrics = node.raft.metrics();
            voters.contains(&node.id) && metrics.borrow_watched().current_leader == Some(id)
        };
        let followers = self.hosts.iter().filter_map(|host| host.running()).filter(follows);
        (followers.count() > voters.len() / 2).then_some(leader)
    }

    /// The node ids of those who vote, as a node knows it.
    fn voters(&self, node: u64) -> Option<BTreeSet<u64>> {
        let metrics = self.host(node).running()?.raft.metrics();
        let metrics = metrics.borrow_watched();
        Some(metrics.membership_config.membership().voter_ids().collect())
    }

    /// The newest state of a node.
    ///
    /// # Panics
    /// When the node does not run.
    #[must_use]
    pub fn published(&self, node: u64) -> Published {
        self.host(node).running().expect("the node runs").published.borrow().clone()
    }

    /// Whether every node runs and has applied the whole log of the leader.
    #[must_use]
    pub fn is_level(&self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let Some(node) = self.host(leader).running() else { return false };
        let last = node.raft.metrics().borrow_watched().last_log_index;
        let applied = |h: &Rc<Host>| h.running().and_then(|n| n.published.borrow().applied);
        let first: Option<LogId> = applied(self.host(leader));
        first.as_ref().map(|id| id.index) == last && self.hosts_in_service().all(|h| applied(h) == first)
    }

    /// Waits until every node has applied the same log, and checks that all states are equal.
    ///
    /// # Panics
    /// When that does not happen in time or the states differ.
    pub fn settle(&mut self) {
        self.wait("all nodes have applied the same log", Zone::is_level);
        let ids = self.ids();
        let first = self.published(ids[0]);
        for id in &ids[1..] {
            let other = self.published(*id);
            assert!(other.state == first.state, "nodes {id} and {} differ at {:?}", ids[0], first.applied);
        }
    }

    // --- clients ---

    /// Starts a job on a client's machine.
    pub fn run<T: 'static>(&self, console: usize, job: impl Future<Output = T> + 'static) -> Promise<T> {
        self.consoles[console].run(job)
    }

    /// Lets time pass until the job is done.
    ///
    /// # Panics
    /// When that takes longer than [`PATIENCE`].
    pub fn keep<T>(&mut self, promise: &Promise<T>) -> T {
        self.wait("a client's job", |_| promise.is_kept());
        promise.take().expect("just seen")
    }

    /// Starts a call of a node's API.
    pub fn start_call(&self, node: u64, method: &str, args: &[Arg]) -> Promise<anyhow::Result<ApiReply>> {
        self.run(0, console::call(self.net(), node, method.to_owned(), args.to_vec(), CALL_LIMIT))
    }

    /// Calls a node's API.
    ///
    /// # Errors
    /// When there is no reply.
    pub fn call(&mut self, node: u64, method: &str, args: &[Arg]) -> anyhow::Result<ApiReply> {
        let promise = self.start_call(node, method, args);
        self.keep(&promise)
    }

    /// Calls a node's API and expects success.
    ///
    /// # Panics
    /// When there is no reply or a refusal.
    pub fn value(&mut self, node: u64, method: &str, args: &[Arg]) -> String {
        let reply = self.call(node, method, args);
        match reply.and_then(ApiReply::into_value) {
            Ok(value) => value,
            Err(e) => panic!("{:?}: {method} on node {node}: {e:#}\n{}", self.elapsed(), self.describe()),
        }
    }

    /// Makes a document through a node; its id.
    ///
    /// # Panics
    /// When the node does not acknowledge it.
    pub fn write(&mut self, node: u64, name: &str) -> i32 {
        let template = Arg::Str(format!("NAME=\"{name}\"\nVALUE=\"{name}\""));
        let id = self.value(node, "one.document.allocate", &[template, Arg::Int(0)]);
        id.parse().expect("an id")
    }

    /// A document's text as a node shows it.
    pub fn read(&mut self, node: u64, id: i32) -> String {
        self.value(node, "one.document.info", &[Arg::Int(i64::from(id))])
    }

    // --- faults ---

    fn others(&self, node: u64) -> Vec<String> {
        self.hosts.iter().map(|host| host.id).filter(|id| *id != node).map(name).collect()
    }

    /// Whether any link is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !self.cut.is_empty()
    }

    /// Cuts the way from one machine to another: what is under way is lost, too.
    pub fn cut_oneway(&mut self, from: &str, to: &str) {
        self.sim.partition_oneway(from, to);
        self.cut.insert((from.to_owned(), to.to_owned()));
    }

    /// Cuts both ways between two machines.
    pub fn cut(&mut self, a: &str, b: &str) {
        self.cut_oneway(a, b);
        self.cut_oneway(b, a);
    }

    /// Cuts a node off from all other nodes; clients still reach it.
    pub fn isolate(&mut self, node: u64) {
        for other in self.others(node) {
            self.cut(&name(node), &other);
        }
    }

    /// Mends all links.
    pub fn mend(&mut self) {
        for (from, to) in std::mem::take(&mut self.cut) {
            self.sim.repair_oneway(from, to);
        }
    }

    /// Holds back what two machines send to each other, until [`Zone::release`].
    pub fn hold(&mut self, a: &str, b: &str) {
        self.sim.hold(a, b);
    }

    /// Delivers what was held back between two machines.
    pub fn release(&mut self, a: &str, b: &str) {
        self.sim.release(a, b);
    }

    /// Sets how long a message may be under way at most, everywhere.
    pub fn set_latency(&mut self, longest: Duration) {
        self.sim.set_max_message_latency(longest);
    }

    /// Sets how often a message breaks its link, which the next message mends again; what is under way is lost.
    pub fn set_loss(&mut self, rate: f64) {
        self.sim.set_fail_rate(rate);
    }

    /// Tells the leader, if there is one, to hand leadership over to a node.
    pub fn hand_over(&self, heir: u64) {
        let Some(heir) = self.host(heir).node_id() else { return };
        if let Some(leader) = self.leader().and_then(|leader| self.host(leader).running()) {
            // Whether that works is for the nodes to sort out.
            let _ =
                self.run(0, rng::scope(self.seed, async move { leader.raft.trigger().transfer_leader(heir).await }));
        }
    }

    /// Tells the zone, through some node, to let another one lead.
    pub fn transfer(&self, through: u64, heir: u64) -> Promise<anyhow::Result<()>> {
        let (net, heir) = (self.net(), name(heir));
        self.run(0, async move {
            let mut client = Client::over(net, &endpoint(through))?;
            let mut ignore = |_| Ok(());
            let asked = client.admin("transfer", SESSION, Some(&heir), &mut ignore);
            tokio::time::timeout(CALL_LIMIT, asked).await?
        })
    }

    /// Kills a node.
    pub fn crash(&mut self, node: u64, how: Crash) {
        let host = self.host(node).clone();
        host.killed();
        let me = name(node);
        match how {
            Crash::Process => self.sim.crash(me.as_str()),
            Crash::Power { keep } => {
                // Cut first, so that nobody hears of it.
                let all: Vec<String> =
                    self.others(node).into_iter().chain(self.consoles.iter().map(|c| c.name.clone())).collect();
                for other in &all {
                    self.sim.partition(me.as_str(), other.as_str());
                }
                self.sim.crash(me.as_str());
                for other in &all {
                    self.sim.repair(me.as_str(), other.as_str());
                }
                for (from, to) in self.cut.iter().filter(|(from, to)| *from == me || *to == me) {
                    self.sim.partition_oneway(from.as_str(), to.as_str());
                }
                host.engine.crash_keeping(keep);
                host.loses_power(self.sim.elapsed());
            }
        }
        if let Err(broken) = self.invariants.reopened(&host) {
            panic!("{:?}, {me}: {broken}", self.elapsed());
        }
    }

    /// Stops a node in order, as SIGTERM does.
    pub fn stop(&mut self, node: u64) {
        self.host(node).ask_to_stop();
        self.wait("the node stops", |zone| zone.is_down(node));
    }

    /// Whether a node's process is gone.
    #[must_use]
    pub fn is_down(&self, node: u64) -> bool {
        !self.host(node).is_alive()
    }

    /// Whether a node's process runs and waits for the zone to take it in.
    #[must_use]
    pub fn is_joining(&self, node: u64) -> bool {
        let host = self.host(node);
        host.is_alive() && host.node_id().is_none()
    }

    /// Whether a node serves.
    #[must_use]
    pub fn is_up(&self, node: u64) -> bool {
        self.host(node).running().is_some()
    }

    /// Starts a node's process, and waits until it serves, unless it has to be taken in by the zone first.
    ///
    /// # Panics
    /// When the process exists, or does not come up.
    pub fn start(&mut self, node: u64) {
        assert!(self.is_down(node), "node {node} is still there");
        let host = self.host(node).clone();
        host.killed();
        host.seeds.replace(self.ids().into_iter().filter(|id| *id != node).collect());
        self.sim.bounce(name(node));
        match host.node_id() {
            Some(id) => {
                self.invariants.restarted(id);
                self.wait("the node starts", |zone| zone.is_up(node) || zone.is_down(node) && host.failure().is_some());
            }
            None => self.wait("the process starts", |_| host.is_alive()),
        }
    }

    // --- machines come and go ---

    /// Puts a machine with an empty disk into service: its node asks the zone to be taken in. Its number.
    pub fn add_machine(&mut self) -> u64 {
        let id = self.hosts.len() as u64 + 1;
        let host = Host::new(id, self.common.clone());
        host.seeds.replace(self.ids());
        self.hosts.push(host.clone());
        self.in_service.borrow_mut().push(id);
        self.sim.host(name(id), move || host.clone().run());
        id
    }

    /// Takes a machine out of service for good.
    pub fn retire(&mut self, node: u64) {
        if !self.is_down(node) {
            self.crash(node, Crash::Process);
        }
        self.host(node).retired.set(true);
        self.in_service.borrow_mut().retain(|id| *id != node);
    }

    /// The newest state that any node has published.
    #[must_use]
    pub fn newest(&self) -> Published {
        let published = self.hosts.iter().filter_map(|host| Some(host.running()?.published.borrow().clone()));
        published.max_by_key(|p| p.applied).unwrap_or_default()
    }

    /// How many snapshots nodes have installed.
    ///
    /// # Panics
    /// When a disk cannot be read.
    #[must_use]
    pub fn snapshots_installed(&self) -> u64 {
        self.hosts.iter().map(|host| disk::generation(&host.engine).expect("the disk can be read")).sum()
    }
}
