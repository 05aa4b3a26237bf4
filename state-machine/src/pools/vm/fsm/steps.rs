//! Carrying out steps: each changes the VM and what it holds of other objects, or asks a driver.
//!
//! It must not decide what is allowed: the tables do.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::TransferAction;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::{By, History};
use quorate_model::records::vm::state::{State, VmAction};

use super::events;
use super::table::{At, Event, Stamp, Step, find};
use crate::booking;
use crate::pools::vm::attributes::requirements;
use crate::pools::vm::{drivers, history, release};
use crate::txn::Txn;

/// Carries steps out on a VM, for `by`; quotas follow.
///
/// # Errors
/// NO_EXISTS; ACTION when requirements cannot be computed (the text is the reason alone).
pub fn run(txn: &mut Txn, vm: i32, by: By, steps: &[Step]) -> Result<(), ApiError> {
    booking::following(txn, Kind::Vm, vm, |txn| steps.iter().try_for_each(|step| carry_out(txn, vm, by, *step)))
}

/// Something was reported about a VM; what does not concern its state is ignored.
///
/// # Errors
/// Those of [`run`].
pub fn happen(txn: &mut Txn, vm: i32, event: Event) -> Result<(), ApiError> {
    let Some((_, body)) = txn.find_typed::<Vm>(vm) else { return Ok(()) };
    match find(events::EVENTS, &event, body) {
        Some(steps) => run(txn, vm, By::INTERNAL, steps),
        None => Ok(()),
    }
}

/// Carries out one step.
fn carry_out(txn: &mut Txn, vm: i32, by: By, step: Step) -> Result<(), ApiError> {
    match step {
        Step::Go(lcm) => body(txn, vm)?.set_lcm(lcm),
        Step::Rest(state) => body(txn, vm)?.set_state(state),
        Step::Note(action) => record(txn, vm, |r| r.set_action(action, by))?,
        Step::NoteAsOwner(action) => {
            let object = txn.object(Kind::Vm, vm)?;
            let owner = By { uid: object.uid, gid: object.gid, request: by.request };
            record(txn, vm, |r| r.set_action(action, owner))?;
        }
        Step::NoteInternal(action) => record(txn, vm, |r| r.set_action(action, By::INTERNAL))?,
        Step::NoteIfNone(action) => record(txn, vm, |r| {
            if r.action == VmAction::None {
                r.set_action(action, By::INTERNAL);
            }
        })?,
        Step::NotePrevious(action) => previous(txn, vm, |r| r.set_action(action, by))?,
        Step::ClearNote => {
            record(txn, vm, |r| r.set_action(VmAction::None, By::INTERNAL))?;
        }
        Step::Time(stamp) => {
            let now = txn.now();
            record(txn, vm, |r| set_time(r, stamp, now))?;
            if stamp == Stamp::End {
                history::set_vm_info(txn.object_mut(Kind::Vm, vm)?);
            }
        }
        Step::TimePrevious(stamp) => {
            let now = txn.now();
            previous(txn, vm, |r| set_time(r, stamp, now))?;
            if stamp == Stamp::End {
                history::set_previous_vm_info(txn.object_mut(Kind::Vm, vm)?);
            }
        }
        Step::EndIfOpen => {
            if body(txn, vm)?.record().is_some_and(|r| r.etime == 0) {
                carry_out(txn, vm, by, Step::Time(Stamp::End))?;
            }
        }
        Step::Reopen => {
            record(txn, vm, |r| (r.etime, r.retime) = (0, 0))?;
            history::set_vm_info(txn.object_mut(Kind::Vm, vm)?);
        }
        Step::PreviousInfo => history::set_previous_vm_info(txn.object_mut(Kind::Vm, vm)?),
        Step::CopyRecord => history::copy_current(txn.object_mut(Kind::Vm, vm)?),
        Step::CopyPreviousRecord => history::copy_previous(txn.object_mut(Kind::Vm, vm)?),
        Step::Resched(wanted) => body(txn, vm)?.resched = wanted,
        Step::Requirements => refresh_requirements(txn, vm)?,
        Step::AddCapacity => release::add_capacity(txn, vm)?,
        Step::RemoveCapacity => release::remove_capacity(txn, vm, Vm::record)?,
        Step::LeavePrevious => release::leave_previous(txn, vm)?,
        Step::LeaveNew => release::leave_new(txn, vm)?,
        Step::DropSnapshots => release::drop_snapshots(txn, vm)?,
        Step::DropAllSnapshots => release::drop_all_snapshots(txn, vm)?,
        Step::FreePort => release::free_port(txn, vm)?,
        Step::ForgetDeployId => body(txn, vm)?.deploy_id.clear(),
        Step::GiveUpChange => release::give_up_change(txn, vm)?,
        Step::Vmm(action) => drivers::vmm(txn, vm, action)?,
        Step::Transfer(action) => transfer(txn, vm, action)?,
        Step::CancelDrivers => drivers::cancel(txn, vm),
        Step::Free => release::free(txn, vm, true)?,
        Step::FreeImagesUntouched => release::free(txn, vm, false)?,
        Step::Then(event) => then(txn, vm, by, event)?,
    }
    Ok(())
}

/// Asks the transfer driver. A VM in a public cloud has no files here: its transfer is done at once.
fn transfer(txn: &mut Txn, vm: i32, action: TransferAction) -> Result<(), ApiError> {
    let (_, body) = txn.get::<Vm>(vm)?;
    if !body.record().is_some_and(History::on_cloud) {
        drivers::transfer(txn, vm, action);
        return Ok(());
    }
    let awaited = if body.state == State::Active { events::awaited(body.lcm_state) } else { None };
    match awaited {
        Some((done @ (Event::Prologued | Event::Epilogued), _)) => then(txn, vm, By::INTERNAL, done),
        _ => Ok(()),
    }
}

/// Carries out what an event means, within the change that is going on.
fn then(txn: &mut Txn, vm: i32, by: By, event: Event) -> Result<(), ApiError> {
    let steps = find(events::EVENTS, &event, txn.get::<Vm>(vm)?.1);
    steps.unwrap_or_default().iter().try_for_each(|step| carry_out(txn, vm, by, *step))
}

fn body(txn: &mut Txn, vm: i32) -> Result<&mut Vm, ApiError> {
    txn.body_mut::<Vm>(vm)
}

/// Changes the current record; a VM without history has none.
fn record(txn: &mut Txn, vm: i32, change: impl FnOnce(&mut History)) -> Result<(), ApiError> {
    if let Some(record) = body(txn, vm)?.record_mut() {
        change(record);
    }
    Ok(())
}

fn previous(txn: &mut Txn, vm: i32, change: impl FnOnce(&mut History)) -> Result<(), ApiError> {
    if let Some(record) = body(txn, vm)?.previous_record_mut() {
        change(record);
    }
    Ok(())
}

fn set_time(record: &mut History, stamp: Stamp, now: i64) {
    let time = match stamp {
        Stamp::Start => &mut record.stime,
        Stamp::End => &mut record.etime,
        Stamp::PrologStart => &mut record.pstime,
        Stamp::PrologEnd => &mut record.petime,
        Stamp::RunningStart => &mut record.rstime,
        Stamp::RunningEnd => &mut record.retime,
        Stamp::EpilogStart => &mut record.estime,
        Stamp::EpilogEnd => &mut record.eetime,
    };
    *time = now;
}

/// Computes the requirements anew; the reason of a refusal names what was wanted.
fn refresh_requirements(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let (object, body) = txn.get::<Vm>(vm)?;
    let mut template = body.template.clone();
    let wanted = match At::of(body) {
        At::Is(State::Hold) => "release VM",
        At::Is(State::Stopped | State::Undeployed) => "resume VM",
        _ => "set rescheduling flag for VM",
    };
    requirements::automatic(txn, &mut template, &object.template).map_err(|reason| {
        ApiError::action(format!("Could not {wanted} {vm}, error updating requirements. {reason}"))
    })?;
    txn.body_mut::<Vm>(vm)?.template = template;
    Ok(())
}
