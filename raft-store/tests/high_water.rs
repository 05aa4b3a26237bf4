//! What a node has acknowledged is noticed when it is gone, and a node that has lost nothing always starts.

mod common;

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use common::{append, raw_entry, run};
use openraft::storage::{RaftLogStorage, RaftStateMachine};
use proptest::prelude::*;
use quorate_raft_store::engine::{Batch, Column, Engine, Visit};
use quorate_raft_store::high_water::{HighWater, Mark};
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta;
use quorate_raft_store::snapshot::SnapshotData;
use quorate_raft_store::types::{LogId, SnapshotMeta, Vote, log_id};
use quorate_raft_store::{Stores, SyncPolicy, open};

/// What Raft does to a node's disk.
#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u64),
    /// Removes so many entries, none that is in a snapshot, for another leader's.
    Truncate(u64),
    Vote,
    /// A snapshot that ends so far behind the log.
    Install(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..4).prop_map(Step::Append),
        2 => (1_u64..4).prop_map(Step::Truncate),
        1 => Just(Step::Vote),
        1 => (1_u64..4).prop_map(Step::Install),
        1 => Just(Step::Restart),
    ]
}

/// A disk that fails for good after so many writes.
#[derive(Clone)]
struct Mortal {
    disk: MemoryEngine,
    left: Arc<AtomicUsize>,
}

impl Mortal {
    fn new(disk: &MemoryEngine, writes: usize) -> Mortal {
        Mortal { disk: disk.clone(), left: Arc::new(AtomicUsize::new(writes)) }
    }

    fn spend(&self) -> io::Result<()> {
        let less = |left: usize| left.checked_sub(1);
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        spent.map(drop).map_err(|_| io::Error::other("the disk is dead"))
    }
}

impl Engine for Mortal {
    fn write(&self, batch: Batch, sync: bool) -> io::Result<()> {
        self.spend()?;
        self.disk.write(batch, sync)
    }

    fn mark(&self) -> io::Result<Option<Bytes>> {
        self.disk.mark()
    }

    fn set_mark(&self, mark: Bytes, sync: bool) -> io::Result<()> {
        self.spend()?;
        self.disk.set_mark(mark, sync)
    }

    fn get(&self, column: Column, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.disk.get(column, key)
    }

    fn scan(&self, column: Column, from: &[u8], to: Option<&[u8]>, visit: &mut Visit) -> io::Result<()> {
        self.disk.scan(column, from, to, visit)
    }

    fn last(&self, column: Column) -> io::Result<Option<(Bytes, Bytes)>> {
        self.disk.last(column)
    }
}

/// What others were told.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    mark: Mark,
    snapshot: Option<LogId>,
    term: u64,
}

async fn take(stores: &mut Stores, step: Step, told: &mut Told) -> io::Result<()> {
    let next = |told: &Told| told.mark.last.map_or(0, |id| id.index + 1);
    match step {
        Step::Append(count) => {
            let (term, from) = (told.term, next(told));
            let entries = (from..from + count).map(|index| raw_entry(term, index, "entry")).collect();
            append(&mut stores.log, entries).await.await?;
            told.mark.last = Some(log_id(term, from + count - 1));
        }
        Step::Truncate(count) => {
            let floor = told.snapshot.map_or(0, |id| id.index + 1);
            let keep = next(told).saturating_sub(count).max(floor);
            let log = stores.log.get_log_reader().await;
            let kept = match keep.checked_sub(1) {
                Some(index) if told.snapshot.is_none_or(|id| index > id.index) => entry(log, index).await,
                _ => told.snapshot,
            };
            // From now on others may be told less.
            told.mark.last = kept;
            stores.log.truncate_after(kept).await?;
            told.term += 1;
        }
        Step::Vote => {
            told.term += 1;
            let vote = Vote::new(told.term, 7);
            stores.log.save_vote(&vote).await?;
            told.mark.vote = Some(vote);
        }
        Step::Install(ahead) => {
            let last = Some(log_id(told.term, next(told) + ahead));
            let meta = SnapshotMeta { last_log_id: last, ..SnapshotMeta::default() };
            stores.state.install_snapshot(&meta, SnapshotData::default()).await?;
            (told.mark.last, told.snapshot) = (last, last);
            stores.log.purge(log_id(told.term, next(told) - 1)).await?;
        }
        Step::Restart => {}
    }
    Ok(())
}

async fn entry(mut log: quorate_raft_store::LogReader, index: u64) -> Option<LogId> {
    use openraft::storage::RaftLogReader as _;
    log.try_get_log_entries(index..=index).await.unwrap().first().map(|entry| entry.log_id)
}

/// Takes the steps until one fails; what others were told.
async fn walk(engine: impl Engine + Clone, steps: &[Step]) -> Told {
    let mut told = Told { term: 1, ..Told::default() };
    let again = || open(Arc::new(engine.clone()), SyncPolicy::Inline, common::key());
    // The power may be cut while it starts, too.
    let Ok(mut stores) = again() else { return told };
    for step in steps {
        if matches!(step, Step::Restart) {
            drop(stores);
            match again() {
                Ok(opened) => stores = opened,
                Err(_) => return told,
            }
        }
        if take(&mut stores, *step, &mut told).await.is_err() {
            break;
        }
    }
    told
}

async fn held(engine: &MemoryEngine) -> io::Result<Mark> {
    use openraft::storage::RaftLogReader as _;
    let mut stores = open(Arc::new(engine.clone()), SyncPolicy::Inline, common::key())?;
    let vote = stores.log.get_log_reader().await.read_vote().await?;
    let (log, applied) = (stores.log.get_log_state().await?, stores.state.applied_state().await?.0);
    Ok(Mark { vote, last: log.last_log_id.max(applied) })
}

proptest! {
    /// Wherever power is cut, the node starts again and has what it has told others.
    #[test]
    fn a_crash_at_any_write_is_no_damage(steps in prop::collection::vec(step(), 1..12), writes in 0_usize..40, kept in 0_usize..4) {
        run(async {
            let disk = MemoryEngine::new();
            let told = walk(Mortal::new(&disk, writes), &steps).await;
            disk.crash_keeping(kept);
            let held = held(&disk).await.unwrap();
            assert!(held.last >= told.mark.last && held.vote >= told.mark.vote, "{held:?} of {told:?}");
        });
    }

    /// A process that is killed loses nothing; so whatever is gone afterwards is noticed.
    #[test]
    fn a_lost_entry_or_vote_is_noticed(steps in prop::collection::vec(step(), 1..12)) {
        run(async {
            let disk = MemoryEngine::new();
            let told = walk(disk.clone(), &steps).await;
            held(&disk).await.unwrap();
            if let Some(last) = told.mark.last.filter(|last| told.snapshot.is_none_or(|id| id.index < last.index)) {
                let copy = copied(&disk);
                let mut batch = Batch::default();
                batch.delete(Column::Log, last.index.to_be_bytes());
                copy.write(batch, true).unwrap();
                let refused = held(&copy).await.unwrap_err().to_string();
                assert!(refused.contains(&format!("has acknowledged entry {}", last.index)), "{refused}");
            }
            for (column, key, there) in [
                (Column::Meta, meta::VOTE, told.mark.vote.is_some()),
                (Column::Meta, meta::APPLIED, told.snapshot.is_some()),
            ] {
                let copy = copied(&disk);
                let mut batch = Batch::default();
                batch.delete(column, key);
                copy.write(batch, true).unwrap();
                assert_eq!(held(&copy).await.is_err(), there, "{}", String::from_utf8_lossy(key));
            }
        });
    }
}

/// Another disk with the same content.
fn copied(disk: &MemoryEngine) -> MemoryEngine {
    let copy = MemoryEngine::new();
    for column in Column::ALL {
        let mut batch = Batch::default();
        let visit = &mut |key: &[u8], value: &[u8]| {
            batch.put(column, key, value.to_vec());
            Ok(ControlFlow::Continue(()))
        };
        disk.scan(column, &[], None, visit).unwrap();
        copy.write(batch, true).unwrap();
    }
    if let Some(mark) = disk.mark().unwrap() {
        copy.set_mark(mark, true).unwrap();
    }
    copy
}

#[test]
fn the_refusal_says_what_is_missing_and_what_to_do() {
    run(async {
        let disk = MemoryEngine::new();
        let told = walk(disk.clone(), &[Step::Vote, Step::Append(3)]).await;
        let high_water = HighWater::open(Arc::new(disk)).unwrap();
        assert_eq!(high_water.mark(), told.mark);
        let refused = high_water.check(Mark::default()).unwrap_err().to_string();
        for said in
            ["has acknowledged entry 2 of term 2 and a vote in term 2", "ends with no entry", "quorate zone add"]
        {
            assert!(refused.contains(said), "{refused}");
        }
    });
}
