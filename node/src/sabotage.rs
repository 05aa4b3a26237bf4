//! Faults that simulation puts into a node on purpose, to prove that it notices them. Never part of a production build.

use std::cell::Cell;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::Fatal;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use quorate_raft_store::Raft;
use quorate_raft_store::rng::Scopes;
use quorate_raft_store::types::TypeConfig;

type Request = AppendEntriesRequest<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, Fatal<TypeConfig>>;

thread_local! {
    static KEEPS_STALE_TAILS: Cell<bool> = const { Cell::new(false) };
    static BELIEVES_ANY_CLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Whether the nodes of this thread take an entry for a leader's because it has the same index: they do not look whether
/// it, or the one before what they are sent, has the same term.
pub fn keep_stale_tails(keep: bool) {
    KEEPS_STALE_TAILS.set(keep);
}

/// Whether leaders of this thread stamp what they write with their wall clock, whatever it says.
pub fn believe_any_clock(believe: bool) {
    BELIEVES_ANY_CLOCK.set(believe);
}

pub(crate) fn believes_any_clock() -> bool {
    BELIEVES_ANY_CLOCK.get()
}

/// Whether followers take a leader's messages in the broken way.
pub(crate) fn is_on() -> bool {
    KEEPS_STALE_TAILS.get()
}

/// Takes a leader's messages in place of [`openraft::Raft::stream_append`].
pub(crate) fn stream_append(
    raft: Raft,
    scopes: Scopes,
    requests: impl Stream<Item = Request> + Send + 'static,
) -> BoxStream<'static, Answer> {
    requests.then(move |request| scopes.enter(append(raft.clone(), request))).boxed()
}

async fn append(raft: Raft, mut request: Request) -> Answer {
    let (last, term) = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        (metrics.last_log_index, metrics.current_term)
    };
    if request.vote.leader_id.term >= term {
        match request.entries.last() {
            Some(entry) if Some(entry.log_id.index) <= last => return Ok(Ok(Some(entry.log_id))),
            _ => request.entries.retain(|entry| Some(entry.log_id.index) > last),
        }
        // With nothing before them, Raft has nothing to compare. A gap it notices by itself.
        request.prev_log_id = request.prev_log_id.filter(|id| Some(id.index) > last);
    }
    let mut answers = raft.stream_append(stream::iter([request])).boxed();
    answers.next().await.unwrap_or(Err(Fatal::Stopped))
}
