//! Calls about the control plane itself. There is no SQL behind it: calls that carry SQL are refused.

mod config;
pub mod sql;

use quorate_model::api::Type;
use quorate_model::kind::Kind;

use self::sql::no_sql;
use crate::methods::{Method, Need, read, req};

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    read("one.system.config", Kind::User, &[], &[], config::config).while_disabled(),
    read(
        "one.system.sql",
        Kind::User,
        &[req("sql", Type::Str), req("federate", Type::Bool)],
        &[Need::Oneadmin],
        no_sql,
    ),
    read("one.system.sqlquery", Kind::User, &[req("sql", Type::Str)], &[Need::Oneadmin], no_sql),
    read("one.system.version", Kind::User, &[], &[], config::version).while_disabled(),
];
