//! The files of a repository: which there are and what they contain. It knows no rule.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// The files of one repository by their paths below its root, with `/` between folders. Hidden files and folders, and
/// what is built, are left out.
#[derive(Default)]
pub struct Repository {
    files: BTreeMap<String, Source>,
}

impl Repository {
    /// The repository that this crate stands in.
    ///
    /// # Panics
    /// When a folder or a text file cannot be read: a rule must not pass because it saw nothing.
    #[must_use]
    pub fn here() -> Repository {
        let root = home().parent().expect("this crate stands in a folder of the repository").to_owned();
        let mut repository = Repository::default();
        repository.read_folder(&root, "");
        repository
    }

    /// A repository made up of paths and texts, as unit tests of rules need them.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Repository {
        let source = |&(path, text): &(&str, &str)| (path.to_owned(), Source::new(path, text));
        Repository { files: files.iter().map(source).collect() }
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) {
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if name.starts_with('.') || matches!(path.as_str(), "target" | "quorate-dev") {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.read_folder(&entry.path(), &format!("{path}/"));
            } else {
                // What is no text (golden bytes) is listed with its name alone.
                let bytes = fs::read(entry.path()).unwrap_or_else(|e| panic!("{path}: {e}"));
                let text = String::from_utf8(bytes).unwrap_or_default();
                self.files.insert(path.clone(), Source::new(&path, &text));
            }
        }
    }

    /// All files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = &Source> {
        self.files.values()
    }

    /// The files whose names end with `ending`, such as `.rs`.
    pub fn ending(&self, ending: &str) -> impl Iterator<Item = &Source> {
        self.files().filter(move |source| source.path.ends_with(ending))
    }

    /// The file at `path`.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Source> {
        self.files.get(path)
    }
}

/// The folder of this crate, where the lists of what is allowed stand.
#[must_use]
pub fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `path` seen from `folder`, without `.` and `..`: `docs` and `../README.md` are `README.md`. Nothing when it leaves
/// the repository.
#[must_use]
pub fn join(folder: &str, path: &str) -> Option<String> {
    let mut whole: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                whole.pop()?;
            }
            part => whole.push(part),
        }
    }
    Some(whole.join("/"))
}

/// The folder that a file stands in; empty at the root.
#[must_use]
pub fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_without_dots() {
        assert_eq!(join("docs", "../README.md").as_deref(), Some("README.md"));
        assert_eq!(join("", "./docs/a.md").as_deref(), Some("docs/a.md"));
        assert_eq!(join("docs", "../../outside"), None);
        assert_eq!((folder("a/b/c.rs"), folder("c.rs")), ("a/b", ""));
    }

    #[test]
    fn the_repository_is_seen_and_what_is_built_is_not() {
        let repository = Repository::here();
        assert!(repository.file("tidy/src/repository.rs").is_some());
        assert!(repository.ending(".rs").count() > 100, "too few sources are seen");
        assert!(repository.files().all(|source| !source.path.starts_with("target/") && !source.path.starts_with('.')));
    }
}
