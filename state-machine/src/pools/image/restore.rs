//! `one.image.restore`: a driver restores a backup, through the API itself; the call only carries its answer.

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::ImageType;

use crate::authorize::{self, Request as AuthRequest};
use crate::methods::{Ask, Question, Request, View};
use crate::state::State;
use crate::txn::Txn;
use crate::verbs;

/// What the driver is to do, if the caller may have it done.
pub fn question(view: &View<'_>, request: &Request<'_>) -> Option<Ask> {
    prepare(view.state, view.actor, request).ok().map(Ask::Driver)
}

/// `one.image.restore`: parameters backup, datastore, options. Answers what the driver says.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    prepare(txn, txn.actor(), request)?;
    match &txn.facts().restored {
        Some(Ok(payload)) if payload.is_empty() => Err(ApiError::action("Cannot get info about restored disk images")),
        Some(Ok(payload)) => Ok(Value::Text(payload.clone())),
        Some(Err(reason)) => Err(ApiError::action(reason)),
        None => Err(ApiError::action("Could not get datastore driver")),
    }
}

fn prepare(state: &State, actor: &Actor, request: &Request<'_>) -> Result<Question, ApiError> {
    let (image, datastore) = (request.id(), request.int(1));
    // As in the reference (`ImageRestore::request_execute`), a missing datastore is worded as an image.
    let destination =
        state.find_typed::<Datastore>(datastore).ok_or_else(|| ApiError::no_exists(Kind::Image, datastore));
    let (object, destination) = destination?;
    authorize::authorize(state, actor, &[AuthRequest::on(object, Op::Use)])?;
    let mut options = verbs::parse_new(request.str(2))?;
    options.set("USERNAME", &state.object(Kind::User, actor.uid)?.name);
    let (_, backup) = state.get::<Image>(image)?;
    if backup.image_type != ImageType::Backup {
        return Err(ApiError::action("Can only restore images of type BACKUP"));
    }
    if state.find(Kind::Datastore, backup.datastore).is_none() {
        return Err(ApiError::action("Datastore does not exist"));
    }
    if destination.ds_type != DatastoreType::Image {
        return Err(ApiError::action("Destination can be only an image datastore"));
    }
    Ok(Question::RestoreBackup { image, datastore, options })
}
