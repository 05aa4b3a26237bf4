//! Calls about the control plane itself. There is no SQL behind it: calls that carry SQL are refused.

use crate::api::{ApiReply, Type, Value};
use crate::authorize;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::{Method, Need, Request, View, read, req};
use crate::xml::XmlWriter;

/// The release of OpenNebula whose API this is.
const VERSION: &str = "6.6.3";

/// `one.system.version`
fn version(_view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(VERSION.to_owned()))
}

/// `one.system.config`
fn config(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    if authorize::effective_gid(view.state, view.actor) != 0 {
        let reason = "The oned configuration can only be retrieved by users in the oneadmin group";
        return Err(ApiError::authorization(view.actor.uid, reason));
    }
    let mut w = XmlWriter::new();
    view.state.settings().all().render("OPENNEBULA_CONFIGURATION", &mut w);
    Ok(Value::Text(w.finish()))
}

/// What carries SQL, or belongs to OpenNebula's own replication of SQL.
pub fn no_sql(_view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let text = format!("Quorate keeps no SQL database: {} is not available", request.method.name);
    Err(ApiError::internal(text))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    read("one.system.config", Kind::User, &[], &[], config).while_disabled(),
    read("one.system.sql", Kind::User, &[req("sql", Type::Str), req("federate", Type::Bool)], &[Need::Oneadmin], no_sql),
    read("one.system.sqlquery", Kind::User, &[req("sql", Type::Str)], &[Need::Oneadmin], no_sql),
    read("one.system.version", Kind::User, &[], &[], version).while_disabled(),
];
