//! Time, threads and randomness go through seams that simulation swaps: outside of a few places no code names the
//! operating system's own. In the state machine nothing is kept in hash order (docs/architecture.md).

use std::collections::{BTreeMap, BTreeSet};

use crate::ratchet::{Finding, Rule};
use crate::repository::Repository;
use crate::source::{Token, attribute, is_sign, is_word, item_length, line_of};

/// The rule about seams.
pub const SEAMS: Rule = Rule {
    rule: "time, threads and randomness go through the seams that simulation swaps",
    advice: "Take tokio's time and tasks, the node's `Wall`, or the scope's randomness; a place that never runs in \
             simulation needs a row in tidy/src/seams.rs",
};
/// The rule about hash order.
pub const HASH_ORDER: Rule = Rule {
    rule: "the state machine has no hash maps and hash sets: nodes would walk them in different orders",
    advice: "Take BTreeMap, BTreeSet or imbl's OrdMap",
};
/// The rule about the list of places.
pub const PLACES: Rule =
    Rule { rule: "a place where seams need not be kept needs it", advice: "Delete the row in tidy/src/seams.rs" };

/// What code outside of the places does not name. A path that goes on is one of these, too.
const FORBIDDEN: [&str; 9] = [
    "std::thread",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "rand::rng",
    "rand::random",
    "rand::thread_rng",
    "rand::rngs::OsRng",
    "rand::rngs::ThreadRng",
    "futures::select",
];

/// Where they may be named: beginnings of paths, and why.
pub const ALLOWED: &[(&str, &str)] = &[
    ("deploy/chaos/", "tortures real processes, in real time"),
    ("drivers/", "the outside, which simulation replaces as a whole"),
    ("node/src/wall.rs", "the seam itself: clocks and randomness of this machine"),
    ("raft-store/src/mark_file.rs", "the thread that syncs the mark; simulation has the engine in memory"),
    ("raft-store/src/rng.rs", "the seam itself: where a real node has its seed from"),
    ("raft-store/src/writer.rs", "the thread that syncs the log; simulation has the engine in memory"),
    ("sim-tests/src/main.rs", "how long the simulator itself runs, around simulations"),
    ("sim-tests/src/reproduce.rs", "the name of the test, which is its thread's"),
];

/// Integration tests run in real time, against real processes.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests")
}

/// Names of what is forbidden, outside of the places where it is allowed.
#[must_use]
pub fn forbidden(repository: &Repository) -> Vec<Finding> {
    let allowed = |finding: &Finding| ALLOWED.iter().any(|(place, _)| finding.place.starts_with(place));
    named(repository).into_iter().filter(|finding| !allowed(finding)).collect()
}

/// Places that name nothing of it.
#[must_use]
pub fn idle_places(repository: &Repository) -> Vec<Finding> {
    let named = named(repository);
    let idle = ALLOWED.iter().filter(|(place, _)| !named.iter().any(|finding| finding.place.starts_with(place)));
    idle.map(|(place, _)| Finding::new("tidy/src/seams.rs", 1, *place)).collect()
}

fn named(repository: &Repository) -> Vec<Finding> {
    let mut findings = BTreeMap::new();
    for source in repository.ending(".rs").filter(|source| !is_test(&source.path)) {
        // Reading tokens takes time, and most files have none of these words.
        let words = ["thread", "Instant", "SystemTime", "rand", "select"];
        if !words.iter().any(|word| source.text.contains(word)) {
            continue;
        }
        let (mut imported, mut found) = (BTreeMap::new(), Vec::new());
        imports(source.tokens(), &mut imported);
        let stops = BTreeSet::from_iter(FORBIDDEN);
        paths(source.tokens(), &imported, &mut |path, line| {
            let hit = stops.iter().find(|stop| path == **stop || path.starts_with(&format!("{stop}::")));
            found.extend(hit.map(|stop| (line, (*stop).to_owned())));
        });
        for (line, stop) in found {
            findings.insert((source.path.clone(), line, stop.clone()), Finding::new(&source.path, line, stop));
        }
    }
    findings.into_values().collect()
}

/// Whole paths of names that `use` lines bring, wherever in the file. What is there in tests only is left out.
fn imports(tokens: &[Token], found: &mut BTreeMap<String, String>) {
    walk(tokens, &mut |rest| {
        if !is_word(rest.first(), "use") {
            return 0;
        }
        let end = rest.iter().position(|token| is_sign(Some(token), ';')).unwrap_or(rest.len());
        import(&rest[1..end], "", found);
        end
    });
}

fn import(tokens: &[Token], before: &str, found: &mut BTreeMap<String, String>) {
    let mut path = before.to_owned();
    let mut name = String::new();
    for token in tokens {
        match token {
            Token::Word(word, _) if word == "as" => name.clear(),
            Token::Word(word, _) if name.is_empty() && !path.is_empty() && !path.ends_with(':') => {
                // The name behind `as`.
                name.clone_from(word);
            }
            Token::Word(word, _) => {
                name.clone_from(word);
                if word == "self" && path.ends_with("::") {
                    path.truncate(path.len() - 2);
                    name = path.rsplit("::").next().unwrap_or_default().to_owned();
                } else {
                    path.push_str(&name);
                }
            }
            Token::Sign('*', _) => return,
            Token::Sign(..) if !path.ends_with("::") => path.push(':'),
            Token::Group(group) => {
                for tree in group.inner.split(|token| is_sign(Some(token), ',')) {
                    import(tree, &path, found);
                }
                return;
            }
            Token::Sign(..) | Token::Text(..) => {}
        }
    }
    if !name.is_empty() {
        found.insert(name, path);
    }
}

/// Calls `see` with each path in the code as a whole, and its line.
fn paths(tokens: &[Token], imported: &BTreeMap<String, String>, see: &mut impl FnMut(&str, usize)) {
    walk(tokens, &mut |rest| {
        if is_word(rest.first(), "use") {
            // Who imports a name uses it: only what is forbidden whole counts here.
            let end = rest.iter().position(|token| is_sign(Some(token), ';')).unwrap_or(rest.len());
            let mut names = BTreeMap::new();
            import(&rest[1..end], "", &mut names);
            names.values().for_each(|path| see(path, line_of(&rest[0])));
            return end;
        }
        let Token::Word(first, _) = &rest[0] else { return 0 };
        let mut path = imported.get(first).unwrap_or(first).clone();
        let mut length = 1;
        while is_sign(rest.get(length), ':')
            && is_sign(rest.get(length + 1), ':')
            && let Some(Token::Word(word, _)) = rest.get(length + 2)
        {
            path = format!("{path}::{word}");
            length += 3;
        }
        see(&path, line_of(&rest[0]));
        length
    });
}

/// Calls `step` with the tokens from each on, outside and inside of groups; it says how many it has dealt with.
fn walk(tokens: &[Token], step: &mut impl FnMut(&[Token]) -> usize) {
    let mut at = 0;
    while at < tokens.len() {
        if let Some(found) = attribute(&tokens[at..]) {
            at += found.length;
            if found.is_test_only() {
                at += item_length(&tokens[at..]);
            }
            continue;
        }
        let dealt = step(&tokens[at..]);
        if let (0, Token::Group(group)) = (dealt, &tokens[at]) {
            walk(&group.inner, step);
        }
        at += dealt.max(1);
    }
}

/// Hash maps and hash sets in the model and the state machine.
#[must_use]
pub fn hash_order(repository: &Repository) -> Vec<Finding> {
    let pure = |path: &str| path.starts_with("model/src/") || path.starts_with("state-machine/src/");
    let mut findings = Vec::new();
    for source in repository.ending(".rs").filter(|source| pure(&source.path)) {
        for (number, line) in source.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let hashed = ["HashMap", "HashSet"].iter().find(|word| code.contains(*word));
            findings.extend(hashed.map(|word| Finding::new(&source.path, number, *word)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = forbidden(&Repository::of(&[(path, text)]));
        findings.into_iter().map(|finding| format!("{} {}", finding.place, finding.key)).collect()
    }

    #[test]
    fn the_systems_time_threads_and_randomness_are_found_however_they_are_named() {
        assert_eq!(found("node/src/a.rs", "fn f() { std::thread::spawn(g); }"), ["node/src/a.rs:1 std::thread"]);
        assert_eq!(found("node/src/a.rs", "use std::{fmt, thread};"), ["node/src/a.rs:1 std::thread"]);
        let text = "use std::time::{Duration, Instant};\nfn f() { Instant::now(); }";
        assert_eq!(found("node/src/a.rs", text), ["node/src/a.rs:2 std::time::Instant::now"]);
        let text = "use std::time::Instant as Moment;\nmacro_rules! m { () => { Moment::now() } }";
        assert_eq!(found("node/src/a.rs", text), ["node/src/a.rs:2 std::time::Instant::now"]);
        assert_eq!(found("node/src/a.rs", "use std::time;\nfn f() { time::SystemTime::now(); }").len(), 1);
        assert_eq!(found("node/src/a.rs", "fn f() { rand::rng().random() }"), ["node/src/a.rs:1 rand::rng"]);
        assert_eq!(found("node/src/a.rs", "fn f() { futures::select! {} }"), ["node/src/a.rs:1 futures::select"]);
    }

    #[test]
    fn tokios_time_tests_and_allowed_places_pass() {
        assert_eq!(found("node/src/a.rs", "use tokio::time::Instant;\nfn f() { Instant::now(); }").len(), 0);
        assert_eq!(found("node/src/a.rs", "use std::time::Instant;\nfn f(at: Instant) {}").len(), 0);
        assert_eq!(found("node/tests/a.rs", "fn f() { std::thread::spawn(g); }").len(), 0);
        assert_eq!(found("node/src/a.rs", "#[cfg(test)]\nmod tests { use std::thread; }").len(), 0);
        assert_eq!(found("drivers/src/a.rs", "use std::thread;").len(), 0);
    }

    #[test]
    fn a_place_that_needs_no_exception_is_found() {
        assert_eq!(idle_places(&Repository::of(&[("drivers/src/a.rs", "use std::thread;")])).len(), ALLOWED.len() - 1);
    }

    #[test]
    fn hash_order_is_found_where_all_nodes_must_agree() {
        let text = "// No HashMap.\nuse std::collections::{BTreeMap, HashSet};\n";
        let files = [("state-machine/src/a.rs", text), ("model/src/a.rs", text), ("node/src/a.rs", text)];
        assert_eq!(
            hash_order(&Repository::of(&files)),
            ["model", "state-machine"].map(|of| Finding::new(&format!("{of}/src/a.rs"), 2, "HashSet"))
        );
    }
}
