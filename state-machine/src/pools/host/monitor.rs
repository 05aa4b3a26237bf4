//! Looking at hosts: when. What an answer does is in [`super::report`].

use quorate_model::pending::Operation;
use quorate_model::records::host::Host;
use quorate_model::records::host::state::HostState;

use crate::txn::Txn;
use crate::zone_time::is_due;

/// Seconds between two attempts to monitor a host.
const INTERVAL: i64 = 180;

/// Has a host monitored, unless that is on its way already.
pub fn start(txn: &mut Txn, host: i32) {
    let Some((_, body)) = txn.find_typed::<Host>(host) else { return };
    if body.look.is_some_and(|look| txn.pending().contains_key(&look)) {
        return;
    }
    let look = txn.start(Operation::MonitorHost { host });
    let now = txn.now();
    if let Ok(body) = txn.body_mut::<Host>(host) {
        body.monitored_at = now;
        body.look = Some(look);
    }
}

/// Tries hosts again whose monitoring has failed.
pub fn start_due(txn: &mut Txn) {
    let now = txn.now();
    let due = |host: &Host| host.state == HostState::Error && is_due(now, host.monitored_at, INTERVAL);
    let due: Vec<i32> = txn.each::<Host>().filter(|(_, host)| due(host)).map(|(object, _)| object.id).collect();
    for id in due {
        start(txn, id);
    }
}

/// A host is looked at no longer.
pub fn stop(txn: &mut Txn, host: i32) {
    if let Some(look) = txn.find_typed::<Host>(host).and_then(|(_, body)| body.look) {
        txn.finish(look);
    }
}
