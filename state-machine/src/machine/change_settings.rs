//! The command that changes the zone's settings.
//!
//! What a change may be is decided in [`quorate_model::settings::change`]; here is who may make one, and what follows from it.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::settings::change::{ChangeSettings, changed};

use crate::login;
use crate::pools::datastore;
use crate::txn::Txn;

/// Changes the settings; the reply is a [`Report`] in JSON.
///
/// # Errors
/// AUTHORIZATION for others than oneadmin; INTERNAL with the reason, and the line of a file, when the change is malformed.
pub fn apply(txn: &mut Txn, asked: &ChangeSettings) -> ApiReply {
    login::still_valid(txn, &asked.actor)?;
    if asked.actor.uid != 0 {
        return Err(ApiError::authorization(asked.actor.uid, "Only oneadmin changes the zone's settings"));
    }
    let (settings, report) = changed(txn.settings(), &asked.change).map_err(ApiError::internal)?;
    if !report.changes.is_empty() {
        txn.set_settings(settings);
        datastore::location::relocate(txn)?;
    }
    let json = serde_json::to_string(&report).map_err(|e| ApiError::internal(e.to_string()))?;
    Ok(Value::Text(json))
}
