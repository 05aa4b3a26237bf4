//! What was noticed outside although nobody had asked for it: a VM that is not in the state it should be in, a host
//! that has changed or is lost.
//!
//! Whoever looks proposes what it has seen; only here is decided what that means, by the state as it is then. Samples
//! that no decision depends on do not come this way. It must not know who looks.

use crate::pools::host;
use crate::pools::vm::fsm::steps;
use crate::pools::vm::fsm::table::Event;
use crate::txn::Txn;
use quorate_model::api::{ApiReply, Value};
use quorate_model::clean::cleaned;
use quorate_model::command::{Observation, Power};
use quorate_model::records::host::Host;
use quorate_model::records::host::state::HostState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State as VmState;

/// So long after a VM was powered off, seconds, its hypervisor may still say that it runs
/// (`LifeCycleManager::trigger_monitor_poweron`).
const STILL_STOPPING: i64 = 30;

/// Applies an observation; one that says nothing new changes nothing.
///
/// # Errors
/// Those of the pools, which discard the whole observation.
pub fn apply(txn: &mut Txn, observation: &Observation) -> ApiReply {
    match observation {
        Observation::Vm { host, vm, deploy_id, power } => vm_seen(txn, *host, *vm, deploy_id, *power),
        Observation::Host { host, outcome } => {
            let outcome = outcome.as_ref().map(|system| cleaned(system)).map_err(|failure| cleaned(failure));
            let outcome = match &outcome {
                Ok(system) => Ok(&**system),
                Err(failure) => Err(&**failure),
            };
            let lost = txn.find_typed::<Host>(*host).is_some_and(|(_, host)| host.state == HostState::Error);
            if lost && outcome.is_err() {
                return Ok(Value::Bool(false));
            }
            host::report::monitored(txn, *host, outcome)?;
            Ok(Value::Bool(true))
        }
    }
}

/// What a host's hypervisor says of a VM (`InformationManager::_vm_state`).
fn vm_seen(txn: &mut Txn, host: i32, id: i32, deploy_id: &str, power: Power) -> ApiReply {
    let Some((_, vm)) = txn.find_typed::<Vm>(id) else { return Ok(Value::Bool(false)) };
    let Some(record) = vm.record().filter(|record| record.hid == host) else {
        // It has moved meanwhile: only the host where it belongs may say what it does.
        return Ok(Value::Bool(false));
    };
    let stopping = matches!(vm.state, VmState::Poweroff | VmState::Suspended)
        && txn.now().saturating_sub(record.retime) < STILL_STOPPING;
    if !deploy_id.is_empty() && vm.deploy_id != deploy_id {
        let deploy_id = cleaned(deploy_id).into_owned();
        txn.body_mut::<Vm>(id)?.deploy_id = deploy_id;
    }
    let event = match power {
        Power::Running if stopping => return Ok(Value::Bool(true)),
        Power::Running => Event::FoundRunning,
        Power::Suspended => Event::FoundSuspended,
        Power::Poweroff => Event::FoundPoweroff,
        Power::Failure => Event::Lost,
    };
    steps::happen(txn, id, event)?;
    Ok(Value::Bool(true))
}
