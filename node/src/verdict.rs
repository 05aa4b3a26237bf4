//! Why a node must not go on, beside what Raft says; the first reason counts.
//!
//! It must not stop anything: whoever runs the node does.

use std::fmt;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::watch;

/// Why a node ends by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is no member of its zone any more: it has nothing left to do, and nothing is wrong.
    Removed,
    /// It cannot go on; the text says why.
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Removed => f.write_str(
                "this server was removed from the zone; to add it again, empty its data directory and declare it",
            ),
            Verdict::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Verdict {}

/// Whoever may condemn the node.
#[derive(Clone, Debug)]
pub(crate) struct Judge(watch::Sender<Option<Verdict>>);

impl Judge {
    /// One, and where its verdict will be seen.
    pub(crate) fn new() -> (Judge, watch::Receiver<Option<Verdict>>) {
        let (sender, receiver) = watch::channel(None);
        (Judge(sender), receiver)
    }

    /// Says why this node must not go on; the first reason counts.
    pub(crate) fn condemn(&self, verdict: Verdict) {
        match &verdict {
            Verdict::Removed => tracing::info!(reason = %verdict, "this node is done"),
            Verdict::Failed(reason) => tracing::error!(reason, "this node must stop"),
        }
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(verdict);
            is_first
        });
    }

    /// Runs a part of the node. When it panics the node must not go on without it, as if nothing had happened.
    pub(crate) async fn guard(self, part: &'static str, run: impl Future<Output = ()>) {
        if AssertUnwindSafe(run).catch_unwind().await.is_err() {
            self.condemn(Verdict::Failed(format!("{part} panicked")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_condemns_the_node_and_the_first_reason_counts() {
        let (judge, verdict) = Judge::new();
        judge.clone().guard("a part that ends", async {}).await;
        assert_eq!(*verdict.borrow(), None);
        judge.clone().guard("the edge", async { panic!("on purpose") }).await;
        judge.condemn(Verdict::Removed);
        assert_eq!(*verdict.borrow(), Some(Verdict::Failed("the edge panicked".to_owned())));
    }
}
