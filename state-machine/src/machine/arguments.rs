//! How long the arguments of a call may be: no longer than an object that its caller may make. What is longer would be
//! refused in the end ([`crate::sizes`]), but only after every node has stored, parsed and carried it out.
//!
//! It must not look into an argument.

use quorate_model::api::Arg;
use quorate_model::command::Actor;
use quorate_model::error::{ApiError, ErrorCode};
use quorate_model::settings::limits::Limit;

use crate::methods::{ID, Request};
use crate::state::State;

/// Refuses a text that is longer than an object of this caller may be. As there, what makes nothing larger passes: an
/// object that is above the limit already may be given a text as long as it is itself.
///
/// # Errors
/// AUTHORIZATION, in the words of the refusal of such an object.
pub fn check(state: &State, actor: &Actor, request: &Request<'_>) -> Result<(), ApiError> {
    let bytes = |arg: &Arg| if let Arg::Str(text) = arg { text.len() as u64 } else { 0 };
    let longest = request.args().iter().map(bytes).max().unwrap_or(0);
    let which = if state.is_admin(actor) { Limit::ObjectSizeMaxAdmin } else { Limit::ObjectSizeMax };
    let (limit, name) = (state.settings().number(which), which.row().name);
    if longest <= limit || longest <= stored(state, request) {
        return Ok(());
    }
    let noun = request.kind().info().noun;
    let text = format!("The {noun} would have {longest} bytes, the limit is {limit} ({name})");
    Err(ApiError::new(ErrorCode::Authorization, text))
}

/// How many bytes the object has that the call is about, as its record is stored. An argument is the text of a template:
/// the two are not the same measure, but a record is not smaller than the values in it, so that what a client has read
/// of an object may be sent back.
fn stored(state: &State, request: &Request<'_>) -> u64 {
    let is_named = request.method.params.first().is_some_and(|param| param.name == ID.name && param.ty == ID.ty);
    let object = is_named.then(|| state.find(request.kind(), request.id())).flatten();
    object.map_or(0, |object| object.size.record)
}
