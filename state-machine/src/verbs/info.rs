//! `info`: one object's document.

use crate::api::{ApiReply, Value};
use crate::methods::{Request, View};
use crate::object::Form;

/// Answers the object with id parameter 0 in full.
pub fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let object = view.state.object(request.kind(), request.id())?;
    Ok(Value::Xml(vec![object.rendered(Form::Full)]))
}
