//! The names of the files that a node's database consists of, so that nobody removes anything else with it.

use crate::mark_file;

/// Whether a file in a data directory with this name is the database's: RocksDB's files, or the high-water mark.
#[must_use]
pub fn is_of_database(name: &str) -> bool {
    let numbered = |number: &str| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    match name.rsplit_once('.') {
        Some((number, "sst" | "log" | "dbtmp")) if numbered(number) => return true,
        Some(("LOG.old", time)) => return numbered(time),
        _ => {}
    }
    if let Some((kind @ ("MANIFEST" | "OPTIONS"), number)) = name.split_once('-') {
        // The newest options have a name of their own until they are whole.
        let number = if kind == "OPTIONS" { number.strip_suffix(".dbtmp").unwrap_or(number) } else { number };
        return numbered(number);
    }
    matches!(name, "CURRENT" | "IDENTITY" | "LOCK" | "LOG" | mark_file::NAME)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::Engine;
    use crate::meta::{self, Identity};
    use crate::rocks::RocksEngine;

    #[test]
    fn all_that_a_database_consists_of_is_its_own_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let engine: Arc<dyn Engine> = Arc::new(RocksEngine::open(dir.path()).unwrap());
            meta::write_identity(&*engine, &Identity { cluster: "c".to_owned(), node_id: 1 }).unwrap();
        }
        let names = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let names: Vec<String> = names.collect();
        assert!(names.len() > 4, "{names:?}");
        assert!(names.iter().all(|name| is_of_database(name)), "{names:?}");
        for name in ["000004.sst", "000005.dbtmp", "LOG.old.1790000000", "OPTIONS-000007.dbtmp", "ACKNOWLEDGED"] {
            assert!(is_of_database(name), "{name}");
        }
        for name in
            ["zone.key", "zone.backup", "my.log", ".log", "LOG.old", "MANIFEST-", "RESTORING", "sst", "1.sst.gz"]
        {
            assert!(!is_of_database(name), "{name}");
        }
    }
}
