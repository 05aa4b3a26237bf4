//! A backup is read whole or not at all; a zone of one is made of whatever a survivor has.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{append, apply, bootstrap, entry, open_inline, run, stray_report};
use openraft::storage::{RaftLogReader as _, RaftLogStorage as _, RaftSnapshotBuilder as _, RaftStateMachine as _};
use quorate_raft_store::backup::{self, force_new_zone};
use quorate_raft_store::engine::{Batch, Column, Engine, Visit};
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta::{Identity, founding, read_identity, write_founding, write_identity};
use quorate_raft_store::types::{Entry, EntryPayload, Membership, Server, Vote, log_id};
use quorate_raft_store::{SyncPolicy, open};

/// The number of a new zone's founding.
const FOUNDING: u64 = 7;

#[test]
fn a_backup_that_is_cut_off_or_followed_by_anything_is_refused() {
    run(async {
        let mut stores = open_inline(&MemoryEngine::new());
        apply(&mut stores.state, vec![entry(1, 1, bootstrap())]).await.unwrap();
        let published = stores.state.published().borrow().clone();
        let whole: Vec<u8> = backup::encode(&published, "zone-a").flatten().collect();
        let read = backup::read(whole.as_slice(), common::key()).unwrap();
        assert_eq!((read.cluster.as_str(), &read.snapshot.snapshot.state), ("zone-a", &published.state));
        for length in 0..whole.len() {
            assert!(backup::read(&whole[..length], common::key()).is_err(), "{length} of {}", whole.len());
        }
        for more in [&b"\n"[..], b"\0", &whole] {
            let refused = backup::read([&whole, more].concat().as_slice(), common::key()).unwrap_err().to_string();
            assert!(refused.contains("something follows"), "{refused}");
        }
    });
}

/// Also where it says which entry is the last in it, and of which zone it is; a backup is looked at without the key when
/// it is made, and with it when it is restored.
#[test]
fn no_bit_of_a_backup_can_change() {
    run(async {
        let mut stores = open_inline(&MemoryEngine::new());
        let members = Entry { log_id: log_id(1, 1), ..members() };
        apply(&mut stores.state, vec![members, entry(2, 2, bootstrap())]).await.unwrap();
        let published = stores.state.published().borrow().clone();
        let whole: Vec<u8> = backup::encode(&published, "zone-a").flatten().collect();
        backup::check(whole.as_slice()).unwrap();
        let seal = whole.len() - 200;
        for at in 0..whole.len() {
            // Of the records, which are alike, a few.
            if (2000..seal).contains(&at) && at % 97 != 0 {
                continue;
            }
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                assert!(backup::read(changed.as_slice(), common::key()).is_err(), "bit {bit} of byte {at}");
                if at < 2000 {
                    assert!(backup::check(changed.as_slice()).is_err(), "bit {bit} of byte {at}, without the key");
                }
            }
        }
    });
}

/// Entry 0: three voters.
fn members() -> Entry {
    let nodes = [1, 2, 3].map(|id| (id, Server { name: format!("one-{id}"), ..Server::default() }));
    let membership = Membership::new(vec![BTreeSet::from([1, 2, 3])], BTreeMap::from(nodes)).unwrap();
    Entry { log_id: log_id(1, 0), payload: EntryPayload::Membership(membership) }
}

/// Node 1 of zone `old`, as it starts.
fn survivor() -> MemoryEngine {
    let engine = MemoryEngine::new();
    write_identity(&engine, &Identity { cluster: "old".to_owned(), node_id: 1 }).unwrap();
    write_founding(&engine, 1).unwrap();
    engine
}

/// Killed between the state of an installed snapshot and the removal of the log that it stands for.
#[test]
fn a_survivor_whose_state_is_ahead_of_its_log_is_recovered() {
    run(async {
        let leader = MemoryEngine::new();
        let mut stores = open_inline(&leader);
        let entries =
            [members(), entry(1, 1, bootstrap())].into_iter().chain((2..=30).map(|n| entry(n, n, stray_report())));
        apply(&mut stores.state, entries.collect()).await.unwrap();
        let snapshot = stores.state.get_snapshot_builder().await.build_snapshot().await.unwrap();
        for logged in [0, 2] {
            let engine = survivor();
            let mut behind = open_inline(&engine);
            behind.log.save_vote(&Vote::new_committed(1, 2)).await.unwrap();
            let log = [members(), entry(1, 1, bootstrap())].into_iter().take(logged).collect();
            append(&mut behind.log, log).await.await.unwrap();
            behind.state.install_snapshot(&snapshot.meta, snapshot.snapshot.clone()).await.unwrap();
            drop(behind);

            let recovered = force_new_zone(Arc::new(engine.clone()), "new", common::key(), FOUNDING).await.unwrap();
            assert_eq!((recovered.node_id, recovered.last), (1, log_id(1, 30)));
            assert_eq!(recovered.others.len(), 2);
            let mut stores = open_inline(&engine);
            let log = stores.log.get_log_state().await.unwrap();
            assert_eq!((log.last_purged_log_id, log.last_log_id), (Some(log_id(1, 30)), Some(log_id(2, 31))));
            let entries = stores.log.get_log_reader().await.try_get_log_entries(..).await.unwrap();
            assert_eq!(entries.len(), 1, "its only member");
            apply(&mut stores.state, entries).await.unwrap();
            let published = stores.state.published().borrow().clone();
            assert_eq!(published.membership.membership().voter_ids().collect::<Vec<_>>(), [1]);
            assert_eq!(published.state, snapshot.snapshot.state);
        }
    });
}

#[test]
fn a_recovery_has_happened_or_not_and_says_which_when_it_is_repeated() {
    run(async {
        let engine = survivor();
        let mut stores = open_inline(&engine);
        append(&mut stores.log, vec![members()]).await.await.unwrap();
        drop(stores);
        force_new_zone(Arc::new(engine.clone()), "new", common::key(), FOUNDING).await.unwrap();
        assert_eq!(read_identity(&engine).unwrap().unwrap().cluster, "new");
        assert_eq!(founding(&engine).unwrap(), Some(FOUNDING), "it is another zone than that of the others");
        let repeated = force_new_zone(Arc::new(engine), "new", common::key(), FOUNDING).await.unwrap_err().to_string();
        assert!(repeated.contains("by an earlier quorate recover: start it"), "{repeated}");
    });
}

/// An engine that fails at one of its writes, of the mark or of the columns, and at all that follow.
#[derive(Clone)]
struct Failing {
    engine: MemoryEngine,
    mark: Arc<Mutex<Option<Bytes>>>,
    /// How many writes are left.
    left: Arc<AtomicUsize>,
}

impl Failing {
    fn count(&self) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| io::Error::other("no power"))
    }
}

impl Engine for Failing {
    fn write(&self, batch: Batch, sync: bool) -> io::Result<()> {
        self.count()?;
        self.engine.write(batch, sync)
    }
    fn get(&self, column: Column, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.engine.get(column, key)
    }
    fn scan(&self, column: Column, from: &[u8], to: Option<&[u8]>, visit: &mut Visit) -> io::Result<()> {
        self.engine.scan(column, from, to, visit)
    }
    fn last(&self, column: Column) -> io::Result<Option<(Bytes, Bytes)>> {
        self.engine.last(column)
    }
    fn mark(&self) -> io::Result<Option<Bytes>> {
        Ok(self.mark.lock().unwrap().clone())
    }
    fn set_mark(&self, mark: Bytes, _sync: bool) -> io::Result<()> {
        self.count()?;
        *self.mark.lock().unwrap() = Some(mark);
        Ok(())
    }
}

/// With the mark that belongs to the database, and without any.
#[test]
fn a_recovery_that_is_interrupted_anywhere_can_be_repeated_or_is_complete() {
    run(async {
        for marked in [true, false] {
            let (mut complete, mut writes) = (false, 0);
            while !complete {
                let engine = Failing { engine: survivor(), mark: Arc::default(), left: Arc::new(usize::MAX.into()) };
                let mut stores = open_inline(&engine);
                stores.log.save_vote(&Vote::new_committed(1, 2)).await.unwrap();
                append(&mut stores.log, vec![members(), entry(1, 1, bootstrap())]).await.await.unwrap();
                drop(stores);
                if !marked {
                    *engine.mark.lock().unwrap() = None;
                }
                engine.left.store(writes, Ordering::SeqCst);
                let first = force_new_zone(Arc::new(engine.clone()), "new", common::key(), FOUNDING).await;
                engine.left.store(usize::MAX, Ordering::SeqCst);
                let case = format!("marked: {marked}, after {writes} writes: {first:?}");
                let stores = open(Arc::new(engine.clone()), SyncPolicy::Inline, common::key());
                assert!(stores.is_ok(), "{case}: it starts");
                drop(stores);
                let repeated = force_new_zone(Arc::new(engine.clone()), "new", common::key(), FOUNDING).await;
                match read_identity(&engine).unwrap().unwrap().cluster.as_str() {
                    "new" if repeated.is_err() => {
                        let text = repeated.unwrap_err().to_string();
                        assert!(text.contains("start it"), "{case}: {text}");
                    }
                    _ => {
                        let repeated = repeated.unwrap();
                        assert_eq!((repeated.last, repeated.acknowledged), (log_id(1, 1), None), "{case}");
                        assert!(first.is_err(), "{case}");
                    }
                }
                let mut stores = open_inline(&engine);
                assert_eq!(stores.log.get_log_state().await.unwrap().last_log_id, Some(log_id(2, 2)), "{case}");
                (complete, writes) = (first.is_ok(), writes + 1);
            }
            assert!(writes >= 3, "the database and its mark");
        }
    });
}
