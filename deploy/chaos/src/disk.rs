//! Small disks of the nodes: a tmpfs each, which can be full.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::network::command;

/// Megabytes of a disk.
const SIZE: u32 = 256;
/// What takes all the space that is left.
const BALLAST: &str = "ballast";

/// Mounts a disk.
///
/// # Errors
/// When it cannot be mounted.
pub fn mount(at: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(at).with_context(|| at.display().to_string())?;
    command("mount", &["-t", "tmpfs", "-o", &format!("size={SIZE}m,mode=0700"), "tmpfs", &at.display().to_string()])
}

/// Leaves no space on a disk, but what is reserved for files that are there.
///
/// # Errors
/// When writing fails for another reason.
pub fn fill(at: &Path) -> anyhow::Result<()> {
    let mut file = File::options().create(true).append(true).open(at.join(BALLAST))?;
    for size in [1 << 20, 4096, 1] {
        let zeros = vec![0; size];
        loop {
            match file.write_all(&zeros) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::StorageFull => break,
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(())
}

/// Gives back what is reserved behind the ends of files: RocksDB reserves 70 MB for its log at once, and would not
/// notice a full disk for minutes. Nobody may write to the files meanwhile.
///
/// # Errors
/// When the file system refuses.
pub fn trim(at: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(at)? {
        let path = entry?.path();
        if path.is_file() {
            let file = File::options().write(true).open(&path)?;
            file.set_len(file.metadata()?.len())?;
        }
    }
    Ok(())
}

/// Gives the space back.
///
/// # Errors
/// When the file system refuses.
pub fn free(at: &Path) -> anyhow::Result<()> {
    fs::remove_file(at.join(BALLAST)).with_context(|| at.display().to_string())
}
