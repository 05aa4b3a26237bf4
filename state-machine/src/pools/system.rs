//! System: body, XML, methods.

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Method, Need, req, unwritten};

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.system.config", Kind::User, &[], &[Need::AdminGroup]).while_disabled(),
    unwritten("one.system.sql", Kind::User, &[req("sql", Type::Str), req("federate", Type::Bool)], &[Need::Oneadmin]),
    unwritten("one.system.sqlquery", Kind::User, &[req("sql", Type::Str)], &[Need::Oneadmin]),
    unwritten("one.system.version", Kind::User, &[], &[]).while_disabled(),
];
