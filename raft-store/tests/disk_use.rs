//! Purged entries give their disk back: what RocksDB keeps is bounded by what the log keeps.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{append, raw_entry, run};
use openraft::storage::RaftLogStorage;
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::types::log_id;
use quorate_raft_store::{SyncPolicy, open};

/// Bytes of an entry.
const ENTRY: usize = 100 << 10;
/// Entries that stay in the log.
const KEPT: u64 = 100;
/// Bytes of a database with so much in its log at most: the write-ahead log, files that wait to be merged, and twice
/// the log.
const BOUND: u64 = (192 << 20) + 2 * KEPT * ENTRY as u64;
/// Bytes written: several times the bound.
const WRITTEN: u64 = 3 * BOUND;

fn bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().flatten();
    // A file may vanish meanwhile.
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

#[test]
fn what_is_purged_is_given_back() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let engine = Arc::new(RocksEngine::open(directory.path()).unwrap());
        let mut log = open(engine, SyncPolicy::Thread, common::key()).unwrap().log;
        // Compression must not be what keeps the bound.
        let noise = (0..u64::MAX).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_string());
        let text: String = noise.take(ENTRY / 20).collect();
        let mut most = 0;
        for index in 0..WRITTEN / ENTRY as u64 {
            append(&mut log, vec![raw_entry(1, index, &text)]).await.await.unwrap();
            if index % 50 == 0 && index > KEPT {
                log.purge(log_id(1, index - KEPT)).await.unwrap();
                most = most.max(bytes(directory.path()));
            }
        }
        eprintln!("{} MB written, at most {} MB on disk", WRITTEN >> 20, most >> 20);
        assert!(most < BOUND, "{most} bytes of at most {BOUND}");
    });
}
