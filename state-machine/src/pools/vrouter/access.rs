//! `one.vrouter.chown` and `one.vrouter.chmod`: a router's VMs change with it.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::vrouter::VRouter;

use crate::methods::Request;
use crate::txn::Txn;
use crate::{booking, verbs};

/// `one.vrouter.chown`: parameters id, user, group. The router's VMs go with it, as far as quotas let them.
pub fn chown(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let reply = verbs::chown::<VRouter>(txn, request)?;
    let (uid, gid) = (request.int(1), request.int(2));
    let mut refused = None;
    for vm in txn.get::<VRouter>(request.id())?.1.vms.clone() {
        if let Err(refusal) = txn.attempt(|txn| chown_vm(txn, vm, uid, gid)) {
            refused = Some(refusal);
        }
    }
    // As in the reference (`RequestManagerChown.cc`), those that could change stay changed.
    refused.map_or(Ok(reply), |refusal| {
        txn.keep_although_refused();
        Err(refusal)
    })
}

/// `one.vrouter.chmod`: parameters id and nine bits. The router's VMs change with it, as far as rights let them.
pub fn chmod(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let wanted: [i32; 9] = std::array::from_fn(|i| request.int(i + 1));
    verbs::chmod_object(txn, Kind::VRouter, request.id(), wanted)?;
    let mut refused = None;
    for vm in txn.get::<VRouter>(request.id())?.1.vms.clone() {
        if let Err(refusal) = txn.attempt(|txn| verbs::chmod_object(txn, Kind::Vm, vm, wanted)) {
            refused = Some(refusal);
        }
    }
    refused.map_or(Ok(Value::Int(request.id())), |refusal| {
        txn.keep_although_refused();
        Err(refusal)
    })
}

/// Gives a VM to another owner or group (-1 keeps), with what it uses of quotas.
fn chown_vm(txn: &mut Txn, vm: i32, uid: i32, gid: i32) -> Result<(), ApiError> {
    let object = txn.object(Kind::Vm, vm)?;
    let (owner, charges) = ((object.uid, object.gid), object.charges());
    booking::transfer(txn, owner, (uid, gid), &charges)?;
    txn.chown(Kind::Vm, vm, uid, gid)
}
