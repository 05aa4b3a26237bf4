//! The way of a write: an envelope is proposed until its reply is known, on this node or through the leader.
//!
//! The same envelope, with the same request id, is sent again after a lost reply; apply answers it once.
//! Nothing here decides what a command means.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::{ClientWriteError, RaftError};
use quorate_model::api::ApiReply;
use quorate_model::command::{Command, Envelope, RequestId};
use quorate_model::error::ApiError;
use quorate_raft_store::types::{Payload, Reply};
use quorate_raft_store::{Raft, envelope};
use quorate_state_machine::zone_key::ZoneKey;
use tokio::time::{Instant, timeout_at};

use crate::clocks::Clocks;
use crate::leadership::{LeaderView, Leadership};
use crate::transport::peers::{Forward, Peers};
use crate::wall::Wall;

/// How long a write may look for a leader and a majority before its client is told.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long one attempt through another node may take before it is repeated.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Bytes of one log entry at most: every node keeps, sends and applies it whole. The edge refuses calls above the setting
/// MESSAGE_SIZE, 16 MiB at most; what is left of one is at most twice as long as it came (Latin-1 becomes UTF-8).
const MAX_ENTRY: usize = (32 << 20) + (64 << 10);
/// Pause before asking again when a leader is known but refuses.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Proposes commands on behalf of this node. Clones share the numbering.
#[derive(Clone)]
pub struct Proposer {
    raft: Raft,
    peers: Peers,
    leadership: Leadership,
    wall: Wall,
    clocks: Clocks,
    key: Arc<ZoneKey>,
    client: u64,
    numbers: Arc<Mutex<Numbers>>,
}

/// Which proposals of this incarnation are still unanswered.
#[derive(Default)]
struct Numbers {
    last: u64,
    open: BTreeSet<u64>,
}

/// A proposal's number; dropped once the proposal is answered and will not be sent again.
struct Ticket<'a> {
    numbers: &'a Mutex<Numbers>,
    seq: u64,
    acked_below: u64,
}

impl<'a> Ticket<'a> {
    fn take(numbers: &'a Mutex<Numbers>) -> Ticket<'a> {
        let mut n = numbers.lock().unwrap_or_else(PoisonError::into_inner);
        n.last += 1;
        let seq = n.last;
        n.open.insert(seq);
        let acked_below = n.open.first().copied().unwrap_or(seq);
        Ticket { numbers, seq, acked_below }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.seq);
    }
}

impl Proposer {
    /// A proposer for this incarnation of the node.
    #[must_use]
    pub fn new(
        raft: Raft,
        peers: Peers,
        leadership: Leadership,
        wall: Wall,
        clocks: Clocks,
        key: Arc<ZoneKey>,
    ) -> Proposer {
        let client = wall.random_u64().max(1);
        Proposer { raft, peers, leadership, wall, clocks, key, client, numbers: Arc::default() }
    }

    /// Proposes `command` and answers what apply answered.
    ///
    /// # Errors
    /// Apply's refusal, or INTERNAL when the command is larger than a log entry may be, or when no leader was found in time; then it may or may not be applied.
    pub async fn propose(&self, command: Command) -> ApiReply {
        let ticket = Ticket::take(&self.numbers);
        let request = RequestId { client: self.client, seq: ticket.seq, acked_below: ticket.acked_below };
        // The leader says when.
        let envelope = Envelope { time: 0, request, entropy: self.wall.entropy(), command };
        let envelope = envelope::encode(&envelope, &self.key);
        let size = envelope.len();
        if size > MAX_ENTRY {
            return Err(ApiError::internal(format!("The log entry is too large: {size} bytes of at most {MAX_ENTRY}")));
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.attempt(&envelope, deadline).await {
                Attempt::Answered(reply) => return reply,
                Attempt::Again if Instant::now() >= deadline => return Err(self.not_in_time()),
                Attempt::Again => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    /// What a client is told when the time is over: the reference's words for what hinders the write.
    fn not_in_time(&self) -> ApiError {
        match self.leadership.now() {
            LeaderView::Unknown => no_leader(),
            LeaderView::Here | LeaderView::There(..) => {
                ApiError::internal("Cannot process request, oned cluster is replicating log")
            }
        }
    }

    /// One attempt: here when this node leads, else through the leader.
    async fn attempt(&self, envelope: &Bytes, deadline: Instant) -> Attempt {
        match self.leadership.known(deadline).await {
            // A leader that is cut off waits for its majority for ever.
            LeaderView::Here => match timeout_at(deadline, self.write_here(envelope.clone())).await {
                Ok(attempt) => attempt,
                Err(_) => Attempt::Again,
            },
            LeaderView::There(node, server) => {
                let limit = deadline.min(Instant::now() + ATTEMPT);
                let forwarded = timeout_at(limit, self.peers.propose(node, &server, envelope.clone()));
                tokio::select! {
                    biased;
                    forwarded = forwarded => match forwarded {
                        Ok(Forward::Answered(reply)) => Attempt::Answered(reply),
                        Ok(Forward::NotLeader | Forward::Unreachable) | Err(_) => Attempt::Again,
                    },
                    // A node that lost power does not even close its connections.
                    () = self.leadership.passes_from(node) => Attempt::Again,
                }
            }
            LeaderView::Unknown => Attempt::Again,
        }
    }

    async fn write_here(&self, envelope: Bytes) -> Attempt {
        match write_on_leader(&self.raft, &self.clocks, envelope).await {
            Some(reply) => Attempt::Answered(reply),
            None => Attempt::Again,
        }
    }
}

enum Attempt {
    Answered(ApiReply),
    Again,
}

/// Writes an encoded envelope on this node, with the leader's stamp, if this node leads; `None` when it does not (any more)
/// and the proposer must look again.
pub async fn write_on_leader(raft: &Raft, clocks: &Clocks, envelope: Bytes) -> Option<ApiReply> {
    match raft.client_write(Payload { stamp: clocks.stamp(), envelope }).await {
        Ok(response) => {
            // It may have set the zone's time, which a kill right after the reply must not undo.
            clocks.catch_up();
            Some(match response.data {
                Reply::Api(reply) => reply,
                Reply::None => Err(ApiError::internal("Apply gave no reply")),
            })
        }
        // Leadership was lost before the entry was committed.
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_))) => None,
        Err(RaftError::Fatal(e)) => {
            // Not an error for each attempt of each proposal: the node ends because of it, and says so once.
            tracing::debug!(error = %e, "Raft has stopped on this node");
            None
        }
        // Only membership changes and conditional writes, which this is not.
        Err(RaftError::APIError(e)) => {
            tracing::error!(error = %e, "a write was refused in an unexpected way");
            Some(Err(ApiError::internal("Cannot process request")))
        }
    }
}

/// What a client is told when no leader is found in time.
#[must_use]
pub fn no_leader() -> ApiError {
    ApiError::internal("Cannot process request, no leader found")
}

#[cfg(test)]
mod tests {
    use quorate_model::settings::limits::Limit;

    use super::*;

    #[test]
    fn every_call_that_the_edge_takes_is_an_entry() {
        assert!(2 * Limit::MessageSize.row().max < MAX_ENTRY as u64);
    }
}
