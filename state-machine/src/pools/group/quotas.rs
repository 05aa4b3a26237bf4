//! What a group may have: its own limits, and those of groups without limits of their own.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::quota;
use quorate_model::records::group::{Group, ONEADMIN};

use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::methods::{Request, View};
use crate::txn::Txn;

/// The element of the limits for groups without limits of their own.
pub const DEFAULT_QUOTAS: &str = "DEFAULT_GROUP_QUOTAS";

/// `one.group.quota`: parameters group, quota template. The administrators' group is refused before anything else.
pub fn set(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    if id == ONEADMIN {
        return Err(ApiError::action("Cannot set quotas for oneadmin group"));
    }
    txn.authorize(&[AuthRequest::on(txn.object(Kind::Group, id)?, Op::Admin)])?;
    let limits = booking::parse(request.str(1))?;
    txn.body_mut::<Group>(id)?.quotas.set(&limits, quota::Scope::Own).map_err(ApiError::action)?;
    Ok(Value::Int(id))
}

/// `one.groupquota.info`
pub fn default_quotas(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(view.state.globals().default_group_quotas.document(DEFAULT_QUOTAS)))
}

/// `one.groupquota.update`: parameter quota template.
pub fn update_default_quotas(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let limits = booking::parse_defaults(txn, request.str(0))?;
    let defaults = &mut txn.globals_mut().default_group_quotas;
    defaults.set(&limits, quota::Scope::Defaults).map_err(ApiError::action)?;
    Ok(Value::Text(defaults.document(DEFAULT_QUOTAS)))
}
