//! What OpenNebula 6.6.3 says of each of its methods, as `reference-methods.json` has it, one line per method; and the
//! lists that `make accept` writes.
//!
//! The file is an extract of the record beside the checkout (`../shared/api/methods.json`), so that the tests are whole
//! without it.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value as Json};

/// A file of this crate.
pub fn here(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Whether lists are to be written instead of compared.
pub fn accepts() -> bool {
    std::env::var_os("QUORATE_ACCEPT").is_some()
}

/// The methods of the reference.
pub fn records() -> Vec<Json> {
    let text = fs::read_to_string(here("reference-methods.json")).expect("reference-methods.json is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a record")).collect()
}

/// Writes the list when it is to be written; otherwise fails with the first lines that differ.
pub fn assert_accepted(name: &str, head: &str, lines: &[String]) {
    let now = head.lines().chain(lines.iter().map(String::as_str)).map(|line| format!("{line}\n")).collect::<String>();
    if accepts() {
        fs::write(here(name), &now).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let before = fs::read_to_string(here(name)).unwrap_or_default();
    let differing: Vec<(&str, &str)> = now.lines().zip(before.lines()).filter(|(now, before)| now != before).collect();
    assert!(
        now == before,
        "{name} says something else; if this is meant, `make accept` writes it:\n{:#?}",
        &differing[..differing.len().min(5)]
    );
}

/// What the tests read of a record.
fn extract(record: &Json) -> Json {
    let params = record["params"].as_array().into_iter().flatten();
    let params = params.map(|param| only(param, &["name", "type", "optional", "default"])).collect();
    let mut extract = only(record, &["name", "auth", "admin_rule", "allowed_zone_disabled"]);
    extract["params"] = Json::Array(params);
    let notes = record["notes"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let over_locks = |note: &str| note.contains("lock never blocks") || note.contains("ignores the lock");
    extract["looks_over_locks"] = notes.into_iter().any(over_locks).into();
    extract
}

fn only(json: &Json, fields: &[&str]) -> Json {
    Json::Object(fields.iter().map(|field| ((*field).to_owned(), json[*field].clone())).collect::<Map<_, _>>())
}

/// The extract is that of the record, where this is checked out.
#[test]
fn the_extract_is_that_of_the_record() {
    let path = here("../../shared/api/methods.json");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {} is missing", path.display());
        return;
    };
    let json: Json = serde_json::from_str(&text).expect("methods.json is JSON");
    let list = if json.is_array() { &json } else { &json["methods"] };
    let records = list.as_array().expect("methods.json holds records").iter();
    let lines: Vec<String> = records.map(|record| extract(record).to_string()).collect();
    assert_accepted("reference-methods.json", "", &lines);
}
