//! The log's shape and its newest entries in memory.
//!
//! An entry is readable as soon as it was appended, before it is on disk: so it stays here at least until it
//! has been written. Beyond that the tail is a cache of bounded size, which replication and apply normally
//! read instead of the disk.

use std::collections::VecDeque;

use crate::log_sizes::LogSizes;
use crate::types::{Entry, EntryPayload, LogId, Vote};

/// How many entries that are on disk stay in memory at most.
const MAX_ENTRIES: usize = 16_384;
/// How many bytes of entries that are on disk stay in memory at most.
const MAX_BYTES: usize = 32 << 20;

/// What an entry needs beside its payload, roughly.
pub(crate) const ENTRY_BYTES: usize = 64;

/// What an entry counts for against a limit in bytes.
pub(crate) fn weight(entry: &Entry) -> usize {
    ENTRY_BYTES
        + match &entry.payload {
            EntryPayload::Normal(payload) => payload.envelope.len(),
            EntryPayload::Blank | EntryPayload::Membership(_) => 0,
        }
}

/// The log as its readers see it.
#[derive(Debug, Default)]
pub(crate) struct LogTail {
    /// The last vote that is durable.
    pub vote: Option<Vote>,
    /// The newest entry that has been purged.
    pub purged: Option<LogId>,
    /// The newest entry, or the newest purged one.
    pub last: Option<LogId>,
    /// The index of the oldest entry that has not been purged; at or behind the end when there is none.
    pub first: u64,
    /// The sizes of all entries, on disk and on their way there.
    pub sizes: LogSizes,
    /// The newest entries, without gaps, up to `last`.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Entries below this index are on disk.
    written_below: u64,
}

impl LogTail {
    /// A log that is all on disk, from entry `first` to `last`, with entries of these `sizes`.
    pub fn new(
        vote: Option<Vote>,
        purged: Option<LogId>,
        first: Option<u64>,
        last: Option<LogId>,
        sizes: LogSizes,
    ) -> LogTail {
        let written_below = last.map_or(0, |id| id.index + 1);
        let first = first.unwrap_or(purged.map_or(0, |id| id.index + 1));
        LogTail { vote, purged, first, last, sizes, written_below, ..LogTail::default() }
    }

    /// The index behind the last entry.
    pub fn end(&self) -> u64 {
        self.last.map_or(0, |id| id.index + 1)
    }

    /// The index of the first entry in memory.
    pub fn first_cached(&self) -> u64 {
        self.entries.front().map_or(self.end(), |entry| entry.log_id.index)
    }

    /// Adds entries that are not yet on disk; `false`, and nothing is added, when that would leave a gap.
    pub fn push(&mut self, entries: Vec<Entry>) -> bool {
        let Some(next) = entries.first().map(|entry| entry.log_id.index) else { return true };
        if self.end() <= self.first {
            self.first = next;
        } else if self.end() != next {
            return false;
        }
        for entry in entries {
            self.last = Some(entry.log_id);
            self.bytes += weight(&entry);
            self.sizes.push(entry.log_id.index, weight(&entry));
            self.entries.push_back(entry);
        }
        true
    }

    /// Entries up to `index` are on disk now.
    pub fn written(&mut self, index: u64) {
        self.written_below = self.written_below.max(index + 1);
        while let Some(front) = self.entries.front()
            && front.log_id.index < self.written_below
            && (self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES)
        {
            self.pop_front();
        }
    }

    /// Forgets the entries behind `keep`.
    pub fn truncate_after(&mut self, keep: Option<LogId>) {
        let end = keep.map_or(0, |id| id.index + 1);
        if end >= self.end() {
            return;
        }
        while self.entries.back().is_some_and(|entry| entry.log_id.index >= end) {
            self.bytes -= self.entries.pop_back().as_ref().map_or(0, weight);
        }
        self.sizes.truncate(end);
        self.last = keep.max(self.purged);
        self.written_below = self.written_below.min(end);
    }

    /// Forgets the entries up to `upto`.
    pub fn purge(&mut self, upto: LogId) {
        while self.entries.front().is_some_and(|entry| entry.log_id.index <= upto.index) {
            self.pop_front();
        }
        self.purged = Some(upto);
        self.first = self.first.max(upto.index + 1);
        self.sizes.purge(self.first);
        if self.end() <= upto.index {
            self.last = Some(upto);
        }
        self.written_below = self.written_below.max(upto.index + 1);
    }

    /// The entries in memory from index `from`, inclusive, to `to`, exclusive.
    pub fn cached(&self, from: u64, to: u64) -> impl Iterator<Item = &Entry> {
        let skip = usize::try_from(from.saturating_sub(self.first_cached())).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).take_while(move |entry| entry.log_id.index < to)
    }

    fn pop_front(&mut self) {
        self.bytes -= self.entries.pop_front().as_ref().map_or(0, weight);
    }
}
