//! Which file of a crate uses which, by the paths in its code: `use` lines and what is written out in full, also in
//! macros. It knows no layers: [`crate::layers`] judges the arrows.
//!
//! A path means the deepest module with a file that it goes through. What is there in tests only makes no arrow: a test
//! of something low may build what it needs from above.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Module, children, modules};
use crate::repository::Repository;
use crate::source::{Token, attribute, group, is_sign, is_word, item_length, line_of};

/// A file uses another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Arrow {
    /// The file that uses.
    pub from: String,
    /// The file that is used.
    pub to: String,
    /// Where it first does.
    pub line: usize,
}

/// All arrows between files of the crate whose root is the file `root`, one per pair of files, in their order.
#[must_use]
pub fn arrows(repository: &Repository, root: &str) -> Vec<Arrow> {
    let all = modules(repository, root);
    let by_path: BTreeMap<&[String], &Module> = all.iter().map(|module| (module.path.as_slice(), module)).collect();
    let mut first: BTreeMap<(String, String), usize> = BTreeMap::new();
    for module in all.iter().filter(|module| !module.test) {
        let Some(source) = repository.file(&module.file) else { continue };
        for (path, line) in paths(source.tokens(), module) {
            let Some(used) = (0..=path.len()).rev().find_map(|depth| by_path.get(&path[..depth])) else { continue };
            if used.file != module.file {
                let known = first.entry((module.file.clone(), used.file.clone())).or_insert(line);
                *known = line.min(*known);
            }
        }
    }
    first.into_iter().map(|((from, to), line)| Arrow { from, to, line }).collect()
}

/// The largest set of files each of which leads to all others; empty when there is no circle.
#[must_use]
pub fn largest_circle(arrows: &[Arrow]) -> BTreeSet<String> {
    let (mut ahead, mut back) = (Neighbours::new(), Neighbours::new());
    for arrow in arrows {
        ahead.entry(&arrow.from).or_default().push(&arrow.to);
        back.entry(&arrow.to).or_default().push(&arrow.from);
    }
    let (mut largest, mut done) = (BTreeSet::new(), BTreeSet::new());
    for file in ahead.keys() {
        if !done.contains(file) {
            let circle: BTreeSet<&str> = reached(&ahead, file).intersection(&reached(&back, file)).copied().collect();
            done.extend(circle.iter().copied());
            if circle.len() > largest.len().max(1) {
                largest = circle;
            }
        }
    }
    largest.into_iter().map(str::to_owned).collect()
}

type Neighbours<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// `start` and all that it leads to.
fn reached<'a>(neighbours: &Neighbours<'a>, start: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::from([start]), vec![start]);
    while let Some(file) = open.pop() {
        open.extend(neighbours.get(file).into_iter().flatten().copied().filter(|next| seen.insert(next)));
    }
    seen
}

/// Reads the paths of one file.
struct Reader<'a> {
    /// The module that the tokens stand in: longer than the file's own within `mod name { }`.
    here: Vec<String>,
    /// Modules declared here.
    children: Vec<String>,
    /// What `use` lines of the file call modules and items, and their paths from the crate's root.
    names: &'a mut BTreeMap<String, Vec<String>>,
    found: &'a mut Vec<(Vec<String>, usize)>,
}

/// The paths in a file that begin in its own crate, from the crate's root, with their lines.
fn paths(tokens: &[Token], module: &Module) -> Vec<(Vec<String>, usize)> {
    let (mut names, mut found) = (BTreeMap::new(), Vec::new());
    // Twice: a name may be used above the line that brings it.
    for _ in 0..2 {
        found.clear();
        let here = module.path.clone();
        Reader { here, children: children(tokens), names: &mut names, found: &mut found }.read(tokens);
    }
    found
}

impl Reader<'_> {
    fn read(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while at < tokens.len() {
            at += self.read_one(tokens, at);
        }
    }

    /// Reads what begins at `at` and says how many tokens that took.
    fn read_one(&mut self, tokens: &[Token], at: usize) -> usize {
        if let Some(found) = attribute(&tokens[at..]) {
            let item = at + found.length;
            return found.length + if found.is_test_only() { item_length(&tokens[item..]) } else { 0 };
        }
        match &tokens[at] {
            Token::Word(word, _) if word == "use" => {
                let end = at + tokens[at..].iter().position(|token| is_sign(Some(token), ';')).unwrap_or(1);
                self.read_use(&tokens[at + 1..end], &[], line_of(&tokens[at]));
                end + 1 - at
            }
            Token::Word(word, _) if word == "mod" && group(tokens.get(at + 2), '{').is_some() => {
                let body = group(tokens.get(at + 2), '{').map(|group| &group.inner[..]).unwrap_or_default();
                let mut here = self.here.clone();
                here.extend(word_of(tokens.get(at + 1)));
                Reader { here, children: children(body), names: self.names, found: self.found }.read(body);
                3
            }
            // `pub(crate)` uses nothing.
            Token::Word(word, _) if word == "pub" && group(tokens.get(at + 1), '(').is_some() => 2,
            Token::Word(..) => {
                let path = leading_path(&tokens[at..]);
                // What follows a dot is a field or a method.
                let field = at > 0 && is_sign(tokens.get(at - 1), '.');
                if path.len() > 1
                    && !field
                    && let Some(whole) = self.resolve(&path)
                {
                    self.found.push((whole, line_of(&tokens[at])));
                }
                path.len() * 3 - 2
            }
            Token::Group(group) => {
                self.read(&group.inner);
                1
            }
            Token::Sign(..) | Token::Text(..) => 1,
        }
    }

    /// Reads a tree of a `use` line that stands behind `before`.
    fn read_use(&mut self, tokens: &[Token], before: &[String], line: usize) {
        let mut path = before.to_vec();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                Token::Word(word, _) if word == "as" => break,
                Token::Word(word, _) => path.push(word.clone()),
                Token::Group(group) => {
                    for tree in group.inner.split(|token| is_sign(Some(token), ',')).filter(|tree| !tree.is_empty()) {
                        self.read_use(tree, &path, line_of(&tree[0]));
                    }
                    return;
                }
                Token::Sign(..) | Token::Text(..) => {}
            }
            at += 1;
        }
        // `a::{self}` is `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(whole) = self.resolve(&path) else { return };
        let name = if is_word(tokens.get(at), "as") { word_of(tokens.get(at + 1)) } else { None };
        if let Some(name) = name.or_else(|| whole.last().cloned()) {
            self.names.insert(name, whole.clone());
        }
        self.found.push((whole, line));
    }

    /// A path from the crate's root. Nothing when it leads into another crate, or to a local name.
    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, mut rest) = path.split_first()?;
        let mut whole = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.here.clone(),
            "super" => self.here.split_last()?.1.to_vec(),
            name if self.children.iter().any(|child| child == name) => {
                [&self.here[..], std::slice::from_ref(first)].concat()
            }
            name => self.names.get(name)?.clone(),
        };
        while let Some((word, after)) = rest.split_first()
            && word == "super"
        {
            whole.pop();
            rest = after;
        }
        whole.extend(rest.iter().cloned());
        Some(whole)
    }
}

fn word_of(token: Option<&Token>) -> Option<String> {
    if let Some(Token::Word(word, _)) = token { Some(word.clone()) } else { None }
}

/// The words of the path that begins here: `a::b::c`.
fn leading_path(tokens: &[Token]) -> Vec<String> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(word) = word_of(tokens.get(at)) {
        words.push(word);
        if !(is_sign(tokens.get(at + 1), ':') && is_sign(tokens.get(at + 2), ':')) {
            break;
        }
        at += 3;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrows of a crate of files `a.rs`, `b.rs`, `b/c.rs` beside the file `a.rs` with this text.
    fn from_a(text: &str) -> Vec<(String, usize)> {
        let repository = Repository::of(&[
            ("x/src/lib.rs", "pub mod a;\npub mod b;\npub mod d;"),
            ("x/src/a.rs", text),
            ("x/src/b.rs", "pub mod c;"),
            ("x/src/b/c.rs", ""),
            ("x/src/d.rs", ""),
        ]);
        let all = arrows(&repository, "x/src/lib.rs");
        all.into_iter()
            .filter(|arrow| arrow.from == "x/src/a.rs")
            .map(|arrow| (arrow.to.trim_start_matches("x/src/").to_owned(), arrow.line))
            .collect()
    }

    fn one(to: &str, line: usize) -> Vec<(String, usize)> {
        vec![(to.to_owned(), line)]
    }

    #[test]
    fn each_way_to_name_a_module_makes_an_arrow() {
        assert_eq!(from_a("\nuse crate::b::B;"), one("b.rs", 2));
        assert_eq!(from_a("use super::b::c::{C, D as E};"), one("b/c.rs", 1));
        assert_eq!(from_a("use std::fmt;\nuse crate::{\n d,\n};"), one("d.rs", 3));
        assert_eq!(from_a("fn f() -> u8 {\n  g(crate::d::D)\n}"), one("d.rs", 2));
        assert_eq!(from_a("macro_rules! m { () => { $crate::d::f() } }"), one("d.rs", 1));
        assert_eq!(from_a("pub mod deep { use super::super::d; }"), one("d.rs", 1));
    }

    #[test]
    fn a_path_through_an_imported_module_reaches_the_file_it_means() {
        let found = from_a("fn f() { b::c::f() }\nuse crate::b;");
        assert_eq!(found, [("b.rs".to_owned(), 2), ("b/c.rs".to_owned(), 1)]);
    }

    #[test]
    fn tests_other_crates_and_fields_make_no_arrow() {
        assert_eq!(from_a("#[cfg(test)]\nmod tests { use crate::b::B; }"), []);
        assert_eq!(from_a("#[cfg(test)]\n#[allow(unused)]\nuse crate::b::B;"), []);
        assert_eq!(from_a("use b2::c;\nuse std::fmt::Debug;\npub(crate) fn f() { self.d.g() }"), []);
        assert_eq!(from_a("//! Not `crate::b::B`.\n// nor crate::d::D\nconst T: &str = \"crate::b::B\";"), []);
    }

    #[test]
    fn circles_are_found_and_chains_are_none() {
        let arrow = |(from, to): &(&str, &str)| Arrow { from: (*from).to_owned(), to: (*to).to_owned(), line: 1 };
        let circle = |pairs: &[(&str, &str)]| largest_circle(&pairs.iter().map(arrow).collect::<Vec<_>>()).len();
        assert_eq!(circle(&[("a", "b"), ("b", "c")]), 0);
        assert_eq!(circle(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "c"), ("e", "a")]), 4);
    }
}
