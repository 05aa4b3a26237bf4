//! The refusal of calls that carry SQL: there is no SQL database.

use quorate_model::api::ApiReply;
use quorate_model::error::ApiError;

use crate::methods::{Request, View};

/// What carries SQL, or belongs to OpenNebula's own replication of SQL.
pub fn no_sql(_view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let text = format!("Quorate keeps no SQL database: {} is not available", request.method.name);
    Err(ApiError::internal(text))
}
