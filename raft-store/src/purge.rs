//! When a snapshot is due and how much of the log stays, by entries and by bytes: what bounds the log.
//!
//! openraft's own policies count entries only, so they are off. It runs on every node, for its own log. On a leader,
//! openraft purges nothing that it is just sending: this gives those followers up for whom too much stays.

use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::Fatal;

use crate::backlog::Backlog;
use crate::config::RaftOptions;
use crate::log_store::LogGauge;
use crate::state_store::Raft;
use crate::types::{LogId, TypeConfig};

/// Pause after a look that found nothing new: metrics change with every heartbeat, too, and an idle node should sleep.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes snapshots and purges the log until Raft stops.
pub async fn run(raft: Raft, log: LogGauge, backlog: Backlog, options: RaftOptions) {
    // An error means that Raft has stopped, which others notice and report.
    let _ = follow(&raft, &log, &backlog, options).await;
}

async fn follow(raft: &Raft, log: &LogGauge, backlog: &Backlog, options: RaftOptions) -> Result<(), Fatal<TypeConfig>> {
    let mut metrics = raft.data_metrics();
    let mut purged_behind = None;
    // Everything before it has been told to go.
    let mut asked = 0;
    let mut before = None;
    loop {
        let now = {
            let now = metrics.borrow_watched();
            (now.last_applied, now.snapshot, now.purged)
        };
        if before.replace(now) == Some(now) {
            tokio::time::sleep(PAUSE).await;
        }
        let (applied, snapshot, purged) = now;
        let next = |id: Option<LogId>| id.map_or(0, |id| id.index + 1);
        let (applied, in_snapshot, first) = (next(applied), next(snapshot), next(purged));
        // A request while a snapshot is being taken does nothing, so this needs no memory of what was asked.
        if due(options, applied.saturating_sub(in_snapshot), log.between(in_snapshot, applied)) {
            raft.trigger().snapshot().await?;
        }
        // Once per snapshot: a purge is a write.
        if purged_behind != Some(in_snapshot) {
            purged_behind = Some(in_snapshot);
            let policy = keep_from(options, in_snapshot, log.newest(options.keep_bytes));
            // Without them, a follower that needs long for a snapshot would be sent one after the other.
            let keep_from = match backlog.behind_snapshots() {
                Some(needed) if log.between(needed, policy) <= options.keep_bytes => policy.min(needed),
                Some(_) | None => policy,
            };
            if keep_from > first {
                raft.trigger().purge_log(keep_from - 1).await?;
                asked = keep_from;
            }
        }
        if log.between(first, asked) > options.keep_bytes {
            backlog.give_up_before(asked);
        }
        if metrics.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Whether so many entries and bytes that are in no snapshot yet are enough for one.
fn due(options: RaftOptions, entries: u64, bytes: u64) -> bool {
    entries > 0 && (entries >= options.snapshot_every || bytes >= options.snapshot_bytes)
}

/// The first entry that stays when everything before entry `in_snapshot` may go, and from entry `light` on the log is
/// light enough.
fn keep_from(options: RaftOptions, in_snapshot: u64, light: Option<u64>) -> u64 {
    let by_entries = in_snapshot.saturating_sub(options.keep_entries);
    by_entries.max(light.unwrap_or(in_snapshot)).min(in_snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: RaftOptions = RaftOptions {
        election_timeout_ms: 200,
        snapshot_every: 100,
        snapshot_bytes: 5000,
        keep_entries: 50,
        keep_bytes: 9000,
    };

    #[test]
    fn a_snapshot_is_due_after_enough_entries_or_bytes_and_never_without_any() {
        assert!(!due(OPTIONS, 99, 4999));
        assert!(due(OPTIONS, 100, 0));
        assert!(due(OPTIONS, 1, 5000));
        assert!(!due(OPTIONS, 0, 5000));
    }

    #[test]
    fn what_stays_has_neither_too_many_entries_nor_too_many_bytes_and_what_is_in_no_snapshot_stays() {
        assert_eq!(keep_from(OPTIONS, 1000, Some(0)), 950);
        assert_eq!(keep_from(OPTIONS, 1000, Some(990)), 990);
        assert_eq!(keep_from(OPTIONS, 1000, Some(2000)), 1000);
        assert_eq!(keep_from(OPTIONS, 1000, None), 1000);
        assert_eq!(keep_from(OPTIONS, 10, Some(0)), 0);
    }
}
