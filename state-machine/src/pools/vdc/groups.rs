//! The groups of a VDC.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::vdc::Vdc;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::vdc::rules;
use crate::txn::Txn;

/// Lets a group into a VDC.
///
/// # Errors
/// INTERNAL when it is in it already, NO_EXISTS for the VDC.
pub fn add(txn: &mut Txn, id: i32, gid: i32) -> Result<(), ApiError> {
    let vdc = txn.body_mut::<Vdc>(id)?;
    if !vdc.groups.insert(gid) {
        return Err(ApiError::internal(format!("Group {gid} is already assigned to the VDC {id}")));
    }
    let resources = vdc.all();
    rules::add(txn, gid, &resources);
    Ok(())
}

fn remove(txn: &mut Txn, id: i32, gid: i32) -> Result<(), ApiError> {
    let vdc = txn.body_mut::<Vdc>(id)?;
    if !vdc.groups.remove(&gid) {
        return Err(ApiError::internal(format!("Group {gid} is not assigned to the VDC {id}")));
    }
    let resources = vdc.all();
    rules::remove(txn, gid, &resources);
    Ok(())
}

/// A deleted group is in no VDC any more.
pub fn forget(txn: &mut Txn, gid: i32) {
    let having: Vec<i32> =
        txn.each::<Vdc>().filter(|(_, vdc)| vdc.groups.contains(&gid)).map(|(object, _)| object.id).collect();
    for id in having {
        // It is in it: it was just found there.
        let _ = remove(txn, id, gid);
    }
}

/// `one.vdc.addgroup`: parameters VDC, group.
pub fn add_call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    add(txn, request.id(), request.int(1))?;
    Ok(Value::Int(request.id()))
}

/// `one.vdc.delgroup`: parameters VDC, group, which need not exist any more.
pub fn remove_call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut wishes = vec![AuthRequest::on(txn.object(Kind::Vdc, request.id())?, Op::Admin)];
    match txn.find(Kind::Group, request.int(1)) {
        Some(group) => wishes.push(AuthRequest::on(group, Op::Admin)),
        None => wishes.push(AuthRequest::on_pool(Kind::Group, Op::Admin)),
    }
    txn.authorize(&wishes)?;
    remove(txn, request.id(), request.int(1))?;
    Ok(Value::Int(request.id()))
}
