//! The sending side: openraft's network over [`Links`].

use std::future::Future;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use openraft::RaftNetworkFactory;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption, RPCTypes,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use quorate_raft_store::convert::{Malformed, vote_from_proto};
use quorate_raft_store::snapshot::{Encoder, Snapshot, SnapshotData};
use quorate_raft_store::types::{Server, TypeConfig, Vote};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tonic::Status;

use super::heartbeats::Heartbeats;
use super::links::{Client, Links, Purpose};
use super::pipeline::{self, OPEN_DEADLINE, Progress, STALL_DEADLINE};
use super::wire;

pub(super) type Error = RPCError<TypeConfig>;

/// A call that failed, in whatever way: openraft backs off before it tries again.
pub(super) fn rpc_error(status: &Status) -> Error {
    Unreachable::new(status).into()
}

/// A peer that answered something that cannot be understood. Backs off too: it will not get better at once.
pub(super) fn malformed(reason: &Malformed) -> Error {
    Unreachable::new(reason).into()
}

/// openraft's connection to one peer, for one purpose.
pub struct Connection {
    links: Links,
    target: u64,
    peer: String,
    purpose: Purpose,
    heartbeats: Heartbeats,
}

impl RaftNetworkFactory<TypeConfig> for Links {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &Server) -> Connection {
        Connection::new(self, target, node, Purpose::Log)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Server) -> Connection {
        Connection::new(self, target, node, Purpose::Urgent)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Server) -> Connection {
        Connection::new(self, target, node, Purpose::Bulk)
    }
}

impl Connection {
    fn new(links: &Links, target: u64, node: &Server, purpose: Purpose) -> Connection {
        Connection { links: links.clone(), target, peer: node.peer.clone(), purpose, heartbeats: Heartbeats::default() }
    }

    fn client(&self, purpose: Purpose) -> Client {
        self.links.client(Some(self.target), &self.peer, purpose)
    }

    fn timed_out(&self, action: RPCTypes, timeout: std::time::Duration) -> Timeout<TypeConfig> {
        Timeout { action, id: self.links.node_id(), target: self.target, timeout }
    }

    /// Waits for a reply as long as openraft allows.
    async fn within<T>(
        &self,
        action: RPCTypes,
        option: &RPCOption,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Error> {
        match timeout(option.soft_ttl(), call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(rpc_error(&status)),
            Err(_) => Err(self.timed_out(action, option.soft_ttl()).into()),
        }
    }
}

impl NetStreamAppend<TypeConfig> for Connection {
    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, Error>>, Error>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        Box::pin(async move {
            // openraft backs off inside the input: taking an item before dialling is what paces the attempts.
            let Some(first) = input.next().await else { return Ok(stream::empty().boxed()) };
            if self.purpose == Purpose::Urgent {
                // A heartbeat, which openraft sends one at a time and waits for.
                let client = || self.links.client(Some(self.target), &self.peer, self.purpose);
                let reply = self.heartbeats.send(client, wire::append_to(&first)).await?;
                return Ok(stream::iter([Ok(reply)]).boxed());
            }
            let overdue = self.links.backlog().overdue();
            let next = first.prev_log_id.map_or(0, |id| id.index + 1);
            let (sent, sent_count) = watch::channel(0);
            let requests = stream::iter([first]).chain(input).map(move |request| {
                sent.send_modify(|count| *count += 1);
                wire::append_to(&request)
            });
            // HTTP/2 goes on sending when nobody reads the replies any more. openraft's streams to a peer share what
            // they are to send: one that was given up must not take it from the next.
            let (alive, ended) = oneshot::channel();
            let requests = requests.take_until(ended);
            let mut client = self.client(self.purpose);
            match timeout(OPEN_DEADLINE, client.stream_append(requests)).await {
                Ok(Ok(response)) => {
                    let stalled = self.timed_out(RPCTypes::AppendEntries, STALL_DEADLINE);
                    Ok(pipeline::replies(response.into_inner(), sent_count, stalled, Progress { next, overdue, alive })
                        .boxed())
                }
                Ok(Err(status)) => Err(rpc_error(&status)),
                Err(_) => Err(Unreachable::from_string("the append stream did not open in time").into()),
            }
        })
    }
}

impl NetVote<TypeConfig> for Connection {
    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Error> {
        let mut client = self.client(Purpose::Urgent);
        let reply = self.within(RPCTypes::Vote, &option, client.vote(wire::vote_request_to(&rpc))).await?;
        wire::vote_reply_from(reply).map_err(|e| malformed(&e))
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Error> {
        let mut client = self.client(Purpose::Urgent);
        let reply = self.within(RPCTypes::Vote, &option, client.pre_vote(wire::vote_request_to(&rpc))).await?;
        wire::vote_reply_from(reply).map_err(|e| malformed(&e))
    }
}

impl NetSnapshot<TypeConfig> for Connection {
    type SnapshotData = SnapshotData;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let failed = |e: Error| StreamingError::Unreachable(Unreachable::new(&e));
        let mut client = self.client(Purpose::Bulk);
        let _sending = self.links.backlog().sending_snapshot(snapshot.meta.last_log_id.map_or(0, |id| id.index + 1));
        let messages = Encoder::new(&vote, &snapshot).map_while(|message| {
            // A stream that ends without its trailer is refused by the receiver.
            message.inspect_err(|e| tracing::error!(error = %e, "a snapshot could not be encoded")).ok()
        });
        let sent = client.install_snapshot(stream::iter(messages));
        let sending = self.within(RPCTypes::InstallSnapshot, &option, sent);
        let reply = tokio::select! {
            biased;
            closed = cancel => return Err(closed.into()),
            reply = sending => reply.map_err(failed)?,
        };
        Ok(SnapshotResponse::new(vote_from_proto(reply.vote).map_err(|e| failed(malformed(&e)))?))
    }
}

impl NetTransferLeader<TypeConfig> for Connection {
    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Error> {
        let mut client = self.client(Purpose::Urgent);
        let sent = client.transfer_leader(wire::transfer_to(&rpc));
        let reply = self.within(RPCTypes::TransferLeader, &option, sent).await?;
        wire::transfer_reply_from(reply).map_err(|e| malformed(&e))
    }
}

impl NetBackoff<TypeConfig> for Connection {
    /// The configuration's own.
    fn backoff(&self) -> Option<Backoff> {
        None
    }
}
