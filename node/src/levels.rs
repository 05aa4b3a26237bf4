//! When the zone's feature level rises: the leader asks for it once the program of every member supports a higher one.
//!
//! Members are asked anew each time, learners too: whoever could not apply what comes then would have to stop. What a
//! level means, and that it never falls, is the state machine's.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_model::command::{Command, RaiseLevel};
use quorate_raft_store::types::{Server, StoredMembership};
use quorate_raft_store::{Published, Raft};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::change_lock::ChangeLock;
use crate::leader::{LeaderTask, Leading, Running};
use crate::proposer::Proposer;
use crate::transport::PeerStatus;
use crate::transport::peers::Peers;

/// How often members are asked while the level could rise.
const EVERY: Duration = Duration::from_secs(1);
/// How long one may take to answer.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// The zone's feature level, as its leader sees it.
pub struct Levels {
    /// This node's Raft, which knows the members.
    pub raft: Raft,
    /// The members, which are asked what they support.
    pub peers: Peers,
    /// The way of writes.
    pub proposer: Proposer,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// Lets one change happen at a time.
    pub changes: ChangeLock,
    /// The newest that this program supports.
    pub supports: u32,
}

impl LeaderTask for Levels {
    fn run(&self, leading: Leading) -> Running<'_> {
        Box::pin(async move { leading.during(self.follow()).await })
    }
}

impl Levels {
    /// Raises the level whenever it can be raised.
    async fn follow(&self) {
        let mut published = self.published.clone();
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
        let asked = self.membership();
        let level = self.published.borrow().state.feature_level();
        let target = highest(self.supports, level, &self.ask(&asked).await)?;
        // From here on nobody joins who does not support it.
        let mut proposed = self.changes.hold().await;
        if self.membership() != asked {
            return Err("the members have changed meanwhile".to_owned());
        }
        proposed.level = target.max(proposed.level);
        tracing::info!(from = level, to = target, "every member supports a higher feature level");
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let raise = Command::RaiseLevel(RaiseLevel { level: target, version });
        self.proposer.propose(raise).await.map(drop).map_err(|e| e.text)
    }

    /// The members as of the last entry of the log that changed them, committed or not.
    fn membership(&self) -> Arc<StoredMembership> {
        self.raft.metrics().borrow_watched().membership_config.clone()
    }

    /// Every other member with what it says of itself.
    async fn ask(&self, membership: &StoredMembership) -> Vec<(Server, Option<PeerStatus>)> {
        join_all(others(membership, *self.raft.node_id()).map(async |(id, server)| {
            let status = timeout(ANSWER_TIME, self.peers.status(&server.peer)).await.ok().flatten();
            (server.clone(), status.filter(|status| status.node_id == *id))
        }))
        .await
    }
}

/// All members but this one; learners too.
fn others(membership: &StoredMembership, me: u64) -> impl Iterator<Item = (&u64, &Server)> {
    membership.nodes().filter(move |(id, _)| **id != me)
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

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_raft_store::types::{Membership, log_id};
    use std::collections::BTreeMap;

    /// What a server of this name says; `None`: nothing.
    fn says(name: &str, supported: Option<u32>) -> (Server, Option<PeerStatus>) {
        let status = supported.map(|supported_level| PeerStatus { supported_level, ..PeerStatus::blank(2) });
        (Server { name: name.to_owned(), ..Server::default() }, status)
    }

    #[test]
    fn the_level_rises_to_what_all_support_and_names_who_is_in_the_way() {
        // What this program supports, the zone's level, what others support; the level to go to, or who hinders it.
        type Case = (u32, u32, &'static [Option<u32>], Result<u32, &'static str>);
        let cases: [Case; 7] = [
            (3, 1, &[], Ok(3)),
            (3, 1, &[Some(3), Some(3)], Ok(3)),
            (3, 1, &[Some(3), Some(2)], Ok(2)),
            (3, 1, &[Some(9), Some(4)], Ok(3)),
            (3, 1, &[Some(3), Some(1)], Err("one-1 (quorate ) supports no more than 1")),
            (3, 1, &[Some(0), Some(3)], Err("one-0 (quorate ) supports no more than 1")),
            (3, 1, &[Some(3), None], Err("one-1 does not say what it supports")),
        ];
        for (own, level, supported, expected) in cases {
            let named = supported.iter().enumerate().map(|(n, level)| says(&format!("one-{n}"), *level));
            let target = highest(own, level, &named.collect::<Vec<_>>());
            assert_eq!(target, expected.map_err(str::to_owned), "{own} {level} {supported:?}");
        }
    }

    #[test]
    fn learners_are_asked_too() {
        let nodes: BTreeMap<u64, Server> = (1..=3).map(|id| (id, Server::default())).collect();
        let membership = Membership::new(vec![[1, 2].into()], nodes).unwrap();
        let stored = StoredMembership::new(Some(log_id(1, 1)), membership);
        assert_eq!(others(&stored, 1).map(|(id, _)| *id).collect::<Vec<_>>(), [2, 3]);
    }
}
