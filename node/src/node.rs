//! A node, put together: stores, Raft, peers, leader services, edge. The same in production and simulation.
//!
//! It wires and stops things in order; what they do is their own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_drivers::auth::Authenticator;
use quorate_drivers::registry::Registry;
use quorate_gateway::gateway::{Gateway, ROOM};
use quorate_model::command::{Bootstrap, ZoneServer};
use quorate_raft_store::config::raft_config;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::meta::write_identity;
use quorate_raft_store::rng::Scopes;
use quorate_raft_store::types::Server;
use quorate_raft_store::{Published, Raft, SyncPolicy, purge};
use quorate_xmlrpc_edge::server;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::about::About;
use crate::admin::Admin;
use crate::change_lock::ChangeLock;
use crate::clock_watch::ClockWatch;
use crate::clocks::Clocks;
use crate::config::Config;
use crate::control_plane::NodeControl;
use crate::key_giver::KeyGiver;
use crate::leader::LeaderServices;
use crate::leader::operations::Operations;
use crate::leader::ticks::Ticks;
use crate::leadership::{LeaderView, Leadership};
use crate::levels::Levels;
use crate::members::Members;
use crate::net::Net;
use crate::peer_api::NodePeer;
use crate::probes::NodeProbes;
use crate::proposer::Proposer;
use crate::proxy_protocol::BehindBalancers;
use crate::read_gate::ReadGate;
use crate::tls::{Certificates, Secure};
use crate::transport::Links;
use crate::transport::acquaintances::Acquaintances;
use crate::transport::incoming::incoming;
use crate::transport::peers::Peers;
use crate::transport::server::{self as peer_server, PeerService};
use crate::verdict::{Judge, Verdict};
use crate::wall::Wall;
use crate::zone_key::{self, KeyPlace};
use crate::{founding, handover, join, role_hooks, watchdog};

/// Pause between two looks at whether Raft still runs.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// What differs between production and simulation.
pub struct Parts<N> {
    /// Where data is kept.
    pub engine: Arc<dyn Engine>,
    /// Who syncs the log.
    pub sync: SyncPolicy,
    /// The network.
    pub net: N,
    /// What encrypts it.
    pub certificates: Certificates,
    /// Clock and randomness.
    pub wall: Wall,
    /// Randomness for openraft.
    pub scopes: Scopes,
    /// Who carries operations out.
    pub drivers: Arc<Registry>,
    /// Who knows the users of other authentication drivers, if anybody.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// SHA-256 of oneadmin's password, for a fresh zone.
    pub oneadmin_hash: String,
    /// Where the zone's key is kept.
    pub zone_key: KeyPlace,
    /// The newest feature level that this node supports: at most what the build does.
    pub supports: u32,
    /// What is broken on purpose in how entries are applied.
    #[cfg(feature = "sabotage")]
    pub spoiler: Option<Arc<dyn quorate_raft_store::sabotage::Spoil>>,
}

/// A running node.
pub struct Node {
    raft: Raft,
    published: watch::Receiver<Published>,
    scopes: Scopes,
    stop: watch::Sender<bool>,
    edge: JoinHandle<()>,
    peers: JoinHandle<()>,
    services: Vec<JoinHandle<()>>,
    hooks: JoinHandle<()>,
    clocks: Clocks,
    /// Why this node must not go on, beside what Raft says.
    verdict: watch::Receiver<Option<Verdict>>,
}

impl Node {
    /// Starts a node: it listens, joins its zone and serves.
    ///
    /// # Errors
    /// When the disk, the addresses or the configuration do not work.
    pub async fn start<N: Net>(config: Config, parts: Parts<N>) -> anyhow::Result<Node> {
        let scopes = parts.scopes.clone();
        scopes.enter(Node::start_in_scope(config, parts)).await
    }

    async fn start_in_scope<N: Net>(config: Config, parts: Parts<N>) -> anyhow::Result<Node> {
        let Parts { engine, sync, net, certificates, wall, scopes, drivers, authenticator, .. } = parts;
        let (oneadmin_hash, supports) = (parts.oneadmin_hash, parts.supports);
        let peer_net = Secure::of_node(net.clone(), certificates.peers.clone());
        // Before the zone takes this node in: with another zone's key it could not stay.
        let own_key = zone_key::own(&parts.zone_key, &config, &*engine, peer_net.clone(), &wall).await?;
        founding::check(&config, &*engine, peer_net.clone()).await?;
        let me = join::identity(&config, &*engine, peer_net.clone(), supports).await?;
        let key = match own_key {
            Some(key) => key,
            None => zone_key::from_others(&parts.zone_key, &config, &me, &*engine, peer_net.clone()).await?,
        };
        write_identity(&*engine, &me)?;
        let acquaintances = Acquaintances::open(engine.clone(), || wall.random_u64())?;
        if founding::founds(&config) {
            // Before any other node hears of the zone.
            acquaintances.is_of(|| founding::draw(&wall))?;
        }
        let mut stores = quorate_raft_store::open(engine.clone(), sync, key.clone())?;
        stores.state.support(supports)?;
        #[cfg(feature = "sabotage")]
        if let Some(spoiler) = parts.spoiler {
            stores.state.sabotage(spoiler);
        }
        let published = stores.state.published();
        let clocks = Clocks::open(engine, wall.clone(), published.clone())?;
        let log = stores.log.gauge();
        let raft_config = Arc::new(raft_config(&me.cluster, config.raft)?);
        let links = Links::new(peer_net.clone(), &me, Some(acquaintances.clone()))?;
        let backlog = links.backlog();
        let raft = Raft::new(me.node_id, raft_config, links.clone(), stores.log, stores.state).await?;

        // Both listeners are bound before anything is said to other nodes: a port that is taken ends the start.
        let peer_listener =
            peer_net.listen(config.peer_listen).await.with_context(|| format!("peer port {}", config.peer_listen))?;
        let edge_net = Secure::of_node(BehindBalancers::new(net, config.clients.proxies()), certificates.edge.clone());
        let listener =
            edge_net.listen(config.listen).await.with_context(|| format!("client port {}", config.listen))?;

        let leadership = Leadership::new(raft.clone());
        let peers = Peers::new(links);
        let proposer =
            Proposer::new(raft.clone(), peers.clone(), leadership.clone(), wall, clocks.clone(), key.clone());
        let (gate, rounds) = ReadGate::new(raft.clone(), peers.clone(), leadership.clone(), published.clone());
        let changes = ChangeLock::default();
        let members = Members {
            raft: raft.clone(),
            proposer: proposer.clone(),
            gate: gate.clone(),
            peers: peers.clone(),
            leadership,
            published: published.clone(),
            changes: changes.clone(),
            clocks: clocks.clone(),
        };
        let about = About {
            raft: raft.clone(),
            published: published.clone(),
            data_dir: config.data_dir.clone(),
            supports,
            clocks: clocks.clone(),
        };
        let (stop, stopping) = watch::channel(false);
        let hooks = role_hooks::run(raft.clone(), config.raft_hooks.clone(), stopping.clone());
        let (judge, verdict) = Judge::new();
        let watched =
            watchdog::run(me.node_id, supports, config.others(), peers.clone(), clocks.clone(), published.clone());
        let watched = {
            let judge = judge.clone();
            async move { judge.condemn(watched.await) }
        };
        let stopped = move || {
            let mut stopping = stopping.clone();
            async move {
                // An error means that the node itself is gone: stop as well.
                let _ = stopping.wait_for(|stop| *stop).await;
            }
        };

        let peer_service = PeerService::new(
            me,
            acquaintances,
            raft.clone(),
            key.clone(),
            NodePeer {
                about: about.clone(),
                members: members.clone(),
                key: KeyGiver::new(raft.clone(), key, peer_net, certificates.peers.is_some()),
            },
            scopes.clone(),
        );
        let peer_serving = peer_server::serve(peer_service, incoming(peer_listener), stopped());
        let peer_serving = {
            let judge = judge.clone();
            async move {
                if let Err(e) = peer_serving.await {
                    judge.condemn(Verdict::Failed(format!("the peer server ended: {e}")));
                }
            }
        };
        let control = NodeControl {
            raft: raft.clone(),
            proposer: proposer.clone(),
            gate: gate.clone(),
            published: published.clone(),
            drivers: drivers.clone(),
            authenticator,
            clocks: clocks.clone(),
            reads: config.reads,
            members: members.clone(),
            admin: Admin {
                cluster: config.zone.cluster_id.clone(),
                about,
                peers,
                members: members.clone(),
                proposer: proposer.clone(),
                clocks: clocks.clone(),
            },
        };
        let probes =
            NodeProbes::new(raft.clone(), published.clone(), gate.clone(), certificates, supports, clocks.clone());
        let gateway = Arc::new(Gateway::new(Arc::new(control), ROOM));
        let edge = server::serve(listener, gateway, probes, config.clients.limits(), stopped());
        let levels = Levels {
            raft: raft.clone(),
            peers: members.peers.clone(),
            proposer: proposer.clone(),
            published: published.clone(),
            changes,
            supports,
        };
        let operations = Operations {
            proposer: proposer.clone(),
            gate: gate.clone(),
            lease: Duration::from_millis(config.raft.election_timeout_ms),
            published: published.clone(),
            drivers,
        };
        let services = LeaderServices {
            raft: raft.clone(),
            gate,
            published: published.clone(),
            clocks: clocks.clone(),
            bootstrap: bootstrap(&config, oneadmin_hash),
            tasks: vec![
                Box::new(Ticks { proposer: proposer.clone() }),
                Box::new(operations),
                Box::new(members),
                Box::new(levels),
                Box::new(ClockWatch { clocks: clocks.clone(), raft: raft.clone() }),
            ],
            proposer,
        };
        let timing = clocks.clone().follow(raft.clone());
        let purging = purge::run(raft.clone(), log, backlog, config.raft);
        let node = Node {
            edge: tokio::spawn(scopes.enter(judge.clone().guard("the edge", edge))),
            peers: tokio::spawn(scopes.enter(judge.clone().guard("the peer server", peer_serving))),
            services: vec![
                tokio::spawn(scopes.enter(judge.clone().guard("the log's purging", purging))),
                tokio::spawn(scopes.enter(judge.clone().guard("the zone's time", timing))),
                tokio::spawn(scopes.enter(judge.clone().guard("the read gate", rounds.run()))),
                tokio::spawn(scopes.enter(judge.clone().guard("the leader's services", services.run()))),
                tokio::spawn(scopes.enter(judge.guard("the watchdog", watched))),
            ],
            hooks: tokio::spawn(hooks),
            clocks,
            verdict,
            raft,
            published,
            scopes,
            stop,
        };
        node.found_zone(&config).await?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            node = node.raft.node_id(),
            zone = config.zone.cluster_id,
            clients = %config.listen,
            peers = %config.peer_listen,
            "this node serves"
        );
        Ok(node)
    }

    /// The first of the configured servers founds the zone when it starts empty; the others wait to be found.
    async fn found_zone(&self, config: &Config) -> anyhow::Result<()> {
        if !founding::founds(config) || self.raft.is_initialized().await? {
            return Ok(());
        }
        let members: std::collections::BTreeMap<u64, Server> = config
            .zone
            .servers
            .iter()
            .map(|s| (s.id, Server { name: s.name.clone(), endpoint: s.endpoint.clone(), peer: s.peer.clone() }))
            .collect();
        self.raft.initialize(members).await.context("the zone could not be founded")?;
        Ok(())
    }

    /// The newest state and what it contains.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// This node's Raft.
    #[must_use]
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// Waits until this node must not go on: because of a failing disk, corrupt storage, a state that differs from
    /// the other nodes', a part of it that panicked, or because it is no member any more; the reason.
    pub async fn condemned(&self) -> Verdict {
        let mut verdict = self.verdict.clone();
        let judged = async {
            match verdict.wait_for(Option::is_some).await.map(|verdict| verdict.clone()) {
                Ok(Some(verdict)) => verdict,
                // Everything that could give one has ended.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reason = self.raft_stopped() => Verdict::Failed(reason),
            verdict = judged => verdict,
        }
    }

    async fn raft_stopped(&self) -> String {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(e) = &metrics.borrow_watched().running_state {
                return e.to_string();
            }
            if metrics.changed().await.is_err() {
                return "Raft has ended".to_owned();
            }
            // Metrics change with every heartbeat, and this is not urgent.
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Stops in order: hands leadership over, finishes requests, then stops Raft and lets go of the disk.
    pub async fn stop(self) {
        let scopes = self.scopes.clone();
        scopes.enter(self.stop_in_scope()).await;
    }

    async fn stop_in_scope(self) {
        self.hand_over().await;
        self.stop.send_replace(true);
        if let Err(e) = self.edge.await {
            tracing::error!(error = %e, "the edge failed");
        }
        if let Err(e) = self.hooks.await {
            tracing::error!(error = %e, "the hooks failed");
        }
        for service in self.services {
            service.abort();
        }
        self.clocks.keep_now();
        if let Err(e) = self.raft.shutdown().await {
            tracing::error!(error = %e, "Raft did not stop cleanly");
        }
        peer_server::end(self.peers).await;
    }

    /// Gives leadership to the voter whose log is longest, and waits until somebody else leads.
    async fn hand_over(&self) {
        if Leadership::new(self.raft.clone()).now() != LeaderView::Here {
            return;
        }
        if let Err(reason) = handover::transfer(&self.raft, None).await {
            tracing::warn!(reason, "leadership was not handed over");
        }
    }
}

/// The content of a fresh zone by this node's configuration.
fn bootstrap(config: &Config, oneadmin_hash: String) -> Bootstrap {
    let servers = &config.zone.servers;
    // A single server declares none: the API then looks like OpenNebula without HA.
    let declared = if servers.len() > 1 { servers.as_slice() } else { &[] };
    let label = |i: usize| i32::try_from(i).unwrap_or(i32::MAX);
    Bootstrap {
        zone_name: config.zone.name.clone(),
        endpoint: config.zone.endpoint.clone(),
        oneadmin_hash,
        datastore_location: config.zone.datastore_location.clone(),
        servers: declared
            .iter()
            .enumerate()
            .map(|(i, s)| ZoneServer { id: label(i), name: s.name.clone(), endpoint: s.endpoint.clone() })
            .collect(),
    }
}
