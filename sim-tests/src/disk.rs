//! A node's disk as the node gets it: the memory engine, with a journal of what is written.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use prost::Message as _;
use quorate_proto::v1;
use quorate_raft_store::convert::{log_id_from_proto, vote_from_proto};
use quorate_raft_store::engine::{Batch, Change, Column, Engine, Visit};
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta;
use quorate_raft_store::types::{LogId, Vote};

/// What was written to the log or about the vote.
#[derive(Clone, Copy, Debug)]
pub enum Written {
    /// The vote.
    Vote(Vote),
    /// An entry, and a checksum of its content.
    Entry(LogId, u64),
    /// The entries from this index on were removed.
    Truncated(u64),
    /// The entries below this index were removed.
    Purged(u64),
}

/// What was written since somebody looked, in order. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Written>>>);

impl Journal {
    /// What was written since the last look.
    #[must_use]
    pub fn take(&self) -> Vec<Written> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, batch: &Batch) -> io::Result<()> {
        let written = batch.0.iter().filter_map(|change| written(change).transpose());
        let written = written.collect::<io::Result<Vec<_>>>()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(written);
        Ok(())
    }
}

fn written(change: &Change) -> io::Result<Option<Written>> {
    Ok(match change {
        Change::Put(Column::Meta, key, value) if key == meta::VOTE => {
            Some(Written::Vote(vote_from_proto(Some(v1::Vote::decode(value.clone())?))?))
        }
        Change::Put(Column::Log, _, value) => {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            Some(Written::Entry(id_of(value)?, hasher.finish()))
        }
        Change::DeleteRange(Column::Log, from, to) => match <[u8; 8]>::try_from(to.as_slice()) {
            Ok(below) => Some(Written::Purged(u64::from_be_bytes(below))),
            // To behind the last possible index.
            Err(_) => Some(Written::Truncated(index_of(from)?)),
        },
        _ => None,
    })
}

/// The id of an entry as it is on disk.
///
/// # Errors
/// When the entry cannot be decoded, or has no id.
pub fn id_of(entry: &[u8]) -> io::Result<LogId> {
    let entry = v1::LogEntry::decode(entry)?;
    entry.log_id.as_ref().map(log_id_from_proto).ok_or_else(|| io::Error::other("an entry without an id"))
}

/// How many snapshots were installed on a disk.
///
/// # Errors
/// When what the disk says of its state cannot be decoded.
pub fn generation(engine: &MemoryEngine) -> io::Result<u64> {
    let mark = engine.get(Column::Meta, meta::APPLIED)?;
    Ok(mark.map(v1::AppliedMark::decode).transpose()?.map_or(0, |mark| mark.generation))
}

fn index_of(key: &[u8]) -> io::Result<u64> {
    key.try_into().map(u64::from_be_bytes).map_err(io::Error::other)
}

/// A disk in use by a process.
pub struct Disk {
    /// What outlives the process.
    pub engine: MemoryEngine,
    /// What is written.
    pub journal: Journal,
}

impl Engine for Disk {
    fn write(&self, batch: Batch, sync: bool) -> io::Result<()> {
        self.engine.write(batch.clone(), sync)?;
        self.journal.note(&batch)
    }

    fn mark(&self) -> io::Result<Option<Bytes>> {
        self.engine.mark()
    }

    fn set_mark(&self, mark: Bytes, sync: bool) -> io::Result<()> {
        self.engine.set_mark(mark, sync)
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
}
