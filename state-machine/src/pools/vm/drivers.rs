//! Asking drivers: operations of VMs that the leader carries out, and what a VM gets ready for them.
//!
//! It must not change a VM's state.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::{Operation, TransferAction, VmmAction};
use quorate_model::records::vm::Vm;

use super::attributes::context;
use super::attributes::scope::Scope;
use crate::txn::Txn;

/// Hypervisor actions that hand the guest its context.
const WITH_CONTEXT: [VmmAction; 5] =
    [VmmAction::Deploy, VmmAction::Restore, VmmAction::AttachNic, VmmAction::DetachNic, VmmAction::UpdateConf];

/// Asks the hypervisor driver.
///
/// # Errors
/// NO_EXISTS.
pub fn vmm(txn: &mut Txn, vm: i32, action: VmmAction) -> Result<(), ApiError> {
    if WITH_CONTEXT.contains(&action) {
        refresh_context(txn, vm)?;
    }
    txn.start(Operation::Vmm { vm, action });
    Ok(())
}

/// Asks the transfer driver.
pub fn transfer(txn: &mut Txn, vm: i32, action: TransferAction) {
    txn.start(Operation::Transfer { vm, action });
}

/// Nobody waits for the answers that a VM's drivers owe any more. Updates of security groups go on.
pub fn cancel(txn: &mut Txn, vm: i32) {
    txn.cancel(|operation| match operation {
        Operation::Vmm { vm: of, .. } | Operation::Transfer { vm: of, .. } => *of == vm,
        _ => false,
    });
}

/// Brings the interfaces' sections of the context up to date: an automatic NIC has its network now.
fn refresh_context(txn: &mut Txn, vm: i32) -> Result<(), ApiError> {
    let object = txn.object(Kind::Vm, vm)?;
    let Some(scope) = Scope::of(object) else { return Ok(()) };
    let Some(mut context) = scope.vm.template.vector("CONTEXT").cloned() else { return Ok(()) };
    // A context that could be made when the VM was made can be made now; else it stays as it is.
    if context::add_network(txn, scope, &mut context, context::Nics::All).is_ok() {
        txn.body_mut::<Vm>(vm)?.template.set_vectors("CONTEXT", [context]);
    }
    Ok(())
}
