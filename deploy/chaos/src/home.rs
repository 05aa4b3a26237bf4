//! Where a run keeps its files, and that they go with it.
//!
//! A run that is killed cannot remove its directory: the next one does, which it recognises by its lock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::network::command;

/// How the names of temporary directories begin.
const PREFIX: &str = "quorate-chaos-";
/// A file in each, locked for as long as its run lives; gone when the directory is to be kept.
const LOCK: &str = "lock";

/// A run's directory.
pub struct Home {
    /// Where it is.
    pub path: PathBuf,
    /// Removed at the end, unless it is kept.
    temporary: Option<(TempDir, File)>,
}

impl Home {
    /// The directory that is wanted, which must be empty, or a temporary one.
    ///
    /// # Errors
    /// When it cannot be made or is not empty.
    pub fn make(wanted: Option<&Path>) -> anyhow::Result<Home> {
        if let Some(path) = wanted {
            fs::create_dir_all(path).with_context(|| path.display().to_string())?;
            let path = path.canonicalize()?;
            anyhow::ensure!(path.read_dir()?.next().is_none(), "{} is not empty", path.display());
            return Ok(Home { path, temporary: None });
        }
        sweep(&std::env::temp_dir())?;
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let lock = File::create(directory.path().join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Home { path: directory.path().to_owned(), temporary: Some((directory, lock)) })
    }

    /// Keeps everything, also what is on the disks of these nodes, which end with the sandbox.
    pub fn keep(&mut self, nodes: &[u16]) {
        if let Some((directory, _)) = self.temporary.take() {
            let path = directory.keep();
            if let Err(e) = fs::remove_file(path.join(LOCK)) {
                eprintln!("chaos: {} will not be kept: {e}", path.display());
            }
        }
        for node in nodes {
            let of_node = self.path.join(format!("node-{node}"));
            let copied = Command::new("cp").arg("-r").arg(of_node.join("data")).arg(of_node.join("data-kept")).status();
            if !copied.as_ref().is_ok_and(ExitStatus::success) {
                eprintln!("chaos: the data of node {node} could not be kept: {copied:?}");
            }
        }
        println!("logs and data are kept in {}", self.path.display());
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let Some((directory, _lock)) = self.temporary.take() else { return };
        let removed = release_disks(directory.path()).and_then(|()| Ok(directory.close()?));
        if let Err(e) = removed {
            eprintln!("chaos: {}: {e:#}", self.path.display());
        }
    }
}

/// Unmounts the disks in a run's directory, though processes may still be about to end there.
fn release_disks(home: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(home)? {
        let data = entry?.path().join("data");
        if data.is_dir() {
            command("umount", &["--lazy", &data.display().to_string()])?;
        }
    }
    Ok(())
}

/// Removes the directories of runs that were killed.
fn sweep(parent: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        // One without a lock is kept, one whose lock is held is in use.
        if ours
            && let Ok(lock) = File::open(path.join(LOCK))
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_directories_of_dead_runs_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str, locked: bool| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            let lock = locked.then(|| File::create(path.join(LOCK)).unwrap());
            (path, lock)
        };
        let ((dead, _), (kept, _)) = (make("quorate-chaos-1", true), make("quorate-chaos-2", false));
        let ((running, lock), (foreign, _)) = (make("quorate-chaos-3", true), make("another", true));
        flock(lock.as_ref().unwrap(), FlockOperation::NonBlockingLockExclusive).unwrap();
        sweep(parent.path()).unwrap();
        assert_eq!([&dead, &kept, &running, &foreign].map(|path| path.exists()), [false, true, true, true]);
    }
}
