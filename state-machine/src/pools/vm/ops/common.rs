//! What the operations have in common: who may call them, which VMs they are for, and how a VM goes back to what it
//! was doing before.

use crate::authorize::{self, Request as AuthRequest};
use crate::error::ApiError;
use crate::kind::Kind;
use crate::object::Op;
use crate::pending::TransferAction;
use crate::pools::PoolBody;
use crate::pools::vm::{Vm, actions, drivers, history};
use crate::quota::{self, Charge};
use crate::records::vm::history::History;
use crate::records::vm::state::{Back, LcmState, State, VmAction};
use crate::template::Template;
use crate::txn::Txn;
use crate::vm_operations;

/// The right that the caller needs for an operation of a VM.
///
/// # Errors
/// NO_EXISTS.
pub fn wish(txn: &Txn, id: i32, action: VmAction) -> Result<AuthRequest, ApiError> {
    let otherwise = match action {
        VmAction::Backup | VmAction::BackupCancel => Op::Admin,
        _ => Op::Manage,
    };
    let op = vm_operations::level_for(txn, txn.actor(), action.keyword(), otherwise);
    Ok(AuthRequest::on(txn.object(Kind::Vm, id)?, op))
}

/// Refuses unless the caller may do an operation of a VM, and all of `further`.
///
/// # Errors
/// NO_EXISTS, AUTHORIZATION.
pub fn authorize(txn: &Txn, id: i32, action: VmAction, further: Vec<AuthRequest>) -> Result<(), ApiError> {
    let mut wishes = vec![wish(txn, id, action)?];
    wishes.extend(further);
    txn.authorize(&wishes)
}

/// Refuses what the hypervisor of an imported VM does not do.
///
/// # Errors
/// ACTION.
pub fn refuse_imported(txn: &Txn, id: i32, action: VmAction) -> Result<(), ApiError> {
    if actions::is_supported(txn, id, action) {
        return Ok(());
    }
    // As in the reference, the message calls the update of a NIC, a snapshot's revert and so on by the history's name.
    Err(ApiError::action(format!("Action \"{}\" is not supported for imported VMs", action.name())))
}

/// Refuses VMs of virtual routers, whose parts follow the router's.
///
/// # Errors
/// ACTION.
pub fn refuse_router(vm: &Vm) -> Result<(), ApiError> {
    if vm.template.int("VROUTER_ID").is_some_and(|id| id != -1) {
        return Err(ApiError::action("Action is not supported for virtual router VMs"));
    }
    Ok(())
}

/// Refuses to anyone but administrators a template with a restricted attribute; `noun` is what it describes.
///
/// # Errors
/// AUTHORIZATION.
pub fn refuse_restricted(txn: &Txn, template: &Template, noun: &str) -> Result<(), ApiError> {
    let actor = txn.actor();
    if authorize::is_admin(txn, actor) {
        return Ok(());
    }
    match txn.settings().restricted(Vm::RESTRICTED).first_in(template) {
        Some(name) => Err(ApiError::authorization(actor.uid, format!("{noun} includes a restricted attribute {name}"))),
        None => Ok(()),
    }
}

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

/// Whether it is powered off and its hypervisor does not delete a snapshot of it. As in the reference, what it did
/// before does not matter.
#[must_use]
pub fn is_off(vm: &Vm) -> bool {
    vm.state == State::Poweroff && vm.lcm_state != LcmState::HotplugSnapshot
}

/// The refusal of an operation for the VM's state; `what` is not done to the VM.
#[must_use]
pub fn wrong_state(what: &str, id: i32, vm: &Vm) -> ApiError {
    ApiError::action(format!("{what} VM {id}, wrong state {}.", vm.state_name()))
}

/// Owner and group.
///
/// # Errors
/// NO_EXISTS.
pub fn owner(txn: &Txn, id: i32) -> Result<(i32, i32), ApiError> {
    let object = txn.object(Kind::Vm, id)?;
    Ok((object.uid, object.gid))
}

/// Refuses what the limits of `payer` do not allow, in the words for user `shown`. Books nothing.
///
/// # Errors
/// AUTHORIZATION.
pub fn check_quota(txn: &Txn, payer: (i32, i32), shown: i32, charges: &[Charge]) -> Result<(), ApiError> {
    quota::check(txn, payer.0, payer.1, charges).map_err(|reason| ApiError::authorization(shown, reason))
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

/// Asks the transfer driver; in a public cloud, where there is nothing to transfer, that has succeeded at once.
///
/// # Errors
/// NO_EXISTS.
pub fn transfer(txn: &mut Txn, id: i32, action: TransferAction) -> Result<(), ApiError> {
    let on_cloud = txn.get::<Vm>(id)?.1.record().is_some_and(History::on_cloud);
    if on_cloud { super::answered(txn, id, None, Ok("")) } else { drivers::transfer(txn, id, action) }
}

/// The operation is over: the VM is as it was before.
///
/// # Errors
/// NO_EXISTS.
pub fn finish_operation(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let now = txn.now();
    let vm = txn.body_mut::<Vm>(id)?;
    if vm.state != State::Active {
        // A snapshot deleted while the VM is powered off: as in the reference, its LCM_STATE is then RUNNING.
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
