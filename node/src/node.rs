//! A node, put together: stores, Raft, peers, leader services, edge. The same in production and simulation.
//!
//! It wires and stops things in order; what they do is their own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_drivers::auth::Authenticator;
use quorate_drivers::registry::Registry;
use quorate_gateway::gateway::{Gateway, ROOM};
use quorate_raft_store::engine::Engine;
use quorate_raft_store::rng::Scopes;
use quorate_raft_store::types::Server;
use quorate_raft_store::{Published, Raft, SyncPolicy, purge};
use quorate_xmlrpc_edge::server;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clocks::Clocks;
use crate::config::Config;
use crate::leadership::{LeaderView, Leadership};
use crate::net::Net;
use crate::proxy_protocol::BehindBalancers;
use crate::tls::{Certificates, Secure};
use crate::transport::incoming::incoming;
use crate::transport::server as peer_server;
use crate::verdict::{Judge, Verdict};
use crate::wall::Wall;
use crate::wiring::{Core, Origin};
use crate::zone_key::KeyPlace;
use crate::{founding, handover, role_hooks};

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
        let peer_net = Secure::of_node(parts.net.clone(), parts.certificates.peers.clone());
        let origin = Origin::of(&config, &parts, peer_net.clone()).await?;
        let (core, running) = Core::start(&config, &parts, &origin, peer_net.clone()).await?;

        // Both listeners are bound before anything is said to other nodes: a port that is taken ends the start.
        let peer_listener =
            peer_net.listen(config.peer_listen).await.with_context(|| format!("peer port {}", config.peer_listen))?;
        let edge_net = BehindBalancers::new(parts.net.clone(), config.clients.proxies());
        let edge_net = Secure::of_node(edge_net, parts.certificates.edge.clone());
        let listener =
            edge_net.listen(config.listen).await.with_context(|| format!("client port {}", config.listen))?;

        let (stop, stopping) = watch::channel(false);
        let hooks = role_hooks::run(core.raft.clone(), config.raft_hooks.clone(), stopping.clone());
        let stopped = move || {
            let mut stopping = stopping.clone();
            async move {
                // An error means that the node itself is gone: stop as well.
                let _ = stopping.wait_for(|stop| *stop).await;
            }
        };
        let (judge, verdict) = Judge::new();
        let watched = condemning(judge.clone(), core.watch(&config, origin.me.node_id));
        let services = core.leader_services(&config, &parts);
        let gateway = Arc::new(Gateway::new(Arc::new(core.control(&config, &parts)), ROOM));
        let probes = core.probes(parts.certificates.clone());
        let edge = server::serve(listener, gateway, probes, config.clients.limits(), stopped());
        let peer_service =
            core.peer_service(origin, peer_net, parts.certificates.peers.is_some(), parts.scopes.clone());
        let peer_serving = peer_server::serve(peer_service, incoming(peer_listener), stopped());
        let peer_serving = failing(judge.clone(), peer_serving);
        let timing = core.clocks.clone().follow(core.raft.clone());
        let purging = purge::run(core.raft.clone(), running.log, running.backlog, config.raft);
        let scopes = parts.scopes;
        let node = Node {
            edge: tokio::spawn(scopes.enter(judge.clone().guard("the edge", edge))),
            peers: tokio::spawn(scopes.enter(judge.clone().guard("the peer server", peer_serving))),
            services: vec![
                tokio::spawn(scopes.enter(judge.clone().guard("the log's purging", purging))),
                tokio::spawn(scopes.enter(judge.clone().guard("the zone's time", timing))),
                tokio::spawn(scopes.enter(judge.clone().guard("the read gate", running.rounds.run()))),
                tokio::spawn(scopes.enter(judge.clone().guard("the leader's services", services.run()))),
                tokio::spawn(scopes.enter(judge.guard("the watchdog", watched))),
            ],
            hooks: tokio::spawn(hooks),
            clocks: core.clocks,
            verdict,
            raft: core.raft,
            published: core.published,
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

/// Condemns the node for what a watch finds.
async fn condemning(judge: Judge, watch: impl Future<Output = Verdict>) {
    judge.condemn(watch.await);
}

/// Condemns the node when its peer server ends by itself.
async fn failing(judge: Judge, serving: impl Future<Output = Result<(), tonic::transport::Error>>) {
    if let Err(e) = serving.await {
        judge.condemn(Verdict::Failed(format!("the peer server ended: {e}")));
    }
}
