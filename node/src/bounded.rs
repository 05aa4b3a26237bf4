//! Reading files that somebody names: no more of them than what they are for can need, though they may have no end.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The text in a file of at most so many bytes.
///
/// # Errors
/// When the file cannot be read, is no text, or is longer.
pub fn read_text(file: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let reason = format!("it has more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_refused() {
        assert_eq!(read_text(Path::new("/dev/zero"), 1 << 20).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "1234").unwrap();
        assert_eq!(read_text(&file, 4).unwrap(), "1234");
        assert!(read_text(&file, 3).is_err());
        // The cut is in the middle of a letter: it is too long, and no less a text.
        std::fs::write(&file, "123\u{e4}\u{e4}").unwrap();
        assert_eq!(read_text(&file, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
