//! `one.vn.recover`, and the end of a network.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::{Form, Op};
use quorate_model::kind::Kind;
use quorate_model::pending::{NetworkAction, Operation};
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vnet::{State, Vnet};

use super::update;
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::cluster::members as cluster;
use crate::pools::vdc;
use crate::txn::Txn;
use crate::{booking, ctime};

/// Parameters network, operation: 0 failure, 1 success, 2 delete, 3 retry.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, operation) = (request.id(), request.int(1));
    if !(0..=3).contains(&operation) {
        return Err(ApiError::action("Wrong recovery operation code"));
    }
    txn.authorize(&[AuthRequest::on(txn.object(Kind::Net, id)?, Op::Manage)])?;
    let state = txn.get::<Vnet>(id)?.1.state;
    let pending = matches!(state, State::Init | State::LockCreate | State::LockDelete);
    let (name, done) = match operation {
        0 => ("failure", pending.then(|| fail(txn, id, "Failure forced by user"))),
        1 => ("success", succeed(txn, id, state)),
        2 => ("delete", (pending || state == State::Error).then(|| delete(txn, id))),
        _ => ("retry", (state == State::UpdateFailure).then(|| retry(txn, id))),
    };
    done.unwrap_or_else(|| {
        let state = state.name();
        Err(ApiError::internal(format!("Could not perform 'recover {name}' on VN {id}, wrong state {state}.")))
    })?;
    Ok(Value::Int(id))
}

/// The driver failed, or an administrator says so.
///
/// # Errors
/// NO_EXISTS.
pub(super) fn fail(txn: &mut Txn, id: i32, reason: &str) -> Result<(), ApiError> {
    forget_pending(txn, id);
    let now = txn.time_in_words();
    ctime::set_error(&mut txn.object_mut(Kind::Net, id)?.template, ctime::ERROR, &now, reason);
    txn.body_mut::<Vnet>(id)?.set_state(State::Error);
    Ok(())
}

/// As if the driver had succeeded; `None` where there is nothing to succeed in.
fn succeed(txn: &mut Txn, id: i32, state: State) -> Option<Result<(), ApiError>> {
    match state {
        State::Init | State::LockCreate | State::Error | State::UpdateFailure => Some(make_ready(txn, id)),
        State::LockDelete => {
            forget_pending(txn, id);
            finish(txn, id);
            Some(Ok(()))
        }
        State::Done | State::Ready => None,
    }
}

fn make_ready(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    forget_pending(txn, id);
    txn.object_mut(Kind::Net, id)?.template.remove(ctime::ERROR);
    let network = txn.body_mut::<Vnet>(id)?;
    if network.state == State::UpdateFailure {
        let outdated = std::mem::take(&mut network.vms.outdated);
        network.vms.updated.extend(outdated);
    }
    network.set_state(State::Ready);
    Ok(())
}

/// The network goes at once; the driver is told, but nobody waits for it.
fn delete(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    forget_pending(txn, id);
    let document = Some(txn.object(Kind::Net, id)?.xml(Form::Short));
    txn.start(Operation::Network { network: id, action: NetworkAction::Delete, document });
    finish(txn, id);
    Ok(())
}

fn retry(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    txn.body_mut::<Vnet>(id)?.set_state(State::Ready);
    update::start(txn, id, |rollout| rollout.commit(true));
    Ok(())
}

/// Reports of what was asked of the driver no longer count.
fn forget_pending(txn: &mut Txn, id: i32) {
    txn.cancel(|operation| matches!(operation, Operation::Network { network, .. } if *network == id));
}

/// `one.vn.delete`: parameter network. It goes when the driver has deleted it; its ranges and the rules about it go now.
pub fn delete_call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let refuse = |reason: String| Err(ApiError::action(format!("Cannot delete virtual network. {reason}")));
    txn.exempt_from_limits();
    let network = txn.body_mut::<Vnet>(id)?;
    if network.ranges.used() > 0 {
        return refuse("Can not remove a virtual network with leases in use".to_owned());
    }
    if matches!(network.state, State::LockCreate | State::LockDelete | State::Done) {
        return refuse(format!("Can not remove a Virtual Network, wrong state {}", network.state.name()));
    }
    network.ranges.clear();
    network.set_state(State::LockDelete);
    txn.start(Operation::Network { network: id, action: NetworkAction::Delete, document: None });
    crate::rules::forget_object(txn, Kind::Net, id);
    Ok(Value::Int(id))
}

/// Removes a network that is deleted outside: its clusters and its parent network forget it.
pub(super) fn finish(txn: &mut Txn, id: i32) {
    booking::release_object(txn, Kind::Net, id);
    cluster::forget(txn, Kind::Net, id);
    vdc::resources::forget(txn, Kind::Net, id);
    let parent = txn.find_typed::<Vnet>(id).and_then(|(_, network)| network.parent);
    txn.remove(Kind::Net, id);
    if let Some(parent) = parent.filter(|parent| txn.find(Kind::Net, *parent).is_some())
        && let Ok(network) = txn.body_mut::<Vnet>(parent)
    {
        network.ranges.give_back_all(Holder::Net(id));
    }
}
