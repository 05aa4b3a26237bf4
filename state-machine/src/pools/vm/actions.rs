//! `one.vm.action` and dropping VMs.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::quota;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::By;
use quorate_model::records::vm::state::{LcmState, VmAction};

use super::fsm::actions::{ACTIONS, FAILURES};
use super::fsm::table::{At, Event, Step, find};
use super::fsm::{cleanup, steps};
use super::history::by_caller;
use crate::booking;
use crate::methods::Request;
use crate::pools::vm::rights::{authorize, is_supported};
use crate::txn::Txn;

/// The actions that `one.vm.action` takes, by name.
fn parse(name: &str) -> Option<VmAction> {
    VmAction::ALL.iter().copied().find(|action| action.name() == name && *action != VmAction::None)
}

/// Whether `one.vm.action` does it.
fn is_offered(action: VmAction) -> bool {
    ACTIONS.iter().any(|row| row.on == action)
}

/// `one.vm.action`: parameters action, VM.
pub fn action(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, id) = (request.str(0), request.int(1));
    let action = parse(name);
    authorize(txn, id, action.unwrap_or(VmAction::None))?;
    let body = txn.get::<Vm>(id)?.1;
    if body.template.is_yes("IMPORTED") && !action.is_some_and(|action| is_supported(txn, id, action)) {
        return Err(ApiError::action(format!("Action \"{name}\" is not supported for imported VMs")));
    }
    let Some(action) = action.filter(|action| is_offered(*action)) else {
        return Err(ApiError::action(format!("Action \"{name}\" is not supported")));
    };
    let by = by_caller(txn);
    if action == VmAction::Resume {
        let (object, body) = txn.get::<Vm>(id)?;
        booking::check(txn, object.uid, object.gid, &[quota::vm::start(&body.template)]).map_err(ApiError::action)?;
    }
    let failed = |reason: &str| ApiError::action(format!("Error performing action \"{name}\": {reason}"));
    let terminates = matches!(action, VmAction::Terminate | VmAction::TerminateHard);
    if terminates {
        txn.exempt_from_limits();
    }
    let body = txn.get::<Vm>(id)?.1;
    if terminates && FAILURES.contains(&At::of(body)) {
        drop_active(txn, id, by, Drop::Delete)?;
        return Ok(Value::Int(id));
    }
    let steps = find(ACTIONS, &action, body).ok_or_else(|| {
        let state = body.state_name();
        failed(&if terminates {
            format!("Could not terminate VM {id}, wrong state {state}.")
        } else {
            format!("This action is not available for state {state}")
        })
    })?;
    steps::run(txn, id, by, steps).map_err(|e| failed(&e.text))?;
    Ok(Value::Int(id))
}

/// Does to a VM what [`action`] would, for a caller whose rights are known; whether the VM's state allowed it.
///
/// # Errors
/// Whatever the action itself refuses.
pub fn perform(txn: &mut Txn, id: i32, action: VmAction) -> Result<bool, ApiError> {
    let by = by_caller(txn);
    let Some(steps) = find(ACTIONS, &action, txn.get::<Vm>(id)?.1) else { return Ok(false) };
    steps::run(txn, id, by, steps)?;
    Ok(true)
}

/// How an active VM is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drop {
    /// It is DONE.
    Delete,
    /// It is PENDING again once it is cleaned up.
    Recreate,
}

/// Drops an active VM, whatever it is doing.
///
/// # Errors
/// NO_EXISTS.
pub fn drop_active(txn: &mut Txn, vm: i32, by: By, how: Drop) -> Result<(), ApiError> {
    let body = txn.get::<Vm>(vm)?.1;
    let steps: Vec<Step> = match (body.lcm_state, how) {
        (LcmState::CleanupResubmit | LcmState::CleanupDelete, Drop::Delete) => {
            vec![Step::CancelDrivers, Step::Go(LcmState::CleanupDelete), Step::Free]
        }
        (LcmState::CleanupDelete, Drop::Recreate) => Vec::new(),
        (LcmState::CleanupResubmit, Drop::Recreate) => {
            vec![Step::CancelDrivers, Step::Then(Event::CleanedUp)]
        }
        _ => {
            let (first, last) = match how {
                Drop::Delete => (cleanup::DELETE, cleanup::DELETED),
                Drop::Recreate => (cleanup::RECREATE, cleanup::RECREATED),
            };
            let cleaned = find(cleanup::CLEANUP, &(), body).unwrap_or_default();
            [first, cleaned, last].concat()
        }
    };
    steps::run(txn, vm, by, &steps)
}
