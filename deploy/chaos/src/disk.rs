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
    command("mount", &["-t", "tmpfs", "-o", &format!("size={SIZE}m"), "tmpfs", &at.display().to_string()])
}

/// Leaves no space on a disk.
///
/// # Errors
/// When writing fails for another reason.
pub fn fill(at: &Path) -> anyhow::Result<()> {
    let mut file = File::create(at.join(BALLAST))?;
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

/// Gives the space back.
///
/// # Errors
/// When the file system refuses.
pub fn free(at: &Path) -> anyhow::Result<()> {
    fs::remove_file(at.join(BALLAST)).with_context(|| at.display().to_string())
}
