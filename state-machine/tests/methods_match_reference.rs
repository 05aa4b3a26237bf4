//! The table of methods against the reference's, as `reference-methods.json` records it: names, parameters, types, what
//! may be left out, who may call. And the list of exceptions next to the manifest, which may only shrink.

mod reference;

use std::collections::BTreeSet;
use std::fs;

use quorate_model::api::Type;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_state_machine::methods::{Default, Method, Need};
use quorate_state_machine::table;
use reference::{assert_accepted, here, records};
use serde_json::Value as Json;

/// Defaults that the record words instead of giving them.
const WORDED_DEFAULTS: [&str; 1] = ["one.acl.addrule"];

fn row(record: &Json) -> &'static Method {
    let name = record["name"].as_str().expect("a record has a name");
    table::find(name).unwrap_or_else(|| panic!("{name} has no row"))
}

/// The lines of a coverage list, without what follows the first blank (a reason).
fn listed(name: &str) -> Vec<String> {
    let text = fs::read_to_string(here(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

/// Fails with what to add to or to remove from the list.
fn assert_listed(file: &str, found: &BTreeSet<String>) {
    let lines = listed(file);
    assert!(lines.is_sorted(), "{file} must be sorted");
    let lines: BTreeSet<String> = lines.into_iter().collect();
    let new: Vec<_> = found.difference(&lines).collect();
    let gone: Vec<_> = lines.difference(found).collect();
    assert!(new.is_empty(), "{file} may only shrink, but misses {new:?}");
    assert!(gone.is_empty(), "remove from {file}: {gone:?}");
}

/// What the list of methods that OpenNebula does not have says of itself.
const OWN: &str = "\
# Methods that OpenNebula does not have, by name. No client of OpenNebula knows them.
";

#[test]
fn every_method_of_the_reference_has_a_row_and_other_rows_are_listed() {
    let recorded: BTreeSet<String> = records().iter().filter_map(|r| r["name"].as_str().map(str::to_owned)).collect();
    let rows: BTreeSet<String> = table::all().map(|method| method.name.to_owned()).collect();
    assert_eq!(table::all().count(), rows.len(), "two rows of one name");
    assert_eq!(recorded.difference(&rows).count(), 0, "{:?} have no row", recorded.difference(&rows));
    assert_accepted("own-methods.txt", OWN, &rows.difference(&recorded).cloned().collect::<Vec<_>>());
}

#[test]
fn parameters_are_those_of_the_reference() {
    for record in &records() {
        let method = row(record);
        let given = record["params"].as_array().expect("a record has parameters");
        let names: Vec<&str> = given.iter().filter_map(|p| p["name"].as_str()).collect();
        assert_eq!(method.params.iter().map(|p| p.name).collect::<Vec<_>>(), names, "{}", method.name);
        for (param, recorded) in method.params.iter().zip(given) {
            let what = format!("{} of {}", param.name, method.name);
            let ty = match param.ty {
                Type::Int => "int",
                Type::Int64 => "i8",
                Type::Bool => "boolean",
                Type::Str => "string",
                Type::Ints => "array<int>",
            };
            assert_eq!(Some(ty), recorded["type"].as_str(), "type of {what}");
            assert_eq!(Some(param.default.is_some()), recorded["optional"].as_bool(), "whether optional: {what}");
            if let Some(default) = param.default
                && !WORDED_DEFAULTS.contains(&method.name)
            {
                let default = match default {
                    Default::Int(n) => Json::from(n),
                    Default::Bool(b) => Json::from(b),
                    Default::Str(s) => Json::from(s),
                    Default::NoInts => Json::Array(Vec::new()),
                };
                assert_eq!(default, recorded["default"], "default of {what}");
            }
        }
    }
}

#[test]
fn a_disabled_zone_answers_the_same_methods() {
    for record in &records() {
        let method = row(record);
        assert_eq!(Some(method.while_disabled), record["allowed_zone_disabled"].as_bool(), "{}", method.name);
    }
}

/// Object and operation of a need, in the words of the records.
fn asked(need: Need) -> Option<(&'static str, &'static str)> {
    let (kind, op) = match need {
        Need::May(kind, _, op) | Need::MayIgnoringLock(kind, _, op) | Need::Pool(kind, op) => (kind, op),
        Need::Create(kind) => (kind, Op::Create),
        Need::MayLocalZone(op) => (Kind::Zone, op),
        _ => return None,
    };
    Some((kind.info().auth_name, op.name()))
}

/// A row may leave authorization to its handler, which then is in a list; what it asks itself is the reference's.
#[test]
fn rows_ask_what_the_reference_asks() {
    let mut by_handler = BTreeSet::new();
    for record in &records() {
        let method = row(record);
        let wanted: Vec<(&str, &str, bool)> = record["auth"]
            .as_array()
            .expect("a record says what is authorized")
            .iter()
            .map(|a| (a["object"].as_str().unwrap_or(""), a["op"].as_str().unwrap_or(""), a["cond"].is_string()))
            .collect();
        let asked: BTreeSet<(&str, &str)> = method.needs.iter().filter_map(|n| asked(*n)).collect();
        for (object, op) in &asked {
            // `MANAGE/ADMIN`: one or the other.
            let known = wanted.iter().any(|(o, p, _)| o == object && p.split('/').any(|p| p == *op));
            assert!(known, "{} asks for {op} {object}, the reference does not", method.name);
        }
        // These verbs look first at what would change: `verbs/` authorizes them for every pool alike.
        if method.name.ends_with(".rename") || method.name.ends_with(".chown") {
            continue;
        }
        let mut always = wanted.iter().filter(|(_, _, conditional)| !conditional);
        if always.any(|(object, op, _)| !asked.contains(&(*object, *op))) {
            by_handler.insert(method.name.to_owned());
        }
    }
    assert_listed("authorized-by-handler.txt", &by_handler);
}

#[test]
fn what_only_oneadmin_may_call_is_marked() {
    for record in &records() {
        let method = row(record);
        let only = record["admin_rule"].as_str() == Some("uid == 0");
        let marked = method.needs.iter().any(|n| matches!(n, Need::Oneadmin));
        assert_eq!(marked, only, "{}", method.name);
    }
}
