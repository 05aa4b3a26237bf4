//! A zone of real processes that is written to for long uses no more disk than its policy allows.

mod common;

use std::path::Path;

use common::{TestZone, run, write};
use quorate_model::api::Arg;
use quorate_node::config;
use quorate_node::local_zone::SESSION;
use tokio::task::JoinSet;

const RAFT: config::Raft = config::Raft {
    // A debug build needs long for this much, and no election is wanted.
    election_timeout_ms: 5000,
    snapshot_every: 1000,
    snapshot_bytes: 4 << 20,
    keep_entries: 2000,
    keep_bytes: 8 << 20,
};
/// The bound of docs/operations.md, for a state of next to nothing.
const BOUND: u64 = 3 * (RAFT.snapshot_bytes + 2 * RAFT.keep_bytes) + (256 << 20);
/// Bytes of a write.
const BYTES: usize = 500 << 10;
/// Writes: a quarter more than the bound.
const WRITES: u64 = BOUND * 5 / 4 / BYTES as u64;
/// Connections that write.
const CONNECTIONS: u64 = 12;

fn bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().flatten();
    // A file may vanish meanwhile.
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

#[test]
fn disk_use_is_bounded_by_the_policy_though_far_more_is_written() {
    run(async {
        let zone = TestZone::start_with(3, RAFT).await;
        let document = write(&mut zone.client(0), "rewritten").await;
        // Compression must not be what keeps the bound.
        let noise = (1..u64::MAX).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_string());
        let body: String = noise.take(BYTES / 20).collect();
        let args = [Arg::Int(document), Arg::Str(format!("BODY=\"{body}\"")), Arg::Int(0)];
        let mut writers = JoinSet::new();
        for connection in 0..CONNECTIONS {
            let (mut client, args) = (zone.client(u16::try_from(connection % 3).unwrap()), args.clone());
            writers.spawn(async move {
                for _ in 0..WRITES / CONNECTIONS {
                    client.call("one.document.update", SESSION, &args).await.unwrap().into_value().unwrap();
                }
            });
        }
        let mut most = 0;
        let mut look = tokio::time::interval(std::time::Duration::from_millis(100));
        while !writers.is_empty() {
            tokio::select! {
                Some(written) = writers.join_next() => written.unwrap(),
                _ = look.tick() => {
                    most = zone.zone.nodes().iter().map(|node| bytes(&node.data_dir())).fold(most, u64::max);
                }
            }
        }
        eprintln!("{} MB written, at most {} MB on a node's disk", (WRITES * BYTES as u64) >> 20, most >> 20);
        assert!(most < BOUND, "{most} bytes of at most {BOUND}");
    });
}
