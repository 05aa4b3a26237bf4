//! What a node asks other nodes beside Raft: to propose for it, how far to read, how they are.

use bytes::Bytes;
use quorate_model::api::ApiReply;
use quorate_proto::v1;
use quorate_raft_store::convert::log_id_from_proto;
use quorate_raft_store::envelope::reply_from_proto;
use quorate_raft_store::types::{LogId, Server};

use super::acquaintances::OTHER_DATABASE;
use super::links::{Links, Purpose};
use super::member_request::{self, MemberReply, MemberRequest};
use super::status::{self, PeerStatus};

/// What came of forwarding a proposal.
#[derive(Clone, PartialEq, Debug)]
pub enum Forward {
    /// It was applied.
    Answered(ApiReply),
    /// That node does not lead (any more); the proposal may or may not be applied.
    NotLeader,
    /// That node could not be reached, or not understood; the proposal may or may not be applied.
    Unreachable,
}

/// Asks other nodes.
#[derive(Clone)]
pub struct Peers {
    links: Links,
}

impl Peers {
    /// Asks over these connections.
    #[must_use]
    pub fn new(links: Links) -> Peers {
        Peers { links }
    }

    /// Forwards a proposal, an encoded envelope, to `node`.
    pub async fn propose(&self, node: u64, server: &Server, envelope: Bytes) -> Forward {
        use v1::propose_reply::Result as R;
        let mut client = self.links.client(Some(node), &server.peer, Purpose::Forward);
        let result = match client.propose(v1::ProposeRequest { envelope }).await {
            Ok(reply) => reply.into_inner().result,
            Err(status) => {
                tracing::debug!(node, error = %status, "forwarding failed");
                return Forward::Unreachable;
            }
        };
        match result {
            Some(R::Reply(reply)) => match reply_from_proto(reply) {
                Ok(reply) => Forward::Answered(reply),
                Err(e) => {
                    tracing::error!(node, error = %e, "the leader's reply cannot be understood");
                    Forward::Unreachable
                }
            },
            Some(R::NotLeader(v1::NotLeader {})) => Forward::NotLeader,
            None => Forward::Unreachable,
        }
    }

    /// The read index from `node`; `None` when it does not lead or cannot be reached.
    pub async fn read_index(&self, node: u64, server: &Server) -> Option<Option<LogId>> {
        use v1::read_index_reply::Result as R;
        let mut client = self.links.client(Some(node), &server.peer, Purpose::Forward);
        match client.read_index(v1::ReadIndexRequest {}).await.ok()?.into_inner().result? {
            R::Point(point) => Some(point.log_id.as_ref().map(log_id_from_proto)),
            R::NotLeader(v1::NotLeader {}) => None,
        }
    }

    /// What the node at `peer` (`host:port`) says of itself; `None` when it cannot be reached or understood.
    pub async fn status(&self, peer: &str) -> Option<PeerStatus> {
        self.status_or_refusal(peer).await.unwrap_or_default()
    }

    /// The same.
    ///
    /// # Errors
    /// When it has met this node with another database; the text is for this node's operator.
    pub async fn status_or_refusal(&self, peer: &str) -> Result<Option<PeerStatus>, String> {
        let mut client = self.links.client(None, peer, Purpose::Forward);
        match client.status(v1::StatusRequest {}).await {
            Ok(reply) => {
                let status = status::from_proto(reply.into_inner());
                Ok(status.inspect_err(|e| tracing::warn!(peer, error = %e, "no status")).ok())
            }
            Err(refusal) if refusal.code() == OTHER_DATABASE => Err(refusal.message().to_owned()),
            Err(_) => Ok(None),
        }
    }

    /// The zone's key, from the node at `peer`.
    ///
    /// # Errors
    /// The reason, when it cannot be reached, belongs to another zone, or does not give it to this node.
    pub async fn zone_key(&self, peer: &str) -> Result<String, String> {
        Ok(self.ask_of_key(peer, false).await?.key)
    }

    /// The fingerprint of the zone's key, from the node at `peer`.
    ///
    /// # Errors
    /// The reason, when it cannot be reached or belongs to another zone.
    pub async fn key_fingerprint(&self, peer: &str) -> Result<u64, String> {
        Ok(self.ask_of_key(peer, true).await?.fingerprint)
    }

    /// The number of the founding of the zone that the node at `peer` is of; `None` when it has heard of none yet.
    ///
    /// # Errors
    /// The reason, when it cannot be reached or belongs to another zone.
    pub async fn founding(&self, peer: &str) -> Result<Option<u64>, String> {
        let founding = self.ask_of_key(peer, true).await?.founding;
        Ok((founding != 0).then_some(founding))
    }

    async fn ask_of_key(&self, peer: &str, fingerprint_only: bool) -> Result<v1::ZoneKeyReply, String> {
        let mut client = self.links.client(None, peer, Purpose::Forward);
        let reply = client.zone_key(v1::ZoneKeyRequest { fingerprint_only }).await;
        reply.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned())
    }

    /// What the node at `peer` answers to a request about the members; `passed_on` when it comes from a node that does
    /// not lead itself.
    ///
    /// # Errors
    /// The reason, when it cannot be reached or understood.
    pub async fn manage(&self, peer: &str, request: &MemberRequest, passed_on: bool) -> Result<MemberReply, String> {
        let mut client = self.links.client(None, peer, Purpose::Forward);
        let reply = client
            .manage(member_request::request_to_proto(request, passed_on))
            .await
            .map_err(|status| status.message().to_owned())?;
        member_request::reply_from_proto(reply.into_inner()).map_err(|e| e.to_string())
    }
}
