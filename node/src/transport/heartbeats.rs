//! Heartbeats to one peer over one append stream that stays open.
//!
//! A stream for each heartbeat cost more than the heartbeat: it made half of what an idle leader does. It decides
//! nothing: openraft says when a heartbeat is due and how long its reply may take.

use futures::{StreamExt as _, stream};
use openraft::raft::StreamAppendResult;
use quorate_proto::v1;
use quorate_raft_store::types::TypeConfig;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::client::{Error, malformed, rpc_error};
use super::links::Client;
use super::wire;

/// The stream of a connection for heartbeats, if one is open.
#[derive(Default)]
pub(super) struct Heartbeats {
    open: Option<Open>,
}

struct Open {
    requests: mpsc::Sender<v1::AppendRequest>,
    replies: Streaming<v1::AppendReply>,
}

impl Heartbeats {
    /// Sends one heartbeat and waits for its reply. A stream that the peer has ended is opened anew, once.
    ///
    /// When this is dropped before the reply is there, the stream is closed: the next heartbeat must not take a late
    /// reply for its own.
    pub(super) async fn send(
        &mut self,
        client: impl FnOnce() -> Client,
        message: v1::AppendRequest,
    ) -> Result<StreamAppendResult<TypeConfig>, Error> {
        if let Some(mut open) = self.open.take()
            && open.requests.send(message.clone()).await.is_ok()
            && let Ok(Some(reply)) = open.replies.message().await
        {
            return self.received(open, reply);
        }
        let mut open = Open::new(client(), message).await.map_err(|status| rpc_error(&status))?;
        match open.replies.message().await {
            Ok(Some(reply)) => self.received(open, reply),
            Ok(None) => Err(rpc_error(&Status::unavailable("the peer ended the stream of heartbeats"))),
            Err(status) => Err(rpc_error(&status)),
        }
    }

    /// Keeps the stream, unless its peer ends it after this reply, as it does after a refusal.
    fn received(&mut self, open: Open, reply: v1::AppendReply) -> Result<StreamAppendResult<TypeConfig>, Error> {
        let result = wire::append_reply_from(reply).map_err(|e| malformed(&e))?;
        if result.is_ok() {
            self.open = Some(open);
        }
        Ok(result)
    }
}

impl Open {
    /// A new stream whose first message is `first`.
    async fn new(mut client: Client, first: v1::AppendRequest) -> Result<Open, Status> {
        let (requests, mut later) = mpsc::channel(1);
        let messages = stream::once(async { first }).chain(stream::poll_fn(move |cx| later.poll_recv(cx)));
        let replies = client.stream_append(messages).await?.into_inner();
        Ok(Open { requests, replies })
    }
}
