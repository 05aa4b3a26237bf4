//! What this node answers its peers beside Raft's own messages: forwarded proposals, read indexes, its status.

use quorate_raft_store::types::{LogId, Payload, Raft};
use quorate_state_machine::api::ApiReply;

use crate::proposer::write_on_leader;
use crate::read_gate::leader_read_index;
use crate::transport::PeerStatus;
use crate::transport::server::PeerApi;

/// This node as its peers see it.
#[derive(Clone)]
pub struct NodePeer {
    /// This node's Raft.
    pub raft: Raft,
}

impl PeerApi for NodePeer {
    async fn propose(&self, payload: Payload) -> Option<ApiReply> {
        write_on_leader(&self.raft, payload).await
    }

    async fn read_index(&self) -> Option<Option<LogId>> {
        leader_read_index(&self.raft).await
    }

    fn status(&self) -> PeerStatus {
        PeerStatus::of(&self.raft)
    }
}
