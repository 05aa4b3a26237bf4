//! What this node answers its peers beside Raft's own messages: proposals, read indexes, its status, requests about
//! members, the key.

use std::net::SocketAddr;

use bytes::Bytes;
use quorate_model::api::ApiReply;
use quorate_raft_store::types::LogId;

use crate::about::About;
use crate::key_giver::KeyGiver;
use crate::leadership::LeaderView;
use crate::members::Members;
use crate::net::Net;
use crate::proposer::write_on_leader;
use crate::read_gate::leader_read_index;
use crate::transport::server::PeerApi;
use crate::transport::{MemberReply, MemberRequest, PeerStatus};

/// This node as its peers see it.
#[derive(Clone)]
pub struct NodePeer<N> {
    /// What it says of itself.
    pub about: About,
    /// Who replicates.
    pub members: Members,
    /// Who is given the zone's key.
    pub key: KeyGiver<N>,
}

impl<N: Net> PeerApi for NodePeer<N> {
    async fn propose(&self, envelope: Bytes) -> Option<ApiReply> {
        // Only a leader's clock counts: see `Clocks::stamp`.
        if self.members.leadership.now() != LeaderView::Here {
            return None;
        }
        write_on_leader(&self.about.raft, &self.about.clocks, envelope).await
    }

    async fn read_index(&self) -> Option<Option<LogId>> {
        leader_read_index(&self.about.raft).await
    }

    fn status(&self) -> PeerStatus {
        self.about.status()
    }

    async fn manage(&self, request: MemberRequest, passed_on: bool) -> MemberReply {
        self.members.ask(&request, passed_on).await
    }

    fn key_fingerprint(&self) -> u64 {
        self.key.fingerprint()
    }

    async fn zone_key(&self, node: Option<u64>, from: SocketAddr) -> Result<String, String> {
        self.key.give(node, from).await
    }
}
