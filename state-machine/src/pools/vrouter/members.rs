//! Which VMs a router has. It knows nothing of VMs.

use quorate_model::kind::Kind;
use quorate_model::records::vrouter::VRouter;

use crate::txn::Txn;

/// A VM of a router has ended: the router forgets it.
pub fn forget_vm(txn: &mut Txn, router: i32, vm: i32) {
    if txn.find(Kind::VRouter, router).is_some()
        && let Ok(body) = txn.body_mut::<VRouter>(router)
    {
        body.vms.remove(&vm);
    }
}
