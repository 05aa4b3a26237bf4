//! openraft's configuration, derived from the one number that an operator chooses: the election timeout.

use openraft::{Config, ConfigError, SnapshotPolicy};
use serde::{Deserialize, Serialize};

/// The choices that a node leaves to its operator or to a simulation: Raft's timing, and what bounds the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RaftOptions {
    /// Milliseconds of which everything else is derived. A leader is believed in for one and a half times as long
    /// after its last sign of life; then a follower waits between once and one and a half times before it stands:
    /// a dead leader is replaced after 2.5 to 3 times this.
    pub election_timeout_ms: u64,
    /// After how many entries a snapshot is taken, and the log purged.
    pub snapshot_every: u64,
    /// After how many bytes of entries, if that is sooner.
    pub snapshot_bytes: u64,
    /// How many entries stay in the log for followers that are a little behind.
    pub keep_entries: u64,
    /// How many bytes of entries stay at most. On a leader as many again may, of entries that are just being sent to a
    /// follower, or that it will need behind the snapshot that it is just being sent. If more would, it is sent a snapshot.
    pub keep_bytes: u64,
}

impl Default for RaftOptions {
    fn default() -> Self {
        RaftOptions {
            election_timeout_ms: 200,
            snapshot_every: 10_000,
            snapshot_bytes: 64 << 20,
            keep_entries: 20_000,
            keep_bytes: 128 << 20,
        }
    }
}

impl RaftOptions {
    /// Whether a node can work by them.
    ///
    /// # Errors
    /// Which of them is out of its range, in words for an operator.
    pub fn check(&self) -> Result<(), String> {
        if !(10..=60_000).contains(&self.election_timeout_ms) {
            return Err(format!("election_timeout_ms is {}, not 10 to 60000", self.election_timeout_ms));
        }
        let RaftOptions { snapshot_every, snapshot_bytes, keep_entries, keep_bytes, .. } = *self;
        let amounts = [
            ("snapshot_every", snapshot_every),
            ("snapshot_bytes", snapshot_bytes),
            ("keep_entries", keep_entries),
            ("keep_bytes", keep_bytes),
        ];
        match amounts.iter().find(|(_, amount)| *amount == 0) {
            Some((name, _)) => Err(format!("{name} is 0: it must be more")),
            None => Ok(()),
        }
    }
}

/// openraft's configuration for a node of `cluster`.
///
/// # Errors
/// When the options contradict each other.
pub fn raft_config(cluster: &str, options: RaftOptions) -> Result<Config, ConfigError> {
    let election_min = options.election_timeout_ms;
    // openraft takes this as the leader's lease as well.
    let election_max = election_min * 3 / 2;
    let config = Config {
        cluster_name: cluster.to_owned(),
        election_timeout_min: election_min,
        election_timeout_max: election_max,
        // A follower wants an election when the lease and an election time-out have passed: four have not come then, and
        // the fifth is due. Within the leader's own lease one may get lost. An idle node does little but this and
        // openraft's ticks, of which there are five for each heartbeat: more often would cost CPU and find nothing out
        // sooner.
        heartbeat_interval: (election_min / 2).max(1),
        // A partially partitioned follower must not keep a leader alive that lost its quorum (openraft #2080).
        quorum_loss_probe_interval: Some(election_max * 4),
        enable_pre_vote: Some(true),
        // A restarted leader is elected again like anyone else.
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        install_snapshot_timeout: 10 * 60 * 1000,
        // Both are done by `purge`, which knows bytes.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        max_payload_entries: 512,
        backoff: "10ms 20ms 50ms 100ms 200ms 200ms".to_owned(),
        ..Config::default()
    };
    config.validate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_by_which_a_node_cannot_work_are_refused_by_name() {
        let good = RaftOptions::default();
        assert_eq!(good.check(), Ok(()));
        for (options, name) in [
            (RaftOptions { snapshot_every: 0, ..good }, "snapshot_every"),
            (RaftOptions { snapshot_bytes: 0, ..good }, "snapshot_bytes"),
            (RaftOptions { keep_entries: 0, ..good }, "keep_entries"),
            (RaftOptions { keep_bytes: 0, ..good }, "keep_bytes"),
            (RaftOptions { election_timeout_ms: 0, ..good }, "election_timeout_ms"),
            (RaftOptions { election_timeout_ms: u64::MAX, ..good }, "election_timeout_ms"),
        ] {
            let refused = options.check().unwrap_err();
            assert!(refused.starts_with(name), "{refused}");
        }
    }
}
