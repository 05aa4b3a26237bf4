//! One node as a simulated machine: a disk that outlives crashes, and a process that is started over it.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use quorate_drivers::Driver;
use quorate_drivers::embedded::{Behaviour, Embedded};
use quorate_drivers::registry::Registry;
use quorate_model::crypto;
use quorate_node::config::{self, Config};
use quorate_node::founding::ZoneExists;
use quorate_node::node::{Node, Parts};
use quorate_node::tls::Certificates;
use quorate_node::wall::{Simulated, Wall};
use quorate_node::zone_key::KeyPlace;
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta::read_identity;
use quorate_raft_store::rng::Scopes;
use quorate_raft_store::sabotage::Spoil;
use quorate_raft_store::{Published, Raft, SyncPolicy};
use quorate_state_machine::levels;
use quorate_state_machine::zone_key::ZoneKey;
use tokio::sync::watch;

use crate::disk::{Disk, Journal};
use crate::drivers::{Ledger, Observed};
use crate::net::SimNet;
use crate::sabotage::{Sabotage, Spoiler};

/// Where clients are served on every node.
const CLIENT_PORT: u16 = 2633;
/// Where peers are served on every node.
const PEER_PORT: u16 = 2683;
/// Simulations begin at this time, unix seconds.
pub const EPOCH: i64 = 1_700_000_000;

/// How far a clock is off that is far off, seconds: a year.
const FAR_OFF: i64 = 365 * 86_400;

/// A machine's name in the network, and of the server on it.
#[must_use]
pub fn name(node: u64) -> String {
    format!("node-{node}")
}

/// A node's XML-RPC URL.
#[must_use]
pub fn endpoint(node: u64) -> String {
    format!("http://{}:{CLIENT_PORT}/RPC2", name(node))
}

/// Where a node serves its peers.
#[must_use]
pub fn peer(node: u64) -> String {
    format!("{}:{PEER_PORT}", name(node))
}

/// What all nodes of a zone have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// The simulation's seed.
    pub seed: u64,
    /// How many machines found the zone.
    pub founders: u64,
    /// Raft's timing and log.
    pub raft: config::Raft,
    /// The drivers.
    pub behaviour: Behaviour,
    /// Whether clocks are wrong and drift.
    pub skews: bool,
    /// Who syncs the log.
    pub sync: SyncPolicy,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// The network.
    pub net: SimNet,
    /// What the drivers did.
    pub ledger: Ledger,
}

/// What can be seen of a running node.
#[derive(Clone)]
pub struct Running {
    /// Its Raft node id.
    pub id: u64,
    /// Its Raft.
    pub raft: Raft,
    /// Its published states.
    pub published: watch::Receiver<Published>,
}

/// A machine of the zone, for one node.
pub struct Host {
    /// Its number; the Raft node id, too, if it founded the zone.
    pub id: u64,
    /// Its disk.
    pub engine: MemoryEngine,
    /// What its process writes.
    pub journal: Journal,
    common: Common,
    /// Which machines a server that joins asks.
    pub seeds: RefCell<Vec<u64>>,
    /// Whether it is out of service for good.
    pub retired: Cell<bool>,
    starts: Cell<u64>,
    /// How far its wall clock is off, in seconds.
    pub skew: Arc<AtomicI64>,
    /// How often it was started, and when last, in simulated time.
    boots: Cell<u64>,
    booted_at: Cell<Duration>,
    /// The newest feature level that its program supports, from its next start on.
    pub supports: Cell<u32>,
    running: RefCell<Option<Running>>,
    stop: RefCell<Option<watch::Sender<bool>>>,
    /// Whether its process exists.
    alive: Cell<bool>,
    /// Why its Raft stopped by itself.
    failure: RefCell<Option<String>>,
}

impl Host {
    /// A machine with an empty disk.
    #[must_use]
    pub fn new(id: u64, common: Common) -> Rc<Host> {
        let engine = MemoryEngine::new();
        if common.sabotage == Some(Sabotage::LyingDisks) {
            engine.lie_about_syncs();
        }
        Rc::new(Host {
            id,
            engine,
            journal: Journal::default(),
            common,
            seeds: RefCell::default(),
            retired: Cell::default(),
            starts: Cell::new(0),
            skew: Arc::default(),
            boots: Cell::new(1),
            booted_at: Cell::default(),
            supports: Cell::new(levels::NEWEST),
            running: RefCell::default(),
            stop: RefCell::default(),
            alive: Cell::default(),
            failure: RefCell::default(),
        })
    }

    /// The running node, if it runs.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        self.running.borrow().clone()
    }

    /// The Raft node id that its disk is for; `None`: it has not joined yet.
    ///
    /// # Panics
    /// When the disk cannot be read.
    #[must_use]
    pub fn node_id(&self) -> Option<u64> {
        read_identity(&self.engine).expect("the disk can be read").map(|identity| identity.node_id)
    }

    /// Whether it is one of those that founded the zone; the others are added to it.
    #[must_use]
    pub fn is_founder(&self) -> bool {
        self.id <= self.common.founders
    }

    /// Why its Raft stopped by itself, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Whether its process exists: it may be starting or stopping.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive.get()
    }

    /// Tells the node to stop in order.
    pub fn ask_to_stop(&self) {
        if let Some(stop) = &*self.stop.borrow() {
            stop.send_replace(true);
        }
    }

    /// Whether its wall clock is off by much more than the zone allows.
    #[must_use]
    pub fn is_far_off(&self) -> bool {
        self.skew.load(Ordering::Relaxed).abs() > FAR_OFF / 2
    }

    /// Sets its wall clock far ahead or behind.
    pub fn set_far_off(&self, ahead: bool) {
        self.skew.store(if ahead { FAR_OFF } else { -FAR_OFF }, Ordering::Relaxed);
    }

    /// Sets its wall clock right.
    pub fn set_right(&self) {
        self.skew.store(0, Ordering::Relaxed);
    }

    /// Its power was cut at this simulated time: its uptime begins anew.
    pub fn loses_power(&self, at: Duration) {
        self.boots.set(self.boots.get() + 1);
        self.booted_at.set(at);
    }

    /// Forgets the process, which is about to be killed.
    pub fn killed(&self) {
        self.running.take();
        self.stop.take();
        self.failure.take();
        self.alive.set(false);
        self.common.ledger.died(self.id);
    }

    /// How much faster its clock is than time, in thousandths: different for every machine, none without skew.
    fn drift(&self) -> i64 {
        let side = i64::try_from(self.id % 5).unwrap_or(0) - 2;
        if self.common.skews { side * 100 } else { 0 }
    }

    /// The process: runs until it is told to stop.
    ///
    /// # Errors
    /// When the node cannot start.
    pub async fn run(self: Rc<Host>) -> turmoil::Result {
        let start = self.starts.get() + 1;
        self.starts.set(start);
        self.alive.set(true);
        self.failure.take();
        // Different for every start of every node: request ids must not repeat.
        let seed = self.common.seed ^ (self.id << 48) ^ (start << 32);
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        let now = EPOCH * 1000 + i64::try_from(elapsed.as_millis()).unwrap_or(0);
        let uptime = elapsed.saturating_sub(self.booted_at.get());
        let clocks = Simulated::new(now, self.boots.get(), uptime, self.skew.clone(), self.drift());
        let wall = Wall::simulated(seed, clocks);
        let spoiler = self.common.sabotage.map(|sabotage| {
            let spoiler: Arc<dyn Spoil> = Arc::new(Spoiler { sabotage, wall: wall.clone(), key: seed });
            spoiler
        });
        let driver: Arc<dyn Driver> = Arc::new(Observed {
            process: (self.id, start),
            embedded: Embedded::new(self.common.behaviour.clone()),
            ledger: self.common.ledger.clone(),
            sabotage: self.common.sabotage,
        });
        let parts = Parts {
            engine: Arc::new(Disk { engine: self.engine.clone(), journal: self.journal.clone() }),
            sync: self.common.sync,
            net: self.common.net.clone(),
            certificates: Certificates::default(),
            wall,
            scopes: Scopes::from_seed(seed),
            drivers: Arc::new(Registry::of_dummies(&driver)),
            authenticator: None,
            zone_key: KeyPlace::Given(Arc::new(ZoneKey::for_tests())),
            oneadmin_hash: crypto::sha256_hex("opennebula"),
            supports: self.supports.get(),
            spoiler,
        };
        let (stop, mut stopping) = watch::channel(false);
        self.stop.replace(Some(stop));
        let refused = self.engine.refused();
        let node = match Node::start(self.config(), parts).await {
            Ok(node) => node,
            // A broken disk ends a start as it ends a running node, and nobody founds a zone that exists.
            Err(e) if self.engine.refused() != refused || e.is::<ZoneExists>() => {
                self.failure.replace(Some(e.to_string()));
                self.alive.set(false);
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        };
        let (raft, published) = (node.raft().clone(), node.published());
        self.running.replace(Some(Running { id: *raft.node_id(), raft, published }));
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => {}
            verdict = node.condemned() => {
                tracing::warn!(node = self.id, %verdict, "the node stopped by itself");
                self.failure.replace(Some(verdict.to_string()));
            }
        }
        self.running.take();
        node.stop().await;
        self.common.ledger.died(self.id);
        self.stop.take();
        self.alive.set(false);
        Ok(())
    }

    fn config(&self) -> Config {
        let founders = if self.is_founder() { self.common.founders } else { 0 };
        let server = |id: u64| config::Server { id, name: name(id), endpoint: endpoint(id), peer: peer(id) };
        let join = || config::Join {
            name: name(self.id),
            peer: peer(self.id),
            seeds: self.seeds.borrow().iter().map(|id| peer(*id)).collect(),
        };
        Config {
            node_id: if self.is_founder() { self.id } else { 0 },
            data_dir: PathBuf::new(),
            key_file: None,
            listen: ([0, 0, 0, 0], CLIENT_PORT).into(),
            peer_listen: ([0, 0, 0, 0], PEER_PORT).into(),
            zone: config::Zone {
                cluster_id: "simulated".to_owned(),
                name: "OpenNebula".to_owned(),
                endpoint: endpoint(1),
                auth_file: PathBuf::new(),
                datastore_location: "/var/lib/one//datastores".to_owned(),
                servers: (1..=founders).map(server).collect(),
            },
            join: (!self.is_founder()).then(join),
            clients: config::Clients::default(),
            raft: self.common.raft,
            reads: match self.common.sabotage {
                Some(Sabotage::StaleReads) => config::Reads::Stale,
                _ => config::Reads::Linearizable,
            },
            dummy: config::Dummy::default(),
            auth_driver: None,
            peer_tls: None,
            tls: None,
            raft_hooks: config::Hooks::default(),
        }
    }
}
