//! What comments must say.

use crate::ratchet::{Finding, Rule};
use crate::repository::Repository;
use crate::source::Source;

/// The rule about references.
pub const REFERENCES: Rule = Rule {
    rule: "a comment that says that something is as in the reference names the reference's file or function beside it",
    advice: "Write it as in (`RequestManagerChmod.cc`, `request_execute`), or say why without it",
};
/// The rule about sections on errors.
pub const ERRORS: Rule = Rule {
    rule: "a section `# Errors` says which errors",
    advice: "Say which error comes when, or delete the section",
};
/// The rule about headers of modules.
pub const HEADERS: Rule =
    Rule { rule: "a Rust file opens with `//!`: what it is for and what it must not do", advice: "Write the header" };

/// How comments point to the reference, in small letters.
const POINTERS: [&str; 3] = ["as in the reference", "as the reference does", "like the reference"];

/// Ends of names of the reference's files, and signs of its functions.
const NAMES: [&str; 12] = [".cc", ".h", ".y", ".l", ".rb", ".erb", ".sh", ".conf", ".xsd", ".py", ".js", "()"];

/// What sections on errors say that say nothing.
const EMPTY: [&str; 4] = ["", "The reference's text.", "The reason.", "The reason why not."];

/// The text of a line of comment, without its signs.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start().strip_prefix("//")?;
    Some(line.trim_start_matches(['/', '!']).trim())
}

/// Neighbouring lines of comment, each with the number of its first line.
fn blocks(source: &Source) -> Vec<(usize, Vec<&str>)> {
    let mut blocks: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut open = false;
    for (number, line) in source.lines() {
        match (comment(line), blocks.last_mut()) {
            (Some(text), Some((_, lines))) if open => lines.push(text),
            (Some(text), _) => blocks.push((number, vec![text])),
            (None, _) => {
                // A comment behind code stands by itself. `://` is an address.
                if let Some((_, text)) = line.split_once(" // ") {
                    blocks.push((number, vec![text]));
                }
            }
        }
        open = comment(line).is_some();
    }
    blocks
}

/// Whether a text has a name between backticks that can be one of the reference's files or functions.
fn names_something(text: &str) -> bool {
    let quoted = text.split('`').skip(1).step_by(2);
    let mut names = quoted.filter(|name| !name.starts_with("one."));
    names.any(|name| name.contains("::") || NAMES.iter().any(|end| name.ends_with(end)))
}

/// Comments that point to the reference as a whole. The name may stand a line before or two lines after.
#[must_use]
pub fn bare_references(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    // This crate's rules and their bad examples name what they forbid.
    for source in repository.ending(".rs").filter(|source| !source.path.starts_with("tidy/")) {
        for (first, lines) in blocks(source) {
            for (at, line) in lines.iter().enumerate() {
                // What begins on this line may end on the next.
                let two = format!("{line} {}", lines.get(at + 1).unwrap_or(&"")).to_lowercase();
                let begins = POINTERS.iter().any(|p| two.find(p).is_some_and(|start| start < line.len()));
                let near = lines[at.saturating_sub(1)..lines.len().min(at + 3)].join(" ");
                if begins && !names_something(&near) {
                    findings.push(Finding::new(&source.path, first + at, &*source.path));
                }
            }
        }
    }
    findings
}

/// Sections on errors that say nothing.
#[must_use]
pub fn empty_errors(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repository.ending(".rs").filter(|source| !source.path.starts_with("tidy/")) {
        for (first, lines) in blocks(source) {
            for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "# Errors") {
                let section = lines[at + 1..].iter().take_while(|line| !line.starts_with("# "));
                let text = section.copied().collect::<Vec<_>>().join(" ");
                if EMPTY.contains(&text.trim()) {
                    findings.push(Finding::new(&source.path, first + at, &*source.path));
                }
            }
        }
    }
    findings
}

/// Files without a header. Attributes of the whole file may stand before it.
#[must_use]
pub fn missing_headers(repository: &Repository) -> Vec<Finding> {
    let opening = |source: &Source| {
        let mut lines = source.text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("#!"));
        lines.next().unwrap_or_default().to_owned()
    };
    let missing = repository.ending(".rs").filter(|source| {
        let opening = opening(source);
        opening.strip_prefix("//!").is_none_or(|said| said.trim().is_empty())
    });
    missing.map(|source| Finding::new(&source.path, 1, &*source.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: fn(&Repository) -> Vec<Finding>, text: &str) -> Vec<String> {
        rule(&Repository::of(&[("a.rs", text)])).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_bare_reference_is_found_also_across_lines_and_behind_code() {
        assert_eq!(lines(bare_references, "//! A.\n\n/// As in the reference, no.\nfn f() {}"), ["a.rs:3"]);
        assert_eq!(lines(bare_references, "// It is, as in\n// the reference, so: `one.vm.info`."), ["a.rs:1"]);
        assert_eq!(lines(bare_references, "let a = 1; // like the reference"), ["a.rs:1"]);
    }

    #[test]
    fn a_reference_with_a_file_or_function_beside_it_passes() {
        assert_eq!(lines(bare_references, "// As in the reference\n// (`Quotas.cc`), no."), Vec::<String>::new());
        assert_eq!(lines(bare_references, "// As in the reference (`Request::execute`)."), Vec::<String>::new());
        assert_eq!(lines(bare_references, "let a = \"as in the reference\";"), Vec::<String>::new());
    }

    #[test]
    fn a_section_on_errors_that_says_nothing_is_found() {
        assert_eq!(lines(empty_errors, "/// Does.\n///\n/// # Errors\nfn f() {}"), ["a.rs:3"]);
        assert_eq!(lines(empty_errors, "/// # Errors\n///\n/// # Panics\n/// Never."), ["a.rs:1"]);
        assert_eq!(lines(empty_errors, "/// # Errors\n/// The reference's text.\n"), ["a.rs:1"]);
        assert_eq!(lines(empty_errors, "/// # Errors\n/// NO_EXISTS when it is gone.\n"), Vec::<String>::new());
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(lines(missing_headers, "use a::b;\n"), ["a.rs:1"]);
        assert_eq!(lines(missing_headers, "//!\nuse a::b;\n"), ["a.rs:1"]);
        assert_eq!(lines(missing_headers, "#![allow(x)]\n\n//! What it is for.\n"), Vec::<String>::new());
    }
}
