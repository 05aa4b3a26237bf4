//! `one.vm.rename` and `one.vm.update`: the shared verbs, with the level that operation lists give them.

use quorate_model::api::ApiReply;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::VmAction;

use crate::methods::Request;
use crate::pools::vm::rights;
use crate::txn::Txn;
use crate::{authorize, verbs};

/// Parameters VM, new name.
pub fn rename(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let op = authorize::level_for(txn, txn.actor(), VmAction::Rename.keyword(), Op::Manage);
    verbs::rename_as::<Vm>(txn, request, op)
}

/// Parameters VM, USER_TEMPLATE, type (0 replace, 1 merge).
pub fn update(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    rights::authorize(txn, id, VmAction::Update)?;
    if !rights::is_supported(txn, id, VmAction::Update) {
        let text = "Cannot update template. Action \"update\" is not supported for imported VMs";
        return Err(ApiError::internal(text));
    }
    verbs::update::<Vm>(txn, request)
}
