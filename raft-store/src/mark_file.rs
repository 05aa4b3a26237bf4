//! The file that keeps a node's high-water mark beside its RocksDB database.
//!
//! Two slots are written in turn, each with a number and a checksum: the newer one that is whole counts, so that a write
//! that is torn by a power cut loses that write only. A write is in the kernel when it returns and outlives the process;
//! unless it asks for more, it is on the disk within a second, by a thread of its own: a second sync for every append
//! would double what an append takes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;

use crate::formats;
use crate::high_water::damaged;

/// Its name in the data directory.
pub const NAME: &str = "ACKNOWLEDGED";
/// Where the second slot begins: no block of a disk holds both.
const SLOT: usize = 4096;
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
    file: File,
    held: Mutex<Held>,
    changed: Condvar,
}

struct Held {
    number: u64,
    content: Bytes,
    /// Written, and not synced since.
    unsynced: bool,
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
        let (file, (number, content)) = match found {
            Ok(found) => (OpenOptions::new().write(true).open(&path)?, found),
            Err(_) if !has_database(dir)? => (create(dir, &path)?, (0, Bytes::new())),
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
        let held = Held { number, content, unsynced: false, closing: false, failure: None };
        let shared = Arc::new(Shared { file, held: Mutex::new(held), changed: Condvar::new() });
        let keeping = shared.clone();
        let thread =
            std::thread::Builder::new().name("quorate-mark".to_owned()).spawn(move || keeping.keep_synced())?;
        Ok(MarkFile { shared, thread: Some(thread) })
    }

    /// What it says; empty when it was just made.
    pub fn content(&self) -> Bytes {
        self.shared.lock().content.clone()
    }

    /// Replaces what it says.
    ///
    /// # Errors
    /// When the disk fails, or has failed before.
    pub fn set(&self, content: Bytes, sync: bool) -> io::Result<()> {
        let mut held = self.shared.lock();
        if let Some((kind, text)) = &held.failure {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let number = held.number + 1;
        self.shared.file.write_all_at(&slot(number, &content)?, offset(number))?;
        held.number = number;
        held.content = content;
        if sync {
            self.shared.file.sync_data()?;
            held.unsynced = false;
        } else if !held.unsynced {
            held.unsynced = true;
            self.shared.changed.notify_all();
        }
        Ok(())
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

    /// Syncs what is written until the file is closed, and the last of it then.
    fn keep_synced(&self) {
        let mut held = self.lock();
        loop {
            let idle = |held: &mut Held| !held.unsynced && !held.closing;
            held = self.changed.wait_while(held, idle).unwrap_or_else(PoisonError::into_inner);
            if !held.unsynced {
                return;
            }
            held.unsynced = false;
            drop(held);
            let synced = self.file.sync_data();
            held = self.lock();
            if let Err(error) = synced {
                tracing::error!(%error, "the high-water mark cannot be synced; this node stops taking part");
                held.failure = Some((error.kind(), error.to_string()));
                return;
            }
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
fn create(dir: &Path, path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all_at(&[0; 2 * SLOT], 0)?;
    file.write_all_at(&slot(0, &[])?, offset(0))?;
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// Where the write with this number goes.
fn offset(number: u64) -> u64 {
    (number % 2) * SLOT as u64
}

fn slot(number: u64, content: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(content.len()).ok().filter(|length| *length as usize <= MAX);
    let length = length.ok_or_else(|| io::Error::other("the high-water mark is too long"))?;
    let mut slot = [MAGIC, &number.to_be_bytes()[..], &length.to_be_bytes(), content].concat();
    slot.extend(crc32fast::hash(&slot).to_be_bytes());
    Ok(slot)
}

/// The slot with the greatest number among those that are whole.
fn newest(file: &[u8]) -> Option<(u64, Bytes)> {
    let slots = [file.get(..SLOT.min(file.len())), file.get(SLOT..)];
    slots.into_iter().flatten().filter_map(read_slot).max_by_key(|(number, _)| *number)
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

    #[test]
    fn a_torn_write_leaves_the_one_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let mark = MarkFile::open(dir.path()).unwrap();
        mark.set(Bytes::from_static(b"one"), true).unwrap();
        mark.set(Bytes::from_static(b"second"), true).unwrap();
        drop(mark);
        let whole = fs::read(dir.path().join(NAME)).unwrap();
        let length = HEAD + b"second".len() + 4;
        for torn in 0..length {
            let mut bytes = whole.clone();
            // The second write is in the first slot; what of it did not arrive is what stood there before.
            bytes[torn..length].fill(0);
            fs::write(dir.path().join(NAME), bytes).unwrap();
            assert_eq!(content(dir.path()).unwrap(), &b"one"[..], "{torn}");
        }
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
