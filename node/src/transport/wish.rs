//! What somebody wishes of the zone's members, as it travels to the leader and back.

use quorate_proto::v1;
use quorate_raft_store::convert::{Malformed, server_from_proto, server_to_proto};
use quorate_raft_store::types::Server;

/// A wish about the zone's members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// A declared server starts empty and wants to replicate; its node id is the answer.
    Join {
        /// It.
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

/// What became of a wish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Granted {
    /// Done; the node id that the wish was about, 0 for none.
    Done(u64),
    /// Why not.
    Refused(String),
    /// The node asked does not lead.
    NotLeader,
}

pub(super) fn wish_to(wish: &Wish, passed_on: bool) -> v1::ManageRequest {
    use v1::manage_request::Wish as W;
    let mut supported_level = 0;
    let wish = match wish {
        Wish::Join { server, supports } => {
            supported_level = *supports;
            W::Join(server_to_proto(server))
        }
        Wish::Transfer(name) => W::Transfer(name.clone().unwrap_or_default()),
        Wish::MayRemove(name) => W::MayRemove(name.clone()),
        Wish::IsMember(node) => W::IsMember(*node),
    };
    v1::ManageRequest { wish: Some(wish), passed_on, supported_level }
}

pub(super) fn wish_from(request: v1::ManageRequest) -> Result<(Wish, bool), Malformed> {
    use v1::manage_request::Wish as W;
    let wish = match request.wish.ok_or_else(|| Malformed::missing("known wish"))? {
        W::Join(server) => Wish::Join { server: server_from_proto(server), supports: request.supported_level },
        W::Transfer(name) => Wish::Transfer(Some(name).filter(|name| !name.is_empty())),
        W::MayRemove(name) => Wish::MayRemove(name),
        W::IsMember(node) => Wish::IsMember(node),
    };
    Ok((wish, request.passed_on))
}

pub(super) fn granted_to(granted: Granted) -> v1::ManageReply {
    use v1::manage_reply::Result as R;
    let result = match granted {
        Granted::Done(node) => R::Done(node),
        Granted::Refused(reason) => R::Refused(reason),
        Granted::NotLeader => R::NotLeader(v1::NotLeader {}),
    };
    v1::ManageReply { result: Some(result) }
}

pub(super) fn granted_from(reply: v1::ManageReply) -> Result<Granted, Malformed> {
    use v1::manage_reply::Result as R;
    Ok(match reply.result.ok_or_else(|| Malformed::missing("known result of a wish"))? {
        R::Done(node) => Granted::Done(node),
        R::Refused(reason) => Granted::Refused(reason),
        R::NotLeader(v1::NotLeader {}) => Granted::NotLeader,
    })
}
