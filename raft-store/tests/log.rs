//! The log keeps what it acknowledged, loses nothing else than what was not synced, and shares syncs.

mod common;

use std::io;
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use common::{append, apply, open_inline, raw_entry, run, texts};
use openraft::storage::{RaftLogReader, RaftLogStorage};
use quorate_raft_store::engine::{Batch, Column, Engine, Visit};
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta::{Identity, read_identity, write_identity};
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::types::{Entry, EntryPayload, Vote, log_id};
use quorate_raft_store::{Stores, SyncPolicy, open};

#[test]
fn rocks_keeps_synced_entries_and_votes_when_reopened() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        {
            let engine = Arc::new(RocksEngine::open(directory.path()).unwrap());
            let Stores { mut log, mut state } = open(engine, SyncPolicy::Thread, common::key()).unwrap();
            log.save_vote(&Vote::new_committed(3, 7)).await.unwrap();
            let entries = (0..5).map(|i| raw_entry(3, i, &format!("e{i}"))).collect();
            append(&mut log, entries).await.await.unwrap();
            log.truncate_after(Some(log_id(3, 3))).await.unwrap();
            // Only what is in the state is purged.
            apply(&mut state, vec![Entry { log_id: log_id(3, 0), payload: EntryPayload::Blank }]).await.unwrap();
            log.purge(log_id(3, 0)).await.unwrap();
        }
        let engine = Arc::new(RocksEngine::open(directory.path()).unwrap());
        let mut log = open(engine, SyncPolicy::Thread, common::key()).unwrap().log;
        assert_eq!(texts(&mut log).await, ["e1", "e2", "e3"]);
        let state = log.get_log_state().await.unwrap();
        assert_eq!(state.last_purged_log_id, Some(log_id(3, 0)));
        assert_eq!(state.last_log_id, Some(log_id(3, 3)));
        let vote = log.get_log_reader().await.read_vote().await.unwrap();
        assert_eq!(vote, Some(Vote::new_committed(3, 7)));
    });
}

#[test]
fn a_crash_loses_exactly_what_was_not_synced() {
    run(async {
        let engine = MemoryEngine::new();
        let mut log = open_inline(&engine).log;
        append(&mut log, (0..4).map(|i| raw_entry(1, i, &format!("e{i}"))).collect()).await.await.unwrap();
        // A purge is not synced, so the crash undoes it; the appends before it were.
        log.purge(log_id(1, 1)).await.unwrap();
        assert_eq!(texts(&mut log).await, ["e2", "e3"]);
        assert_eq!(engine.unsynced(), 1);
        drop(log);
        engine.crash();
        let mut log = open_inline(&engine).log;
        assert_eq!(texts(&mut log).await, ["e0", "e1", "e2", "e3"]);
    });
}

#[test]
fn who_asks_for_entries_to_send_that_are_purged_gets_none_rather_than_later_ones() {
    run(async {
        let mut log = open_inline(&MemoryEngine::new()).log;
        append(&mut log, (0..4).map(|i| raw_entry(1, i, &format!("e{i}"))).collect()).await.await.unwrap();
        log.purge(log_id(1, 1)).await.unwrap();
        let mut reader = log.get_log_reader().await;
        assert_eq!(reader.limited_get_log_entries(1, 4).await.unwrap(), []);
        assert_eq!(reader.limited_get_log_entries(2, 4).await.unwrap().len(), 2);
    });
}

#[test]
fn entries_are_readable_before_they_are_durable_and_in_order_afterwards() {
    run(async {
        let engine = GatedEngine::default();
        // What a new database remembers at its first opening is not what this is about.
        drop(open_inline(&engine.inner));
        let before = engine.inner.syncs();
        let mut log = open(Arc::new(engine.clone()), SyncPolicy::Thread, common::key()).unwrap().log;
        let mut waiting = Vec::new();
        for i in 0..20 {
            waiting.push(append(&mut log, vec![raw_entry(1, i, &i.to_string())]).await);
            if i == 0 {
                engine.wait_until_writing();
            }
        }
        assert_eq!(texts(&mut log).await.len(), 20);
        assert_eq!(engine.inner.syncs(), before);
        engine.release();
        for durable in waiting {
            durable.await.unwrap();
        }
        // The first append alone, then all that came meanwhile.
        assert_eq!(engine.inner.syncs(), before + 2);
        drop(log);
        let mut log = open_inline(&engine.inner).log;
        let expected: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        assert_eq!(texts(&mut log).await, expected);
    });
}

#[test]
fn a_failing_disk_is_reported_and_nothing_is_acknowledged_afterwards() {
    run(async {
        let engine = MemoryEngine::new();
        let mut log = open_inline(&engine).log;
        append(&mut log, vec![raw_entry(1, 0, "kept")]).await.await.unwrap();
        engine.fail_writes(Some(io::ErrorKind::StorageFull));
        let error = append(&mut log, vec![raw_entry(1, 1, "lost")]).await.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        // The disk works again, but what it holds is not known: the node must be restarted.
        engine.fail_writes(None);
        assert!(append(&mut log, vec![raw_entry(1, 2, "refused")]).await.await.is_err());
        assert!(log.save_vote(&Vote::new(2, 1)).await.is_err());
        drop(log);
        let mut log = open_inline(&engine).log;
        assert_eq!(texts(&mut log).await, ["kept"]);
    });
}

#[test]
fn reads_are_limited_and_reach_back_to_the_disk() {
    run(async {
        let engine = MemoryEngine::new();
        let big = "x".repeat(400 << 10);
        let mut log = open_inline(&engine).log;
        append(&mut log, (0..5).map(|i| raw_entry(1, i, &big)).collect()).await.await.unwrap();
        drop(log);
        // Entries 0 to 4 are on disk only, 5 to 9 are in memory.
        let mut log = open_inline(&engine).log;
        append(&mut log, (5..10).map(|i| raw_entry(1, i, &big)).collect()).await.await.unwrap();
        let mut reader = log.get_log_reader().await;
        let all = reader.try_get_log_entries(2..9).await.unwrap();
        assert_eq!(all.iter().map(|e| e.log_id.index).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8]);
        for from in [0, 3, 4, 6] {
            let some = reader.limited_get_log_entries(from, 10).await.unwrap();
            let indexes: Vec<u64> = some.iter().map(|e| e.log_id.index).collect();
            assert_eq!(indexes, [from, from + 1, from + 2], "about one megabyte");
        }
    });
}

#[test]
fn a_hole_in_the_log_is_an_error() {
    run(async {
        let engine = MemoryEngine::new();
        let mut log = open_inline(&engine).log;
        append(&mut log, (0..5).map(|i| raw_entry(1, i, "e")).collect()).await.await.unwrap();
        drop(log);
        let mut batch = Batch::default();
        batch.delete(Column::Log, 2_u64.to_be_bytes());
        engine.write(batch, true).unwrap();
        let error = open(Arc::new(engine), SyncPolicy::Inline, common::key()).map(drop).unwrap_err();
        assert!(error.to_string().starts_with("entry 2 is missing in the log. This node must not vote"), "{error}");
    });
}

#[test]
fn a_database_belongs_to_one_node() {
    let engine = MemoryEngine::new();
    let mine = Identity { cluster: "zone-a".to_owned(), node_id: 4 };
    assert_eq!(read_identity(&engine).unwrap(), None);
    write_identity(&engine, &mine).unwrap();
    engine.crash();
    assert_eq!(read_identity(&engine).unwrap(), Some(mine.clone()));
    write_identity(&engine, &mine).unwrap();
    let error = write_identity(&engine, &Identity { node_id: 5, ..mine.clone() }).unwrap_err();
    assert_eq!(error.to_string(), "the database belongs to node 4 of zone zone-a");
    let engine = MemoryEngine::new();
    run(async { open_inline(&engine).log.save_vote(&Vote::new(1, 4)).await.unwrap() });
    assert!(write_identity(&engine, &mine).unwrap_err().to_string().contains("does not say whose it is"));
}

/// A memory engine whose writes wait until they are let through.
#[derive(Clone, Default)]
struct GatedEngine {
    inner: MemoryEngine,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    open: bool,
    writing: bool,
}

impl GatedEngine {
    fn wait_until_writing(&self) {
        let (gate, changed) = &*self.gate;
        drop(changed.wait_while(gate.lock().unwrap(), |gate| !gate.writing).unwrap());
    }

    fn release(&self) {
        let (gate, changed) = &*self.gate;
        gate.lock().unwrap().open = true;
        changed.notify_all();
    }
}

impl Engine for GatedEngine {
    fn write(&self, batch: Batch, sync: bool) -> io::Result<()> {
        let (gate, changed) = &*self.gate;
        let mut state = gate.lock().unwrap();
        state.writing = true;
        changed.notify_all();
        drop(changed.wait_while(state, |gate| !gate.open).unwrap());
        self.inner.write(batch, sync)
    }

    fn mark(&self) -> io::Result<Option<Bytes>> {
        self.inner.mark()
    }

    fn set_mark(&self, mark: Bytes, sync: bool) -> io::Result<()> {
        self.inner.set_mark(mark, sync)
    }

    fn get(&self, column: Column, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.inner.get(column, key)
    }

    fn scan(&self, column: Column, from: &[u8], to: Option<&[u8]>, visit: &mut Visit) -> io::Result<()> {
        self.inner.scan(column, from, to, &mut |key, value| visit(key, value))
    }

    fn last(&self, column: Column) -> io::Result<Option<(Bytes, Bytes)>> {
        self.inner.last(column)
    }
}
