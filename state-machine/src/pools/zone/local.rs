//! The local zone, the only one there is: whether it takes calls.

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::{Kind, LOCAL_ZONE};
use quorate_model::records::zone::Zone;

use crate::authorize::{Request as AuthRequest, authorize};
use crate::methods::Request;
use crate::state::State;
use crate::txn::Txn;

/// `one.zone.allocate`: there is no federation that a zone could join. This is said before any parameter is read (the
/// reference: `RequestManagerAllocate.cc`, `ZoneAllocate::request_execute`).
pub fn allocate(_txn: &mut Txn, _request: &Request<'_>) -> ApiReply {
    Err(ApiError::allocate(Kind::Zone, "New zones can only be created at federation master"))
}

/// Refuses calls about other zones than the local one before it looks at rights (the reference:
/// `RequestManagerZone.cc`, `ZoneAddServer::request_execute` and its like).
pub fn check_local(state: &State, actor: &Actor, request: &Request<'_>, refusal: &str) -> Result<(), ApiError> {
    if request.id() != LOCAL_ZONE {
        return Err(ApiError::action(refusal));
    }
    authorize(state, actor, &[AuthRequest::on(state.object(Kind::Zone, LOCAL_ZONE)?, Op::Admin)])
}

const ENABLE_ELSEWHERE: &str = "Enable/disable mode have to be set through the target zone endpoints";

/// `one.zone.enable`: parameters zone, whether.
pub fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    check_local(txn, txn.actor(), request, ENABLE_ELSEWHERE)?;
    txn.body_mut::<Zone>(LOCAL_ZONE)?.enabled = request.bool(1);
    Ok(Value::Int(LOCAL_ZONE))
}
