//! `update`, `rename`, `delete`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::template::{Template, parse};

use crate::methods::Request;
use crate::txn::Txn;
use crate::verbs::pool::Pool;
use crate::{authorize, names};
use crate::{booking, rules};

/// Parameters id, template text, type (0 replace, 1 merge).
pub fn update<P: Pool>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (kind, id) = (P::KIND, request.id());
    let update_type = request.int(2);
    if !(0..=1).contains(&update_type) {
        return Err(ApiError::api("Wrong update type"));
    }
    let refuse = |reason: String| ApiError::internal(format!("Cannot update template. {reason}"));
    let mut new = parse::parse(request.str(1)).map_err(refuse)?;
    if P::ONE_OF_EACH {
        // Before anything is checked, so that what is checked is what is kept.
        new.keep_last_of_each();
    }
    if !txn.is_admin(txn.actor()) {
        let old = &txn.object(kind, id)?.template;
        if let Some(name) = txn.settings().restricted(P::RESTRICTED).changed(&mut new, old) {
            return Err(refuse(match update_type {
                0 => format!("Tried to change restricted attribute: {name}"),
                _ => format!("User Template includes a restricted attribute {name}"),
            }));
        }
    }
    P::updating(txn, id, &mut new, update_type == 0);
    let template = &mut txn.object_mut(kind, id)?.template;
    if update_type == 0 {
        new.drop_empty_vectors();
        *template = new;
    } else {
        template.merge(&new);
    }
    P::updated(txn, id).map_err(refuse)?;
    Ok(Value::Int(id))
}

/// Parameters id, new name. The current name always succeeds, whatever the rights.
pub fn rename<P: Pool>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    rename_as::<P>(txn, request, Op::Manage)
}

/// [`rename`] for kinds where it takes another operation than MANAGE.
pub fn rename_as<P: Pool>(txn: &mut Txn, request: &Request<'_>, op: Op) -> ApiReply {
    let (kind, id, name) = (P::KIND, request.id(), request.str(1));
    let object = txn.object(kind, id)?;
    if object.name == name {
        return Ok(Value::Int(id));
    }
    txn.authorize(&[authorize::Request::on(object, op)])?;
    if let Some(other) = txn.id_of(kind, object.uid, name) {
        let noun = kind.info().noun;
        return Err(ApiError::action(format!(
            "{noun} cannot be renamed to {name} because it collides with {noun} {other}"
        )));
    }
    if let Some(reason) = names::invalid(name, "") {
        return Err(ApiError::action(reason));
    }
    let old_name = object.name.clone();
    txn.rename(kind, id, name)?;
    P::renamed(txn, id, &old_name)?;
    Ok(Value::Int(id))
}

/// Parameter id. Rules about exactly this object go with it, and its owner's quotas get back what it used.
pub fn delete<P: Pool>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (kind, id) = (P::KIND, request.id());
    txn.exempt_from_limits();
    P::deleting(txn, id)?;
    booking::release_object(txn, kind, id);
    txn.remove(kind, id);
    rules::forget_object(txn, kind, id);
    Ok(Value::Int(id))
}

/// Merges a caller's extra attributes into the template of what is to be instantiated; only administrators may change
/// what list `restricted` names.
///
/// # Errors
/// INTERNAL with the parser's text, AUTHORIZATION.
pub fn merge_extra(txn: &Txn, restricted: &str, template: &mut Template, extra: &str) -> Result<(), ApiError> {
    let mut extra = parse_new(extra)?;
    if extra.is_empty() {
        return Ok(());
    }
    let actor = txn.actor();
    if !txn.is_admin(actor)
        && let Some(name) = txn.settings().restricted(restricted).changed(&mut extra, template)
    {
        let reason = format!("User Template includes a restricted attribute {name}");
        return Err(ApiError::authorization(actor.uid, reason));
    }
    template.merge(&extra);
    Ok(())
}

/// A template parsed for an allocate call.
///
/// # Errors
/// INTERNAL with the parser's text.
pub fn parse_new(text: &str) -> Result<Template, ApiError> {
    parse::parse(text).map_err(ApiError::internal)
}
