//! Listings of VMs: by owner, id, state, or what is said of them. Concatenations of cached documents.

use bytes::Bytes;
use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::head::{Form, Op};
use quorate_model::ids::id_list;
use quorate_model::kind::Kind;
use quorate_model::object::{Object, escape_document};
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State;

use super::history;
use super::search::Query;
use crate::authorize::Request as AuthRequest;
use crate::methods::{Request, View};
use crate::verbs::listing::{self, ALL, Range};

/// Every state.
const ANY_STATE: i32 = -2;
/// Every state but DONE.
const NOT_DONE: i32 = -1;
/// The highest number of a state.
const LAST_STATE: i32 = State::CloningFailure as i32;

/// Parameters filter flag, start, end, state, query.
pub fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    Ok(listing::document("VM_POOL", listed(view, request)?, Form::Short))
}

/// The same with full documents, but for past history records.
pub fn info_extended(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    Ok(extended(&listed(view, request)?))
}

/// Parameters list of ids, whether with full documents. What is no number is passed over, and so is what is not seen.
pub fn info_set(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let ids = id_list(request.str(0));
    let all = Range { start: -1, end: -1 };
    let objects = if ids.is_empty() {
        Vec::new()
    } else {
        listing::select(view, Kind::Vm, ALL, all, |object| ids.contains(&object.id))?
    };
    Ok(if request.bool(1) { extended(&objects) } else { listing::document("VM_POOL", objects, Form::Short) })
}

/// `one.vm.monitoring`
pub fn monitoring(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    view.authorize(&[AuthRequest::on(view.state.object(Kind::Vm, request.id())?, Op::Use).ignoring_lock()])?;
    Ok(Value::Text(listing::NO_SAMPLES.to_owned()))
}

/// `one.vmpool.monitoring`: parameters filter flag, how many seconds back (-1 all, 0 the last ones).
pub fn pool_monitoring(_view: &View<'_>, request: &Request<'_>) -> ApiReply {
    check_filter(request.int(0))?;
    Ok(Value::Text(listing::NO_SAMPLES.to_owned()))
}

/// Refuses an unknown filter flag.
///
/// # Errors
/// XML_RPC_API.
pub fn check_filter(flag: i32) -> Result<(), ApiError> {
    if flag < listing::GROUP { Err(ApiError::api("Incorrect filter_flag")) } else { Ok(()) }
}

/// The VMs of a listing with parameters filter flag, start, end, state, query.
fn listed<'a>(view: &View<'a>, request: &Request<'_>) -> Result<Vec<&'a Object>, ApiError> {
    let range = Range { start: request.int(1), end: request.int(2) };
    let (state, query) = (request.int(3), Query::new(request.str(4)));
    if !(ANY_STATE..=LAST_STATE).contains(&state) {
        return Err(ApiError::api("Incorrect filter_flag, state"));
    }
    listing::select(view, Kind::Vm, request.int(0), range, |object| {
        let Some(vm) = Vm::of(&object.body) else { return false };
        let wanted = match state {
            ANY_STATE => true,
            NOT_DONE => vm.state != State::Done,
            state => vm.state.number() == state,
        };
        wanted && query.finds(object, vm)
    })
}

/// A document of full VMs with their current history record only.
fn extended(objects: &[&Object]) -> Value {
    let mut segments: Vec<Bytes> = vec![escape_document("<VM_POOL>")];
    segments.extend(objects.iter().map(|object| match Vm::of(&object.body) {
        Some(vm) if vm.history.len() > 1 => escape_document(&history::document_with_last_record(object)),
        _ => object.rendered(Form::Full),
    }));
    segments.push(escape_document("</VM_POOL>"));
    Value::Xml(segments)
}
