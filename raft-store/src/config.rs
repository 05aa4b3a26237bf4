//! openraft's configuration, derived from the one number that an operator chooses: the election timeout.

use openraft::{Config, ConfigError, SnapshotPolicy};

/// The choices that a node leaves to its operator or to a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaftOptions {
    /// Milliseconds of which everything else is derived. A leader is believed in for one and a half times as long
    /// after its last sign of life; then a follower waits between once and one and a half times before it stands.
    pub election_timeout_ms: u64,
    /// After how many entries a snapshot is taken, and the log purged.
    pub snapshot_every: u64,
    /// After how many bytes of entries, if that is sooner.
    pub snapshot_bytes: u64,
    /// How many entries stay in the log for followers that are a little behind.
    pub keep_entries: u64,
    /// How many bytes of entries stay at most.
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
        heartbeat_interval: (election_min / 5).max(1),
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
        replication_lag_threshold: options.snapshot_every.saturating_add(options.keep_entries),
        max_payload_entries: 512,
        backoff: "10ms 20ms 50ms 100ms 200ms 200ms".to_owned(),
        ..Config::default()
    };
    config.validate()
}
