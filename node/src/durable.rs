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

/// Gives a file, whose content is synced, a name that nothing has yet. Both are in one directory.
///
/// # Errors
/// When something has this name, or the disk fails; the file keeps its own name then.
pub fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    // Unlike a rename, it never replaces what somebody else has put there.
    fs::hard_link(from, to)?;
    fs::remove_file(from)?;
    sync_names(to)
}

/// Makes an empty file.
///
/// # Errors
/// When the file exists already, or the disk fails.
pub fn create_new(file: &Path) -> io::Result<File> {
    let made = File::create_new(file)?;
    made.sync_all()?;
    sync_names(file)?;
    Ok(made)
}

/// Removes a file that is there.
///
/// # Errors
/// When there is no such file, or the disk fails.
pub fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file)?;
    sync_names(file)
}

/// Syncs the directory that a file is in.
fn sync_names(file: &Path) -> io::Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_has_taken_is_left_to_him() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, name] = ["first", "second", "name"].map(|name| dir.path().join(name));
        fs::write(&first, "first").unwrap();
        fs::write(&second, "second").unwrap();
        rename_to_new(&first, &name).unwrap();
        assert_eq!(rename_to_new(&second, &name).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&name).unwrap(), "first");
        assert!(!first.exists() && second.exists());
    }
}
