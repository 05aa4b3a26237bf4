//! Linearizable reads on any node, one round of the read-index protocol for all reads that wait.
//!
//! A read may use a round only if the round began after the read arrived: that is what makes it linearizable.

use std::time::Duration;

use openraft::ReadPolicy;
use quorate_model::error::ApiError;
use quorate_raft_store::types::LogId;
use quorate_raft_store::{Published, Raft};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::leadership::{LeaderView, Leadership};
use crate::proposer::no_leader;
use crate::transport::peers::Peers;

/// How long a read may look for a leader before its client is told.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long one attempt of a round may take before it is repeated.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Pause before the next attempt of a round that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

type Waiter = oneshot::Sender<Result<Published, ApiError>>;

/// Lets reads through once the local state is recent enough. Clones share the rounds.
#[derive(Clone)]
pub struct ReadGate {
    waiters: mpsc::UnboundedSender<Waiter>,
}

/// Runs the rounds; to be spawned once by the node.
pub struct Rounds {
    raft: Raft,
    peers: Peers,
    leadership: Leadership,
    published: watch::Receiver<Published>,
    waiters: mpsc::UnboundedReceiver<Waiter>,
}

impl ReadGate {
    /// The gate, and the rounds to run beside it.
    #[must_use]
    pub fn new(
        raft: Raft,
        peers: Peers,
        leadership: Leadership,
        published: watch::Receiver<Published>,
    ) -> (ReadGate, Rounds) {
        let (sender, waiters) = mpsc::unbounded_channel();
        (ReadGate { waiters: sender }, Rounds { raft, peers, leadership, published, waiters })
    }

    /// A state that contains every write acknowledged before this call.
    ///
    /// # Errors
    /// INTERNAL when no leader was found in time or the node is stopping.
    pub async fn read(&self) -> Result<Published, ApiError> {
        let (sender, receiver) = oneshot::channel();
        self.waiters.send(sender).map_err(|_| no_leader())?;
        receiver.await.map_err(|_| no_leader())?
    }
}

impl Rounds {
    /// Runs rounds until every gate is dropped.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while self.waiters.recv_many(&mut batch, usize::MAX).await > 0 {
            let result = self.round().await;
            for waiter in batch.drain(..) {
                // A reader that went away needs no answer.
                let _ = waiter.send(result.clone());
            }
        }
    }

    /// One round: learns the read index and waits until it is applied here.
    async fn round(&mut self) -> Result<Published, ApiError> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            let limit = deadline.min(Instant::now() + ATTEMPT);
            if let Ok(Some(index)) = timeout_at(limit, self.read_index(limit)).await
                && let Ok(Ok(published)) = timeout_at(deadline, self.published.wait_for(|p| p.applied >= index)).await
            {
                return Ok(published.clone());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        Err(no_leader())
    }

    /// The log id that must be applied before reading, from whoever leads; `None` to try again.
    async fn read_index(&self, limit: Instant) -> Option<Option<LogId>> {
        match self.leadership.known(limit).await {
            LeaderView::Here => leader_read_index(&self.raft).await,
            LeaderView::There(node, server) => tokio::select! {
                biased;
                index = self.peers.read_index(node, &server) => index,
                // A node that lost power does not even close its connections.
                () = self.leadership.passes_from(node) => None,
            },
            LeaderView::Unknown => None,
        }
    }
}

/// The read index of this node if it leads and a majority agrees; `None` otherwise.
pub async fn leader_read_index(raft: &Raft) -> Option<Option<LogId>> {
    let linearizer = raft.get_read_linearizer(ReadPolicy::ReadIndex).await.ok()?;
    Some(Some(*linearizer.read_log_id().log_id()))
}
