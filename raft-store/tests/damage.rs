//! Every damage of every kind of file in a data directory is noticed when the node starts, or harms nothing.
//!
//! Harmless means: the node starts and has everything it had acknowledged. docs/operations.md has the table.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{append, apply, bootstrap, entry, run, stray_report};
use openraft::storage::{RaftLogReader as _, RaftLogStorage as _, RaftStateMachine as _};
use quorate_raft_store::meta::{Identity, write_identity};
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::types::{Entry, EntryPayload, Membership, Server, Vote, log_id};
use quorate_raft_store::{Published, Stores, SyncPolicy, backup, open};
use quorate_state_machine::state::State;

/// Where bits are flipped, and where files are cut, in parts of their length.
const PLACES: usize = 5;

/// A way to damage a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Delete,
    Cut(usize),
    Flip(usize),
}

impl Damage {
    /// All that are tried on a file with this content.
    fn all(content: &[u8]) -> Vec<Damage> {
        let length = content.len();
        let places = (0..PLACES).map(|part| length * part / PLACES);
        let cuts = places.clone().chain([length.saturating_sub(1)]).chain(records(content)).filter(|at| *at < length);
        let flips = places.filter(|at| *at < length);
        [Damage::Delete].into_iter().chain(cuts.map(Damage::Cut)).chain(flips.map(Damage::Flip)).collect()
    }

    fn inflict(self, file: &Path) {
        match self {
            Damage::Delete => fs::remove_file(file).unwrap(),
            Damage::Cut(at) => fs::OpenOptions::new().write(true).open(file).unwrap().set_len(at as u64).unwrap(),
            Damage::Flip(at) => {
                let mut content = fs::read(file).unwrap();
                content[at] ^= 1;
                fs::write(file, content).unwrap();
            }
        }
    }
}

/// Where records end in a file of RocksDB's log format (write-ahead logs and manifests): a cut there leaves nothing torn.
/// Of many the last eight; none for other files.
fn records(content: &[u8]) -> Vec<usize> {
    const BLOCK: usize = 32 << 10;
    let (mut at, mut ends) = (0, Vec::new());
    while let Some(header) = content.get(at..at + 7) {
        let (length, kind) = (usize::from(u16::from_le_bytes([header[4], header[5]])), header[6]);
        if BLOCK - at % BLOCK < 7 || kind == 0 {
            at = (at / BLOCK + 1) * BLOCK;
            continue;
        }
        // Kinds 5 to 8 have the log's number behind the header.
        at += 7 + if (5..=8).contains(&kind) { 4 } else { 0 } + length;
        if kind > 16 || at > content.len() {
            return Vec::new();
        }
        ends.push(at);
    }
    ends.split_off(ends.len().saturating_sub(8))
}

/// What a node had when it was killed.
struct Had {
    vote: Vote,
    entries: Vec<Entry>,
    state: Arc<State>,
}

/// A node that has lived for a while, killed.
async fn live(dir: &Path) -> Had {
    let mut had = Had { vote: Vote::new(1, 1), entries: Vec::new(), state: Arc::default() };
    let mut next = 0;
    // Each start writes what the last one left in the write-ahead log to a file.
    for life in 1..=4_u64 {
        let engine = Arc::new(RocksEngine::open(dir).unwrap());
        write_identity(&*engine, &Identity { cluster: "zone".to_owned(), node_id: 1 }).unwrap();
        let mut stores = open(engine, SyncPolicy::Inline, common::key()).unwrap();
        had.vote = Vote::new_committed(life, 1);
        stores.log.save_vote(&had.vote).await.unwrap();
        for _ in 0..20 {
            let command = if next == 0 { bootstrap() } else { stray_report() };
            let new = entry(next, next, command);
            append(&mut stores.log, vec![new.clone()]).await.await.unwrap();
            apply(&mut stores.state, vec![new.clone()]).await.unwrap();
            had.entries.push(new);
            next += 1;
        }
        if life == 2 {
            stores.log.purge(log_id(1, 9)).await.unwrap();
            had.entries.drain(..10);
        }
        had.state = stores.state.published().borrow().state.clone();
    }
    had
}

/// What became of a damaged node: an error when it starts, or everything it had.
async fn start(dir: &Path, had: &Had) -> Result<(), String> {
    let engine = RocksEngine::open(dir).map_err(|e| e.to_string())?;
    write_identity(&engine, &Identity { cluster: "zone".to_owned(), node_id: 1 }).map_err(|e| e.to_string())?;
    let Stores { mut log, mut state } =
        open(Arc::new(engine), SyncPolicy::Inline, common::key()).map_err(|e| e.to_string())?;
    let mut reader = log.get_log_reader().await;
    assert!(reader.read_vote().await.unwrap() >= Some(had.vote), "the vote is lost");
    assert!(log.get_log_state().await.unwrap().last_log_id >= had.entries.last().map(|entry| entry.log_id), "the end");
    let entries = reader.try_get_log_entries(had.entries[0].log_id.index..).await.unwrap();
    assert!(entries == had.entries, "entries are lost or changed");
    let applied = state.applied_state().await.unwrap().0.map_or(0, |id| id.index + 1);
    let rest = entries.into_iter().filter(|entry| entry.log_id.index >= applied).collect();
    apply(&mut state, rest).await.unwrap();
    let Published { state, .. } = state.published().borrow().clone();
    assert!(state == had.state, "the state is lost or changed");
    Ok(())
}

/// What a file is, by its name.
fn kind(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((_, "log")) => "write-ahead log",
        Some((_, "sst")) => "table",
        _ => name.split(['-', '.']).next().unwrap_or(name),
    }
}

/// A directory for a copy: in memory where that is possible, because what is damaged needs no disk.
fn place() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn every_damage_of_every_file_is_noticed_or_harmless() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let had = live(dir.path()).await;
        let mut names: Vec<String> =
            fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        // By kind of file and damage: how often it was noticed, and how often harmless.
        let mut outcomes: BTreeMap<(String, &str), (usize, usize)> = BTreeMap::new();
        for name in &names {
            for damage in Damage::all(&fs::read(dir.path().join(name)).unwrap()) {
                let hurt = place();
                copy(dir.path(), hurt.path());
                damage.inflict(&hurt.path().join(name));
                eprintln!("{name}: {damage:?}");
                let started = start(hurt.path(), &had).await;
                let how = match damage {
                    Damage::Delete => "deleted",
                    Damage::Cut(0) => "emptied",
                    Damage::Cut(_) => "cut",
                    Damage::Flip(_) => "flipped",
                };
                if let Err(refused) = &started {
                    let refused = refused.to_string();
                    let says =
                        ["must not vote any more", "quorate zone remove"].iter().all(|said| refused.contains(said));
                    assert!(says, "{name} {how}: {refused}");
                }
                let (noticed, harmless) = outcomes.entry((kind(name).to_owned(), how)).or_default();
                *if started.is_err() { noticed } else { harmless } += 1;
            }
        }
        for ((kind, how), (noticed, harmless)) in &outcomes {
            eprintln!("{kind} {how}: {noticed} noticed, {harmless} harmless");
        }
        let noticed = |kind: &str, how| outcomes[&(kind.to_owned(), how)];
        // The test can tell: these are never harmless.
        for (kind, how) in [
            ("write-ahead log", "deleted"),
            ("write-ahead log", "emptied"),
            ("table", "deleted"),
            ("table", "emptied"),
            ("MANIFEST", "deleted"),
            ("CURRENT", "deleted"),
            ("ACKNOWLEDGED", "deleted"),
            ("ACKNOWLEDGED", "emptied"),
        ] {
            assert_eq!(noticed(kind, how).1, 0, "{kind} {how}");
        }
    });
}

/// Where nobody else has anything, what is left is taken although RocksDB misses write-ahead logs: a whole beginning of what
/// there was, never one with a hole in it.
#[test]
fn a_survivor_that_lacks_write_ahead_logs_is_recovered_with_a_whole_beginning_or_not_at_all() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let server = Server { name: "one-1".to_owned(), ..Server::default() };
        let membership = Membership::new(vec![BTreeSet::from([1])], BTreeMap::from([(1, server)])).unwrap();
        let mut before = Vec::new();
        for range in [0..50_u64, 50..100] {
            let engine = Arc::new(RocksEngine::open(dir.path()).unwrap());
            write_identity(&*engine, &Identity { cluster: "old".to_owned(), node_id: 1 }).unwrap();
            let mut stores = open(engine, SyncPolicy::Inline, common::key()).unwrap();
            for index in range {
                let payload = EntryPayload::Membership(membership.clone());
                let new = if index == 0 {
                    Entry { log_id: log_id(1, 0), payload }
                } else {
                    entry(index, index, stray_report())
                };
                append(&mut stores.log, vec![new.clone()]).await.await.unwrap();
                before.push(new);
            }
        }
        let files = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
        let logs: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
        let mut recovered = 0;
        for log in &logs {
            for damage in
                Damage::all(&fs::read(log).unwrap()).into_iter().filter(|damage| !matches!(damage, Damage::Flip(_)))
            {
                let hurt = place();
                copy(dir.path(), hurt.path());
                damage.inflict(&hurt.path().join(log.file_name().unwrap()));
                let Ok(engine) = RocksEngine::open_survivor(hurt.path()) else { continue };
                let engine = Arc::new(engine);
                let Ok(made) = backup::force_new_zone(engine.clone(), "new", common::key(), 7).await else { continue };
                recovered += 1;
                drop(engine);
                // It starts, and has all entries up to the last that it says it has.
                let engine = Arc::new(RocksEngine::open(hurt.path()).unwrap());
                let mut stores = open(engine, SyncPolicy::Inline, common::key()).unwrap();
                let mut entries = stores.log.get_log_reader().await.try_get_log_entries(..).await.unwrap();
                assert!(matches!(entries.pop().unwrap().payload, EntryPayload::Membership(_)), "{damage:?}");
                let last = usize::try_from(made.last.index).unwrap();
                assert!(entries == before[..=last], "{log:?} {damage:?}");
            }
        }
        assert!(recovered > 0, "something can be recovered");
    });
}

/// The example from which this came: 300 of 400 acknowledged entries in a write-ahead log.
#[test]
fn a_write_ahead_log_that_is_cut_at_any_record_ends_the_start() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        for range in [0..100_u64, 100..400] {
            let mut log =
                open(Arc::new(RocksEngine::open(dir.path()).unwrap()), SyncPolicy::Inline, common::key()).unwrap().log;
            for index in range {
                append(&mut log, vec![entry(index, index, stray_report())]).await.await.unwrap();
            }
        }
        let logs = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
        let wal = logs.filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap();
        let content = fs::read(&wal).unwrap();
        let mut cuts = records(&content);
        assert_eq!(cuts.pop(), Some(content.len()), "the last record ends the file");
        cuts.extend([0, content.len() / 2]);
        assert!(cuts.len() > 5);
        for cut in cuts {
            let hurt = place();
            copy(dir.path(), hurt.path());
            Damage::Cut(cut).inflict(&hurt.path().join(wal.file_name().unwrap()));
            let engine = RocksEngine::open(hurt.path()).unwrap();
            let refused = open(Arc::new(engine), SyncPolicy::Inline, common::key()).map(drop).unwrap_err().to_string();
            assert!(refused.contains("has acknowledged entry 399"), "{cut}: {refused}");
        }
    });
}
