//! What a user may have: its own limits, and those of users without limits of their own.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::quota;
use quorate_model::records::user::{ONEADMIN, User};

use crate::booking;
use crate::methods::{Request, View};
use crate::txn::Txn;

/// The element of the limits for users without limits of their own.
pub const DEFAULT_QUOTAS: &str = "DEFAULT_USER_QUOTAS";

/// `one.user.quota`: parameters id, quota template.
pub fn set(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    if request.id() == ONEADMIN {
        return Err(ApiError::action("Cannot set quotas for oneadmin user"));
    }
    let limits = booking::parse(request.str(1))?;
    let user = txn.body_mut::<User>(request.id())?;
    user.quotas.set(&limits, quota::Scope::Own).map_err(ApiError::action)?;
    Ok(Value::Int(request.id()))
}

/// `one.userquota.info`
pub fn default_quotas(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(view.state.globals().default_user_quotas.document(DEFAULT_QUOTAS)))
}

/// `one.userquota.update`: parameter quota template.
pub fn update_default_quotas(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let limits = booking::parse_defaults(txn, request.str(0))?;
    let defaults = &mut txn.globals_mut().default_user_quotas;
    defaults.set(&limits, quota::Scope::Defaults).map_err(ApiError::action)?;
    Ok(Value::Text(defaults.document(DEFAULT_QUOTAS)))
}
