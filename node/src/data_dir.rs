//! The directory of a node's database: nobody but the user that the node runs as may look into it.
//!
//! The database holds what the zone must keep secret. What other processes of that user may do is not decided here. A
//! directory in which a backup is restored says so until that is done: it can be restored again, and nothing else.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::Mode;

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
/// When it cannot be made, others than its owner may read it or write to it, or it holds half of a backup; the text says
/// what mends it.
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

/// Makes the directory `dir` one in which a backup is being restored: until [`end_restore`], across restarts. It is
/// empty then, but for the file `keep`.
///
/// # Errors
/// When it cannot be made, is open to others, or holds something else than what is left of an interrupted restore.
pub fn begin_restore(dir: &Path, keep: &Path) -> anyhow::Result<()> {
    make(dir)?;
    let mark = dir.join(RESTORING);
    let files = fs::read_dir(dir).and_then(|files| files.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>());
    let files = files.with_context(|| dir.display().to_string())?;
    let (marks, others): (Vec<_>, Vec<_>) =
        files.into_iter().filter(|file| file != keep).partition(|file| *file == mark);
    anyhow::ensure!(!marks.is_empty() || others.is_empty(), "{} is not empty", dir.display());
    durable::create(&mark).with_context(|| mark.display().to_string())?;
    for file in others {
        fs::remove_file(&file).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// The backup is restored, durably.
///
/// # Errors
/// When the disk fails.
pub fn end_restore(dir: &Path) -> anyhow::Result<()> {
    let mark = dir.join(RESTORING);
    durable::remove(&mark).with_context(|| mark.display().to_string())
}

fn make(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => anyhow::bail!("{shown} is not a directory"),
        other => other.with_context(|| shown.to_string())?,
    }
    let mode = dir.metadata().with_context(|| shown.to_string())?.mode() & 0o777;
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

    #[test]
    fn an_interrupted_restore_can_be_repeated_and_nothing_else_is_done_with_what_it_left() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("data");
        let key = dir.join("zone.key");
        begin_restore(&dir, &key).unwrap();
        for _ in 0..2 {
            fs::write(dir.join("000004.log"), "half").unwrap();
            fs::write(&key, "key").unwrap();
            assert!(prepare(&dir).unwrap_err().to_string().contains("run the same quorate restore again"));
            begin_restore(&dir, &key).unwrap();
            assert!(!dir.join("000004.log").exists() && key.exists());
        }
        end_restore(&dir).unwrap();
        prepare(&dir).unwrap();
        // What is whole is not overwritten.
        begin_restore(&dir, &key).unwrap();
        end_restore(&dir).unwrap();
        fs::write(dir.join("CURRENT"), "whole").unwrap();
        assert!(begin_restore(&dir, &key).unwrap_err().to_string().ends_with("is not empty"));
        assert_eq!(fs::read_to_string(dir.join("CURRENT")).unwrap(), "whole");
        prepare(&dir).unwrap();
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(prepare(file.path()).unwrap_err().to_string().ends_with("is not a directory"));
    }
}
