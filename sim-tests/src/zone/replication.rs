//! Who leads a simulated zone, who is to lead it, and what its nodes hold.

use std::collections::BTreeSet;
use std::rc::Rc;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_node::client::Client;
use quorate_raft_store::types::LogId;
use quorate_raft_store::{Published, rng};

use super::{CALL_LIMIT, Zone};
use crate::console::{Promise, SESSION};
use crate::disk;
use crate::host::{Host, Running, endpoint, name};

impl Zone {
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
    pub fn has_converged(&self) -> bool {
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
    pub fn converge(&mut self) {
        self.wait("all nodes have applied the same log", Zone::has_converged);
        let ids = self.ids();
        let first = self.published(ids[0]);
        for id in &ids[1..] {
            let other = self.published(*id);
            assert!(other.state == first.state, "nodes {id} and {} differ at {:?}", ids[0], first.applied);
        }
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
}
