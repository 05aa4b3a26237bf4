//! The order of layers inside `state-machine`: each may use those before it and never those after it. So it is with the
//! pools, one by one, but for pairs that are one thing of the domain (docs/architecture.md).
//!
//! Today's modules stand in one table with the layer that they belong to, wherever their file is today.

use crate::arrows::Arrow;
use crate::ratchet::{Finding, Rule};

/// The rule about layers.
pub const ORDER: Rule = Rule {
    rule: "a layer uses only those below it, and a pool only those before it",
    advice: "Move what both need to the lower layer, or let the lower one announce it and the upper one carry it out; \
             a new module needs a row in tidy/src/layers.rs",
};

/// The layers, from the ground up. `Pool` is what all pools share, `Pools` are the pools.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Layer {
    /// Persistent maps, transactions, client sessions, feature levels.
    State,
    /// Who may do what.
    Rights,
    /// How much.
    Quota,
    /// What many pools do alike, and what a method's row is.
    Verbs,
    /// What every pool is.
    Pool,
    /// The pools.
    Pools,
    /// All rows of all pools.
    Table,
    /// Admission, apply, reports, timers, login, bootstrap.
    Machine,
}

/// The layer of each module, by the beginning of its path below `state-machine/src/`. The longest that fits counts.
/// One row a line, so that changes side by side do not meet.
pub const MODULES: &[(&str, Layer)] = &[
    ("actors.rs", Layer::State),
    ("budget.rs", Layer::State),
    ("ctime.rs", Layer::State),
    ("first_ids.rs", Layer::State),
    ("levels.rs", Layer::State),
    ("names.rs", Layer::State),
    ("secrets.rs", Layer::State),
    ("sessions.rs", Layer::State),
    ("sizes.rs", Layer::State),
    ("state.rs", Layer::State),
    ("store_key.rs", Layer::State),
    ("txn.rs", Layer::State),
    ("zone_key.rs", Layer::State),
    ("zone_time.rs", Layer::State),
    ("authorize.rs", Layer::Rights),
    ("rules.rs", Layer::Rights),
    ("booking/", Layer::Quota),
    ("methods.rs", Layer::Verbs),
    ("params.rs", Layer::Verbs),
    ("verbs/", Layer::Verbs),
    ("pools/mod.rs", Layer::Pool),
    ("pools/rollout.rs", Layer::Pool),
    ("pools/", Layer::Pools),
    ("table.rs", Layer::Table),
    ("apply.rs", Layer::Machine),
    ("bootstrap.rs", Layer::Machine),
    ("effect/", Layer::Machine),
    ("lib.rs", Layer::Machine),
    ("login/", Layer::Machine),
    ("observations.rs", Layer::Machine),
    ("machine/", Layer::Machine),
    ("reactions.rs", Layer::Machine),
    ("reports.rs", Layer::Machine),
    ("timers.rs", Layer::Machine),
];

/// The pools in their order: each may use the functions of those before it. What happens to an object of one and matters
/// to a later one is announced (`announcement.rs`), and carried out by `reactions.rs`.
pub const POOLS: [&str; 21] = [
    "system",
    "zone",
    "acl",
    "vdc",
    "group",
    "user",
    "cluster",
    "host",
    "datastore",
    "vnet",
    "secgroup",
    "image",
    "market",
    "market_app",
    "vmgroup",
    "template",
    "vm",
    "vrouter",
    "vntemplate",
    "document",
    "hook",
];

/// Pools that are one thing of the domain, and so may know each other. Only ever fewer.
pub const PAIRS: [(&str, &str); 5] =
    [("cluster", "host"), ("group", "vdc"), ("market", "market_app"), ("template", "vm"), ("vm", "vrouter")];

const ROOT: &str = "state-machine/src/";

/// The layer of a file of `state-machine/src`, if the table has one.
#[must_use]
pub fn layer_of(file: &str) -> Option<Layer> {
    let name = file.strip_prefix(ROOT)?;
    let fits = MODULES.iter().filter(|(module, _)| name.starts_with(module));
    fits.max_by_key(|(module, _)| module.len()).map(|(_, layer)| *layer)
}

/// The pool that a file belongs to.
fn pool_of(file: &str) -> Option<&str> {
    if layer_of(file) != Some(Layer::Pools) {
        return None;
    }
    let below = file.strip_prefix(ROOT)?.strip_prefix("pools/")?;
    below.split(['/', '.']).next()
}

fn may(from: &str, to: &str) -> bool {
    if let (Some(one), Some(other)) = (pool_of(from), pool_of(to)) {
        let place = |pool: &str| POOLS.iter().position(|known| *known == pool);
        let after = place(one).zip(place(other)).is_some_and(|(one, other)| one >= other);
        return after || PAIRS.contains(&(one, other)) || PAIRS.contains(&(other, one));
    }
    match (layer_of(from), layer_of(to)) {
        (Some(from), Some(to)) => from >= to,
        // A file without a layer makes findings until it has one.
        _ => false,
    }
}

/// The arrows that point up, or from one pool to a later one.
#[must_use]
pub fn wrong(arrows: &[Arrow]) -> Vec<Finding> {
    let short = |file: &str| file.strip_prefix(ROOT).unwrap_or(file).to_owned();
    let wrong = arrows.iter().filter(|arrow| !may(&arrow.from, &arrow.to));
    wrong
        .map(|arrow| Finding::new(&arrow.from, arrow.line, format!("{} -> {}", short(&arrow.from), short(&arrow.to))))
        .collect()
}

/// Rows of the table, and pools, that fit no file.
#[must_use]
pub fn idle_rows(files: &[&str]) -> Vec<&'static str> {
    let idle = |module: &str| !files.iter().any(|file| file.strip_prefix(ROOT).is_some_and(|f| f.starts_with(module)));
    let pool_is_idle = |pool: &str| !files.iter().any(|file| pool_of(file) == Some(pool));
    let modules = MODULES.iter().map(|(module, _)| *module).filter(|module| idle(module));
    modules.chain(POOLS.into_iter().filter(|pool| pool_is_idle(pool))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_between(from: &str, to: &str) -> Vec<String> {
        let arrow = Arrow { from: format!("{ROOT}{from}"), to: format!("{ROOT}{to}"), line: 3 };
        wrong(&[arrow]).into_iter().map(|finding| format!("{} {}", finding.place, finding.key)).collect()
    }

    #[test]
    fn an_arrow_up_is_found_and_one_down_is_none() {
        let found = wrong_between("state.rs", "pools/acl/mod.rs");
        assert_eq!(found, ["state-machine/src/state.rs:3 state.rs -> pools/acl/mod.rs"]);
        assert_eq!(wrong_between("pools/acl/mod.rs", "state.rs").len(), 0);
        assert_eq!(wrong_between("booking/mod.rs", "verbs/edit.rs").len(), 1);
        assert_eq!(wrong_between("pools/mod.rs", "pools/vm/mod.rs").len(), 1, "what all pools share is below them");
        assert_eq!(wrong_between("pools/vm/mod.rs", "pools/mod.rs").len(), 0);
    }

    #[test]
    fn pools_know_those_before_them_and_their_pair() {
        assert_eq!(wrong_between("pools/vm/mod.rs", "pools/image/usage.rs").len(), 0);
        assert_eq!(wrong_between("pools/image/usage.rs", "pools/vm/mod.rs").len(), 1);
        assert_eq!(wrong_between("pools/novelty.rs", "pools/vm/mod.rs").len(), 1, "a new pool needs a place");
        assert_eq!(wrong_between("pools/group.rs", "pools/vdc.rs").len(), 0);
        assert_eq!(wrong_between("pools/vdc.rs", "pools/group.rs").len(), 0);
        assert_eq!(wrong_between("pools/vm/mod.rs", "pools/vm/ops/nic.rs").len(), 0);
    }

    #[test]
    fn a_file_without_a_layer_is_found() {
        assert_eq!(wrong_between("novelty.rs", "state.rs").len(), 1);
        assert_eq!(idle_rows(&["state-machine/src/state.rs"]).len(), MODULES.len() + POOLS.len() - 1);
    }
}
