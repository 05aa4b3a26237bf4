//! The rows of the table of methods that each feature level has: servers with different builds answer the same entry
//! alike. `method-rows.txt` has a line for each; lines are only ever added, as the next level brings rows. `make
//! accept`
//! adds them, and replaces lines only of levels that no release has.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use quorate_state_machine::levels;
use quorate_state_machine::methods::{Handler, Method, Shows};
use quorate_state_machine::table;

/// A row as a line: its name, the level it came with, what else an entry that names it depends on.
fn line(method: &Method) -> String {
    let handler = match method.handler {
        Handler::Read(_) => "read",
        Handler::Write(_) => "write",
        Handler::Node(_) => "node",
    };
    let disabled = if method.while_disabled { " while-disabled" } else { "" };
    let params = method.params.iter().map(|p| {
        let default = p.default.map(|default| format!("={:?}", default.to_arg())).unwrap_or_default();
        format!(" {}:{:?}{default}", p.name, p.ty)
    });
    format!("{} {} {handler}{disabled}{}", method.name, method.since, params.collect::<String>())
}

/// The newest level that a release has: `None` until version 0.3.0 is released. Lines up to it are frozen.
const RELEASED: Option<u32> = None;

/// What the file says of itself.
const HEAD: &str = "\
# The rows of the table of methods by the feature level that they came with: name, level, how the method is answered,
# parameters. What a release has had is never changed or removed: a changed row is a further line of a higher level.
";

fn name(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn level(line: &str) -> u32 {
    line.split(' ').nth(1).and_then(|level| level.parse().ok()).unwrap_or_else(|| panic!("no level: {line}"))
}

#[test]
fn a_row_changes_only_with_a_level() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("method-rows.txt");
    if std::env::var_os("QUORATE_ACCEPT").is_some() {
        // A line that a release has stays, also above a changed row of the same name; whatever else there was is made
        // anew.
        let before = fs::read_to_string(&path).unwrap_or_default();
        let released = before.lines().filter(|line| !line.starts_with('#') && Some(level(line)) <= RELEASED);
        let mut rows: Vec<String> = released.map(str::to_owned).chain(table::all().map(line)).collect();
        rows.sort_by(|a, b| (name(a), level(a)).cmp(&(name(b), level(b))));
        rows.dedup();
        fs::write(&path, format!("{HEAD}{}\n", rows.join("\n"))).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut frozen: BTreeMap<&str, &str> = BTreeMap::new();
    for row in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(earlier) = frozen.insert(name(row), row) {
            assert!(level(earlier) < level(row), "a row that changes needs a higher level: {row}");
        }
        assert!(level(row) <= levels::NEWEST, "a level that there is not: {row}");
    }
    let rows = table::all().map(|method| (method.name, line(method)));
    let new: Vec<String> = rows.filter(|(name, now)| frozen.remove(name) != Some(now)).map(|(_, now)| now).collect();
    assert!(
        new.is_empty(),
        "rows that no release has. Say .since(a level that no release has), then `make accept` adds to method-rows.txt:\n{}",
        new.join("\n")
    );
    assert!(frozen.is_empty(), "releases have rows that are gone: {frozen:?}");
}

/// Words that parameters are named by whose values let somebody in.
const OPENING: [&str; 6] = ["password", "passwd", "token", "secret", "credential", "key"];

/// The value of an unmarked parameter stands in the document that hooks get of a call.
#[test]
fn a_parameter_that_is_named_like_a_secret_is_marked_as_one() {
    let rows = table::all().chain(table::internal());
    let opening = |name: &str| OPENING.iter().any(|word| name.contains(word));
    let named =
        rows.flat_map(|row| row.params.iter().filter(|p| opening(p.name)).map(|p| (row.name, p.name, p.secret)));
    let (marked, open): (Vec<_>, Vec<_>) = named.partition(|(_, _, secret)| *secret);
    assert_eq!(open, [], "say .secret() on the parameter, or name it otherwise");
    let marked: Vec<&str> = marked.into_iter().map(|(row, _, _)| row).collect();
    let expected = ["one.user.allocate", "one.user.chauth", "one.user.login", "one.user.passwd", "quorate.user.enrol"];
    assert_eq!(marked, expected);
}

/// What the reference shows to hooks of a call (`RequestManagerAllocate.cc` and `RequestManagerDelete.cc`, `extra_xml`).
#[test]
fn rows_that_make_or_end_objects_say_so() {
    for row in table::all() {
        let expected = match row.name.rsplit('.').next() {
            Some("allocate") => Shows::Made,
            Some("delete") => Shows::Ended,
            _ => Shows::Nothing,
        };
        assert_eq!(row.shows, expected, "{}", row.name);
    }
}
