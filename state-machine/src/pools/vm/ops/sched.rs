//! Scheduled actions: `one.vm.schedadd`, `one.vm.scheddelete`, `one.vm.schedupdate`.
//!
//! They are only kept here: the scheduler, a client of the API, runs them and notes DONE and MESSAGE.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::VmAction;
use quorate_model::template::VectorAttribute;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::template::sched_action::check_sched_action;
use crate::pools::vm::rights;
use crate::txn::Txn;
use crate::verbs;

fn authorize(txn: &Txn, id: i32, action: VmAction) -> Result<(), ApiError> {
    if id < 0 {
        // As in the reference (`Request::basic_authorization`), the right to the pool as a whole is looked at first.
        txn.authorize(&[AuthRequest::on_pool(Kind::Vm, quorate_model::head::Op::Manage)])?;
    }
    rights::authorize_with(txn, id, action, Vec::new())
}

/// The first SCHED_ACTION of a text. A single value is refused (the reference crashes).
fn parse(text: &str) -> Result<VectorAttribute, ApiError> {
    let template = verbs::parse_new(text)?;
    let action = template.vector("SCHED_ACTION").cloned();
    action.ok_or_else(|| ApiError::internal(format!("Cannot read SCHED_ACTION from the template: {text}")))
}

/// `one.vm.schedadd`: parameters VM, template with a SCHED_ACTION; further ones are left out.
pub fn add(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    authorize(txn, id, VmAction::SchedAdd)?;
    let mut action = parse(request.str(1))?;
    check_sched_action(&action).map_err(ApiError::internal)?;
    action.remove("DONE");
    action.remove("MESSAGE");
    let template = &mut txn.body_mut::<Vm>(id)?.template;
    let ids = template.vectors("SCHED_ACTION").filter_map(|action| action.id("ID"));
    let next = ids.max().map_or(0, |max| max.saturating_add(1));
    action.set("ID", next);
    template.add_vector("SCHED_ACTION", action);
    Ok(Value::Int(id))
}

/// `one.vm.scheddelete`: parameters VM, scheduled action.
pub fn delete(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, action) = (request.id(), request.int(1));
    authorize(txn, id, VmAction::SchedDelete)?;
    let taken = txn.body_mut::<Vm>(id)?.take_vector("SCHED_ACTION", "ID", action);
    taken.ok_or_else(|| missing(action))?;
    Ok(Value::Int(id))
}

/// `one.vm.schedupdate`: parameters VM, scheduled action, template with the SCHED_ACTION that takes its place.
pub fn update(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, action) = (request.id(), request.int(1));
    authorize(txn, id, VmAction::SchedUpdate)?;
    let mut actions = txn.body_mut::<Vm>(id)?.template.vectors_mut("SCHED_ACTION");
    let place = actions.find(|a| a.id("ID") == Some(action)).ok_or_else(|| missing(action))?;
    let mut new = parse(request.str(2))?;
    check_sched_action(&new).map_err(ApiError::internal)?;
    new.set("ID", action);
    *place = new;
    Ok(Value::Int(id))
}

fn missing(action: i32) -> ApiError {
    // The missing blank is the reference's.
    ApiError::internal(format!("Sched action with id = {action}doesn't exist"))
}
