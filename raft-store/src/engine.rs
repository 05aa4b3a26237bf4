//! The seam between the stores and the disk: ordered columns, atomic batches, an explicit sync.
//!
//! Two engines implement it: RocksDB ([`crate::rocks`]) and an in-memory twin for simulation
//! ([`crate::memory`]). It must stay this small: whatever both cannot do alike does not belong here.
//! All methods block, and none may be called while the callback of a scan runs.

use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;

/// A set of ordered keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// Raft's log, by index.
    Log,
    /// The vote, what was purged, what was applied, who this node is.
    Meta,
    /// The records of the state machine.
    State,
    /// Time series, which do not go through the log.
    Monitoring,
}

impl Column {
    /// All columns.
    pub const ALL: [Column; 4] = [Column::Log, Column::Meta, Column::State, Column::Monitoring];

    /// Its name on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Column::Log => "log",
            Column::Meta => "meta",
            Column::State => "state",
            Column::Monitoring => "monitoring",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Set a key.
    Put(Column, Vec<u8>, Bytes),
    /// Remove a key.
    Delete(Column, Vec<u8>),
    /// Remove the keys from the first, inclusive, to the second, exclusive.
    DeleteRange(Column, Vec<u8>, Vec<u8>),
}

/// Changes that happen together or not at all, in this order.
#[derive(Clone, Debug, Default)]
pub struct Batch(pub Vec<Change>);

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, column: Column, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) {
        self.0.push(Change::Put(column, key.into(), value.into()));
    }
    /// Removes a key.
    pub fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        self.0.push(Change::Delete(column, key.into()));
    }
    /// Removes the keys from `from`, inclusive, to `to`, exclusive.
    pub fn delete_range(&mut self, column: Column, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) {
        self.0.push(Change::DeleteRange(column, from.into(), to.into()));
    }
    /// Adds the changes of `other` behind these.
    pub fn append(&mut self, mut other: Batch) {
        self.0.append(&mut other.0);
    }
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a scan calls for each pair; it may stop the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> io::Result<ControlFlow<()>> + 'a;

/// An ordered, transactional store of bytes.
pub trait Engine: Send + Sync + 'static {
    /// Makes the batch visible, atomically, behind every earlier write. With `sync` it, and every write
    /// before it, is durable when this returns; without, a crash may lose it, but never an earlier write
    /// while keeping a later one.
    ///
    /// # Errors
    /// When the disk fails. Whether the batch has been kept is then unknown.
    fn write(&self, batch: Batch, sync: bool) -> io::Result<()>;

    /// The value of a key.
    ///
    /// # Errors
    /// When the disk fails.
    fn get(&self, column: Column, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// Visits the pairs from key `from`, inclusive, to `to`, exclusive (`None`: to the end), in order, as of one moment.
    ///
    /// # Errors
    /// When the disk fails, or with the error of `visit`.
    fn scan(&self, column: Column, from: &[u8], to: Option<&[u8]>, visit: &mut Visit) -> io::Result<()>;

    /// The pair with the greatest key.
    ///
    /// # Errors
    /// When the disk fails.
    fn last(&self, column: Column) -> io::Result<Option<(Bytes, Bytes)>>;

    /// The mark that is kept beside the columns, as it was set last; `None` when it never was.
    ///
    /// # Errors
    /// When the disk fails.
    fn mark(&self) -> io::Result<Option<Bytes>>;

    /// Sets the mark, of 256 bytes at most. It outlives this process when this returns; with `sync` a crash of the
    /// machine, too, and without after a moment: a crash may bring an earlier mark back.
    ///
    /// # Errors
    /// When the disk fails. Which mark is kept is then unknown.
    fn set_mark(&self, mark: Bytes, sync: bool) -> io::Result<()>;
}
