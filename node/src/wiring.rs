//! What the parts of a node share, and each part made of it. [`crate::node`] starts and stops them in order.
//!
//! It wires; it must not decide anything, nor spawn.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::command::{Bootstrap, ZoneServer};
use quorate_raft_store::backlog::Backlog;
use quorate_raft_store::config::raft_config;
use quorate_raft_store::meta::{Identity, write_identity};
use quorate_raft_store::rng::Scopes;
use quorate_raft_store::{LogGauge, Published, Raft};
use quorate_state_machine::zone_key::ZoneKey;
use tokio::sync::watch;

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
use crate::leadership::Leadership;
use crate::levels::Levels;
use crate::members::Members;
use crate::net::Net;
use crate::node::Parts;
use crate::peer_api::NodePeer;
use crate::probes::NodeProbes;
use crate::proposer::Proposer;
use crate::read_gate::{ReadGate, Rounds};
use crate::tls::{Certificates, Secure};
use crate::transport::Links;
use crate::transport::acquaintances::Acquaintances;
use crate::transport::peers::Peers;
use crate::transport::server::PeerService;
use crate::verdict::Verdict;
use crate::{founding, join, watchdog, zone_key};

/// Who this node is before it takes part: its identity, the zone's key, whom it has met.
pub(crate) struct Origin {
    pub me: Identity,
    key: Arc<ZoneKey>,
    acquaintances: Acquaintances,
}

impl Origin {
    /// Finds out, and asks the zone to take this node in if it must.
    ///
    /// # Errors
    /// When the disk fails, or the zone does not take it.
    pub async fn of<N: Net>(config: &Config, parts: &Parts<N>, net: Secure<N>) -> anyhow::Result<Origin> {
        let (engine, wall) = (&*parts.engine, &parts.wall);
        // Before the zone takes this node in: with another zone's key it could not stay.
        let own_key = zone_key::own(&parts.zone_key, config, engine, net.clone(), wall).await?;
        founding::check(config, engine, net.clone()).await?;
        let me = join::identity(config, engine, net.clone(), parts.supports).await?;
        let key = match own_key {
            Some(key) => key,
            None => zone_key::from_others(&parts.zone_key, config, &me, engine, net).await?,
        };
        write_identity(engine, &me)?;
        let acquaintances = Acquaintances::open(parts.engine.clone(), || wall.random_u64())?;
        if founding::founds(config) {
            // Before any other node hears of the zone.
            acquaintances.is_of(|| founding::draw(wall))?;
        }
        Ok(Origin { me, key, acquaintances })
    }
}

/// What the parts of a node share.
pub(crate) struct Core {
    pub raft: Raft,
    pub published: watch::Receiver<Published>,
    pub clocks: Clocks,
    proposer: Proposer,
    gate: ReadGate,
    peers: Peers,
    members: Members,
    about: About,
    changes: ChangeLock,
    supports: u32,
}

/// What runs beside it for as long as the node does.
pub(crate) struct Running {
    /// The rounds of the read gate.
    pub rounds: Rounds,
    /// How large the log is.
    pub log: LogGauge,
    /// What purging must leave.
    pub backlog: Backlog,
}

impl Core {
    /// Opens the stores and starts Raft over them.
    ///
    /// # Errors
    /// When the disk fails, or what is on it is damaged.
    pub async fn start<N: Net>(
        config: &Config,
        parts: &Parts<N>,
        origin: &Origin,
        net: Secure<N>,
    ) -> anyhow::Result<(Core, Running)> {
        let Origin { me, key, acquaintances } = origin;
        let mut stores = quorate_raft_store::open(parts.engine.clone(), parts.sync, key.clone())?;
        stores.state.support(parts.supports)?;
        #[cfg(feature = "sabotage")]
        if let Some(spoiler) = parts.spoiler.clone() {
            stores.state.sabotage(spoiler);
        }
        let published = stores.state.published();
        let clocks = Clocks::open(parts.engine.clone(), parts.wall.clone(), published.clone())?;
        let log = stores.log.gauge();
        let raft_config = Arc::new(raft_config(&me.cluster, config.raft)?);
        let links = Links::new(net, me, Some(acquaintances.clone()))?;
        let backlog = links.backlog();
        let raft = Raft::new(me.node_id, raft_config, links.clone(), stores.log, stores.state).await?;

        let leadership = Leadership::new(raft.clone());
        let peers = Peers::new(links);
        let wall = parts.wall.clone();
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
            supports: parts.supports,
            clocks: clocks.clone(),
        };
        let supports = parts.supports;
        let core = Core { raft, published, clocks, proposer, gate, peers, members, about, changes, supports };
        Ok((core, Running { rounds, log, backlog }))
    }

    /// What finds out that this node must not go on.
    pub fn watch(&self, config: &Config, node_id: u64) -> impl Future<Output = Verdict> + use<> {
        let (peers, clocks, published) = (self.peers.clone(), self.clocks.clone(), self.published.clone());
        watchdog::run(node_id, self.supports, config.others(), peers, clocks, published)
    }

    /// The node as its peers see it.
    pub fn peer_service<N: Net>(
        &self,
        origin: Origin,
        net: Secure<N>,
        encrypted: bool,
        scopes: Scopes,
    ) -> PeerService<NodePeer<Secure<N>>> {
        let Origin { me, key, acquaintances } = origin;
        let api = NodePeer {
            about: self.about.clone(),
            members: self.members.clone(),
            key: KeyGiver::new(self.raft.clone(), key.clone(), net, encrypted),
        };
        PeerService::new(me, acquaintances, self.raft.clone(), key, api, scopes)
    }

    /// The node as its edge sees it.
    pub fn control<N>(&self, config: &Config, parts: &Parts<N>) -> NodeControl {
        NodeControl {
            raft: self.raft.clone(),
            proposer: self.proposer.clone(),
            gate: self.gate.clone(),
            published: self.published.clone(),
            drivers: parts.drivers.clone(),
            authenticator: parts.authenticator.clone(),
            clocks: self.clocks.clone(),
            reads: config.reads,
            members: self.members.clone(),
            admin: Admin {
                cluster: config.zone.cluster_id.clone(),
                about: self.about.clone(),
                peers: self.peers.clone(),
                members: self.members.clone(),
                proposer: self.proposer.clone(),
                clocks: self.clocks.clone(),
            },
        }
    }

    /// What probes and metrics say.
    pub fn probes(&self, certificates: Certificates) -> NodeProbes {
        let (raft, published, gate) = (self.raft.clone(), self.published.clone(), self.gate.clone());
        NodeProbes::new(raft, published, gate, certificates, self.supports, self.clocks.clone())
    }

    /// What only the leader does: the list of its tasks.
    pub fn leader_services<N>(&self, config: &Config, parts: &Parts<N>) -> LeaderServices {
        let levels = Levels {
            raft: self.raft.clone(),
            peers: self.peers.clone(),
            proposer: self.proposer.clone(),
            published: self.published.clone(),
            changes: self.changes.clone(),
            supports: self.supports,
        };
        let operations = Operations {
            proposer: self.proposer.clone(),
            gate: self.gate.clone(),
            lease: Duration::from_millis(config.raft.election_timeout_ms),
            published: self.published.clone(),
            drivers: parts.drivers.clone(),
        };
        LeaderServices {
            raft: self.raft.clone(),
            proposer: self.proposer.clone(),
            gate: self.gate.clone(),
            published: self.published.clone(),
            clocks: self.clocks.clone(),
            bootstrap: bootstrap(config, parts.oneadmin_hash.clone()),
            tasks: vec![
                Box::new(Ticks { proposer: self.proposer.clone() }),
                Box::new(operations),
                Box::new(self.members.clone()),
                Box::new(levels),
                Box::new(ClockWatch { clocks: self.clocks.clone(), raft: self.raft.clone() }),
            ],
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
