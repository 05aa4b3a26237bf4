//! The engine of simulation: maps in memory that lose, in a crash, exactly what was not synced.
//!
//! Clones share the content: a simulated host keeps one across restarts and opens its stores over a clone.
//! It must stay deterministic: no threads, no time, no hash order.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::engine::{Batch, Change, Column, Engine, Visit};

type Columns = BTreeMap<Column, BTreeMap<Bytes, Bytes>>;

#[derive(Debug, Default)]
struct Disk {
    /// What readers see.
    visible: Columns,
    /// What a crash leaves.
    durable: Columns,
    /// The writes since the last sync.
    unsynced: Vec<Batch>,
    /// The mark as readers see it, and as a crash leaves it.
    mark: Option<Bytes>,
    durable_mark: Option<Bytes>,
    syncs: u64,
    failure: Option<io::ErrorKind>,
    refused: u64,
    lies: bool,
}

impl Disk {
    fn may_write(&mut self) -> io::Result<()> {
        let Some(kind) = self.failure else { return Ok(()) };
        self.refused += 1;
        Err(io::Error::new(kind, "injected failure"))
    }
}

/// An engine in memory with a durable watermark.
#[derive(Clone, Debug, Default)]
pub struct MemoryEngine {
    disk: Arc<Mutex<Disk>>,
}

impl MemoryEngine {
    /// An empty engine.
    #[must_use]
    pub fn new() -> MemoryEngine {
        MemoryEngine::default()
    }

    /// The machine loses power: everything that was not synced is gone. Stores over it must be dropped first.
    pub fn crash(&self) {
        self.crash_keeping(0);
    }

    /// As [`MemoryEngine::crash`], but the first `writes` of those that were not synced happened to reach the disk.
    pub fn crash_keeping(&self, writes: usize) {
        let mut disk = self.lock();
        for batch in std::mem::take(&mut disk.unsynced).iter().take(writes) {
            apply(&mut disk.durable, batch);
        }
        disk.visible = disk.durable.clone();
        disk.mark = disk.durable_mark.clone();
    }

    /// The machine gets a new disk, with nothing on it. Stores over it must be dropped first.
    pub fn replace(&self) {
        *self.lock() = Disk::default();
    }

    /// From now on every write fails with this kind (`None`: works again), as a full disk does.
    pub fn fail_writes(&self, failure: Option<io::ErrorKind>) {
        self.lock().failure = failure;
    }

    /// From now on it says that it has synced and has not, as bad disks do: to prove that simulation notices.
    pub fn lie_about_syncs(&self) {
        self.lock().lies = true;
    }

    /// How many writes it has refused because [`MemoryEngine::fail_writes`] said so.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// How often it synced.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// How many writes a crash would lose now.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // No code that holds the lock leaves the maps half changed, so a poisoned lock is still good.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(columns: &mut Columns, batch: &Batch) {
    for change in &batch.0 {
        match change {
            Change::Put(column, key, value) => {
                columns.entry(*column).or_default().insert(Bytes::copy_from_slice(key), value.clone());
            }
            Change::Delete(column, key) => {
                columns.entry(*column).or_default().remove(key.as_slice());
            }
            Change::DeleteRange(column, from, to) => {
                columns.entry(*column).or_default().retain(|key, _| key < from || key >= to);
            }
        }
    }
}

impl Engine for MemoryEngine {
    fn write(&self, batch: Batch, sync: bool) -> io::Result<()> {
        let mut disk = self.lock();
        disk.may_write()?;
        apply(&mut disk.visible, &batch);
        disk.unsynced.push(batch);
        if sync && !disk.lies {
            disk.syncs += 1;
            for batch in std::mem::take(&mut disk.unsynced) {
                apply(&mut disk.durable, &batch);
            }
            // The moment after which an unsynced mark is durable, too.
            disk.durable_mark = disk.mark.clone();
        }
        Ok(())
    }

    fn mark(&self) -> io::Result<Option<Bytes>> {
        Ok(self.lock().mark.clone())
    }

    fn set_mark(&self, mark: Bytes, sync: bool) -> io::Result<()> {
        let mut disk = self.lock();
        disk.may_write()?;
        disk.mark = Some(mark);
        if sync && !disk.lies {
            disk.durable_mark = disk.mark.clone();
        }
        Ok(())
    }

    fn get(&self, column: Column, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.lock().visible.get(&column).and_then(|pairs| pairs.get(key)).cloned())
    }

    fn scan(&self, column: Column, from: &[u8], to: Option<&[u8]>, visit: &mut Visit) -> io::Result<()> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let disk = self.lock();
        let Some(pairs) = disk.visible.get(&column) else { return Ok(()) };
        let bounds = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        for (key, value) in pairs.range::<[u8], _>(bounds) {
            if visit(key, value)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, column: Column) -> io::Result<Option<(Bytes, Bytes)>> {
        let disk = self.lock();
        let pair = disk.visible.get(&column).and_then(BTreeMap::last_key_value);
        Ok(pair.map(|(key, value)| (key.clone(), value.clone())))
    }
}
