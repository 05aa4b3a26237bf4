//! Which crate of the workspace may depend on which (docs/architecture.md). Dependencies point inward only.

use crate::ratchet::{Finding, Rule};
use crate::repository::Repository;

/// The rule about crates.
pub const INWARD: Rule = Rule {
    rule: "a crate depends only on the crates in its row of the table in tidy/src/crates.rs",
    advice: "Use what the row allows, or let the crate above pass it in; a new crate needs a row, also in \
             docs/architecture.md",
};

/// Crates by their folders, and the crates that each may depend on, in tests too. Rows of crates that are still to be
/// made stand here already. Tests of each may use [`FOR_TESTS`] as well.
#[rustfmt::skip]
pub const CRATES: &[(&str, &[&str])] = &[
    ("deploy/chaos", &["node", "testkit", "sim-tests/oracle", "model", "gateway"]),
    ("drivers", &["state-machine", "model"]),
    ("gateway", &["state-machine", "model"]),
    ("model", &[]),
    ("monitor", &["state-machine", "model"]),
    ("node", &["drivers", "gateway", "model", "monitor", "proto", "raft-store", "scheduler", "state-machine",
        "xmlrpc-edge"]),
    ("proto", &[]),
    ("raft-store", &["proto", "state-machine", "model"]),
    ("scheduler", &["state-machine", "model"]),
    ("sim-tests", &["drivers", "gateway", "model", "monitor", "node", "proto", "raft-store", "scheduler",
        "sim-tests/oracle", "state-machine", "testkit", "xmlrpc-edge"]),
    ("sim-tests/oracle", &["model"]),
    ("state-machine", &["model"]),
    ("testkit", &["drivers", "gateway", "model", "node", "proto", "raft-store", "state-machine", "xmlrpc-edge"]),
    ("tidy", &[]),
    ("xmlrpc-edge", &["gateway", "model"]),
];

/// What tests share, and programs may not use.
const FOR_TESTS: &str = "testkit";

const MANIFEST: &str = "Cargo.toml";

/// The dependencies between crates of the workspace that the table does not have, and crates without a row.
///
/// # Panics
/// When a `Cargo.toml` is no TOML.
#[must_use]
pub fn wrong(repository: &Repository) -> Vec<Finding> {
    let manifests = repository.ending("/Cargo.toml").map(|source| {
        let table: toml::Table = source.text.parse().unwrap_or_else(|e| panic!("{}: {e}", source.path));
        (source, source.path.trim_end_matches(MANIFEST).trim_end_matches('/'), table)
    });
    let manifests: Vec<_> = manifests.collect();
    let name_of = |table: &toml::Table| Some(table.get("package")?.get("name")?.as_str()?.to_owned());
    let folders: Vec<(String, &str)> =
        manifests.iter().filter_map(|(_, folder, table)| Some((name_of(table)?, *folder))).collect();
    let mut findings = Vec::new();
    for (source, folder, table) in &manifests {
        let Some((_, may)) = CRATES.iter().find(|(name, _)| name == folder) else {
            findings.push(Finding::new(&source.path, 1, format!("{folder} has no row")));
            continue;
        };
        for (section, dependency) in dependencies(table) {
            let Some((_, used)) = folders.iter().find(|(name, _)| *name == dependency) else { continue };
            let is_for_tests = section == DEV && *used == FOR_TESTS;
            if !may.contains(used) && used != folder && !is_for_tests {
                let line =
                    source.lines().find(|(_, line)| line.starts_with(&dependency)).map_or(1, |(number, _)| number);
                findings.push(Finding::new(&source.path, line, format!("{folder} -> {used}")));
            }
        }
    }
    findings
}

/// The section of dependencies of tests.
const DEV: &str = "dev-dependencies";

/// All dependencies in a manifest, each once: of the program, of its build and of its tests; before each its section.
fn dependencies(manifest: &toml::Table) -> Vec<(&'static str, String)> {
    const SECTIONS: [&str; 3] = ["dependencies", DEV, "build-dependencies"];
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = targets.filter_map(toml::Value::as_table).chain([manifest]);
    let sections =
        tables.flat_map(|table| SECTIONS.iter().filter_map(|name| Some((*name, table.get(*name)?.as_table()?))));
    let mut all: Vec<(&str, String)> =
        sections.flat_map(|(name, section)| section.keys().map(move |key| (name, key.clone()))).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(files: &[(&str, &str)]) -> Vec<String> {
        wrong(&Repository::of(files)).into_iter().map(|finding| format!("{} {}", finding.place, finding.key)).collect()
    }

    const PROTO: (&str, &str) = ("proto/Cargo.toml", "[package]\nname = \"q-proto\"\n");

    #[test]
    fn a_dependency_that_points_outward_is_found_in_every_section() {
        let text = "[package]\nname = \"q-model\"\n[dev-dependencies]\nq-proto.workspace = true\n";
        assert_eq!(keys(&[PROTO, ("model/Cargo.toml", text)]), ["model/Cargo.toml:4 model -> proto"]);
        let text = "[package]\nname = \"q-model\"\n[target.'cfg(unix)'.dependencies]\nq-proto = \"1\"\n";
        assert_eq!(keys(&[PROTO, ("model/Cargo.toml", text)]), ["model/Cargo.toml:4 model -> proto"]);
    }

    #[test]
    fn what_the_table_allows_and_other_peoples_crates_pass() {
        let text = "[package]\nname = \"q-store\"\n[dependencies]\nq-proto.workspace = true\nserde = \"1\"\n";
        assert_eq!(keys(&[PROTO, ("raft-store/Cargo.toml", text)]), Vec::<String>::new());
    }

    #[test]
    fn tests_may_use_what_tests_share_and_programs_may_not() {
        let kit = ("testkit/Cargo.toml", "[package]\nname = \"q-testkit\"\n");
        let in_tests = "[package]\nname = \"q-model\"\n[dev-dependencies]\nq-testkit.workspace = true\n";
        assert_eq!(keys(&[kit, ("model/Cargo.toml", in_tests)]), Vec::<String>::new());
        let in_program = in_tests.replace("dev-dependencies", "dependencies");
        assert_eq!(keys(&[kit, ("model/Cargo.toml", &in_program)]), ["model/Cargo.toml:4 model -> testkit"]);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_eq!(keys(&[("new/Cargo.toml", "[package]\nname = \"q-new\"\n")]), ["new/Cargo.toml:1 new has no row"]);
    }
}
