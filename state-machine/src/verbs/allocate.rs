//! What allocating an object of any owned pool has in common: owner, permissions, name.

use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::head::Permissions;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::template::Template;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::names;
use crate::state::State;
use crate::txn::Txn;

/// Makes `object` the caller's: owner, group, their names, permissions from the umask.
///
/// # Errors
/// NO_EXISTS when the caller's group is gone.
pub fn own(state: &State, actor: &Actor, object: &mut Object) -> Result<(), ApiError> {
    object.uid = actor.uid;
    object.gid = state.effective_gid(actor);
    object.uname.clone_from(&state.object(Kind::User, object.uid)?.name);
    object.gname.clone_from(&state.object(Kind::Group, object.gid)?.name);
    if object.kind().info().umask {
        object.permissions = initial_permissions(state, actor);
    }
    Ok(())
}

/// The permissions of a new object: base less the umask of the user's template or the default.
#[must_use]
pub fn initial_permissions(state: &State, actor: &Actor) -> Permissions {
    let text = state.find(Kind::User, actor.uid).and_then(|user| user.template.get("UMASK").map(str::to_owned));
    let text = text.unwrap_or_else(|| state.settings().value("DEFAULT_UMASK").to_owned());
    let umask = leading_octal(&text);
    // As in the reference (`PoolObjectSQL::set_umask`), a secondary membership of the administrators' group does not
    // count here.
    let base = if actor.uid == 0 || state.effective_gid(actor) == 0 {
        0o777
    } else if state.settings().is_yes("ENABLE_OTHER_PERMISSIONS") {
        0o666
    } else {
        0o660
    };
    Permissions(base & !umask)
}

/// The octal number a text begins with, as the reference's stream conversion reads it: 000 where there is none.
fn leading_octal(text: &str) -> u16 {
    let digits = text.trim_start();
    let end = digits.find(|c: char| !matches!(c, '0'..='7')).unwrap_or(digits.len());
    u16::from_str_radix(&digits[..end], 8).unwrap_or(0)
}

/// Refuses a name that the caller's new object cannot have.
///
/// # Errors
/// INTERNAL for a bad or taken name.
pub fn check_new(txn: &Txn, kind: Kind, name: &str) -> Result<(), ApiError> {
    names::check_new(txn, kind, txn.actor().uid, name)
}

/// Checks the name, makes the object the caller's and adds it to its pool.
///
/// # Errors
/// INTERNAL for a bad or taken name.
pub fn allocate_named(txn: &mut Txn, mut object: Object) -> Result<i32, ApiError> {
    let actor = txn.actor().clone();
    names::check_new(txn, object.kind(), actor.uid, &object.name)?;
    own(txn, &actor, &mut object)?;
    object.template.drop_empty_vectors();
    Ok(txn.insert(object))
}

/// The template of a new object for `allocate`, its name taken out of it; the caller may create such an object. As in
/// the reference (`RequestManagerAllocate::request_execute`), the template is parsed before rights are looked at.
///
/// # Errors
/// INTERNAL with the parser's text, AUTHORIZATION.
pub fn template_to_create(txn: &Txn, kind: Kind, text: &str) -> Result<(String, Template), ApiError> {
    let mut template = super::parse_new(text)?;
    let actor = txn.actor();
    txn.authorize(&[AuthRequest::create(kind, actor.uid, txn.effective_gid(actor))])?;
    let name = template.take("NAME").unwrap_or_default();
    Ok((name, template))
}

/// Refuses to anyone but administrators a new object whose template has a restricted attribute.
///
/// # Errors
/// AUTHORIZATION with the reference's text.
pub fn check_restricted(state: &State, actor: &Actor, list: &str, template: &Template) -> Result<(), ApiError> {
    if state.is_admin(actor) {
        return Ok(());
    }
    match state.settings().restricted(list).first_in(template) {
        Some(name) => {
            let reason = format!("VM Template includes a restricted attribute {name}");
            Err(ApiError::authorization(actor.uid, reason))
        }
        None => Ok(()),
    }
}

/// The template of the object with id parameter 0, as `clone` copies it, secrets and all.
///
/// # Errors
/// NO_EXISTS.
pub fn template_to_clone(txn: &mut Txn, request: &Request<'_>) -> Result<Template, ApiError> {
    let mut template = txn.object(request.kind(), request.id())?.template.clone();
    template.remove("NAME");
    txn.inherit_secrets(request.kind(), request.id());
    Ok(template)
}

/// [`allocate_named`] for `clone`, whose refusals have their own code.
///
/// # Errors
/// ALLOCATE for a bad or taken name, or whatever the object's own rules refuse.
pub fn allocate_clone(txn: &mut Txn, object: Object) -> Result<i32, ApiError> {
    let kind = object.kind();
    allocate_named(txn, object).map_err(|refused| ApiError::allocate(kind, refused.text))
}
