//! Drivers' answers: finds the pending operation and hands the outcome to the pool that waits for it.
//!
//! An answer cannot be refused, so characters in it that XML cannot carry are replaced, here and nowhere else.

use quorate_model::api::{ApiReply, Value};
use quorate_model::clean::cleaned;
use quorate_model::pending::{DriverReport, Operation};

use crate::pools::vm::network_change;
use crate::pools::{datastore, hook, host, image, market_app, secgroup, vm, vnet};
use crate::txn::Txn;

/// Applies a driver's answer; one that nobody waits for (any more) changes nothing.
///
/// # Errors
/// Those of the pools, which discard the whole report.
pub fn apply(txn: &mut Txn, report: &DriverReport) -> ApiReply {
    let current = txn.pending().get(&report.operation).is_some_and(|p| p.attempt == report.attempt);
    let Some(pending) = current.then(|| txn.finish(report.operation)).flatten() else {
        return Ok(Value::Bool(false));
    };
    let outcome = report.outcome.as_ref().map(|payload| cleaned(payload)).map_err(|failure| cleaned(failure));
    let outcome = match &outcome {
        Ok(payload) => Ok(&**payload),
        Err(failure) => Err(&**failure),
    };
    match &pending.operation {
        Operation::MonitorHost { host } => host::report::monitored(txn, *host, outcome)?,
        Operation::Vmm { vm, action } => vm::report::vmm(txn, *vm, *action, outcome)?,
        Operation::Transfer { vm, .. } => vm::report::transfer(txn, *vm, outcome)?,
        Operation::Image { image, action } => image::report::image(txn, *image, *action, outcome)?,
        Operation::Hook { hook, .. } => hook::log::executed(txn, *hook, outcome)?,
        Operation::MarketApp { app, action } => market_app::report::market_app(txn, *app, *action, outcome)?,
        Operation::MonitorDatastore { datastore } => datastore::monitor::monitored(txn, *datastore, outcome)?,
        Operation::Network { network, action, .. } => vnet::report::network(txn, *network, *action, outcome)?,
        Operation::UpdateNic { vm, network } => network_change::answered(txn, *vm, *network, outcome)?,
        Operation::UpdateSecurityGroup { vm, group } => secgroup::rollout::answered(txn, *vm, *group, outcome)?,
    }
    Ok(Value::Bool(true))
}
