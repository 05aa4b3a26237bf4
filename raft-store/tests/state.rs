//! The state survives restarts, travels as a snapshot, and never takes in what it cannot read.

mod common;

use std::sync::Arc;

use common::{apply, bootstrap, entry, filled, open_inline, raw_entry, run, stray_report};
use openraft::storage::RaftStateMachine;
use prost::Message as _;
use quorate_model::command::{Actor, Command, Facts, RaiseLevel};
use quorate_model::object::Object;
use quorate_model::records::vm::Vm;
use quorate_model::template::Template;
use quorate_proto::v1;
use quorate_proto::v1::snapshot_message::Part;
use quorate_raft_store::engine::{Batch, Column, Engine as _};
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::snapshot::{Decoder, Encoder, Progress, Snapshot, SnapshotData};
use quorate_raft_store::types::{SnapshotMeta, Vote, log_id};
use quorate_raft_store::{SyncPolicy, open};
use quorate_state_machine::levels;
use quorate_state_machine::state::State;
use quorate_state_machine::txn::Txn;

#[test]
fn a_reloaded_state_equals_the_one_that_was_applied() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let engine = || Arc::new(RocksEngine::open(directory.path()).unwrap());
        let before = {
            let mut stores = open(engine(), SyncPolicy::Thread, common::key()).unwrap();
            filled(&mut stores).await
        };
        let after = open(engine(), SyncPolicy::Thread, common::key()).unwrap().state.published().borrow().clone();
        assert_eq!(after.state, before.state);
        assert_eq!(after.applied, before.applied);
        assert_eq!(after.membership, before.membership);
    });
}

#[test]
fn the_log_gives_back_what_a_crash_took_from_the_state() {
    run(async {
        let engine = MemoryEngine::new();
        let mut stores = open_inline(&engine);
        filled(&mut stores).await;
        drop(stores);
        engine.crash();
        let mut stores = open_inline(&engine);
        assert_eq!(stores.state.applied_state().await.unwrap().0, None);
        filled(&mut stores).await;
    });
}

#[test]
fn what_came_before_an_unreadable_entry_is_applied_and_nothing_behind_it() {
    run(async {
        let engine = MemoryEngine::new();
        let mut stores = open_inline(&engine);
        let entries = vec![entry(1, 0, bootstrap()), raw_entry(1, 2, "garbage"), entry(3, 9, stray_report())];
        let error = apply(&mut stores.state, entries).await.unwrap_err();
        assert!(error.to_string().starts_with("entry 1.2: malformed"), "{error}");
        assert_eq!(stores.state.published().borrow().applied, Some(log_id(1, 1)));
    });
}

#[test]
fn a_snapshot_arrives_as_it_was_sent() {
    run(async {
        let mut from = open_inline(&MemoryEngine::new());
        let sent = filled(&mut from).await;
        let vote = Vote::new_committed(5, 2);
        let snapshot = from.state.get_current_snapshot().await.unwrap().unwrap();
        let messages: Vec<_> = Encoder::new(&vote, &snapshot).map(Result::unwrap).collect();
        assert!(messages.len() > 4, "several chunks, not {} messages of {sent:?}", messages.len());
        let (got_vote, got) = receive(messages).unwrap();
        assert_eq!(got_vote, vote);
        assert_eq!(got.meta, snapshot.meta);

        let engine = MemoryEngine::new();
        let mut to = open_inline(&engine);
        apply(&mut to.state, vec![entry(1, 0, bootstrap()), entry(2, 77, stray_report())]).await.unwrap();
        to.state.install_snapshot(&got.meta, got.snapshot).await.unwrap();
        assert_eq!(to.state.published().borrow().state, sent.state);
        drop(to);
        // Installing is durable.
        engine.crash();
        let mut to = open_inline(&engine);
        assert_eq!(to.state.published().borrow().state, sent.state);
        assert_eq!(to.state.applied_state().await.unwrap().0, sent.applied);
    });
}

#[test]
fn an_interrupted_installation_leaves_the_old_state() {
    run(async {
        let mut from = open_inline(&MemoryEngine::new());
        filled(&mut from).await;
        let snapshot = from.state.get_current_snapshot().await.unwrap().unwrap();
        for reached in 0.. {
            let engine = MemoryEngine::new();
            let mut to = open_inline(&engine);
            apply(&mut to.state, vec![entry(1, 0, bootstrap()), entry(2, 77, stray_report())]).await.unwrap();
            let old = to.state.published().borrow().clone();
            let unsynced = engine.unsynced();
            // The disk dies at the last step, and some of the writes before it have reached it.
            let dying = FailOnSync(engine.clone());
            let mut dying_stores = open(Arc::new(dying), SyncPolicy::Inline, common::key()).unwrap();
            let snapshot = snapshot.clone();
            dying_stores.state.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap_err();
            drop((to, dying_stores));
            let writes = engine.unsynced() - unsynced;
            assert!(writes > 0);
            engine.crash_keeping(unsynced + reached);
            let mut again = open_inline(&engine);
            assert_eq!(again.state.published().borrow().state, old.state);
            // And the next attempt succeeds.
            let snapshot = from.state.get_current_snapshot().await.unwrap().unwrap();
            again.state.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
            assert_eq!(again.state.published().borrow().state, from.state.published().borrow().state);
            if reached == writes {
                break;
            }
        }
    });
}

#[test]
fn a_damaged_snapshot_is_refused() {
    run(async {
        let mut from = open_inline(&MemoryEngine::new());
        filled(&mut from).await;
        let snapshot = from.state.get_current_snapshot().await.unwrap().unwrap();
        let good: Vec<_> = Encoder::new(&Vote::new(1, 1), &snapshot).map(Result::unwrap).collect();

        let mut flipped = good.clone();
        let Some(Part::Chunk(chunk)) = &mut flipped[1].part else { panic!("a chunk") };
        let mut records = chunk.records.to_vec();
        records[1000] ^= 1;
        chunk.records = records.into();
        assert!(receive(flipped).is_err_and(|e| e.contains("wrong checksum")));

        let mut missing = good.clone();
        missing.remove(2);
        assert!(receive(missing).is_err_and(|e| e.contains("chunk 2 instead of 1")));

        let mut cut = good.clone();
        cut.remove(good.len() - 2);
        // The chunk before the last may end within a record, by the sizes of the records.
        let Some(Part::Chunk(before)) = &good[good.len() - 3].part else { panic!("a chunk") };
        let records = v1::SnapshotRecords::decode(before.records.clone()).unwrap().records;
        let refusal = if records.last().unwrap().more { "ends within a record" } else { "trailer" };
        assert!(receive(cut).is_err_and(|e| e.contains(refusal)));

        let unended = good[..good.len() - 1].to_vec();
        assert!(receive(unended).is_err_and(|e| e == "incomplete"));

        let headless = good[1..].to_vec();
        assert!(receive(headless).is_err_and(|e| e.contains("header")));
    });
}

/// A state with records far larger than a chunk, one of them of 20 MB.
fn bulky() -> State {
    let mut txn = Txn::new(State::new(common::key()), Actor::default(), Facts::default(), [0; 32]);
    for size in [3, 256 << 10, 3 << 20, 20 << 20, 5] {
        let mut template = Template::new();
        template.set("BULK", "x".repeat(size));
        txn.insert(Object::new("bulky", template, Vm::default()));
    }
    txn.commit().0
}

#[test]
fn records_larger_than_a_chunk_travel_in_pieces() {
    let state = bulky();
    let meta = SnapshotMeta { last_log_id: Some(log_id(1, 1)), ..SnapshotMeta::default() };
    let snapshot = Snapshot { meta, snapshot: SnapshotData { state: Arc::new(state.clone()) } };
    let messages: Vec<_> = Encoder::new(&Vote::new(1, 1), &snapshot).map(Result::unwrap).collect();
    assert!(messages.len() > 80, "{}", messages.len());
    assert!(messages.iter().all(|message| message.encoded_len() < 300 << 10), "no message is large");
    let (_, got) = receive(messages.clone()).unwrap();
    assert_eq!(*got.snapshot.state, state);

    // Another key in the middle of a record.
    let mut mixed = messages.clone();
    let Some(Part::Chunk(chunk)) = &mut mixed[20].part else { panic!("a chunk") };
    let mut content = v1::SnapshotRecords::decode(chunk.records.clone()).unwrap();
    content.records[0].key = bytes::Bytes::from_static(&[0]);
    chunk.records = content.encode_to_vec().into();
    chunk.crc32 = crc32fast::hash(&chunk.records);
    assert!(receive(mixed).is_err_and(|e| e.contains("do not belong together")));

    // An end in the middle of a record.
    let cut = [&messages[..20], &messages[messages.len() - 1..]].concat();
    assert!(receive(cut).is_err_and(|e| e.contains("within a record")));
}

#[test]
fn a_snapshot_of_a_newer_format_is_refused() {
    run(async {
        let mut from = open_inline(&MemoryEngine::new());
        apply(&mut from.state, vec![entry(1, 0, bootstrap())]).await.unwrap();
        let snapshot = from.state.get_current_snapshot().await.unwrap().unwrap();
        let mut messages: Vec<_> = Encoder::new(&Vote::new(1, 1), &snapshot).map(Result::unwrap).collect();
        let Some(Part::Header(header)) = &mut messages[0].part else { panic!("a header") };
        header.version += 1;
        assert!(receive(messages).is_err_and(|e| e.contains("upgrade this node")));
    });
}

#[test]
fn a_zone_beyond_the_feature_level_that_a_build_supports_is_refused_in_every_form() {
    run(async {
        let engine = MemoryEngine::new();
        let mut newer = open_inline(&engine);
        let raise = || Command::RaiseLevel(RaiseLevel { level: 1, version: "0.3.0".to_owned() });
        apply(&mut newer.state, vec![entry(1, 0, bootstrap()), entry(2, 0, raise())]).await.unwrap();
        let snapshot = newer.state.get_current_snapshot().await.unwrap().unwrap();
        let refused = |error: std::io::Error| {
            let text = error.to_string();
            assert!(text.contains("feature level 1") && text.contains("install quorate 0.3.0 or newer"), "{text}");
        };

        // As an entry: what came before is applied, and nothing behind it.
        let mut older = open_inline(&MemoryEngine::new());
        older.state.support(0).unwrap();
        let entries = vec![entry(1, 0, bootstrap()), entry(2, 0, raise()), entry(3, 9, stray_report())];
        refused(apply(&mut older.state, entries).await.unwrap_err());
        assert_eq!(older.state.published().borrow().applied, Some(log_id(1, 1)));

        // As a snapshot: the state stays.
        let before = older.state.published().borrow().state.clone();
        refused(older.state.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap_err());
        assert_eq!(older.state.published().borrow().state, before);

        // As a database.
        drop(newer);
        refused(open_inline(&engine).state.support(0).unwrap_err());
        open_inline(&engine).state.support(1).unwrap();
    });
}

/// What a level brings may be unreadable to earlier builds; the operator must hear of the level, not of damage.
#[test]
fn what_cannot_be_read_because_of_the_feature_level_is_not_called_corrupt() {
    run(async {
        const LEVEL: u32 = levels::MARKED_DOCUMENTS + 1;
        let engine = MemoryEngine::new();
        let mut newer = open_inline(&engine);
        newer.state.support(LEVEL).unwrap();
        let raise = Command::RaiseLevel(RaiseLevel { level: LEVEL, version: "9.9.9".to_owned() });
        apply(&mut newer.state, vec![entry(1, 0, bootstrap()), entry(2, 0, raise)]).await.unwrap();
        let snapshot = newer.state.get_current_snapshot().await.unwrap().unwrap();
        drop(newer);
        let unreadable = bytes::Bytes::from_static(b"of a kind that this build does not know");

        let mut messages: Vec<_> = Encoder::new(&Vote::new(1, 1), &snapshot).map(Result::unwrap).collect();
        let Some(Part::Chunk(chunk)) = &mut messages[1].part else { panic!("a chunk") };
        let mut content = v1::SnapshotRecords::decode(chunk.records.clone()).unwrap();
        content.records[2].value = unreadable.clone();
        chunk.records = content.encode_to_vec().into();
        chunk.crc32 = crc32fast::hash(&chunk.records);
        let refusal = receive(messages).unwrap_err();
        assert!(refusal.contains("install quorate 9.9.9 or newer"), "{refusal}");

        let mut records = Vec::new();
        engine
            .scan(Column::State, &[], None, &mut |key, _| {
                records.push(key.to_vec());
                Ok(std::ops::ControlFlow::Continue(()))
            })
            .unwrap();
        let mut batch = Batch::default();
        batch.put(Column::State, records[2].clone(), unreadable);
        engine.write(batch, true).unwrap();
        let refusal = open(Arc::new(engine), SyncPolicy::Inline, common::key()).err().unwrap().to_string();
        assert!(refusal.contains("install quorate 9.9.9 or newer"), "{refusal}");
    });
}

fn receive(messages: Vec<v1::SnapshotMessage>) -> Result<(Vote, Snapshot), String> {
    let mut messages = messages.into_iter();
    let mut decoder = Decoder::start(messages.next().unwrap(), common::key()).map_err(|e| e.to_string())?;
    for message in messages {
        match decoder.push(message).map_err(|e| e.to_string())? {
            Progress::Incomplete(more) => decoder = more,
            Progress::Complete(vote, snapshot) => return Ok((vote, snapshot)),
        }
    }
    Err("incomplete".to_owned())
}

/// Writes, but fails to sync.
struct FailOnSync(MemoryEngine);

impl quorate_raft_store::engine::Engine for FailOnSync {
    fn write(&self, batch: quorate_raft_store::engine::Batch, sync: bool) -> std::io::Result<()> {
        if sync { Err(std::io::Error::other("no sync")) } else { self.0.write(batch, false) }
    }

    fn get(&self, column: quorate_raft_store::engine::Column, key: &[u8]) -> std::io::Result<Option<bytes::Bytes>> {
        self.0.get(column, key)
    }

    fn scan(
        &self,
        column: quorate_raft_store::engine::Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut quorate_raft_store::engine::Visit,
    ) -> std::io::Result<()> {
        self.0.scan(column, from, to, visit)
    }

    fn mark(&self) -> std::io::Result<Option<bytes::Bytes>> {
        self.0.mark()
    }

    fn set_mark(&self, mark: bytes::Bytes, sync: bool) -> std::io::Result<()> {
        if sync { Err(std::io::Error::other("no sync")) } else { self.0.set_mark(mark, false) }
    }

    fn last(
        &self,
        column: quorate_raft_store::engine::Column,
    ) -> std::io::Result<Option<(bytes::Bytes, bytes::Bytes)>> {
        self.0.last(column)
    }
}
