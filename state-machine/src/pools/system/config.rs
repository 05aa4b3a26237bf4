//! What the control plane says of itself: whose API it has, its settings.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::xml::XmlWriter;

use crate::methods::{Request, View};

/// The release of OpenNebula whose API this is.
const VERSION: &str = "6.6.3";

/// `one.system.version`
pub fn version(_view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(VERSION.to_owned()))
}

/// `one.system.config`
pub fn config(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    if view.state.effective_gid(view.actor) != 0 {
        let reason = "The oned configuration can only be retrieved by users in the oneadmin group";
        return Err(ApiError::authorization(view.actor.uid, reason));
    }
    let mut w = XmlWriter::new();
    view.state.settings().all().render("OPENNEBULA_CONFIGURATION", &mut w);
    Ok(Value::Text(w.finish()))
}
