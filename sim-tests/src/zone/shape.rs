//! How a simulated zone is built.

use std::time::Duration;

use quorate_drivers::embedded::Behaviour;
use quorate_node::config;
use quorate_raft_store::SyncPolicy;

use crate::sabotage::Sabotage;

/// How a zone is built.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many nodes.
    pub nodes: u64,
    /// How many machines for clients.
    pub consoles: usize,
    /// How long a message is on its way, from and to.
    pub latency: (Duration, Duration),
    /// Raft's timing and log.
    pub raft: config::Raft,
    /// The drivers.
    pub behaviour: Behaviour,
    /// Who syncs the log.
    pub sync: SyncPolicy,
    /// How far clocks are off at most, in seconds.
    pub skew: i64,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            nodes: 3,
            consoles: 1,
            latency: (Duration::from_millis(1), Duration::from_millis(5)),
            raft: config::Raft::default(),
            behaviour: Behaviour::default(),
            sync: SyncPolicy::Inline,
            skew: 0,
            sabotage: None,
        }
    }
}
