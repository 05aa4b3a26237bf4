//! What a driver's answer does to a network.

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::{self, NetworkAction};
use quorate_model::records::vnet::{State, Vnet};
use quorate_model::template::{Attribute, VectorAttribute, parse};

use super::{leases, recover, update};
use crate::ctime;
use crate::txn::Txn;

/// Applies a driver's answer to VNET_CREATE or VNET_DELETE.
///
/// # Errors
/// None that refuses the report: an object that is gone or in another state is ignored.
pub fn network(
    txn: &mut Txn,
    network: i32,
    action: NetworkAction,
    outcome: Result<&str, &str>,
) -> Result<(), ApiError> {
    let Some((_, body)) = txn.find_typed::<Vnet>(network) else { return Ok(()) };
    match (action, body.state, outcome) {
        (NetworkAction::Create, State::LockCreate, Ok(payload)) => match created(txn, network, payload) {
            Ok(()) => Ok(()),
            Err(reason) => recover::fail(txn, network, &reason),
        },
        (NetworkAction::Delete, State::LockDelete, Ok(_)) => {
            recover::finish(txn, network);
            Ok(())
        }
        (NetworkAction::Create, State::LockCreate, Err(reason))
        | (NetworkAction::Delete, State::LockDelete, Err(reason)) => recover::fail(txn, network, &decoded(reason)),
        _ => Ok(()),
    }
}

/// The driver has created the network: what it answers is added to the template, the address ranges are made. One that
/// is wrong makes the network fail; those before it stay.
fn created(txn: &mut Txn, id: i32, payload: &str) -> Result<(), String> {
    let mut new = parse::parse(&decoded(payload))?;
    let object = txn.object(Kind::Net, id).map_err(|e| e.text)?;
    update::note_changes(&object.template, &mut new, false);
    let template = &mut txn.object_mut(Kind::Net, id).map_err(|e| e.text)?.template;
    template.merge(&new);
    template.remove(ctime::ERROR);
    update::updated(txn, id)?;
    txn.body_mut::<Vnet>(id).map_err(|e| e.text)?.set_state(State::Ready);
    let ranges = txn.object_mut(Kind::Net, id).map_err(|e| e.text)?.template.remove("AR");
    let vectors: Vec<VectorAttribute> = ranges
        .into_iter()
        .filter_map(|attribute| match attribute {
            Attribute::Vector(vector) => Some(vector),
            Attribute::Single(_) => None,
        })
        .collect();
    vectors.into_iter().try_for_each(|range| leases::add(txn, id, range))
}

/// What a driver encoded, or the text itself if it is not encoded.
fn decoded(payload: &str) -> String {
    pending::decoded(payload).unwrap_or_else(|| payload.to_owned())
}
