//! The file that keeps a node's high-water mark beside its RocksDB database.
//!
//! It has slots, each with a number and a checksum: the newest one that is whole counts. A write is in the kernel when it
//! returns and outlives the process; unless it asks for more, it is on the disk within a second, by a thread of its own: a
//! second sync for every append would double what an append takes.
//!
//! A power cut may tear whatever was written since the last sync. So at every moment one slot is whole on the disk, synced
//! and not written since: a write goes to a slot that is neither the newest synced one nor one that a sync under way is to
//! make durable ([`Held::next`]). That needs three slots; with two that are written in turn, both may be torn at once.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;

use crate::formats;
use crate::high_water::damaged;

/// Its name in the data directory.
pub const NAME: &str = "ACKNOWLEDGED";
/// Bytes of a slot: no block of a disk holds two.
const SLOT: usize = 4096;
/// How many slots there are: one that is durable, one that is being made so, one to write to.
const SLOTS: usize = 3;
/// What is wrong when there is no such file.
const MISSING: &str = "missing";
/// What a slot begins with; the number is the format's.
const MAGIC: &[u8; 8] = b"QRTMARK1";
/// Bytes of a mark at most.
const MAX: usize = 256;
/// Bytes of a slot before its content: magic, number, length.
const HEAD: usize = 20;
/// When nobody waits until a mark is on the disk, it is synced in the background, at most once in this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The open file.
pub struct MarkFile {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    /// Made at the first write where a survivor has none, or a damaged one.
    file: OnceLock<File>,
    held: Mutex<Held>,
    changed: Condvar,
}

/// A write, and the slot that has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Written {
    number: u64,
    slot: usize,
}

#[derive(Default)]
struct Held {
    content: Bytes,
    /// What was written last.
    newest: Written,
    /// What is whole on the disk, come what may.
    durable: Written,
    /// What a sync under way makes durable.
    syncing: Option<Written>,
    closing: bool,
    /// After the first failure nobody knows what the disk holds.
    failure: Option<(io::ErrorKind, String)>,
}

impl MarkFile {
    /// Opens the file in the directory `dir`; where there is no database either, makes it, empty.
    ///
    /// # Errors
    /// When the disk fails, or the file is missing or damaged although there is a database.
    pub fn open(dir: &Path) -> io::Result<MarkFile> {
        let path = dir.join(NAME);
        let found = match fs::read(&path) {
            Ok(bytes) => newest(&bytes).ok_or("damaged"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(MISSING),
            Err(e) => return Err(e),
        };
        let (file, found) = match found {
            Ok(found) => (OpenOptions::new().write(true).open(&path)?, found),
            Err(_) if !has_database(dir)? => (create(&path)?, Default::default()),
            Err(wrong) => {
                let what = format!("the file {} beside the database is {wrong}", path.display());
                // Those versions made no such file, and their databases are whole.
                let old = if wrong == MISSING {
                    format!("{}. If not: ", formats::of_old_versions(dir))
                } else {
                    String::new()
                };
                return Err(damaged(format!("{old}{what}")));
            }
        };
        let mark = MarkFile::with(path, file.into(), found)?;
        // A process that was killed may have left it in the kernel only. And after a sync that failed the kernel may hold
        // a slot for clean that never reached the disk, so that another sync writes nothing: it is written anew.
        mark.set(mark.content(), true)?;
        Ok(mark)
    }

    /// The same for the last survivor of a zone: a file that is missing or damaged counts as empty, and is replaced by the
    /// first [`MarkFile::set`]. Until then no node starts with the directory, because a database without a valid mark is
    /// refused.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open_survivor(dir: &Path) -> io::Result<MarkFile> {
        match MarkFile::open(dir) {
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                MarkFile::with(dir.join(NAME), OnceLock::new(), Default::default())
            }
            other => other,
        }
    }

    fn with(path: PathBuf, file: OnceLock<File>, (written, content): (Written, Bytes)) -> io::Result<MarkFile> {
        let held = Held { content, newest: written, durable: written, ..Held::default() };
        let shared = Arc::new(Shared { path, file, held: Mutex::new(held), changed: Condvar::new() });
        let keeping = shared.clone();
        let thread =
            std::thread::Builder::new().name("quorate-mark".to_owned()).spawn(move || keeping.keep_synced())?;
        Ok(MarkFile { shared, thread: Some(thread) })
    }

    /// What it says; empty when it was just made.
    pub fn content(&self) -> Bytes {
        self.shared.lock().content.clone()
    }

    /// Whether it can still be relied on.
    ///
    /// # Errors
    /// When the disk has failed.
    pub fn check(&self) -> io::Result<()> {
        self.shared.lock().check()
    }

    /// Replaces what it says.
    ///
    /// # Errors
    /// When the disk fails, or has failed before: then nobody knows what it holds.
    pub fn set(&self, content: Bytes, sync: bool) -> io::Result<()> {
        let mut held = self.shared.lock();
        held.check()?;
        let file = self.shared.file().map_err(|e| held.fail(e))?;
        let was_unsynced = held.is_unsynced();
        held.write(content, |bytes, at| file.write_all_at(bytes, at))?;
        if sync {
            file.sync_data().map_err(|e| held.fail(e))?;
            held.durable = held.newest;
        } else if !was_unsynced {
            self.shared.changed.notify_all();
        }
        Ok(())
    }
}

impl Held {
    /// Writes new content by `to`, which takes a slot's bytes and where they go.
    fn write(&mut self, content: Bytes, to: impl FnOnce(&[u8], u64) -> io::Result<()>) -> io::Result<()> {
        let written = Written { number: self.newest.number + 1, slot: self.next() };
        let bytes = slot(written.number, &content)?;
        to(&bytes, (written.slot * SLOT) as u64).map_err(|e| self.fail(e))?;
        (self.content, self.newest) = (content, written);
        Ok(())
    }

    /// The slot for the next write: a slot that is neither the durable one nor the one being synced.
    fn next(&self) -> usize {
        let counted_on = [Some(self.durable), self.syncing].map(|written| written.map(|written| written.slot));
        let mut free = (0..SLOTS).filter(|slot| !counted_on.contains(&Some(*slot)));
        // There are more slots than can be counted on.
        free.next().unwrap_or(self.newest.slot)
    }

    /// Whether something was written that is not on the disk, and that no sync under way brings there.
    fn is_unsynced(&self) -> bool {
        self.newest > self.durable && self.syncing != Some(self.newest)
    }

    /// Before a sync: what is written now is on the disk after it.
    fn begin_sync(&mut self) {
        self.syncing = Some(self.newest);
    }

    /// After that sync. A later write may have been synced by itself meanwhile.
    fn end_sync(&mut self) {
        self.durable = self.durable.max(self.syncing.take().unwrap_or_default());
    }

    fn check(&self) -> io::Result<()> {
        match &self.failure {
            Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
            None => Ok(()),
        }
    }

    /// Notes a failure of the disk, after which nothing more is written.
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.failure = Some((error.kind(), error.to_string()));
        error
    }
}

impl Drop for MarkFile {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread of the high-water mark panicked");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change is complete before anything can panic, so a poisoned lock is still good.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file; for one thread at a time, which holds the lock until something is written.
    fn file(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let made = create(&self.path)?;
        Ok(self.file.get_or_init(|| made))
    }

    /// Syncs what is written until the file is closed, and the last of it then.
    fn keep_synced(&self) {
        let mut held = self.lock();
        loop {
            let is_due = |held: &Held| held.is_unsynced() && held.failure.is_none();
            let waited = self.changed.wait_while(held, |held| !is_due(held) && !held.closing);
            held = waited.unwrap_or_else(PoisonError::into_inner);
            if !is_due(&held) {
                return;
            }
            held.begin_sync();
            drop(held);
            let synced = self.file().and_then(File::sync_data);
            held = self.lock();
            if let Err(error) = synced {
                tracing::error!(%error, "the high-water mark cannot be synced; this node stops taking part");
                held.fail(error);
                return;
            }
            held.end_sync();
            let open = |held: &mut Held| !held.closing;
            let waited = self.changed.wait_timeout_while(held, SYNC_EVERY, open);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whether a directory has anything of a RocksDB database in it.
fn has_database(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name == "CURRENT" || name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".log") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the file, durably, with its full length, so that later writes change nothing but its content.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all_at(&[0; SLOTS * SLOT], 0)?;
    file.write_all_at(&slot(0, &[])?, 0)?;
    file.sync_all()?;
    File::open(path.parent().unwrap_or(path))?.sync_all()?;
    Ok(file)
}

fn slot(number: u64, content: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(content.len()).ok().filter(|length| *length as usize <= MAX);
    let length = length.ok_or_else(|| io::Error::other("the high-water mark is too long"))?;
    let mut slot = [MAGIC, &number.to_be_bytes()[..], &length.to_be_bytes(), content].concat();
    slot.extend(crc32fast::hash(&slot).to_be_bytes());
    Ok(slot)
}

/// The newest write among those that are whole, and its content.
fn newest(file: &[u8]) -> Option<(Written, Bytes)> {
    let slots = file.chunks(SLOT).take(SLOTS).enumerate();
    let whole = slots.filter_map(|(slot, bytes)| {
        let (number, content) = read_slot(bytes)?;
        Some((Written { number, slot }, content))
    });
    whole.max_by_key(|(written, _)| *written)
}

fn read_slot(bytes: &[u8]) -> Option<(u64, Bytes)> {
    let head = bytes.get(..HEAD)?.strip_prefix(MAGIC)?;
    let (number, length) = head.split_at(8);
    let number = u64::from_be_bytes(number.try_into().ok()?);
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok().filter(|length| *length <= MAX)?;
    let content = bytes.get(HEAD..HEAD + length)?;
    let crc = bytes.get(HEAD + length..HEAD + length + 4)?;
    let whole = crc32fast::hash(&bytes[..HEAD + length]).to_be_bytes() == crc;
    whole.then(|| (number, Bytes::copy_from_slice(content)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn content(dir: &Path) -> Result<Bytes, String> {
        MarkFile::open(dir).map(|mark| mark.content()).map_err(|e| e.to_string())
    }

    #[test]
    fn what_was_set_last_is_there_when_it_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        for (n, sync) in [(0_u8, true), (1, false), (2, false), (3, true), (4, false)] {
            let mark = MarkFile::open(dir.path()).unwrap();
            assert_eq!(mark.content(), (0..n).collect::<Vec<_>>());
            mark.set((0..=n).collect::<Vec<_>>().into(), sync).unwrap();
        }
        assert!(MarkFile::open(dir.path()).unwrap().set(vec![0; MAX + 1].into(), false).is_err());
    }

    /// The slot in which it is found may be in the kernel only, although a sync of it would write nothing.
    #[test]
    fn what_is_found_is_written_to_another_slot() {
        let dir = tempfile::tempdir().unwrap();
        MarkFile::open(dir.path()).unwrap().set(Bytes::from_static(b"one"), true).unwrap();
        let found = newest(&fs::read(dir.path().join(NAME)).unwrap()).unwrap();
        drop(MarkFile::open(dir.path()).unwrap());
        let bytes = fs::read(dir.path().join(NAME)).unwrap();
        let again = newest(&bytes).unwrap();
        assert_eq!(again.1, found.1);
        assert_ne!(again.0.slot, found.0.slot);
        assert!(again.0.number > found.0.number && read_slot(&bytes[found.0.slot * SLOT..]).is_some());
    }

    #[test]
    fn a_torn_write_leaves_the_one_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let mark = MarkFile::open(dir.path()).unwrap();
        mark.set(Bytes::from_static(b"one"), true).unwrap();
        mark.set(Bytes::from_static(b"second"), true).unwrap();
        drop(mark);
        let whole = fs::read(dir.path().join(NAME)).unwrap();
        let length = HEAD + b"second".len() + 4;
        let second = newest(&whole).unwrap().0.slot * SLOT;
        for torn in 0..length {
            let mut bytes = whole.clone();
            // What of the second write did not arrive is what stood there before.
            bytes[second..][torn..length].fill(0);
            fs::write(dir.path().join(NAME), bytes).unwrap();
            assert_eq!(content(dir.path()).unwrap(), &b"one"[..], "{torn}");
        }
    }

    /// A disk that tears, at a power cut, everything that was written since the last sync that is over.
    #[derive(Default)]
    struct Disk {
        file: Vec<u8>,
        /// Slots written since, and those of them that the sync under way brings to the disk.
        torn: BTreeSet<usize>,
        syncing: BTreeSet<usize>,
        held: Held,
        /// The newest write that is promised to survive.
        promised: u64,
    }

    impl Disk {
        fn step(&mut self, step: u32) {
            match step {
                0 | 1 => {
                    let file = &mut self.file;
                    let content = Bytes::from(vec![7; 9]);
                    let put = |bytes: &[u8], at: u64| {
                        file[usize::try_from(at).unwrap()..][..bytes.len()].copy_from_slice(bytes);
                        Ok(())
                    };
                    self.held.write(content, put).unwrap();
                    self.torn.insert(self.held.newest.slot);
                    self.syncing.remove(&self.held.newest.slot);
                    if step == 1 {
                        self.torn.clear();
                        self.held.durable = self.held.newest;
                    }
                }
                2 if self.held.is_unsynced() && self.held.syncing.is_none() => {
                    self.held.begin_sync();
                    self.syncing = self.torn.clone();
                }
                3 if self.held.syncing.is_some() => {
                    self.held.end_sync();
                    let synced = std::mem::take(&mut self.syncing);
                    self.torn.retain(|slot| !synced.contains(slot));
                }
                _ => {}
            }
            self.promised = self.promised.max(self.held.durable.number);
        }

        fn after_power_cut(&self) -> Option<u64> {
            let mut file = self.file.clone();
            for slot in &self.torn {
                file[slot * SLOT + HEAD..][..8].fill(0);
            }
            newest(&file).map(|(written, _)| written.number)
        }
    }

    /// Every order of writes, synced writes, beginnings and ends of syncs in the background.
    #[test]
    fn a_power_cut_at_any_moment_leaves_what_was_synced() {
        const STEPS: u32 = 7;
        for order in 0..4_u32.pow(STEPS) {
            let mut disk = Disk { file: vec![0; SLOTS * SLOT], ..Disk::default() };
            disk.file[..HEAD + 4].copy_from_slice(&slot(0, &[]).unwrap());
            let steps: Vec<u32> = (0..STEPS).map(|n| order / 4_u32.pow(n) % 4).collect();
            for step in &steps {
                disk.step(*step);
                assert!(disk.after_power_cut() >= Some(disk.promised), "{steps:?}");
                assert_eq!(newest(&disk.file).map(|(written, _)| written), Some(disk.held.newest), "{steps:?}");
            }
        }
    }

    #[test]
    fn after_a_failure_of_the_disk_nothing_is_written_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let mark = MarkFile::open(dir.path()).unwrap();
        mark.check().unwrap();
        let failed = mark.shared.lock().write(Bytes::new(), |_, _| Err(io::Error::other("no power")));
        assert_eq!(failed.unwrap_err().to_string(), "no power");
        assert_eq!(mark.check().unwrap_err().to_string(), "no power");
        assert_eq!(mark.set(Bytes::from_static(b"x"), true).unwrap_err().to_string(), "no power");
        assert_eq!(mark.content(), Bytes::new());
    }

    #[test]
    fn a_file_that_is_gone_or_unreadable_is_made_anew_only_where_there_is_no_database() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(content(dir.path()).unwrap(), Bytes::new());
        fs::write(dir.path().join(NAME), [1; 100]).unwrap();
        assert_eq!(content(dir.path()).unwrap(), Bytes::new());
        for file in ["CURRENT", "MANIFEST-000004", "000007.sst", "000008.log"] {
            fs::write(dir.path().join(file), "").unwrap();
            fs::write(dir.path().join(NAME), [1; 100]).unwrap();
            assert!(content(dir.path()).unwrap_err().contains("is damaged"));
            fs::remove_file(dir.path().join(NAME)).unwrap();
            let refused = content(dir.path()).unwrap_err();
            assert!(refused.starts_with("if quorate 0.1 or 0.2 wrote "), "{refused}");
            assert!(refused.contains("is missing") && refused.contains("quorate zone remove"), "{refused}");
            fs::remove_file(dir.path().join(file)).unwrap();
        }
    }

    #[test]
    fn a_survivor_replaces_a_damaged_file_when_it_has_something_to_say() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("CURRENT"), "").unwrap();
        for damaged in [None, Some([1; 100])] {
            if let Some(bytes) = damaged {
                fs::write(dir.path().join(NAME), bytes).unwrap();
            }
            let mark = MarkFile::open_survivor(dir.path()).unwrap();
            assert_eq!(mark.content(), Bytes::new());
            drop(mark);
            assert!(content(dir.path()).is_err(), "still no node's");
            MarkFile::open_survivor(dir.path()).unwrap().set(Bytes::from_static(b"new"), true).unwrap();
            assert_eq!(content(dir.path()).unwrap(), &b"new"[..]);
            assert_eq!(MarkFile::open_survivor(dir.path()).unwrap().content(), &b"new"[..], "a good one is kept");
            fs::remove_file(dir.path().join(NAME)).unwrap();
        }
    }

    /// As quorate 0.1 and 0.2 left it.
    #[test]
    fn a_database_without_the_file_may_be_of_an_older_version() {
        let dir = tempfile::tempdir().unwrap();
        drop(rocksdb::DB::open_default(dir.path()).unwrap());
        let refused = crate::rocks::RocksEngine::open(dir.path()).err().unwrap().to_string();
        assert!(refused.starts_with("if quorate 0.1 or 0.2 wrote "), "{refused}");
        assert!(refused.contains("go on with the program that wrote it"), "{refused}");
        assert!(!dir.path().join(NAME).exists(), "it is not made");
    }
}
