//! `/livez`, `/readyz` and `/metrics`: what this node tells machines that look after it.

use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use quorate_raft_store::{Published, Raft};
use quorate_xmlrpc_edge::server::{Load, Probes};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clocks::Clocks;
use crate::read_gate::ReadGate;
use crate::tls::Certificates;

/// How many entries a node may be behind what it knows to be committed and still call itself ready.
const READY_LAG: u64 = 1000;

/// How long a linearizable read may take on a node that calls itself ready.
const READY_TIME: Duration = Duration::from_secs(1);

/// Answers the probes of one node.
#[derive(Clone)]
pub struct NodeProbes {
    raft: Raft,
    published: watch::Receiver<Published>,
    gate: ReadGate,
    certificates: Certificates,
    supports: u32,
    clocks: Clocks,
}

impl NodeProbes {
    /// Probes of `raft`, the state it has published, the way of reads, the node's certificates and clocks; its program
    /// supports feature levels up to `supports`.
    #[must_use]
    pub fn new(
        raft: Raft,
        published: watch::Receiver<Published>,
        gate: ReadGate,
        certificates: Certificates,
        supports: u32,
        clocks: Clocks,
    ) -> NodeProbes {
        NodeProbes { raft, published, gate, certificates, supports, clocks }
    }

    /// What this node knows of itself without asking anybody.
    fn knows_itself_ready(&self) -> Result<(), String> {
        self.live()?;
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.current_leader.is_none() {
            return Err("no leader is known".to_owned());
        }
        let published = self.published.borrow();
        if !published.state.globals().bootstrapped {
            return Err("the zone has no content yet".to_owned());
        }
        let committed = metrics.cluster_committed.as_ref().map_or(0, |id| id.index);
        let applied = published.applied.as_ref().map_or(0, |id| id.index);
        let lag = committed.saturating_sub(applied);
        if lag > READY_LAG {
            return Err(format!("{lag} entries behind the leader"));
        }
        Ok(())
    }
}

impl Probes for NodeProbes {
    /// Only Raft that has stopped for good (a failing disk, corrupt storage) calls for a restart.
    fn live(&self) -> Result<(), String> {
        self.raft.metrics().borrow_watched().running_state.clone().map_err(|e| format!("Raft has stopped: {e}"))
    }

    /// A node that has lost the others still knows who led: only a read tells whether a majority is there.
    async fn ready(&self) -> Result<(), String> {
        self.knows_itself_ready()?;
        match timeout(READY_TIME, self.gate.read()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(e.text),
            Err(_) => Err("no majority answers".to_owned()),
        }
    }

    fn remark(&self) -> Option<String> {
        self.clocks.remark()
    }

    fn metrics(&self, load: &Load) -> String {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let published = self.published.borrow();
        let mut registry = Registry::with_prefix("quorate");
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        };
        gauge("raft_term", "Current Raft term", metrics.current_term);
        gauge("raft_is_leader", "1 while this node leads", u64::from(metrics.state == ServerState::Leader));
        gauge("raft_has_leader", "1 while a leader is known", u64::from(metrics.current_leader.is_some()));
        gauge("raft_last_log_index", "Index of the last entry in the log", metrics.last_log_index.unwrap_or(0));
        let index = |id: &Option<quorate_raft_store::types::LogId>| id.as_ref().map_or(0, |id| id.index);
        gauge("raft_committed_index", "Index of the last entry known to be committed", index(&metrics.local_committed));
        gauge("raft_applied_index", "Index of the last entry applied", index(&published.applied));
        gauge("raft_snapshot_index", "Index of the last entry in the newest snapshot", index(&metrics.snapshot));
        gauge("raft_purged_index", "Index of the last entry purged from the log", index(&metrics.purged));
        let pending = published.state.pending().len();
        gauge("feature_level", "Feature level of the zone", u64::from(published.state.feature_level()));
        gauge("supported_feature_level", "Newest feature level this program supports", u64::from(self.supports));
        gauge("pending_operations", "Driver operations without an answer", u64::try_from(pending).unwrap_or(u64::MAX));
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        gauge("edge_connections", "Open connections of clients", count(load.connections));
        let help = "Connections that had to make room for others since the start";
        gauge("edge_connections_ended", help, load.connections_ended);
        gauge("edge_request_bytes", "Bytes of requests that are held", count(load.bytes));
        for (sort, under_way, waiting) in load.requests {
            gauge(&format!("edge_{sort}_under_way"), "Calls that are being served", count(under_way));
            gauge(&format!("edge_{sort}_waiting"), "Calls that wait for their turn", count(waiting));
        }
        let ends = Family::<[(&str, &str); 1], Gauge>::default();
        for (section, end) in self.certificates.ends() {
            ends.get_or_create(&[("section", section)]).set(i64::try_from(end).unwrap_or(i64::MAX));
        }
        let help = "Unix time at which the first of the certificates of this section of the configuration ends";
        registry.register("certificate_expiry_seconds", help, ends);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
