//! The replies of a pipelined append stream, with a watch over replies that do not come, and over a peer that is so slow
//! that the log cannot be purged.

use std::time::Duration;

use futures::{Stream, stream};
use openraft::errors::{NetworkError, RPCError, Timeout};
use openraft::raft::StreamAppendResult;
use quorate_proto::v1;
use quorate_raft_store::types::TypeConfig;
use tokio::sync::{oneshot, watch};
use tonic::{Status, Streaming};

use super::client::{malformed, rpc_error};
use super::wire;

/// How long a stream may take to open.
pub(super) const OPEN_DEADLINE: Duration = Duration::from_millis(500);
/// How long a request may wait for its reply. Longer than a slow disk takes; dead connections are found sooner.
pub(super) const STALL_DEADLINE: Duration = Duration::from_secs(5);

type Reply = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

/// How far the peer is, and how far it must be; the requests end with it.
pub(super) struct Progress {
    /// The first entry that it has not acknowledged.
    pub next: u64,
    /// The first entry before which nothing may be sent any more.
    pub overdue: watch::Receiver<u64>,
    #[expect(dead_code, reason = "the requests end when it is dropped")]
    pub alive: oneshot::Sender<()>,
}

struct Replies {
    stream: Streaming<v1::AppendReply>,
    /// How many requests have been sent; closed once there are no more.
    sent: watch::Receiver<u64>,
    more: bool,
    received: u64,
    stalled: Timeout<TypeConfig>,
    progress: Progress,
}

/// The replies in order; ends with the first failure. `stalled` is the failure when one does not come. It is one too when
/// the peer still needs what is overdue for purging: openraft then goes over to a snapshot.
pub(super) fn replies(
    stream: Streaming<v1::AppendReply>,
    sent: watch::Receiver<u64>,
    stalled: Timeout<TypeConfig>,
    progress: Progress,
) -> impl Stream<Item = Reply> + Send {
    let replies = Replies { stream, sent, more: true, received: 0, stalled, progress };
    stream::unfold(Some(replies), |replies| async {
        let mut replies = replies?;
        let reply = replies.next().await?;
        let goes_on = matches!(reply, Ok(Ok(_)));
        Some((reply, goes_on.then_some(replies)))
    })
}

impl Replies {
    async fn next(&mut self) -> Option<Reply> {
        loop {
            let waiting = *self.sent.borrow_and_update() > self.received;
            tokio::select! {
                biased;
                Ok(()) = self.progress.overdue.changed() => {
                    if self.progress.next < *self.progress.overdue.borrow() {
                        let reason = "the peer needs entries that must be purged: a snapshot is next";
                        return Some(Err(NetworkError::from_string(reason).into()));
                    }
                }
                message = self.stream.message() => return self.take(message),
                changed = self.sent.changed(), if self.more && !waiting => self.more = changed.is_ok(),
                () = tokio::time::sleep(self.stalled.timeout), if waiting => {
                    return Some(Err(self.stalled.clone().into()));
                }
            }
        }
    }

    fn take(&mut self, message: Result<Option<v1::AppendReply>, Status>) -> Option<Reply> {
        match message {
            Ok(Some(reply)) => {
                self.received += 1;
                let reply = wire::append_reply_from(reply);
                if let Ok(Ok(acknowledged)) = &reply {
                    self.progress.next = acknowledged.map_or(0, |id| id.index + 1);
                }
                Some(reply.map_err(|e| malformed(&e)))
            }
            Ok(None) if *self.sent.borrow() > self.received => {
                Some(Err(NetworkError::from_string("the peer ended the stream").into()))
            }
            Ok(None) => None,
            Err(status) => Some(Err(rpc_error(&status))),
        }
    }
}
