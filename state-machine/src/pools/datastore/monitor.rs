//! Looking at datastores' space: when, and what an answer does.

use quorate_model::error::ApiError;
use quorate_model::pending::{self, Operation};
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::template::parse;

use crate::pools::datastore::capacity::is_shared;
use crate::txn::Txn;
use crate::zone_time::is_due;

/// Seconds between two looks when nothing is configured.
const INTERVAL: i64 = 300;

/// Has a datastore's space looked at, unless that is on its way. System datastores that are not shared have none of
/// their own: their hosts tell.
pub fn start(txn: &mut Txn, datastore: i32) {
    let now = txn.now();
    let Some((object, body)) = txn.find_typed::<Datastore>(datastore) else { return };
    if body.ds_type == DatastoreType::System && !is_shared(object) {
        return;
    }
    if body.look.is_some_and(|look| txn.pending().contains_key(&look)) {
        return;
    }
    let look = txn.start(Operation::MonitorDatastore { datastore });
    if let Ok(body) = txn.body_mut::<Datastore>(datastore) {
        body.monitored_at = now;
        body.look = Some(look);
    }
}

/// Has all datastores looked at whose last look is long ago (every MONITORING_INTERVAL_DATASTORE seconds).
pub fn start_due(txn: &mut Txn) {
    let now = txn.now();
    let interval = txn.settings().all().int("MONITORING_INTERVAL_DATASTORE").filter(|n| *n > 0).unwrap_or(INTERVAL);
    let due = txn.each::<Datastore>().filter(|(_, body)| is_due(now, body.monitored_at, interval));
    for id in due.map(|(object, _)| object.id).collect::<Vec<_>>() {
        start(txn, id);
    }
}

/// What a driver says of a datastore's space: base64 of TOTAL_MB, FREE_MB and USED_MB. Failures change nothing.
///
/// # Errors
/// None that refuses the report: a datastore that is gone is ignored.
pub fn monitored(txn: &mut Txn, datastore: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    let Some(found) = outcome.ok().and_then(pending::decoded).and_then(|text| parse::parse(&text).ok()) else {
        return Ok(());
    };
    let Ok(body) = txn.body_mut::<Datastore>(datastore) else { return Ok(()) };
    let figure = |name: &str, known: i64| found.int(name).unwrap_or(known);
    body.total_mb = figure("TOTAL_MB", body.total_mb);
    body.free_mb = figure("FREE_MB", body.free_mb);
    body.used_mb = figure("USED_MB", body.used_mb);
    Ok(())
}
