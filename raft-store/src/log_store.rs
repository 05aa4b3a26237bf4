//! Raft's log and vote over an [`Engine`].
//!
//! Appends return at once and report when they are durable; votes are durable when saved. All writes go
//! through one [`Writer`] in the order they were made. It must not look into payloads.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use prost::Message;
use quorate_proto::v1;

use crate::convert::{
    entry_from_proto, entry_to_proto, log_id_from_proto, log_id_to_proto, vote_from_proto, vote_to_proto,
};
use crate::engine::{Batch, Column, Engine};
use crate::high_water::{Effect, HighWater, Mark, damaged};
use crate::log_sizes::LogSizes;
use crate::log_tail::{ENTRY_BYTES, LogTail, weight};
use crate::meta;
use crate::types::{Entry, LogId, TypeConfig, Vote};
use crate::writer::{Job, SyncPolicy, Writer};

/// How many bytes of entries one message to a follower carries at most (but always at least one entry).
const MAX_READ_BYTES: usize = 1 << 20;
/// Sorts behind every index.
const BEHIND_ALL: [u8; 9] = [0xff; 9];

/// The log of a node. Dropping it finishes the writes that wait.
pub struct LogStore {
    reader: LogReader,
    writer: Writer,
}

/// Says how large the log of a node is.
#[derive(Clone)]
pub struct LogGauge {
    tail: Arc<Mutex<LogTail>>,
}

/// Reads the log of a node.
#[derive(Clone)]
pub struct LogReader {
    engine: Arc<dyn Engine>,
    tail: Arc<Mutex<LogTail>>,
}

fn key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn lock(tail: &Mutex<LogTail>) -> MutexGuard<'_, LogTail> {
    // Every change of the tail is complete before anything can panic, so a poisoned lock is still good.
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogStore {
    /// Opens the log in `engine`.
    ///
    /// # Errors
    /// When the disk fails or holds something that cannot be read, or entries are missing in the middle.
    pub(crate) fn open(
        engine: Arc<dyn Engine>,
        high_water: Arc<HighWater>,
        policy: SyncPolicy,
    ) -> io::Result<LogStore> {
        let vote = match engine.get(Column::Meta, meta::VOTE)? {
            Some(bytes) => Some(vote_from_proto(Some(v1::Vote::decode(bytes)?))?),
            None => None,
        };
        let purged = match engine.get(Column::Meta, meta::PURGED)? {
            Some(bytes) => Some(log_id_from_proto(&v1::LogId::decode(bytes)?)),
            None => None,
        };
        let last = match engine.last(Column::Log)? {
            Some((key, value)) => Some(decode(&key, value)?.log_id),
            None => purged,
        };
        let behind_purged = purged.map_or(0, |id| id.index + 1);
        let (mut next, mut sizes) = (behind_purged, LogSizes::default());
        engine.scan(Column::Log, &key(behind_purged), None, &mut |key, value| {
            let index = index_of(key)?;
            if index != next {
                return Err(damaged(hole(next)));
            }
            next += 1;
            sizes.push(index, ENTRY_BYTES + value.len());
            Ok(ControlFlow::Continue(()))
        })?;
        let first = (next > behind_purged).then_some(behind_purged);
        let tail = Arc::new(Mutex::new(LogTail::new(vote, purged, first, last, sizes)));
        let writer = Writer::new(engine.clone(), high_water, policy)?;
        Ok(LogStore { reader: LogReader { engine, tail }, writer })
    }

    /// What is in it, as the high-water mark knows it.
    pub(crate) fn held(&self) -> Mark {
        let tail = self.tail();
        Mark { vote: tail.vote, last: tail.last }
    }

    /// The newest entry that has been purged.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.tail().purged
    }

    /// How large it is, also when Raft has it.
    #[must_use]
    pub fn gauge(&self) -> LogGauge {
        LogGauge { tail: self.reader.tail.clone() }
    }

    fn tail(&self) -> MutexGuard<'_, LogTail> {
        lock(&self.reader.tail)
    }
}

impl LogGauge {
    /// Bytes of the entries from index `from`, inclusive, to `to`, exclusive, to within a few kilobytes or an entry; 0
    /// when there are none.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> u64 {
        let tail = lock(&self.tail);
        let behind = if to < tail.end() { tail.sizes.since(to) } else { 0 };
        tail.sizes.since(from).saturating_sub(behind)
    }

    /// The oldest entry from which on the log has at most so many bytes; `None` when its last few entries alone have
    /// more.
    #[must_use]
    pub fn newest(&self, bytes: u64) -> Option<u64> {
        lock(&self.tail).sizes.newest(bytes)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let tail = self.tail();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.put(Column::Meta, meta::VOTE, vote_to_proto(vote).encode_to_vec());
        self.writer.write(batch, true, Effect::Votes(*vote)).await?;
        self.tail().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let mut batch = Batch::default();
        for entry in &entries {
            batch.put(Column::Log, key(entry.log_id.index), entry_to_proto(entry).encode_to_vec());
        }
        let last = entries.last().map(|entry| entry.log_id);
        if !self.tail().push(entries) {
            return Err(corrupt("append would leave a gap in the log".to_owned()));
        }
        let tail = self.reader.tail.clone();
        let done = Box::new(move |result: io::Result<()>| {
            if let (Ok(()), Some(last)) = (&result, last) {
                lock(&tail).written(last.index);
            }
            callback.io_completed(result);
        });
        let effect = last.map_or(Effect::None, Effect::Acknowledges);
        self.writer.submit(Job { batch, sync: true, effect, done });
        Ok(())
    }

    async fn truncate_after(&mut self, keep: Option<LogId>) -> io::Result<()> {
        let from = keep.map_or(0, |id| id.index + 1);
        let mut batch = Batch::default();
        batch.delete_range(Column::Log, key(from), BEHIND_ALL);
        // First out of the readers' sight, then off the disk; again afterwards, because appends that were
        // still on their way to the disk have meanwhile been counted as written.
        self.tail().truncate_after(keep);
        self.writer.write(batch, true, Effect::Removes(keep)).await?;
        self.tail().truncate_after(keep);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let mut batch = Batch::default();
        {
            let mut tail = self.tail();
            batch.delete_range(Column::Log, key(tail.first), key(upto.index + 1));
            tail.purge(upto);
        }
        batch.put(Column::Meta, meta::PURGED, log_id_to_proto(&upto).encode_to_vec());
        // Needs no sync: a crash that loses it brings back entries that nobody needs.
        self.writer.write(batch, false, Effect::None).await
    }
}

impl LogReader {
    /// The entries from index `from`, inclusive, to `to`, exclusive, that exist; fewer, but at least one,
    /// when they are heavier than `limit`.
    fn read(&self, from: u64, to: u64, limit: usize) -> io::Result<Vec<Entry>> {
        let (from, on_disk, cached) = {
            let tail = lock(&self.tail);
            let (from, to) = (from.max(tail.first), to.min(tail.end()));
            let mut weights = 0;
            let within = move |entry: &&Entry| {
                let fits = weights < limit;
                weights += weight(entry);
                fits
            };
            (from, to.min(tail.first_cached()), tail.cached(from, to).take_while(within).cloned().collect::<Vec<_>>())
        };
        if from >= on_disk {
            return Ok(cached);
        }
        let (mut entries, mut weights) = self.read_disk(from, on_disk, limit)?;
        for entry in cached {
            if weights >= limit {
                break;
            }
            weights += weight(&entry);
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Reads from the disk alone; returns the entries and their weight.
    fn read_disk(&self, from: u64, to: u64, limit: usize) -> io::Result<(Vec<Entry>, usize)> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut weights = 0;
        self.engine.scan(Column::Log, &key(from), Some(&key(to)), &mut |key, value| {
            let entry = decode(key, Bytes::copy_from_slice(value))?;
            if let Some(before) = entries.last()
                && before.log_id.index + 1 != entry.log_id.index
            {
                return Err(hole(before.log_id.index + 1));
            }
            weights += weight(&entry);
            entries.push(entry);
            Ok(if weights < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        // Entries may be missing only at the beginning, because they have been purged meanwhile.
        let first = entries.first().map_or(to, |entry| entry.log_id.index);
        let end = entries.last().map_or(to, |entry| entry.log_id.index + 1);
        if first > from.max(lock(&self.tail).first) {
            return Err(hole(from));
        }
        if end < to && weights < limit {
            return Err(hole(end));
        }
        Ok((entries, weights))
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        self.read(from, to, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let mut entries = self.read(start, end, MAX_READ_BYTES)?;
        // An append stream that was given up can go on for a moment, while what it was to send is purged. openraft takes
        // what it gets for what follows on the last entry sent, and nothing for a heartbeat.
        if entries.first().is_some_and(|entry| entry.log_id.index != start) {
            entries.clear();
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(lock(&self.tail).vote)
    }
}

fn index_of(key: &[u8]) -> io::Result<u64> {
    let bytes = key.try_into().map_err(|_| corrupt(format!("the log has the key {key:?}")))?;
    Ok(u64::from_be_bytes(bytes))
}

fn decode(key: &[u8], value: Bytes) -> io::Result<Entry> {
    let entry = entry_from_proto(v1::LogEntry::decode(value)?)?;
    if key == self::key(entry.log_id.index) {
        Ok(entry)
    } else {
        Err(corrupt(format!("key {key:?} of the log holds entry {}", entry.log_id)))
    }
}

fn hole(index: u64) -> io::Error {
    corrupt(format!("entry {index} is missing in the log"))
}

fn corrupt(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
