//! Where datastores are on hosts.

use quorate_model::error::ApiError;
use quorate_model::records::datastore::Datastore;

use crate::state::State;
use crate::txn::Txn;

/// Where a datastore is on hosts.
#[must_use]
pub fn base_path(state: &State, id: i32) -> String {
    let location = state.settings().value("DATASTORE_LOCATION");
    let slash = if location.ends_with('/') { "" } else { "/" };
    format!("{location}{slash}{id}")
}

/// Moves all datastores to where the settings say they are (the reference does it when it starts:
/// `src/datastore/Datastore.cc`, `Datastore::from_xml`).
///
/// # Errors
/// None: the datastores exist.
pub fn relocate(txn: &mut Txn) -> Result<(), ApiError> {
    let moved: Vec<(i32, String)> = txn
        .each::<Datastore>()
        .map(|(object, datastore)| (object.id, base_path(txn, object.id), &datastore.base_path))
        .filter(|(_, new, old)| new != *old)
        .map(|(id, new, _)| (id, new))
        .collect();
    for (id, base_path) in moved {
        txn.body_mut::<Datastore>(id)?.base_path = base_path;
    }
    Ok(())
}
