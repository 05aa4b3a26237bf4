//! Monitoring samples of hosts: nothing keeps any yet, so every answer is an empty one.

use quorate_model::api::{ApiReply, Value};
use quorate_model::head::Op;
use quorate_model::kind::Kind;

use crate::authorize::Request as AuthRequest;
use crate::methods::{Request, View};
use crate::verbs;

/// `one.host.monitoring`: parameter id. As in the reference (`HostPool.cc`,
/// `dump_monitoring`), a negative id has no samples but is no error.
pub fn of_host(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let wish = match request.id() {
        id if id < 0 => AuthRequest::on_pool(Kind::Host, Op::Use),
        id => AuthRequest::on(view.state.object(Kind::Host, id)?, Op::Use),
    };
    view.authorize(&[wish])?;
    Ok(Value::Text(verbs::listing::NO_SAMPLES.to_owned()))
}

/// `one.hostpool.monitoring`: parameter how many seconds back (-1 all, 0 the last ones).
pub fn of_pool(_view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(verbs::listing::NO_SAMPLES.to_owned()))
}
