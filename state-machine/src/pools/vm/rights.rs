//! Who may do what with a VM: the level that an operation takes, and what is refused whoever asks for it.

use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::quota::Charge;
use quorate_model::records::Record;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::VmAction;
use quorate_model::template::Template;

use crate::authorize::{self, Request as AuthRequest};
use crate::booking;
use crate::txn::Txn;

/// Refuses unless the caller has the level of an action on a VM.
///
/// # Errors
/// NO_EXISTS, AUTHORIZATION.
pub fn authorize(txn: &Txn, vm: i32, action: VmAction) -> Result<(), ApiError> {
    let op = authorize::level_for(txn, txn.actor(), action.keyword(), Op::Manage);
    if vm < 0 {
        txn.authorize(&[AuthRequest::on_pool(Kind::Vm, op)])?;
    }
    txn.authorize(&[AuthRequest::on(txn.object(Kind::Vm, vm)?, op)])
}

/// The right that the caller needs for an operation of a VM.
fn wish(txn: &Txn, id: i32, action: VmAction) -> Result<AuthRequest, ApiError> {
    let otherwise = match action {
        VmAction::Backup | VmAction::BackupCancel => Op::Admin,
        _ => Op::Manage,
    };
    let op = authorize::level_for(txn, txn.actor(), action.keyword(), otherwise);
    Ok(AuthRequest::on(txn.object(Kind::Vm, id)?, op))
}

/// Refuses unless the caller may do an operation of a VM, and all of `further`.
///
/// # Errors
/// NO_EXISTS, AUTHORIZATION.
pub fn authorize_with(txn: &Txn, id: i32, action: VmAction, further: Vec<AuthRequest>) -> Result<(), ApiError> {
    let mut wishes = vec![wish(txn, id, action)?];
    wishes.extend(further);
    txn.authorize(&wishes)
}

/// Refuses what the hypervisor of an imported VM does not do.
///
/// # Errors
/// ACTION.
pub fn refuse_imported(txn: &Txn, id: i32, action: VmAction) -> Result<(), ApiError> {
    if is_supported(txn, id, action) {
        return Ok(());
    }
    // The message names the action as the history does, also an update of a NIC or a snapshot's revert.
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
    if txn.is_admin(actor) {
        return Ok(());
    }
    match txn.settings().restricted(Vm::RESTRICTED).first_in(template) {
        Some(name) => Err(ApiError::authorization(actor.uid, format!("{noun} includes a restricted attribute {name}"))),
        None => Ok(()),
    }
}

/// Whether an imported VM's hypervisor driver lets an action be done with it; always for a VM of our own.
#[must_use]
pub fn is_supported(txn: &Txn, vm: i32, action: VmAction) -> bool {
    let Some((object, body)) = txn.find_typed::<Vm>(vm) else { return true };
    if !body.template.is_yes("IMPORTED") {
        return true;
    }
    let driver = body.record().map_or_else(|| object.template.value("HYPERVISOR"), |r| r.vm_mad.as_str());
    let allowed = txn.settings().driver("VM_MAD", driver).map_or("", |mad| mad.value("IMPORTED_VMS_ACTIONS"));
    allowed.split(',').any(|name| name.trim() == action.name())
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
    booking::check(txn, payer.0, payer.1, charges).map_err(|reason| ApiError::authorization(shown, reason))
}
