//! `one.vm.recover`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};

use super::actions::{self, Drop};
use super::fsm::actions::{RECOVER, Recovery};
use super::fsm::events::{RETRY, awaited};
use super::fsm::steps;
use super::fsm::table::{Event, Step, find};
use super::history::by_caller;
use super::ops::answers;
use super::{drivers, image_events};
use crate::methods::Request;
use crate::pools::vm::rights;
use crate::txn::Txn;

/// Parameters VM, operation: 0 failure, 1 success, 2 retry, 3 delete, 4 recreate, 5 delete-db.
pub fn recover(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, operation) = (request.id(), request.int(1));
    let action = match operation {
        0 | 1 => VmAction::Recover,
        2 => VmAction::Retry,
        3 | 5 => VmAction::Delete,
        4 => VmAction::DeleteRecreate,
        _ => return Err(ApiError::action("Wrong recovery operation code")),
    };
    if action == VmAction::Delete {
        txn.exempt_from_limits();
    }
    rights::authorize(txn, id, action)?;
    if !rights::is_supported(txn, id, action) {
        let name = action.name();
        return Err(ApiError::action(format!("Action \"{name}\" is not supported for imported VMs")));
    }
    match operation {
        0 | 1 => answer_for_driver(txn, id, operation == 1)?,
        2 => retry(txn, id)?,
        3 => drop(txn, id, Recovery::Delete)?,
        4 => drop(txn, id, Recovery::Recreate)?,
        _ => drop(txn, id, Recovery::DeleteDb)?,
    }
    Ok(Value::Int(id))
}

/// What the VM waits for has happened, or has failed.
fn answer_for_driver(txn: &mut Txn, id: i32, success: bool) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(id)?.1;
    let doing = body.lcm_state;
    match body.state {
        State::CloningFailure => return image_events::disk_ready(txn, id),
        State::Active => {}
        _ => {
            let state = body.state_name();
            return Err(ApiError::action(format!(
                "Could not perform a recover operation on VM {id}, wrong state {state}."
            )));
        }
    }
    match doing {
        LcmState::LcmInit | LcmState::Running => return Ok(()),
        LcmState::Unknown => return steps::happen(txn, id, Event::FoundRunning),
        _ => {}
    }
    let Some((done, failed)) = awaited(doing) else {
        return answers::recovered(txn, id, success);
    };
    drivers::cancel(txn, id);
    if success && done == Event::Deployed && txn.get::<Vm>(id)?.1.deploy_id.is_empty() {
        txn.body_mut::<Vm>(id)?.deploy_id = format!("one-{id}");
    }
    steps::happen(txn, id, if success { done } else { failed })
}

/// The driver is asked once more.
fn retry(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(id)?.1;
    if body.state != State::Active {
        let state = body.state_name();
        return Err(ApiError::action(format!("Could not perform a retry on VM {id}, wrong state {state}.")));
    }
    let Some(steps) = find(RETRY, &(), body) else { return Ok(()) };
    let by = by_caller(txn);
    steps::run(txn, id, by, &[&[Step::CancelDrivers], steps].concat())
}

/// The VM is deleted, whatever it is doing.
///
/// # Errors
/// ACTION when its host is gone.
pub fn delete(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    drop(txn, id, Recovery::Delete)
}

/// The VM is dropped.
fn drop(txn: &mut Txn, id: i32, recovery: Recovery) -> Result<(), ApiError> {
    let by = by_caller(txn);
    let body = txn.get::<Vm>(id)?.1;
    if recovery == Recovery::Delete
        && let Some(host) = body.record().map(|r| r.hid)
        && txn.find(Kind::Host, host).is_none()
    {
        return Err(ApiError::action(format!("Error getting host {host}")));
    }
    match (body.state, recovery) {
        (State::Active, Recovery::Delete) => return actions::drop_active(txn, id, by, Drop::Delete),
        (State::Active, Recovery::Recreate) => return actions::drop_active(txn, id, by, Drop::Recreate),
        (State::Active, Recovery::DeleteDb) => {
            let steps = [Step::CancelDrivers, Step::RemoveCapacity, Step::FreeImagesUntouched];
            return steps::run(txn, id, by, &steps);
        }
        _ => {}
    }
    let steps = find(RECOVER, &recovery, body).ok_or_else(|| {
        ApiError::action(match body.state {
            State::Poweroff => "Cannot delete-recreate a powered off VM. Resume it first",
            State::Suspended => "Cannot delete-recreate a suspended VM. Resume it first",
            _ => "Cannot delete-recreate a VM already in DONE state",
        })
    })?;
    steps::run(txn, id, by, steps)
}
