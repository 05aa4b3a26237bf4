//! What the operations have in common: which VMs they are for, and how a VM goes back to what it was doing before.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::TransferAction;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::records::vm::state::{Back, LcmState, State, VmAction};

use crate::pools::vm::{drivers, history};
use crate::txn::Txn;

/// Whether it runs undisturbed.
#[must_use]
pub fn is_running(vm: &Vm) -> bool {
    vm.is_doing(LcmState::Running)
}

/// Whether it is in a state other than ACTIVE, undisturbed.
#[must_use]
pub fn is_at(vm: &Vm, state: State) -> bool {
    vm.state == state && vm.lcm_state == LcmState::LcmInit
}

/// Whether it is powered off and its hypervisor does not delete a snapshot of it. As in the reference
/// (`DispatchManagerActions.cc`), what it did before does not matter.
#[must_use]
pub fn is_off(vm: &Vm) -> bool {
    vm.state == State::Poweroff && vm.lcm_state != LcmState::HotplugSnapshot
}

/// The refusal of an operation for the VM's state; `what` is not done to the VM.
#[must_use]
pub fn wrong_state(what: &str, id: i32, vm: &Vm) -> ApiError {
    ApiError::action(format!("{what} VM {id}, wrong state {}.", vm.state_name()))
}

/// The history goes on in a new record, because of the caller's operation.
///
/// # Errors
/// NO_EXISTS.
pub fn record(txn: &mut Txn, id: i32, action: VmAction) -> Result<(), ApiError> {
    let (now, by) = (txn.now(), history::by_caller(txn));
    history::close_and_copy(txn.object_mut(Kind::Vm, id)?, now, action, by);
    Ok(())
}

/// Asks the transfer driver for an operation that `answered` ends. In a public cloud, where there is nothing to
/// transfer, that has succeeded at once.
///
/// # Errors
/// NO_EXISTS; those of `answered`.
pub fn transfer(
    txn: &mut Txn,
    id: i32,
    action: TransferAction,
    answered: fn(&mut Txn, i32, bool) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    if txn.get::<Vm>(id)?.1.record().is_some_and(History::on_cloud) {
        return answered(txn, id, true);
    }
    drivers::transfer(txn, id, action);
    Ok(())
}

/// The operation is over: the VM is as it was before.
///
/// # Errors
/// NO_EXISTS.
pub fn finish_operation(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let now = txn.now();
    let vm = txn.body_mut::<Vm>(id)?;
    if vm.state != State::Active {
        // A snapshot deleted while the VM is powered off: as in the reference
        // (`LifeCycleManager::trigger_snapshot_delete_success`), its LCM_STATE is then RUNNING.
        vm.lcm_state = LcmState::Running;
        vm.prev_lcm_state = LcmState::Running;
        return Ok(());
    }
    match vm.lcm_state.facts().back {
        Back::Nowhere => {}
        Back::Running => vm.set_lcm(LcmState::Running),
        Back::To(state) => vm.set_state(state),
        Back::Ended(state) => {
            vm.set_state(state);
            if let Some(record) = vm.record_mut() {
                record.retime = now;
            }
        }
    }
    Ok(())
}
