//! Lists of what breaks a rule today. They may only get shorter: what is not listed fails, and what is listed but no
//! longer there fails too, so that a list always says how much is left to do.
//!
//! A line of a list is a key, and a number where the same key may be found more than once or has a size. Who moves
//! files writes the lists anew with `make tidy-lists`, which refuses when there is more in them than before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::repository::home;

/// One place that breaks a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The file and the line.
    pub place: String,
    /// What a list calls it: nothing that changes with every edit, so no line number.
    pub key: String,
    /// How much it counts: 1, or its size where a rule is about sizes.
    pub amount: usize,
}

impl Finding {
    /// A finding that counts once.
    #[must_use]
    pub fn new(path: &str, line: usize, key: impl Into<String>) -> Finding {
        Finding { place: format!("{path}:{line}"), key: key.into(), amount: 1 }
    }

    /// The same with a size.
    #[must_use]
    pub fn of_size(self, amount: usize) -> Finding {
        Finding { amount, ..self }
    }
}

/// A rule, as its failures name it.
pub struct Rule {
    /// What must be so.
    pub rule: &'static str,
    /// What to do where it is not.
    pub advice: &'static str,
}

type Amounts = BTreeMap<String, usize>;

impl Rule {
    /// What is wrong with `findings` when the list named `name` has the text `list`: one line each, none when all is
    /// well.
    #[must_use]
    pub fn complaints(&self, findings: &[Finding], name: &str, list: &str) -> Vec<String> {
        let (allowed, found) = (read(list), sum(findings));
        let mut complaints = Vec::new();
        for (key, amount) in &found {
            let most = allowed.get(key).copied().unwrap_or(0);
            if *amount > most {
                for finding in findings.iter().filter(|finding| finding.key == *key) {
                    complaints.push(format!(
                        "{}: {key}: {amount}, allowed {most}: {}. {}.",
                        finding.place, self.rule, self.advice
                    ));
                }
            } else if *amount < most {
                complaints.push(format!("tidy/{name}: {key}: now {amount}, write it in place of {most}"));
            }
        }
        for key in allowed.keys().filter(|key| !found.contains_key(*key)) {
            complaints.push(format!("tidy/{name}: {key}: it is gone, delete the line"));
        }
        let sorted = list.lines().filter(|line| !line.is_empty()).is_sorted();
        if !sorted {
            complaints.push(format!("tidy/{name}: its lines are not sorted"));
        }
        complaints
    }

    /// Fails unless `findings` are what the list named `name` allows. A list that does not exist allows nothing.
    ///
    /// # Panics
    /// With every place that breaks the rule and every line of the list that is no longer needed.
    pub fn check(&self, findings: &[Finding], name: &str) {
        let path = home().join(name);
        let mut list = fs::read_to_string(&path).unwrap_or_default();
        if std::env::var_os("QUORATE_TIDY_LISTS").is_some()
            && let Some(shorter) = shortened(findings, &list)
        {
            let written = if shorter.is_empty() { fs::remove_file(&path) } else { fs::write(&path, &shorter) };
            written.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            list = shorter;
        }
        let complaints = self.complaints(findings, name, &list);
        assert!(complaints.is_empty(), "{} problems\n{}", complaints.len(), complaints.join("\n"));
    }

    /// Fails when there is any finding: for rules without exceptions.
    ///
    /// # Panics
    /// With every place that breaks the rule.
    pub fn check_all(&self, findings: &[Finding]) {
        let complaints = findings.iter().map(|f| format!("{}: {}: {}. {}.", f.place, f.key, self.rule, self.advice));
        let complaints: Vec<String> = complaints.collect();
        assert!(complaints.is_empty(), "{} problems\n{}", complaints.len(), complaints.join("\n"));
    }
}

fn sum(findings: &[Finding]) -> Amounts {
    let mut amounts = Amounts::new();
    for finding in findings {
        *amounts.entry(finding.key.clone()).or_default() += finding.amount;
    }
    amounts
}

fn read(list: &str) -> Amounts {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((key, number)) if number.parse::<usize>().is_ok() => (key.to_owned(), number.parse().unwrap_or(0)),
        _ => (line.to_owned(), 1),
    };
    list.lines().filter(|line| !line.is_empty()).map(line).collect()
}

/// The list of what is found, unless it is more than `list` has: in lines or in the sum of their numbers.
fn shortened(findings: &[Finding], list: &str) -> Option<String> {
    let (allowed, found) = (read(list), sum(findings));
    let grown = found.len() > allowed.len() || found.values().sum::<usize>() > allowed.values().sum();
    if grown || found == allowed {
        return None;
    }
    let mut lines: Vec<String> =
        found.into_iter().map(|(key, amount)| if amount == 1 { key } else { format!("{key} {amount}") }).collect();
    lines.sort();
    Some(lines.into_iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { rule: "nothing is odd", advice: "Make it even" };

    #[test]
    fn what_is_not_listed_fails_with_its_place_the_rule_and_what_to_do() {
        let found = RULE.complaints(&[Finding::new("a.rs", 7, "a.rs")], "list.txt", "");
        assert_eq!(found, ["a.rs:7: a.rs: 1, allowed 0: nothing is odd. Make it even."]);
    }

    #[test]
    fn what_is_listed_passes_and_more_of_it_fails() {
        let one = Finding::new("a.rs", 7, "a.rs");
        assert_eq!(RULE.complaints(std::slice::from_ref(&one), "list.txt", "a.rs\n"), Vec::<String>::new());
        assert_eq!(RULE.complaints(&[one.clone(), one], "list.txt", "a.rs\n").len(), 2);
    }

    #[test]
    fn what_is_listed_and_gone_fails() {
        assert_eq!(RULE.complaints(&[], "list.txt", "a.rs\n"), ["tidy/list.txt: a.rs: it is gone, delete the line"]);
        let found = RULE.complaints(&[Finding::new("a.rs", 7, "a.rs").of_size(90)], "list.txt", "a.rs 95\n");
        assert_eq!(found, ["tidy/list.txt: a.rs: now 90, write it in place of 95"]);
    }

    #[test]
    fn a_list_out_of_order_fails() {
        let all = [Finding::new("a.rs", 1, "a.rs"), Finding::new("b.rs", 1, "b.rs")];
        assert_eq!(RULE.complaints(&all, "list.txt", "b.rs\na.rs\n"), ["tidy/list.txt: its lines are not sorted"]);
    }

    #[test]
    fn a_list_written_anew_may_rename_but_never_grow() {
        let of = |key: &str| Finding::new("x", 1, key);
        assert_eq!(shortened(&[of("b")], "a\n"), Some("b\n".to_owned()), "a file was moved");
        assert_eq!(shortened(&[], "a\n"), Some(String::new()));
        assert_eq!(shortened(&[of("a"), of("b")], "a\n"), None, "a line more");
        assert_eq!(shortened(&[of("a").of_size(3)], "a 2\n"), None, "more of the same");
    }
}
