//! When the zone's feature level rises: the leader asks for it once the program of every member supports a higher one.
//!
//! Members are asked anew each time, learners too: whoever could not apply what comes then would have to stop. What a
//! level means, and that it never falls, is the state machine's.

use std::time::Duration;

use futures::future::join_all;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_raft_store::Published;
use quorate_raft_store::types::Server;
use quorate_state_machine::command::{Command, RaiseLevel};
use tokio::time::timeout;

use crate::members::Members;
use crate::transport::PeerStatus;

/// How often members are asked while the level could rise.
const EVERY: Duration = Duration::from_secs(1);
/// How long one may take to answer.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// The zone's feature level, as its leader sees it.
pub struct Levels {
    /// Who must support it.
    pub members: Members,
    /// The newest that this program supports.
    pub supports: u32,
}

impl Levels {
    /// Raises the level whenever it can be raised; run by the leader, dropped when it no longer leads.
    pub async fn follow(&self) {
        let mut published = self.members.published.clone();
        let may_rise = |p: &Published| p.state.globals().bootstrapped && p.state.feature_level() < self.supports;
        let mut said = String::new();
        while published.wait_for(may_rise).await.is_ok() {
            if let Err(reason) = self.step().await
                && reason != said
            {
                tracing::info!(reason, "the zone's feature level stays");
                said = reason;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Asks everybody, and raises the level to what all support.
    async fn step(&self) -> Result<(), String> {
        // Nobody joins in between.
        let _turn = self.members.turn.lock().await;
        let level = self.members.published.borrow().state.feature_level();
        let target = highest(self.supports, level, &self.ask_others().await)?;
        tracing::info!(from = level, to = target, "every member supports a higher feature level");
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let raise = Command::RaiseLevel(RaiseLevel { level: target, version });
        self.members.proposer.propose(raise).await.map(drop).map_err(|e| e.text)
    }

    /// Every other member with what it says of itself.
    async fn ask_others(&self) -> Vec<(Server, Option<PeerStatus>)> {
        let members = self.members.raft.metrics().borrow_watched().membership_config.clone();
        let me = *self.members.raft.node_id();
        let others = members.membership().nodes().filter(|(id, _)| **id != me);
        join_all(others.map(async |(id, server)| {
            let status = timeout(ANSWER_TIME, self.members.peers.status(&server.peer)).await.ok().flatten();
            (server.clone(), status.filter(|status| status.node_id == *id))
        }))
        .await
    }
}

/// The highest level that all support, if it is above the present one; else who is in the way.
fn highest(own: u32, level: u32, others: &[(Server, Option<PeerStatus>)]) -> Result<u32, String> {
    let mut target = own;
    for (server, status) in others {
        let status = status.as_ref().ok_or_else(|| format!("{} does not say what it supports", server.name))?;
        if status.supported_level <= level {
            return Err(format!("{} (quorate {}) supports no more than {level}", server.name, status.version));
        }
        target = target.min(status.supported_level);
    }
    Ok(target)
}
