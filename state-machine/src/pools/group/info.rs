//! How groups are shown: with their quotas, and the default ones behind.

use quorate_model::api::ApiReply;
use quorate_model::head::Op;
use quorate_model::kind::Kind;

use super::quotas::DEFAULT_QUOTAS;
use crate::authorize::Request as AuthRequest;
use crate::methods::{Request, View};
use crate::verbs::{self, listing};

/// `one.group.info`: parameter id, -1 for the caller's group.
pub fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let id = if request.id() == -1 { view.state.effective_gid(view.actor) } else { request.id() };
    let object = view.state.object(Kind::Group, id)?;
    view.authorize(&[AuthRequest::on(object, Op::Use).ignoring_lock()])?;
    let defaults = view.state.globals().default_group_quotas.document(DEFAULT_QUOTAS);
    Ok(listing::with_appendix(&verbs::decrypted(view, request, object), &defaults))
}

/// `one.grouppool.info`: the groups, each followed by its quotas; then the default quotas.
pub fn pool_info(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    let defaults = view.state.globals().default_group_quotas.document(DEFAULT_QUOTAS);
    listing::pool_with_appendix(view, Kind::Group, &defaults)
}
