//! How long lines, files and functions may be.

use crate::ratchet::{Finding, Rule};
use crate::repository::Repository;
use crate::source::{Source, Token, group, is_sign, is_word, line_of};

/// The longest line of Rust and Markdown, in characters; rustfmt.toml has the same number.
pub const LINE: usize = 120;
/// The longest Rust or Markdown file, in lines.
pub const FILE: usize = 600;
/// The longest function, in lines from `fn` to its last brace.
pub const FUNCTION: usize = 80;

/// The rule about lines.
pub const LINES: Rule = Rule {
    rule: "a line of Rust or Markdown has at most 120 characters",
    advice: "Wrap it, or give what repeats a name",
};
/// The rule about files.
pub const FILES: Rule =
    Rule { rule: "a file has at most 600 lines", advice: "Give each concept in it a file of its own" };
/// The rule about functions.
pub const FUNCTIONS: Rule =
    Rule { rule: "a function has at most 80 lines", advice: "Give its steps functions with names" };

fn texts(repository: &Repository) -> impl Iterator<Item = &Source> {
    repository.files().filter(|source| source.path.ends_with(".rs") || source.path.ends_with(".md"))
}

/// Lines that are too long. A line that is one link, or one word, cannot be wrapped and may be, nor can a row of a
/// table
/// in Markdown.
#[must_use]
pub fn long_lines(repository: &Repository) -> Vec<Finding> {
    let long = |source: &Source| {
        let is_row = |line: &str| source.path.ends_with(".md") && line.starts_with('|');
        let may_be_wrapped = |line: &str| line.trim().contains(' ') && !is_row(line);
        let lines = source.lines().filter(|(_, line)| line.chars().count() > LINE && may_be_wrapped(line));
        lines.map(|(number, _)| Finding::new(&source.path, number, &*source.path)).collect::<Vec<_>>()
    };
    texts(repository).flat_map(long).collect()
}

/// Files that are too long, with their lengths.
#[must_use]
pub fn long_files(repository: &Repository) -> Vec<Finding> {
    let lengths = texts(repository).map(|source| (source, source.lines().count()));
    let long = lengths.filter(|(_, length)| *length > FILE);
    long.map(|(source, length)| Finding::new(&source.path, length, &*source.path).of_size(length)).collect()
}

/// Functions that are too long, with their lengths.
#[must_use]
pub fn long_functions(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repository.ending(".rs") {
        functions(source.tokens(), &mut |name, first, last| {
            let length = last - first + 1;
            if length > FUNCTION {
                findings.push(Finding::new(&source.path, first, format!("{} {name}", source.path)).of_size(length));
            }
        });
    }
    findings
}

/// Calls `see` with the name, the first and the last line of every function that has a body.
fn functions(tokens: &[Token], see: &mut impl FnMut(&str, usize, usize)) {
    for (at, token) in tokens.iter().enumerate() {
        if let (true, Some(Token::Word(name, _))) = (is_word(Some(token), "fn"), tokens.get(at + 1)) {
            let mut rest = tokens[at..].iter();
            let body = rest.find(|token| is_sign(Some(token), ';') || group(Some(token), '{').is_some());
            if let Some(Token::Group(body)) = body {
                see(name, line_of(token), body.last);
            }
        }
        if let Token::Group(group) = token {
            functions(&group.inner, see);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_found_by_its_characters_not_its_bytes() {
        let long = format!("// {}b\n", "ä ".repeat(58));
        assert_eq!(long.trim().chars().count(), 120);
        let longer = long.replace('b', "bc");
        let found = long_lines(&Repository::of(&[("a.rs", &long), ("b.md", &longer), ("c.py", &longer)]));
        assert_eq!(found, [Finding::new("b.md", 1, "b.md")]);
    }

    #[test]
    fn a_long_file_is_found() {
        let (good, bad) = ("x\n".repeat(600), "x\n".repeat(601));
        let found = long_files(&Repository::of(&[("a.rs", &good), ("b.rs", &bad)]));
        assert_eq!(found, [Finding::new("b.rs", 601, "b.rs").of_size(601)]);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let body = |lines: usize| format!("fn f(x: [u8; 3]) -> u8\nwhere\n{{\n{}}}\n", "    g();\n".repeat(lines - 4));
        let text =
            format!("mod m {{ impl T {{\n{}\n fn short(); }} }}\n{}", body(81), body(80).replace("fn f", "fn h"));
        let found = long_functions(&Repository::of(&[("a.rs", &text)]));
        assert_eq!(found, [Finding::new("a.rs", 2, "a.rs f").of_size(81)]);
    }
}
