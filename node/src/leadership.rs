//! Who leads, as this node knows it: follows openraft's server metrics.

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_raft_store::Raft;
use quorate_raft_store::types::Server;
use tokio::time::{Instant, timeout_at};

/// Who leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeaderView {
    /// This node.
    Here,
    /// Another node.
    There(u64, Server),
    /// Nobody that this node knows of.
    Unknown,
}

/// Follows who leads.
#[derive(Clone)]
pub struct Leadership {
    raft: Raft,
}

impl Leadership {
    /// Follows `raft`.
    #[must_use]
    pub fn new(raft: Raft) -> Leadership {
        Leadership { raft }
    }

    /// Who leads now.
    #[must_use]
    pub fn now(&self) -> LeaderView {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state == ServerState::Leader {
            return LeaderView::Here;
        }
        let Some(leader) = metrics.current_leader else { return LeaderView::Unknown };
        match metrics.membership_config.membership().get_node(&leader) {
            Some(server) => LeaderView::There(leader, server.clone()),
            None => LeaderView::Unknown,
        }
    }

    /// Waits until somebody else than `node` is known to lead: whoever waits for `node` need not wait longer.
    pub async fn passes_from(&self, node: u64) {
        let mut changes = self.raft.server_metrics();
        loop {
            match self.now() {
                LeaderView::Unknown => {}
                LeaderView::There(id, _) if id == node => {}
                LeaderView::Here | LeaderView::There(..) => return,
            }
            if changes.changed().await.is_err() {
                // Raft has stopped: nobody will be known.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Who leads, waiting until `deadline` for somebody to be known.
    pub async fn known(&self, deadline: Instant) -> LeaderView {
        let mut changes = self.raft.server_metrics();
        loop {
            let view = self.now();
            if view != LeaderView::Unknown {
                return view;
            }
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                // Raft has stopped, or nobody leads in time.
                Ok(Err(_)) | Err(_) => return LeaderView::Unknown,
            }
        }
    }
}
