//! A simulated zone: nodes and clients' machines on one simulated network, stepped a millisecond at a time.
//!
//! Tests are plain sequences: they call, cut, crash and wait, and time passes inside those. The invariants
//! are checked after every step.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_model::pending::Operation;
use turmoil::Sim;

use crate::console::Console;
use crate::drivers::Ledger;
use crate::host::{Common, EPOCH, Host, name};
use crate::invariants::{Invariants, NodeView};
use crate::net::{SimNet, Trace};
use crate::sabotage::Sabotage;
use crate::{logging, reproduce};

mod clients;
mod links;
mod machines;
mod replication;
mod shape;

pub use machines::Crash;
pub use shape::Shape;

/// How long a scenario waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a scenario's call may take: longer than a node looks for a leader.
const CALL_LIMIT: Duration = Duration::from_secs(20);

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
            self.ledger.saw_term(metrics.current_term, self.sim.elapsed());
            let view = NodeView { host, id: node.id, metrics: &metrics, published: &published, elapsed };
            if let Err(broken) = self.invariants.observe(&view) {
                panic!("{:?}, {}: {broken}", self.sim.elapsed(), name(host));
            }
        }
        // Other mistakes give operations the numbers of others: what drivers make of that says nothing.
        let judged = self.common.sabotage.is_none_or(Sabotage::is_of_drivers);
        if let Some(broken) = self.ledger.broken().filter(|_| judged) {
            panic!("{:?}: {broken}", self.sim.elapsed());
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
}
