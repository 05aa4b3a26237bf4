//! The table of all methods: the rows of every pool together, found by name.
//!
//! What a row is stands in [`crate::methods`], which must not know this module; rows stand in their pools' files.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::methods::Method;
use crate::pools::{
    acl, cluster, datastore, document, group, hook, host, image, market, market_app, secgroup, system, template, user,
    vdc, vm, vmgroup, vnet, vntemplate, vrouter, zone,
};

/// Every pool's rows.
static METHODS: &[&[Method]] = &[
    acl::METHODS,
    cluster::METHODS,
    datastore::METHODS,
    document::METHODS,
    group::METHODS,
    hook::METHODS,
    host::METHODS,
    image::METHODS,
    market::METHODS,
    market_app::METHODS,
    secgroup::METHODS,
    system::METHODS,
    template::METHODS,
    user::METHODS,
    vdc::METHODS,
    vm::METHODS,
    vm::ops::METHODS,
    vmgroup::METHODS,
    vnet::METHODS,
    vntemplate::METHODS,
    vrouter::METHODS,
    zone::METHODS,
];

/// Rows of calls that only nodes propose, as [`quorate_model::command::SYSTEM`]: clients cannot name them.
static INTERNAL: &[&[Method]] = &[user::INTERNAL, zone::INTERNAL];

/// Every row, by pool.
pub fn all() -> impl Iterator<Item = &'static Method> {
    METHODS.iter().flat_map(|rows| rows.iter())
}

/// The row of a method.
#[must_use]
pub fn find(name: &str) -> Option<&'static Method> {
    static BY_NAME: LazyLock<BTreeMap<&'static str, &'static Method>> =
        LazyLock::new(|| all().map(|m| (m.name, m)).collect());
    BY_NAME.get(name).copied()
}

/// Whether clients can call a method of this name.
#[must_use]
pub fn is_method(name: &str) -> bool {
    find(name).is_some()
}

/// Every row of a call that only nodes propose, as [`quorate_model::command::SYSTEM`].
pub fn internal() -> impl Iterator<Item = &'static Method> {
    INTERNAL.iter().flat_map(|rows| rows.iter())
}

/// The row of a call that only nodes propose.
#[must_use]
pub fn find_internal(name: &str) -> Option<&'static Method> {
    internal().find(|m| m.name == name)
}

/// Whether an entry may name this method.
#[must_use]
pub fn is_known(name: &str) -> bool {
    find(name).is_some() || find_internal(name).is_some()
}
