//! The engine of production: RocksDB, one database per node, one write-ahead log for all columns.
//!
//! The single write-ahead log is what makes unsynced writes lose only a suffix, which the state store relies
//! on. A write and its sync are two steps, so that a sync in progress does not hold up writers that need none.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBRecoveryMode, Direction, ErrorKind, IteratorMode, Options, ReadOptions,
    WriteBatch,
};

use crate::engine::{Batch, Change, Column, Engine, Visit};
use crate::high_water::damaged;
use crate::mark_file::MarkFile;

/// The write-ahead log begins anew, and what it holds is written out, after so many bytes.
const WAL_BYTES: u64 = 64 << 20;
/// Bytes of a column in memory before they are written to a file, and of such a file; four are merged into one level.
const FILE_BYTES: usize = 16 << 20;
/// Bytes of RocksDB's own log and of its list of files before they begin anew.
const JOURNAL_BYTES: usize = 8 << 20;

/// A RocksDB database.
pub struct RocksEngine {
    db: DB,
    mark: MarkFile,
}

impl RocksEngine {
    /// Opens the database in `path`, making it when there is none.
    ///
    /// # Errors
    /// When the directory cannot be used, another process holds it, or the database is damaged.
    pub fn open(path: &Path) -> io::Result<RocksEngine> {
        RocksEngine::open_with(path, false)
    }

    /// Opens what the last survivor of a zone has, although write-ahead logs seem to be missing, or the high-water mark is.
    /// What is left must be looked through, as [`StateStore`](crate::StateStore) and [`LogStore`](crate::LogStore) do when
    /// they open.
    ///
    /// # Errors
    /// As [`RocksEngine::open`].
    pub fn open_survivor(path: &Path) -> io::Result<RocksEngine> {
        RocksEngine::open_with(path, true)
    }

    fn open_with(path: &Path, survivor: bool) -> io::Result<RocksEngine> {
        std::fs::create_dir_all(path)?;
        let mark = if survivor { MarkFile::open_survivor(path)? } else { MarkFile::open(path)? };
        // An empty mark: this node has acknowledged nothing yet, so what is missing of the database may be made. Otherwise
        // it must be there: a new one in its place would hide that something is lost.
        let fresh = mark.content().is_empty() && !survivor;
        let mut options = Options::default();
        options.create_if_missing(fresh);
        options.create_missing_column_families(fresh);
        // A torn last record is what a kill or a power cut leaves of a write that was never acknowledged, so it must be
        // tolerated (AbsoluteConsistency does not); damage before the end must be seen (PointInTime drops what follows).
        // An end that is gone without being torn is what the mark is for.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        // An older write-ahead log that is still needed and is missing, or shorter than it was, ends the start.
        options.set_track_and_verify_wals_in_manifest(!survivor);
        // The defaults, which this database relies on.
        options.set_paranoid_checks(true);
        options.set_max_total_wal_size(WAL_BYTES);
        options.set_max_log_file_size(JOURNAL_BYTES);
        options.set_keep_log_file_num(4);
        options.set_max_manifest_file_size(JOURNAL_BYTES);
        options.set_max_background_jobs(2);
        let columns = Column::ALL.map(|column| {
            let mut options = Options::default();
            options.set_compression_type(rocksdb::DBCompressionType::Lz4);
            // Small files in few steps: the sooner the purged part of the log is merged away.
            options.set_write_buffer_size(FILE_BYTES);
            options.set_target_file_size_base(FILE_BYTES as u64);
            options.set_max_bytes_for_level_base(4 * FILE_BYTES as u64);
            ColumnFamilyDescriptor::new(column.name(), options)
        });
        let opened = DB::open_cf_descriptors(&options, path, columns);
        let db = opened.map_err(|e| match e.kind() {
            ErrorKind::InvalidArgument => damaged(described(e.as_ref())),
            _ => failed(e),
        })?;
        Ok(RocksEngine { db, mark })
    }

    fn column(&self, column: Column) -> io::Result<&ColumnFamily> {
        self.db
            .cf_handle(column.name())
            .ok_or_else(|| io::Error::other(format!("the database has no column {}", column.name())))
    }
}

/// How the operating system's error for a file that is not there begins in RocksDB's texts.
const NO_SUCH_FILE: &str = "No such file or directory";

/// An error of RocksDB: damage is noticed when a file is opened, or when a block of it is read.
fn failed(error: rocksdb::Error) -> io::Error {
    match error.kind() {
        ErrorKind::Corruption => damaged(described(error.as_ref())),
        // RocksDB has no kind of its own for files that its other files name.
        ErrorKind::IOError if error.as_ref().contains(NO_SUCH_FILE) => damaged(described(error.as_ref())),
        _ => io::Error::other(error),
    }
}

/// What RocksDB says of a damaged database, for the operator.
fn described(error: &str) -> String {
    // Its texts begin so where a write-ahead log on its list is not there, or not as long as it was when it was synced.
    let list = ["Missing WAL", "Size mismatch: WAL"].iter().any(|text| error.contains(text));
    let doubt = if list {
        ". This check can fail although no file was damaged. The server cannot tell: treat it as damage"
    } else {
        ""
    };
    let missing = if error.contains(NO_SUCH_FILE) { "a file of it is missing: " } else { "" };
    format!("the database is damaged: {missing}{error}{doubt}")
}

impl Engine for RocksEngine {
    fn write(&self, batch: Batch, sync: bool) -> io::Result<()> {
        // A mark that failed in the background: no later write may be told of, and the node hears of it by this one.
        self.mark.check()?;
        let mut write = WriteBatch::default();
        for change in batch.0 {
            match change {
                Change::Put(column, key, value) => write.put_cf(self.column(column)?, key, value),
                Change::Delete(column, key) => write.delete_cf(self.column(column)?, key),
                Change::DeleteRange(column, from, to) => write.delete_range_cf(self.column(column)?, from, to),
            }
        }
        self.db.write(write).map_err(failed)?;
        if sync {
            self.db.flush_wal(true).map_err(failed)?;
        }
        Ok(())
    }

    fn mark(&self) -> io::Result<Option<Bytes>> {
        Ok(Some(self.mark.content()).filter(|mark| !mark.is_empty()))
    }

    fn set_mark(&self, mark: Bytes, sync: bool) -> io::Result<()> {
        self.mark.set(mark, sync)
    }

    fn get(&self, column: Column, key: &[u8]) -> io::Result<Option<Bytes>> {
        let value = self.db.get_cf(self.column(column)?, key).map_err(failed)?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, column: Column, from: &[u8], to: Option<&[u8]>, visit: &mut Visit) -> io::Result<()> {
        let mut options = ReadOptions::default();
        if let Some(to) = to {
            options.set_iterate_upper_bound(to);
        }
        let mode = IteratorMode::From(from, Direction::Forward);
        for pair in self.db.iterator_cf_opt(self.column(column)?, options, mode) {
            let (key, value) = pair.map_err(failed)?;
            if visit(&key, &value)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, column: Column) -> io::Result<Option<(Bytes, Bytes)>> {
        let pair = self.db.iterator_cf(self.column(column)?, IteratorMode::End).next();
        let pair = pair.transpose().map_err(failed)?;
        Ok(pair.map(|(key, value)| (Bytes::from(key), Bytes::from(value))))
    }
}
