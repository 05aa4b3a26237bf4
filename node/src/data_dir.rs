//! The directory of a node's database: nobody but the user that the node runs as may look into it.
//!
//! The database holds what the zone must keep secret. What other processes of that user may do is not decided here.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::Mode;

/// Bits of a file's mode that are about others than its owner.
const OTHERS: u32 = 0o077;

/// Makes every file and directory that this process creates from now on its owner's alone: 0600 and 0700.
pub fn keep_files_private() {
    // The previous mask is of no interest.
    let _ = rustix::process::umask(Mode::from_raw_mode(OTHERS));
}

/// Makes the directory `dir` if it is missing.
///
/// # Errors
/// When it cannot be made, or others than its owner may read it or write to it; the text has the command that mends it.
pub fn prepare(dir: &Path) -> anyhow::Result<()> {
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
    use std::fs::{self, Permissions};
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
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(prepare(file.path()).unwrap_err().to_string().ends_with("is not a directory"));
    }
}
