//! What somebody asks about the zone's members, as it travels to the leader and back.

use quorate_proto::v1;
use quorate_raft_store::convert::{Malformed, server_from_proto, server_to_proto};
use quorate_raft_store::types::Server;

/// A request about the zone's members, which the leader fulfils.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemberRequest {
    /// A declared server starts empty and wants to replicate; its node id is the answer.
    Join {
        /// The server.
        server: Server,
        /// The newest feature level that its program supports.
        supports: u32,
    },
    /// The server of this name should lead, or the one that is best prepared.
    Transfer(Option<String>),
    /// Whether the server of this name could be removed without losing the quorum.
    MayRemove(String),
    /// Whether this node is a member: the answer is its id, or 0.
    IsMember(u64),
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemberReply {
    /// Done; the node id that the request was about, 0 for none.
    Done(u64),
    /// Why not.
    Refused(String),
    /// The node asked does not lead.
    NotLeader,
}

pub(super) fn request_to_proto(request: &MemberRequest, passed_on: bool) -> v1::ManageRequest {
    use v1::manage_request::Request as R;
    let mut supported_level = 0;
    let request = match request {
        MemberRequest::Join { server, supports } => {
            supported_level = *supports;
            R::Join(server_to_proto(server))
        }
        MemberRequest::Transfer(name) => R::Transfer(name.clone().unwrap_or_default()),
        MemberRequest::MayRemove(name) => R::MayRemove(name.clone()),
        MemberRequest::IsMember(node) => R::IsMember(*node),
    };
    v1::ManageRequest { request: Some(request), passed_on, supported_level }
}

pub(super) fn request_from_proto(request: v1::ManageRequest) -> Result<(MemberRequest, bool), Malformed> {
    use v1::manage_request::Request as R;
    let asked = match request.request.ok_or_else(|| Malformed::missing("known request"))? {
        R::Join(server) => MemberRequest::Join { server: server_from_proto(server), supports: request.supported_level },
        R::Transfer(name) => MemberRequest::Transfer(Some(name).filter(|name| !name.is_empty())),
        R::MayRemove(name) => MemberRequest::MayRemove(name),
        R::IsMember(node) => MemberRequest::IsMember(node),
    };
    Ok((asked, request.passed_on))
}

pub(super) fn reply_to_proto(reply: MemberReply) -> v1::ManageReply {
    use v1::manage_reply::Result as R;
    let result = match reply {
        MemberReply::Done(node) => R::Done(node),
        MemberReply::Refused(reason) => R::Refused(reason),
        MemberReply::NotLeader => R::NotLeader(v1::NotLeader {}),
    };
    v1::ManageReply { result: Some(result) }
}

pub(super) fn reply_from_proto(reply: v1::ManageReply) -> Result<MemberReply, Malformed> {
    use v1::manage_reply::Result as R;
    Ok(match reply.result.ok_or_else(|| Malformed::missing("known result of a request"))? {
        R::Done(node) => MemberReply::Done(node),
        R::Refused(reason) => MemberReply::Refused(reason),
        R::NotLeader(v1::NotLeader {}) => MemberReply::NotLeader,
    })
}
