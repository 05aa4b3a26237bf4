//! Files that nobody reaches, and links that lead nowhere.

use std::collections::BTreeSet;

use crate::modules::modules;
use crate::ratchet::{Finding, Rule};
use crate::repository::{Repository, folder, join};
use crate::source::Token;

/// The rule about Rust files.
pub const SOURCES: Rule = Rule {
    rule: "every Rust file is compiled: a `mod` line leads to it",
    advice: "Declare the module, or delete the file",
};
/// The rule about guides.
pub const GUIDES: Rule = Rule {
    rule: "every guide in docs/ is linked from README.md or another guide",
    advice: "Link it from where its reader comes from, or delete it",
};
/// The rule about links.
pub const LINKS: Rule =
    Rule { rule: "a link within the repository leads to a file", advice: "Correct it, or delete it" };
/// The rule about frozen bytes.
pub const GOLDEN: Rule =
    Rule { rule: "every file in proto/golden is named by a test", advice: "Let a test read it, or delete it" };

/// Whether a file is where a program, a library or a test begins: cargo's places, and those that a manifest names.
fn is_root(path: &str, manifest: &str, crate_folder: &str) -> bool {
    let Some(below) = path.strip_prefix(crate_folder).map(|rest| rest.trim_start_matches('/')) else { return false };
    let parts: Vec<&str> = below.split('/').collect();
    match parts.as_slice() {
        ["build.rs"] | ["src", "lib.rs" | "main.rs"] => true,
        ["src", "bin", _]
        | ["tests" | "examples" | "benches", _]
        | ["tests" | "examples" | "benches", _, "main.rs"] => true,
        _ => manifest.contains(&format!("path = \"{below}\"")),
    }
}

/// Rust files that are no part of any crate.
#[must_use]
pub fn dead_sources(repository: &Repository) -> Vec<Finding> {
    let mut alive = BTreeSet::new();
    for manifest in repository.ending("/Cargo.toml") {
        let home = folder(&manifest.path);
        let roots = repository.ending(".rs").filter(|source| is_root(&source.path, &manifest.text, home));
        for root in roots {
            alive.extend(modules(repository, &root.path).into_iter().map(|module| module.file));
        }
    }
    let dead = repository.ending(".rs").filter(|source| !alive.contains(&source.path));
    dead.map(|source| Finding::new(&source.path, 1, &*source.path)).collect()
}

/// The links of all Markdown files to files of the repository: where each stands and where it leads.
fn links(repository: &Repository) -> Vec<(String, usize, String)> {
    let mut links = Vec::new();
    for source in repository.ending(".md") {
        for (number, line) in source.lines() {
            for rest in line.split("](").skip(1) {
                let target = rest.split([')', '#']).next().unwrap_or_default();
                if !target.is_empty() && !target.contains("://") {
                    let path = join(folder(&source.path), target).unwrap_or_else(|| target.to_owned());
                    links.push((source.path.clone(), number, path));
                }
            }
        }
    }
    links
}

/// Guides that no other file links to.
#[must_use]
pub fn unlinked_guides(repository: &Repository) -> Vec<Finding> {
    let links = links(repository);
    let guides = repository.ending(".md").filter(|source| source.path.starts_with("docs/"));
    let unlinked = guides.filter(|guide| !links.iter().any(|(from, _, to)| *to == guide.path && *from != guide.path));
    unlinked.map(|guide| Finding::new(&guide.path, 1, &*guide.path)).collect()
}

/// Links to files that do not exist. A link to a folder is one to any file in it.
#[must_use]
pub fn broken_links(repository: &Repository) -> Vec<Finding> {
    let exists =
        |path: &str| repository.files().any(|file| file.path == path || file.path.starts_with(&format!("{path}/")));
    let broken = links(repository).into_iter().filter(|(_, _, to)| !exists(to));
    broken.map(|(from, line, to)| Finding::new(&from, line, to)).collect()
}

/// Frozen files whose name no Rust file has as a text. A test may put names together: `"envelope_{name}.bin"` and
/// `"call"` in one file name `envelope_call.bin`.
#[must_use]
pub fn unnamed_golden(repository: &Repository) -> Vec<Finding> {
    let texts: Vec<BTreeSet<String>> = repository
        .ending(".rs")
        .filter(|source| source.text.contains("golden"))
        .map(|source| {
            let mut all = BTreeSet::new();
            string_literals(source.tokens(), &mut all);
            all
        })
        .collect();
    let named = |name: &str| {
        texts.iter().any(|texts| {
            let whole = texts.iter().any(|text| text.rsplit('/').next() == Some(name));
            whole || texts.iter().any(|text| filled(text, name).is_some_and(|part| texts.contains(part)))
        })
    };
    let golden = repository.files().filter(|source| source.path.starts_with("proto/golden/"));
    let unnamed = golden.filter(|source| !named(source.path.rsplit('/').next().unwrap_or_default()));
    unnamed.map(|source| Finding::new(&source.path, 1, &*source.path)).collect()
}

/// What stands in `name` where the pattern has its only pair of braces.
fn filled<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (before, rest) = pattern.split_once('{')?;
    let (_, after) = rest.split_once('}')?;
    name.strip_prefix(before)?.strip_suffix(after)
}

fn string_literals(tokens: &[Token], found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            Token::Text(text, _) => {
                found.insert(text.clone());
            }
            Token::Group(group) => string_literals(&group.inner, found),
            Token::Word(..) | Token::Sign(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(rule: fn(&Repository) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
        rule(&Repository::of(files)).into_iter().map(|finding| format!("{} {}", finding.place, finding.key)).collect()
    }

    #[test]
    fn a_source_that_nobody_declares_is_found() {
        let files = [
            ("c/Cargo.toml", "[[bin]]\npath = \"src/tool.rs\""),
            ("c/build.rs", ""),
            ("c/src/lib.rs", "mod a;"),
            ("c/src/a.rs", ""),
            ("c/src/a/lost.rs", ""),
            ("c/src/tool.rs", ""),
            ("c/tests/t.rs", "mod common;"),
            ("c/tests/common/mod.rs", ""),
            ("c/tests/common/lost.rs", ""),
        ];
        let found = places(dead_sources, &files);
        assert_eq!(found, ["c/src/a/lost.rs:1 c/src/a/lost.rs", "c/tests/common/lost.rs:1 c/tests/common/lost.rs"]);
    }

    #[test]
    fn a_guide_that_nobody_links_is_found() {
        let files = [
            ("README.md", "See [a](docs/a.md#top)."),
            ("docs/a.md", "See [b](b.md) and [the code](../src)."),
            ("docs/b.md", ""),
            ("docs/c.md", "See [itself](c.md)."),
        ];
        assert_eq!(places(unlinked_guides, &files), ["docs/c.md:1 docs/c.md"]);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let files = [
            ("docs/a.md", "\n[up](../README.md) [web](https://x.org/a) [x](../src) [no](gone.md)"),
            ("src/x", ""),
            ("README.md", ""),
        ];
        assert_eq!(places(broken_links, &files), ["docs/a.md:2 docs/gone.md"]);
    }

    #[test]
    fn a_frozen_file_that_no_test_names_is_found() {
        let files = [
            ("proto/golden/v2/a_x.bin", ""),
            ("proto/golden/v2/a_y.bin", ""),
            ("proto/golden/v2/b.bin", ""),
            (
                "s/tests/golden.rs",
                "//! golden\nfn f() { g(&format!(\"a_{name}.bin\"), \"x\", \"../golden/v2/b.bin\") }",
            ),
        ];
        assert_eq!(places(unnamed_golden, &files), ["proto/golden/v2/a_y.bin:1 proto/golden/v2/a_y.bin"]);
    }
}
