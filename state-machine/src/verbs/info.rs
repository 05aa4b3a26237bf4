//! `info`: one object's document.

use std::borrow::Cow;

use quorate_model::api::{ApiReply, Value};
use quorate_model::head::Form;
use quorate_model::object::Object;

use crate::methods::{Request, View};
use crate::secrets;

/// Answers the object with id parameter 0 in full.
pub fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let object = view.state.object(request.kind(), request.id())?;
    Ok(Value::Xml(vec![decrypted(view, request, object).rendered(Form::Full)]))
}

/// The object with its secrets in clear, when an administrator asks for that by the parameter `decrypt`.
#[must_use]
pub fn decrypted<'a>(view: &View<'_>, request: &Request<'_>, object: &'a Object) -> Cow<'a, Object> {
    let asked = request.method.params.iter().position(|param| param.name == "decrypt").is_some_and(|i| request.bool(i));
    if asked && view.state.is_admin(view.actor) { secrets::opened(view.state, object) } else { Cow::Borrowed(object) }
}
