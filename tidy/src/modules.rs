//! Which file declares which module, as the compiler follows `mod` lines. It knows no rule.

use crate::repository::{Repository, folder, join};
use crate::source::{Token, attribute, group, is_sign, is_word, item_length};

/// A module that has a file of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Module {
    /// Its path from the crate's root, which has the empty one.
    pub path: Vec<String>,
    /// Its file.
    pub file: String,
    /// Whether it is there in tests only.
    pub test: bool,
}

/// The modules of the crate whose root is the file `root`, the root first. A declared file that does not exist is left
/// out: the compiler finds that.
#[must_use]
pub fn modules(repository: &Repository, root: &str) -> Vec<Module> {
    let mut all = vec![Module { path: Vec::new(), file: root.to_owned(), test: false }];
    let mut next = 0;
    while let Some(module) = all.get(next).cloned() {
        next += 1;
        let Some(source) = repository.file(&module.file) else { continue };
        let mut declared = Vec::new();
        declarations(source.tokens(), &Inside { names: Vec::new(), test: module.test }, &mut declared);
        for declaration in declared {
            let mut path = module.path.clone();
            path.extend(declaration.names.iter().cloned());
            let file = files_of(&module, &declaration).into_iter().find(|file| repository.file(file).is_some());
            if let Some(file) = file {
                all.push(Module { path, file, test: declaration.test });
            }
        }
    }
    all
}

/// Where in a file a declaration stands.
#[derive(Clone)]
struct Inside {
    names: Vec<String>,
    test: bool,
}

/// A line `mod name;`.
struct Declaration {
    /// The names of the modules in this file that it stands in, and its own.
    names: Vec<String>,
    /// What an attribute `path` says.
    path: Option<String>,
    test: bool,
}

fn declarations(tokens: &[Token], inside: &Inside, found: &mut Vec<Declaration>) {
    let (mut at, mut test, mut path) = (0, inside.test, None);
    while at < tokens.len() {
        if let Some(found) = attribute(&tokens[at..]) {
            test |= found.is_test_only();
            path = path.or_else(|| found.path().map(str::to_owned));
            at += found.length;
            continue;
        }
        if is_word(tokens.get(at), "pub") {
            at += 1;
            continue;
        }
        if group(tokens.get(at), '(').is_some() {
            // The place in `pub(crate)`.
            at += 1;
            continue;
        }
        if let (true, Some(Token::Word(name, _))) = (is_word(tokens.get(at), "mod"), tokens.get(at + 1)) {
            let mut names = inside.names.clone();
            names.push(name.clone());
            if is_sign(tokens.get(at + 2), ';') {
                found.push(Declaration { names, path: path.take(), test });
            } else if let Some(body) = group(tokens.get(at + 2), '{') {
                declarations(&body.inner, &Inside { names, test }, found);
            }
            at += 3;
        } else {
            at += item_length(&tokens[at..]);
        }
        (test, path) = (inside.test, None);
    }
}

/// Where the file of a declared module may be.
fn files_of(module: &Module, declaration: &Declaration) -> Vec<String> {
    let home = folder(&module.file);
    let name = module.file.rsplit('/').next().unwrap_or_default();
    if let Some(path) = &declaration.path {
        return join(home, path).into_iter().collect();
    }
    // A file with a name of its own has its modules in a folder of that name; a root or `mod.rs` has them beside it.
    let root = module.path.is_empty() || name == "mod.rs";
    let beside = if root { String::new() } else { format!("{}/", name.trim_end_matches(".rs")) };
    let below = format!("{beside}{}", declaration.names.join("/"));
    [format!("{below}.rs"), format!("{below}/mod.rs")].iter().filter_map(|path| join(home, path)).collect()
}

/// The names that a file declares as modules of its own, with and without a file, at its top level.
#[must_use]
pub fn children(tokens: &[Token]) -> Vec<String> {
    let pairs = tokens.windows(2).filter(|pair| is_word(pair.first(), "mod"));
    pairs.filter_map(|pair| if let Token::Word(name, _) = &pair[1] { Some(name.clone()) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(found: &[Module]) -> Vec<&str> {
        found.iter().map(|module| module.file.as_str()).collect()
    }

    #[test]
    fn modules_are_followed_through_files_and_folders() {
        let repository = Repository::of(&[
            ("c/src/lib.rs", "//! A crate.\npub(crate) mod a;\nmod b;\nfn f() {}\nmod inline { pub mod d; }\n"),
            ("c/src/a.rs", "mod inner;"),
            ("c/src/a/inner.rs", ""),
            ("c/src/b/mod.rs", "#[cfg(test)] mod tests;"),
            ("c/src/b/tests.rs", ""),
            ("c/src/inline/d.rs", ""),
            ("c/src/nobody.rs", ""),
        ]);
        let found = modules(&repository, "c/src/lib.rs");
        assert_eq!(
            files(&found),
            [
                "c/src/lib.rs",
                "c/src/a.rs",
                "c/src/b/mod.rs",
                "c/src/inline/d.rs",
                "c/src/a/inner.rs",
                "c/src/b/tests.rs"
            ]
        );
        assert_eq!(found[3].path, ["inline", "d"]);
        assert!(found[5].test && !found[4].test);
    }

    #[test]
    fn a_path_attribute_leads_into_another_folder() {
        let repository = Repository::of(&[
            ("c/tests/t.rs", "#[path = \"../../d/tests/common/mod.rs\"]\nmod lab;"),
            ("d/tests/common/mod.rs", "mod part;"),
            ("d/tests/common/part.rs", ""),
        ]);
        assert_eq!(
            files(&modules(&repository, "c/tests/t.rs")),
            ["c/tests/t.rs", "d/tests/common/mod.rs", "d/tests/common/part.rs"]
        );
    }
}
