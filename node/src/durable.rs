//! Changes of a directory that outlive a power cut.
//!
//! What a file holds is synced by whoever writes it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Gives a file, whose content is synced, its name; what has this name is replaced. Both are in one directory.
///
/// # Errors
/// When the disk fails.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_names(to)
}

/// Makes an empty file.
///
/// # Errors
/// When the disk fails.
pub fn create(file: &Path) -> io::Result<()> {
    File::create(file)?.sync_all()?;
    sync_names(file)
}

/// Removes a file that is there.
///
/// # Errors
/// When the disk fails, or there is none.
pub fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file)?;
    sync_names(file)
}

/// Syncs the directory that a file is in.
fn sync_names(file: &Path) -> io::Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
