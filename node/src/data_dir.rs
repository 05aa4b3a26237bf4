//! The directory of a node's database: nobody but the user that the node runs as may look into it.
//!
//! The database holds what the zone must keep secret. What other processes of that user may do is not decided here. A
//! directory in which a backup is restored says so until that is done: it can be restored again, and nothing else.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use quorate_raft_store::file_names;
use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::Errno;

use crate::durable;

/// Bits of a file's mode that are about others than its owner.
const OTHERS: u32 = 0o077;
/// A file in a data directory in which a backup is being restored.
const RESTORING: &str = "RESTORING";

/// Makes every file and directory that this process creates from now on its owner's alone: 0600 and 0700.
pub fn keep_files_private() {
    // The previous mask is of no interest.
    let _ = rustix::process::umask(Mode::from_raw_mode(OTHERS));
}

/// Makes the directory `dir` if it is missing.
///
/// # Errors
/// When it cannot be made, it belongs to another user, others than its owner may read it or write to it, or it holds half
/// of a backup; the text says what mends it.
pub fn prepare(dir: &Path) -> anyhow::Result<()> {
    make(dir)?;
    let half = dir.join(RESTORING).try_exists().with_context(|| dir.display().to_string())?;
    anyhow::ensure!(
        !half,
        "{} holds a backup that was not restored to its end: run the same quorate restore again, it begins anew",
        dir.display()
    );
    Ok(())
}

/// A data directory in which this process restores a backup: no other one does.
#[derive(Debug)]
#[must_use]
pub struct Restoring {
    mark: PathBuf,
    /// Locked.
    _file: File,
}

impl Restoring {
    /// Makes the directory `dir` one in which a backup is being restored: until [`Restoring::end`], across restarts. What an
    /// interrupted restore has left of a database there is removed; the file `keep` stays.
    ///
    /// # Errors
    /// When the directory cannot be made, is open to others, holds something else than what is left of an interrupted
    /// restore, or another process restores in it.
    pub fn begin(dir: &Path, keep: &Path) -> anyhow::Result<Restoring> {
        make(dir)?;
        let (mark, shown) = (dir.join(RESTORING), dir.display());
        let again = mark.try_exists().with_context(|| mark.display().to_string())?;
        anyhow::ensure!(again || others(dir, keep)?.is_empty(), "{shown} is not empty");
        let file = if again { File::open(&mark) } else { durable::create_new(&mark) };
        let file = file.with_context(|| mark.display().to_string())?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => anyhow::bail!("{shown}: another process restores a backup there"),
            other => other.with_context(|| mark.display().to_string())?,
        }
        // Another process may have ended what it did there since the look at the mark, and removed the mark.
        let is_there = mark.metadata().is_ok_and(|there| file.metadata().is_ok_and(|own| own.ino() == there.ino()));
        anyhow::ensure!(is_there, "{shown}: another process has just restored a backup there");
        let restoring = Restoring { mark, _file: file };
        let left = others(dir, keep)?;
        if !again && !left.is_empty() {
            restoring.end()?;
            anyhow::bail!("{shown} is not empty");
        }
        for file in &left {
            let name = file.file_name().and_then(|name| name.to_str());
            anyhow::ensure!(
                name.is_some_and(file_names::is_of_database),
                "{} is not of a database that a restore was interrupted in: move it away",
                file.display()
            );
        }
        for file in left {
            fs::remove_file(&file).with_context(|| file.display().to_string())?;
        }
        Ok(restoring)
    }

    /// The backup is restored, durably.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn end(self) -> anyhow::Result<()> {
        durable::remove(&self.mark).with_context(|| self.mark.display().to_string())
    }
}

/// What is in a directory beside the mark, the file `keep`, and what an interrupted writing of that has left.
fn others(dir: &Path, keep: &Path) -> anyhow::Result<Vec<PathBuf>> {
    // However it is named: by a link, or by a way around.
    let same = |one: &Path, other: &Path| {
        one == other
            || fs::canonicalize(one).ok().is_some_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
    };
    let part = keep.with_extension("part");
    let files = fs::read_dir(dir).and_then(|files| files.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>());
    let mut files = files.with_context(|| dir.display().to_string())?;
    files.retain(|file| !same(file, keep) && !same(file, &part) && *file != dir.join(RESTORING));
    Ok(files)
}

fn make(dir: &Path) -> anyhow::Result<()> {
    make_for(dir, rustix::process::geteuid().as_raw())
}

/// The same for a process of this user.
fn make_for(dir: &Path, user: u32) -> anyhow::Result<()> {
    let shown = dir.display();
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => anyhow::bail!("{shown} is not a directory"),
        other => other.with_context(|| shown.to_string())?,
    }
    let metadata = dir.metadata().with_context(|| shown.to_string())?;
    let owner = metadata.uid();
    anyhow::ensure!(
        owner == user,
        "{shown} belongs to the user with uid {owner}, who could read the zone's secrets, and this process runs as uid \
         {user}: start it as that user, or give the directory to this one: chown -R {user} {shown}"
    );
    let mode = metadata.mode() & 0o777;
    anyhow::ensure!(
        mode & OTHERS == 0,
        "{shown} has mode {mode:04o}: others than its owner could read the zone's secrets. Close it: chmod -R go= {shown}"
    );
    Ok(())
}

/// Says so when others than its owner may read a file with a secret; `secret` is what it holds.
pub fn warn_of_readers(file: &Path, secret: &str) -> io::Result<()> {
    if file.metadata()?.mode() & OTHERS != 0 {
        tracing::warn!("{0} can be read by others and holds {secret}: chmod go= {0}", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_is_made_for_its_owner_alone_and_one_that_is_open_to_anybody_else_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("var/data");
        prepare(&dir).unwrap();
        assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
        for bit in (0..9).map(|shift| 1 << shift) {
            fs::set_permissions(&dir, Permissions::from_mode(0o700 | bit)).unwrap();
            let refused = prepare(&dir).map_err(|e| e.to_string());
            match bit & OTHERS {
                0 => refused.unwrap(),
                _ => assert!(refused.unwrap_err().ends_with(&format!("chmod -R go= {}", dir.display())), "{bit:o}"),
            }
        }
    }

    /// Root, for one, could use it all the same, and leave files there that its owner cannot.
    #[test]
    fn a_directory_of_another_user_is_refused_with_what_mends_it() {
        let temporary = tempfile::tempdir().unwrap();
        let (dir, own) = (temporary.path().join("data"), rustix::process::geteuid().as_raw());
        prepare(&dir).unwrap();
        for other in [own + 1, own + 1000] {
            let refused = make_for(&dir, other).unwrap_err().to_string();
            assert!(refused.ends_with(&format!("chown -R {other} {}", dir.display())), "{refused}");
            assert!(refused.contains(&format!("uid {own},")), "{refused}");
        }
        make_for(&dir, own).unwrap();
    }

    #[test]
    fn an_interrupted_restore_can_be_repeated_and_nothing_else_is_done_with_what_it_left() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("data");
        let key = dir.join("zone.key");
        drop(Restoring::begin(&dir, &key).unwrap());
        for _ in 0..2 {
            fs::write(dir.join("000004.log"), "half").unwrap();
            fs::write(&key, "key").unwrap();
            assert!(prepare(&dir).unwrap_err().to_string().contains("run the same quorate restore again"));
            drop(Restoring::begin(&dir, &key).unwrap());
            assert!(!dir.join("000004.log").exists() && key.exists());
        }
        Restoring::begin(&dir, &key).unwrap().end().unwrap();
        prepare(&dir).unwrap();
        // What is whole is not overwritten.
        Restoring::begin(&dir, &key).unwrap().end().unwrap();
        fs::write(dir.join("CURRENT"), "whole").unwrap();
        assert!(Restoring::begin(&dir, &key).unwrap_err().to_string().ends_with("is not empty"));
        assert_eq!(fs::read_to_string(dir.join("CURRENT")).unwrap(), "whole");
        prepare(&dir).unwrap();
    }

    /// A restore that is repeated emptied the directory of whatever was there.
    #[test]
    fn a_repeated_restore_removes_only_what_is_of_a_database() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("data");
        let key = dir.join("zone.key");
        drop(Restoring::begin(&dir, &key).unwrap());
        for name in ["000004.log", "zone.key", "zone.part"] {
            fs::write(dir.join(name), name).unwrap();
        }
        let backup = dir.join("zone.backup");
        fs::write(&backup, "backup").unwrap();
        let refused = Restoring::begin(&dir, &key).unwrap_err().to_string();
        assert!(refused.starts_with(&backup.display().to_string()), "{refused}");
        assert!(backup.exists() && dir.join("000004.log").exists(), "nothing is removed then");
        fs::remove_file(&backup).unwrap();
        // The same file, named by a link and by a way around.
        std::os::unix::fs::symlink(&dir, temporary.path().join("link")).unwrap();
        for key in ["link/zone.key", "data/../data/zone.key"].map(|key| temporary.path().join(key)) {
            drop(Restoring::begin(&dir, &key).unwrap());
            assert!(dir.join("zone.key").exists(), "{}", key.display());
        }
        assert!(!dir.join("000004.log").exists());
    }

    #[test]
    fn two_processes_do_not_restore_in_one_directory_at_once() {
        let temporary = tempfile::tempdir().unwrap();
        let (dir, key) = (temporary.path().join("data"), temporary.path().join("zone.key"));
        let first = Restoring::begin(&dir, &key).unwrap();
        fs::write(dir.join("000004.log"), "written by the first").unwrap();
        let refused = Restoring::begin(&dir, &key).unwrap_err().to_string();
        assert!(refused.contains("another process restores"), "{refused}");
        assert!(dir.join("000004.log").exists());
        drop(first);
        Restoring::begin(&dir, &key).unwrap().end().unwrap();
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(prepare(file.path()).unwrap_err().to_string().ends_with("is not a directory"));
    }
}
