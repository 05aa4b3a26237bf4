//! `one.datastore.enable`.

use crate::api::{ApiReply, Value};
use crate::error::ApiError;
use crate::methods::Request;
use crate::records::datastore::Datastore;
use crate::records::datastore::types::{DatastoreState, DatastoreType};
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
