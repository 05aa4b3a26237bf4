//! What a driver's answer does to a VM: finds the event that it means, and shows failures in the user's template.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::VmmAction;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::LcmState;

use super::fsm::table::Event;
use super::fsm::{events, steps};
use super::ops::answers;
use crate::txn::Txn;

/// Longest message of a failure that is shown, in bytes.
const MAX_MESSAGE: usize = 100;

/// The events that a hypervisor driver's answer means, success first; `None`: it is about a part of the VM.
fn events_of(action: VmmAction) -> Option<(Event, Event)> {
    use VmmAction as D;
    Some(match action {
        D::Deploy | D::Restore | D::Migrate => (Event::Deployed, Event::NotDeployed),
        D::Shutdown | D::Cancel => (Event::ShutDown, Event::NotShutDown),
        D::Save => (Event::Saved, Event::NotSaved),
        D::Cleanup | D::CleanupBoth | D::CleanupPrevious => (Event::CleanedUp, Event::CleanedUp),
        _ => return None,
    })
}

/// An action's name in messages: all ways to clean up are the protocol's one.
fn shown(action: VmmAction) -> &'static str {
    match action {
        VmmAction::CleanupBoth | VmmAction::CleanupPrevious => VmmAction::Cleanup.name(),
        action => action.name(),
    }
}

/// Shows a failure in the user's template (`ERROR`), cut as the reference cuts it; a payload of `-` says nothing.
///
/// # Errors
/// NO_EXISTS.
pub fn show_failure(txn: &mut Txn, vm: i32, what: &str, payload: &str) -> Result<(), ApiError> {
    if payload.is_empty() || payload.starts_with('-') {
        return Ok(());
    }
    let message = format!("{what}: {payload}");
    let end = (0..=MAX_MESSAGE.min(message.len())).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    let more = if message.len() >= MAX_MESSAGE { "... see more details in VM log" } else { "" };
    let text = format!("{}: {}{more}", txn.time_in_words(), &message[..end]);
    txn.object_mut(Kind::Vm, vm)?.template.set("ERROR", text);
    Ok(())
}

/// Applies a hypervisor driver's answer.
///
/// # Errors
/// Those that discard the report; a VM that is gone or at rest is left alone.
pub fn vmm(txn: &mut Txn, vm: i32, action: VmmAction, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    let Some((_, body)) = txn.find_typed::<Vm>(vm) else { return Ok(()) };
    if body.lcm_state == LcmState::LcmInit {
        return Ok(());
    }
    if let Err(payload) = outcome {
        show_failure(txn, vm, shown(action), payload)?;
    }
    if matches!(action, VmmAction::Reboot | VmmAction::Reset) {
        return Ok(());
    }
    let Some((done, failed)) = events_of(action) else { return answers::answered(txn, vm, Some(action), outcome) };
    let mut event = if outcome.is_ok() { done } else { failed };
    if let (VmmAction::Deploy, Ok(payload)) = (action, outcome) {
        match payload.split_whitespace().next() {
            Some(deploy_id) => deploy_id.clone_into(&mut txn.body_mut::<Vm>(vm)?.deploy_id),
            None => event = failed,
        }
    }
    steps::happen(txn, vm, event)
}

/// Applies a transfer driver's answer, which means what the VM is doing.
///
/// # Errors
/// Those that discard the report; a VM that is gone or at rest is left alone.
pub fn transfer(txn: &mut Txn, vm: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    let Some((_, body)) = txn.find_typed::<Vm>(vm) else { return Ok(()) };
    let doing = body.lcm_state;
    if doing == LcmState::LcmInit {
        return Ok(());
    }
    if let Err(payload) = outcome {
        show_failure(txn, vm, "Error executing image transfer script", payload)?;
    }
    if doing == LcmState::CleanupResubmit {
        return steps::happen(txn, vm, Event::Epilogued);
    }
    match events::awaited(doing) {
        Some((done @ (Event::Prologued | Event::Epilogued), failed)) => {
            steps::happen(txn, vm, if outcome.is_ok() { done } else { failed })
        }
        // Something else is awaited: the answer is to an operation that does not count any more.
        Some(_) => Ok(()),
        None => answers::answered(txn, vm, None, outcome),
    }
}
