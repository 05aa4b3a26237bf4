//! `one.datastore.enable`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::{DatastoreState, DatastoreType};

use crate::methods::Request;
use crate::txn::Txn;

/// `one.datastore.enable`: parameters id, whether.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let datastore = txn.body_mut::<Datastore>(request.id())?;
    if datastore.ds_type != DatastoreType::System {
        return Err(ApiError::internal("Only SYSTEM_DS can be disabled or enabled"));
    }
    datastore.state = if request.bool(1) { DatastoreState::Ready } else { DatastoreState::Disabled };
    Ok(Value::Int(request.id()))
}
