//! The receiving side: peers' calls into openraft and into this node.
//!
//! Nothing a peer sends may harm the node: what is malformed, of another zone or for another node is refused.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderValue, header};
use quorate_model::api::ApiReply;
use quorate_model::command::Command;
use quorate_proto::v1;
use quorate_proto::v1::peer_server::{Peer, PeerServer};
use quorate_raft_store::Raft;
use quorate_raft_store::convert::{Malformed, log_id_to_proto, vote_to_proto};
use quorate_raft_store::envelope::{self, reply_to_proto};
use quorate_raft_store::meta::Identity;
use quorate_raft_store::rng::Scopes;
use quorate_raft_store::snapshot::{Decoder, Progress};
use quorate_raft_store::types::LogId;
use quorate_state_machine::zone_key::ZoneKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use tower::util::MapResponseLayer;

use super::acquaintances::Acquaintances;
use super::incoming::{CallFrom, PeerIo};
use super::member_request::{self, MemberReply, MemberRequest};
use super::status::{self, PeerStatus};
use super::{
    CLUSTER, CONNECTION_WINDOW, DATABASE, FOUNDING, FROM, IDLE_KEEP_ALIVE, KEEP_ALIVE, MAX_MESSAGE, MET, STREAM_WINDOW,
    TO, wire,
};
use crate::refusals::Refusals;

/// How long peers may take to let go of their connections at a stop.
const STOP_TIME: Duration = Duration::from_millis(500);

/// What a node answers its peers beside Raft's own messages.
pub trait PeerApi: Send + Sync + 'static {
    /// Writes a peer's proposal, an encoded envelope, if this node leads; `None` when it does not, or not to the end.
    fn propose(&self, envelope: Bytes) -> impl Future<Output = Option<ApiReply>> + Send;
    /// The read index if this node leads and a majority agrees; `None` otherwise.
    fn read_index(&self) -> impl Future<Output = Option<Option<LogId>>> + Send;
    /// What this node says of itself.
    fn status(&self) -> PeerStatus;
    /// Fulfils a request about the members if this node leads; may pass it on to the leader unless that was done
    /// already.
    fn manage(&self, request: MemberRequest, passed_on: bool) -> impl Future<Output = MemberReply> + Send;
    /// The fingerprint of the zone's key.
    fn key_fingerprint(&self) -> u64;
    /// The zone's key as its file has it, for a peer at `from` that says to be `node`; or why it is not given.
    fn zone_key(&self, node: Option<u64>, from: SocketAddr) -> impl Future<Output = Result<String, String>> + Send;
}

/// Serves peers until `stop` is done.
///
/// # Errors
/// When the server ends by itself.
pub async fn serve<A: PeerApi, S>(
    service: PeerService<A>,
    incoming: impl Stream<Item = io::Result<PeerIo<S>>>,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        PeerServer::new(service).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
    // A date of its own would make simulated traffic differ from run to run; a fixed one keeps hyper from adding it.
    let dated = MapResponseLayer::new(|mut response: http::Response<_>| {
        let date = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
        response.headers_mut().insert(header::DATE, date);
        response
    });
    Server::builder()
        .layer(dated)
        .http2_keepalive_interval(Some(IDLE_KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop)
        .await
}

/// Waits until the server that was told to stop has ended, and breaks off what is left of it after `STOP_TIME`: a peer
/// keeps its append streams open until Raft ends them, or longer. To be called after Raft was shut down.
pub async fn end(mut serving: JoinHandle<()>) {
    match timeout(STOP_TIME, &mut serving).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::error!(error = %e, "the peer server failed"),
        Err(_) => serving.abort(),
    }
}

/// A node as its peers see it.
pub struct PeerService<A> {
    me: Identity,
    acquaintances: Acquaintances,
    raft: Raft,
    key: Arc<ZoneKey>,
    api: A,
    scopes: Scopes,
    /// Of other zones.
    refusals: Refusals,
}

fn malformed(e: Malformed) -> Status {
    Status::invalid_argument(e.to_string())
}

/// What a call names, if it does.
fn number(metadata: &MetadataMap, key: &str) -> Option<u64> {
    metadata.get(key)?.to_str().ok()?.parse().ok()
}

/// Raft does not answer any more: the caller should look for another node.
fn stopped(e: impl std::fmt::Display) -> Status {
    Status::unavailable(e.to_string())
}

impl<A: PeerApi> PeerService<A> {
    /// The node `me` of a zone with this key, whose calls into Raft run in `scopes`.
    #[must_use]
    pub(crate) fn new(
        me: Identity,
        acquaintances: Acquaintances,
        raft: Raft,
        key: Arc<ZoneKey>,
        api: A,
        scopes: Scopes,
    ) -> PeerService<A> {
        let refusals = Refusals::new("a peer of another zone with this zone's id was refused");
        PeerService { me, acquaintances, raft, key, api, scopes, refusals }
    }

    /// The same for Raft's messages: the first that comes from a zone tells a node that starts empty which one is its
    /// own.
    fn admit_raft<T>(&self, request: Request<T>) -> Result<T, Status> {
        let founding = number(request.metadata(), FOUNDING);
        let message = self.admit(request)?;
        if let Some(founding) = founding {
            self.acquaintances.is_of(|| founding).map_err(|e| Status::internal(e.to_string()))?;
        }
        Ok(message)
    }

    /// Refuses calls of another zone, for another node, and where one side has lost its database; unwraps the message.
    fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let text = |key| request.metadata().get(key).and_then(|value| value.to_str().ok());
        if text(CLUSTER) != Some(self.me.cluster.as_str()) {
            return Err(Status::permission_denied("this node belongs to another zone"));
        }
        let me = self.me.node_id;
        if let Some(to) = text(TO).filter(|to| to.parse() != Ok(me)) {
            return Err(Status::failed_precondition(format!("this is node {me}, not {to}")));
        }
        let number = |key| number(request.metadata(), key);
        let from = number(FROM);
        // Before the databases are compared: those of another zone say nothing about this one's.
        self.acquaintances.check_founding(number(FOUNDING)).map_err(|reason| {
            let who = from.map_or_else(|| "a node without an id".to_owned(), |from| format!("node {from}"));
            self.refusals.say_as("another founding", who, reason.clone());
            Status::permission_denied(reason)
        })?;
        // Anybody can say so: the watchdog asks the servers that it knows, and believes those.
        if number(MET).is_some_and(|met| met != self.acquaintances.own()) {
            return Err(Status::failed_precondition(format!("node {me} is not here with the database it had before")));
        }
        if let (Some(from), Some(database)) = (from, number(DATABASE)) {
            self.acquaintances.meet(from, database)?;
        }
        if let Some(from) = request.extensions().get::<CallFrom>() {
            from.is_of_the_zone();
        }
        Ok(request.into_inner())
    }
}

type Replies = Pin<Box<dyn Stream<Item = Result<v1::AppendReply, Status>> + Send>>;

#[tonic::async_trait]
impl<A: PeerApi> Peer for PeerService<A> {
    async fn vote(&self, request: Request<v1::VoteRequest>) -> Result<Response<v1::VoteReply>, Status> {
        let rpc = wire::vote_request_from(self.admit_raft(request)?).map_err(malformed)?;
        let reply = self.scopes.enter(self.raft.vote(rpc)).await.map_err(stopped)?;
        Ok(Response::new(wire::vote_reply_to(&reply)))
    }

    async fn pre_vote(&self, request: Request<v1::VoteRequest>) -> Result<Response<v1::VoteReply>, Status> {
        let rpc = wire::vote_request_from(self.admit_raft(request)?).map_err(malformed)?;
        let reply = self.scopes.enter(self.raft.pre_vote(rpc)).await.map_err(stopped)?;
        Ok(Response::new(wire::vote_reply_to(&reply)))
    }

    type StreamAppendStream = Replies;

    async fn stream_append(&self, request: Request<Streaming<v1::AppendRequest>>) -> Result<Response<Replies>, Status> {
        let messages = self.admit_raft(request)?;
        // A message that cannot be read ends the stream: the leader sees it closed and starts again.
        let requests = messages
            .map(|message| {
                let rpc = message.map_err(|status| status.to_string());
                let rpc = rpc.and_then(|message| wire::append_from(message).map_err(|e| e.to_string()));
                rpc.inspect_err(|e| tracing::debug!(error = %e, "an append stream ends")).ok()
            })
            .take_while(|rpc| ready(rpc.is_some()))
            .filter_map(ready);
        #[cfg(feature = "sabotage")]
        if crate::sabotage::is_on() {
            let answers = crate::sabotage::stream_append(self.raft.clone(), self.scopes.clone(), requests);
            return Ok(Response::new(answers.map(|result| result.map(wire::append_reply_to).map_err(stopped)).boxed()));
        }
        // openraft spawns a task from within this call: it must happen inside a scope, and boxed there.
        let raft = self.raft.clone();
        let results = self.scopes.enter(async move { raft.stream_append(requests).boxed() }).await;
        let replies = results.map(|result| result.map(wire::append_reply_to).map_err(stopped));
        Ok(Response::new(replies.boxed()))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<v1::SnapshotMessage>>,
    ) -> Result<Response<v1::InstallSnapshotReply>, Status> {
        let mut messages = self.admit_raft(request)?;
        let incomplete = || Status::invalid_argument("the snapshot is not complete");
        let mut decoder =
            Decoder::start(messages.message().await?.ok_or_else(incomplete)?, self.key.clone()).map_err(malformed)?;
        let (vote, snapshot) = loop {
            let message = messages.message().await?.ok_or_else(incomplete)?;
            match decoder.push(message).map_err(malformed)? {
                Progress::Incomplete(next) => decoder = next,
                Progress::Complete(vote, snapshot) => break (vote, snapshot),
            }
        };
        let installed = self.scopes.enter(self.raft.install_full_snapshot(vote, snapshot)).await.map_err(stopped)?;
        Ok(Response::new(v1::InstallSnapshotReply { vote: Some(vote_to_proto(&installed.vote)) }))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Result<Response<v1::TransferLeaderReply>, Status> {
        let rpc = wire::transfer_from(self.admit_raft(request)?).map_err(malformed)?;
        let reply = self.scopes.enter(self.raft.handle_transfer_leader(rpc)).await.map_err(stopped)?;
        Ok(Response::new(wire::transfer_reply_to(reply)))
    }

    async fn propose(&self, request: Request<v1::ProposeRequest>) -> Result<Response<v1::ProposeReply>, Status> {
        use v1::propose_reply::Result as R;
        let envelope = self.admit(request)?.envelope;
        // What apply could not read would stop every node: it must not get into the log.
        if let Command::RaiseLevel(_) = envelope::decode(&envelope, &self.key, 0).map_err(malformed)?.command {
            // One who does not lead (any more) cannot know who is a member now, and what those support.
            return Err(Status::failed_precondition("only the leader itself asks for a higher feature level"));
        }
        let result = match self.scopes.enter(self.api.propose(envelope)).await {
            Some(reply) => R::Reply(reply_to_proto(&reply)),
            None => R::NotLeader(v1::NotLeader {}),
        };
        Ok(Response::new(v1::ProposeReply { result: Some(result) }))
    }

    async fn read_index(&self, request: Request<v1::ReadIndexRequest>) -> Result<Response<v1::ReadIndexReply>, Status> {
        use v1::read_index_reply::Result as R;
        self.admit(request)?;
        let result = match self.scopes.enter(self.api.read_index()).await {
            Some(index) => R::Point(v1::ReadPoint { log_id: index.as_ref().map(log_id_to_proto) }),
            None => R::NotLeader(v1::NotLeader {}),
        };
        Ok(Response::new(v1::ReadIndexReply { result: Some(result) }))
    }

    async fn status(&self, request: Request<v1::StatusRequest>) -> Result<Response<v1::StatusReply>, Status> {
        self.admit(request)?;
        Ok(Response::new(status::to_proto(&self.api.status())))
    }

    async fn manage(&self, request: Request<v1::ManageRequest>) -> Result<Response<v1::ManageReply>, Status> {
        let (asked, passed_on) = member_request::request_from_proto(self.admit(request)?).map_err(malformed)?;
        let reply = self.scopes.enter(self.api.manage(asked, passed_on)).await;
        Ok(Response::new(member_request::reply_to_proto(reply)))
    }

    async fn zone_key(&self, request: Request<v1::ZoneKeyRequest>) -> Result<Response<v1::ZoneKeyReply>, Status> {
        let from = request.extensions().get::<CallFrom>().map(|from| from.address);
        let node = number(request.metadata(), FROM);
        let fingerprint = self.api.key_fingerprint();
        let key = if self.admit(request)?.fingerprint_only {
            String::new()
        } else {
            let from = from.ok_or_else(|| Status::internal("where this call comes from is not known"))?;
            self.api.zone_key(node, from).await.map_err(Status::permission_denied)?
        };
        let founding = self.acquaintances.founding().unwrap_or(0);
        Ok(Response::new(v1::ZoneKeyReply { key, fingerprint, founding }))
    }
}
